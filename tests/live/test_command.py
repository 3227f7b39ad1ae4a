import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import skimage
from PIL import Image

from motiontransfer.live import command
from motiontransfer.pose.keypoints_file import write_keypoints
from motiontransfer.provenance.verification import read_provenance
from motiontransfer.video.writer import Sound, write_video
from tests.clone import ROOT
from tests.command import run_command, started
from tests.films import add_source
from tests.live.parts import write_target
from tests.people import dance, picture
from tests.project.remotes import wait_for
from tests.project_files import edit_sections, write_shipped

FORKED = ["motiontransfer", "live"]
PROGRAM = [sys.executable, "-c", "from motiontransfer.cli.app import main; main()", "live"]
"""Of a Python of its own, which gets signals as a user's does."""


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    write_shipped(tmp_path)
    write_target(tmp_path, "ada")
    write_keypoints(
        tmp_path / "ben.parquet", replace(dance(75, missing=range(15)), frame_rate=Fraction(30))
    )
    return tmp_path


def live(monkeypatch, *arguments):
    return run_command(monkeypatch, "live", *arguments)


def test_poses_are_performed_and_recorded(project, monkeypatch, capsys):
    how = ("--poses", "ben.parquet", "--headless", "--output", "out.mp4")
    before = signal.getsignal(signal.SIGTERM)
    status = live(monkeypatch, "--target", "ada", *how)
    said = capsys.readouterr().out
    library = "OpenVINO" if command.IS_INSTALLED else "PyTorch"
    assert re.search(rf"^runs on the CPU, .*, in {library}$", said, re.MULTILINE)
    assert (status, "frames shown in" in said, "wrote out.mp4" in said) == (0, True, True)
    assert signal.getsignal(signal.SIGTERM) == before
    with av.open("out.mp4") as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) in (74, 75)
    assert np.abs(frames[0].astype(int) - frames[-1]).max() > 50  # nobody, then someone
    provenance = read_provenance(Path("out.mp4"))
    assert provenance.integrity == "unaltered"
    assert list(provenance.assertion["source"]) == ["keypoints_sha256"]
    assert [network["role"] for network in provenance.assertion["networks"]] == ["generator"]
    assert not [*project.rglob(".unsigned*")]


AFFINE = {"mode": "affine", "centering": None}


@pytest.mark.parametrize(
    ("arguments", "edits", "named"),
    [
        (["--target", "bob"], {}, "--target: expected one of ada, got bob"),
        (["--target", "bob", "--video", "none.mp4"], {}, "--target: expected one of ada, got bob"),
        (["--target", "ada", "--photo", "me.jpg"], {}, "expected --target or --photo, and not"),
        (["--target", "ada", "--output", "a.avi"], {}, ".mp4"),
        (["--target", "ada", "--output", "ben.parquet"], {}, "ben.parquet: cannot be written"),
        (["--target", "ada", "--video", "none.mp4"], {}, "none.mp4: no such file"),
        (["--target", "ada", "--video", "a.mp4"], {}, "expected --video or --poses, got both"),
        (["--target", "ada"], {"render": {"face": "cycle"}}, "render.face: cycle"),
        (["--target", "ada"], {"normalization": AFFINE}, "normalization.mode: affine"),
    ],
)
def test_mistakes_are_one_line(project, monkeypatch, capsys, arguments, edits, named):
    """Also params that are for whole clips."""
    edit_sections(project, lambda params: [params[key].update(edits[key]) for key in edits])
    given = [] if "none.mp4" in arguments else ["--poses", "ben.parquet"]
    assert live(monkeypatch, *arguments, *given, "--headless") == 1
    said = capsys.readouterr().err
    assert named in said
    assert said.startswith("ERROR: ")
    assert said.count("\n") == 1


@pytest.mark.slow
@pytest.mark.usefixtures("warm")
def test_photos_of_half_a_body_perform_without_a_project_of_their_own(project):
    """By the command itself: a process that has run MediaPipe cannot decode in a fork."""
    astronaut = skimage.data.astronaut()
    Image.fromarray(astronaut).save("me.jpg")
    Image.fromarray(astronaut[:400, 60:460]).save("nearer.jpg")
    Image.new("RGB", (2, 2)).save("none.png")
    program = [*FORKED, "--poses", "ben.parquet", "--headless", "--output", "out.mp4"]

    def perform(*photos):
        given = [word for photo in photos for word in ("--photo", photo)]
        return subprocess.run([*program, *given], capture_output=True, text=True)

    done = perform("me.jpg", "nearer.jpg")
    assert "draws the puppet alone" in done.stdout
    assert done.stdout.endswith("wrote out.mp4\n")
    with av.open("out.mp4") as container:
        frame = next(container.decode(video=0))
    assert (frame.height, frame.width) == (512, 512)  # as the photo, not as a working image
    assert read_provenance(Path("out.mp4")).source_type.startswith("composite")
    said = perform("none.png").stderr
    assert said.startswith("ERROR: none.png: ")
    assert said.count("\n") == 1


@pytest.mark.slow
@pytest.mark.usefixtures("warm")
def test_a_video_is_performed_with_its_sound_and_an_interrupted_one_is_whole(project):
    """By the command itself; nobody is found in drawn frames."""
    keypoints = dance(50, size=(96, 80))
    add_source(project, "ben", "dance", keypoints)
    sound = Sound(project / "frames/ben/dance/sound.mka")
    frames = [picture(keypoints, index) for index in range(50)]
    write_video(project / "short.mp4", frames, frame_rate=Fraction(25), sound=sound)
    write_video(project / "long.mp4", frames * 20, frame_rate=Fraction(25))
    how = ["--target", "ada", "--headless"]
    done = subprocess.run(
        [*FORKED, *how, "--video", "short.mp4", "--output", "a.mp4"],
        **{"check": True, "capture_output": True, "text": True},
    )
    assert "frames shown in" in done.stdout
    with av.open(str(project / "a.mp4")) as container:
        seconds = {it.type: float(it.duration * it.time_base) for it in container.streams}
    assert seconds == pytest.approx({"video": 2.0, "audio": 2.0}, abs=0.1)
    assert read_provenance(project / "a.mp4").integrity == "unaltered"
    for interrupt in (signal.SIGINT, signal.SIGTERM):
        interrupted([*PROGRAM, *how, "--video", "long.mp4", "--output", "b.mp4"], interrupt)
        assert read_provenance(project / "b.mp4").integrity == "unaltered"
        with av.open(str(project / "b.mp4")) as container:
            assert 0 < sum(1 for _ in container.decode(video=0)) < 1000


def interrupted(command, interrupt):
    """Run a command that records, and stop it a second after it has begun to."""
    scratch = Path(interrupt.name).resolve()
    scratch.mkdir()
    running = started(*command, env={**os.environ, "TMPDIR": str(scratch), "PYTHONPATH": str(ROOT)})
    wait_for(lambda: running.poll() is not None or [*scratch.glob("*/.unsigned*")])
    time.sleep(1)
    running.send_signal(interrupt)
    said, _ = running.communicate(timeout=60)
    assert "wrote b.mp4" in said
    assert running.returncode == 0
