"""A tiny transfer whose frames say their own index, and a real browser to read it back.

A frame is eight bars, one a bit of its index, bright or dark: what a video shows is read from its
pixels, whatever its clock says.
"""

import os
import shutil
import subprocess
from contextlib import ExitStack, chdir
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from dvc.repo import Repo

from motiontransfer.body.motion import write_motion
from motiontransfer.core import layout
from motiontransfer.core.params import Transfer
from motiontransfer.core.storage import write_json
from motiontransfer.evaluation.measurements import Measurements, MetricKey, write_measurements
from motiontransfer.report.report import TransferRun, write_transfer_report
from motiontransfer.video.clip import read_clip
from motiontransfer.video.frame_store import write_frames
from motiontransfer.video.writer import write_video
from tests.body.conftest import moving
from tests.films import add_source, training_clip
from tests.people import dance
from tests.project.small_project import own_dvc_folders
from tests.project_files import films_of

NUM_FRAMES = 50
RATE = Fraction(25)
SIZE = (48, 64)
_NUM_BITS = 8
_READ_CODE = """
name => {
    const video = document.querySelector(`[data-panel="${name}"] video`);
    if (video.readyState < 2 || video.seeking) return null;
    const canvas = document.createElement("canvas");
    canvas.width = video.videoWidth; canvas.height = video.videoHeight;
    const context = canvas.getContext("2d", {willReadFrequently: true});
    context.drawImage(video, 0, 0);
    let code = 0;
    for (let bit = 0; bit < 8; bit++) {
        const x = Math.floor((bit + 0.5) * canvas.width / 8);
        const [red] = context.getImageData(x, Math.floor(canvas.height / 2), 1, 1).data;
        if (red > 127) code |= 1 << bit;
    }
    return code;
}
"""


def coded_frames(count=NUM_FRAMES):
    """Frames that spell 0, 1, 2, …: eight bars each."""
    for index in range(count):
        bits = np.array([(index >> bit) & 1 for bit in range(_NUM_BITS)])
        row = np.repeat(bits * 190 + 30, SIZE[1] // _NUM_BITS).astype(np.uint8)
        yield np.tile(row[:, None], (SIZE[0], 1, 3))


def wait_for_codes(page, expected, panels=("source", "result", "truth")):
    """Wait until the pixels of these videos spell that frame."""
    for _ in range(100):
        codes = {name: page.evaluate(_READ_CODE, name) for name in panels}
        if set(codes.values()) == {expected}:
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"expected frame {expected} in all videos, got {codes}")


@pytest.fixture
def open_page(opened):
    """Open a page from disk, to be closed after the test."""
    with ExitStack() as stack:
        yield lambda path, *, width=1200, fragment="": stack.enter_context(
            opened(path.as_uri() + fragment, width=width, height=900)
        )


def measured(ssim=0.6923, *, shift=0.0):
    """SSIM of ours, with a shift, falls to its lowest at frame 20; the baseline's stays."""
    frames, interval = np.arange(NUM_FRAMES), (0.65, 0.73)
    missing = MetricKey("not_detected", "face", "", "truth")
    systems = ("ours", "nearest_neighbours", "ceiling", "frame_by_frame")
    of_systems = {"l1": (11.25, 23.7, 4.5, 10.5), "likeness": (ssim, 0.5279, 0.9, 0.6)}
    values = {
        ("missed_detections", "body", "ours", "detection"): 0.0,
        ("pose_error_px", "body", "ours", "detection"): 1.5,
        ("pose_error_px", "all", "ours", "detection"): 2.0,
        ("pose_error_px", "all", "nearest_neighbours", "detection"): 8.0,
        ("background_flicker", "", "ours", "temporal"): 0.9,
        ("background_flicker", "", "truth", "temporal"): 0.8,
    }
    for name, row in of_systems.items():
        values |= {(name, "person", *of, "truth"): x for *of, x in zip(systems, row, strict=True)}
    ours, nearest = (MetricKey("likeness", "person", of, "truth") for of in systems[:2])
    per_frame = {
        MetricKey("missed_detections", "body", "ours", "detection"): np.zeros(NUM_FRAMES),
        ours: 0.4 + 0.01 * np.abs(frames - 20) + shift,
        nearest: np.where(frames < 5, np.nan, 0.3),
    }
    return (
        Measurements.from_counts({MetricKey("frames", "", ""): NUM_FRAMES, missing: 3})
        + Measurements.from_values(
            {MetricKey(*key): (x, interval if key == ours else None) for key, x in values.items()}
        )
        + Measurements.not_measured({"lpips": "no weights", "face_identity": "needs a network"})
        + Measurements(summary=(), per_frame=per_frame)
    )


TRAINED = Path("artifacts/counts/ada/train_gan.json")
TURNED = Path("artifacts/counts/ada_as_ben/normalize.json")
TABLE = Path("artifacts/measurements/evaluate_transfer/ada_as_ben.parquet")


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    with chdir(folder):
        return folder, make_transfer()


@pytest.fixture
def transfer_run(finished, tmp_path, monkeypatch):
    folder, run = finished
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return run


@pytest.fixture(scope="session")
def report(finished, tmp_path_factory):
    folder, run = finished
    path = tmp_path_factory.mktemp("report") / "report.html"
    with chdir(folder):
        write_transfer_report(path, run, max_bytes=10_000_000)
    return path


def make_transfer():
    """A finished transfer: result with sound, source and truth spell their frames' indices."""
    source = Path("artifacts/frames/ben/dance/frames.mkv")
    add_source(Path("artifacts"), "ben", "dance", dance(NUM_FRAMES, size=SIZE))
    write_motion(layout.motion_file("ben", "dance"), moving(np.zeros(NUM_FRAMES)))
    for path in (source, Path("data/truth/real.mkv")):
        write_frames(path, coded_frames(), frame_rate=RATE)
    results = Path("results/ada_as_ben")
    sound = read_clip(source.parent).sound
    write_video(results / "transfer.mp4", coded_frames(), frame_rate=RATE, sound=sound, crf=18)
    write_json(TRAINED, {"steps": 500, "planned_steps": 500})
    write_json(TURNED, {"frames": 12})  # as with unfilmed_sides: as_danced
    write_measurements(TABLE, measured())
    return TransferRun(
        name="ada_as_ben",
        names=NAMES,
        poses=dance(NUM_FRAMES, size=SIZE),
        clips=[training_clip(Path("target"), dance(12, size=SIZE))],
        files={"result": results / "transfer.mp4", "frames of dance": source},
        params={"render": {"crf": 16, "face": "residual"}},
    )


NAMES = Transfer(source="dance", source_subject="ben", target="ada", truth="real.mkv")


@pytest.fixture(scope="session")
def two_runs(finished, tmp_path_factory):
    """A project with two commits of a run, an experiment `trial`, and changes in the workspace."""
    root = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        own_dvc_folders(tmp_path_factory.mktemp("dvc"), patch)
        patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
        shutil.copytree(finished[0], root, dirs_exist_ok=True)
        with chdir(root):
            _git("init", "-q", "-b", "main")
            for key in ("user.email", "user.name"):
                _git("config", key, "tests@example.org")
            with Repo.init() as repo:
                _record(repo, steps=5, ssim=0.5)
                _git("commit", "-qm", "Five steps\n\nMore of it.")
                _record(repo, steps=9, ssim=0.75)
                _git("commit", "-qm", "Nine steps")
                _record(repo, steps=11, ssim=0.8)
                repo.experiments.save(name="trial")
                _record(repo, steps=7, ssim=0.6)
        yield root


def _record(repo, *, steps, ssim):
    """Change the run in the workspace, and let DVC and git know its files."""
    Path("params.yaml").write_text(f"train: {{steps: {steps}, rate: 0.5}}\n")
    Path("films.yaml").write_text(films_of(transfers={"ada_as_ben": NAMES.model_dump()}))
    write_measurements(TABLE, measured(ssim, shift=ssim))
    files = ("results/ada_as_ben/transfer.mp4", "artifacts/frames/ben/dance", "data/truth/real.mkv")
    repo.add([*files, str(TABLE)])
    _git("add", "-A")


def _git(*arguments):
    subprocess.run(["git", *arguments], check=True, capture_output=True)
