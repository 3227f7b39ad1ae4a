import io
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from motiontransfer.core.params import check_params
from motiontransfer.video.frame_store import FrameStore
from tests.command import run_command
from tests.faults.params import PARAMS
from tests.films import add_clip
from tests.people import dance, standing
from tests.project_files import read_sections, write_sections
from tests.tiny_project import ROOT


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("motiontransfer.cli.results.check_params", lambda: None)  # few are there
    videos = {"waltz": {"path": "waltz.mp4", "subject": "ben", "crop": "none"}}
    write_sections({"videos": videos, "transfers": {}})
    add_clip(Path("artifacts"), "ben", "waltz", dance(3))


@pytest.mark.parametrize(
    ("options", "written"),
    [(["--output", "look.png"], "look.png"), ([], "artifacts/inspection/waltz.mp4")],
)
def test_the_files_ending_chooses_video_or_image(options, written, monkeypatch, capsys):
    assert not run_command(monkeypatch, "inspect", "waltz", *options)
    assert capsys.readouterr().out == f"wrote {written}\n"
    if written.endswith("png"):
        assert Path(written).read_bytes()[1:4] == b"PNG"
        return
    with FrameStore(Path(written)) as video:
        assert len(video) == 3


def test_what_a_target_lacks_is_said_of_each_transfer_of_a_video_or_to_its_subject(
    monkeypatch, capsys
):
    facing = standing(3)
    behind = replace(facing, points=np.float32((256, 0)) + np.float32((-1, 1)) * facing.points)
    add_clip(Path("artifacts"), "ben", "waltz", facing)
    add_clip(Path("artifacts"), "eve", "turn", behind)
    of = {"source_subject": "eve", "truth": "none"}
    params = read_sections()
    shipped = yaml.safe_load((ROOT / "params.yaml").read_text())
    params |= {name: shipped[name] for name in ("normalization", "fit_normalization")}
    for name in ("turn", "lost"):  # no stage of the latter ran
        params["videos"][name] = {"path": f"{name}.mp4", "subject": "eve", "crop": "none"}
        params["transfers"][name] = {"source": name, "target": "ben", **of}
    write_sections(params)
    for video in ("waltz", "turn"):
        assert not run_command(monkeypatch, "inspect", video, "--output", "look.png")
        wrote, cover, strike, look = capsys.readouterr().out.splitlines()
        assert wrote == "wrote look.png"
        assert cover.startswith("turn: your films cover 35 % of the dance (head 0 %, ")
        assert strike.startswith("  - strike one pose of it ")
        assert look == "  - look at artifacts/inspection/turn_poses.png"
    assert Path("artifacts/inspection/turn_poses.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["inspect", "polka"], "no video 'polka'; expected a film's file, or one of waltz"),
        (["inspect", "waltz", "--output", "look.gif"], "--output: expected a name that ends in "),
        (["preset", "huge"], "no preset 'huge'; there are default"),
    ],
)
def test_faults_are_one_line(arguments, message, monkeypatch, capsys):
    assert run_command(monkeypatch, *arguments) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"ERROR: {message}")
    assert told.count("\n") == 1


def test_what_a_run_would_refuse_is_told_after_an_inspection(monkeypatch, capsys):
    monkeypatch.setattr("motiontransfer.cli.results.check_params", check_params)
    assert run_command(monkeypatch, "inspect", "waltz", "--output", "look.png") == 1
    told = capsys.readouterr()
    assert told.out == "wrote look.png\n"
    assert told.err.startswith("ERROR: params.yaml: no such file") or "films.yaml" in told.err


OF = PARAMS["transfers"]["t"]
CYCLE = {key: name for key, name in OF.items() if key != "truth"}


@pytest.mark.parametrize(
    ("preset", "films", "told", "cycles"),
    [
        ("train_gan: {steps: 90}", {}, "train_gan.steps: 40 -> 90\n1 values", {}),
        ("train_gan: {window_frames: 1}", {}, "params.yaml: train_gan.window_frames: wind", None),
        (
            *("render: {face: cycle}", {"transfers": {"t": OF, "u": OF}}),
            *("films.yaml: face_cycles: none -> t, u\n2 values", {"t": CYCLE, "u": CYCLE}),
        ),
        ("render: {face: cycle}", {"transfers": {}}, "render.face: residual -> cycle\n1 val", {}),
        ("render: {face: cycle}", {"trained": []}, "and there is none; choose residual or", None),
    ],
)
def test_a_preset_is_written_with_what_it_needs_unless_a_run_would_refuse_it(
    monkeypatch, capsys, preset, films, told, cycles
):
    write_sections({**PARAMS, **films})
    for name in ("walk.mp4", "dance.mp4"):
        Path(name).touch()
    Path("presets").mkdir()
    Path("presets/mine.yaml").write_text(f"{preset}\n")
    before = read_sections()
    assert run_command(monkeypatch, "preset", "mine", "--dry-run") == (cycles is None)
    assert told in "".join(capsys.readouterr())
    assert read_sections() == before
    assert run_command(monkeypatch, "preset", "mine") == (cycles is None)
    if cycles is None:
        assert read_sections() == before
        return
    check_params()
    assert read_sections()["face_cycles"] == cycles
    assert not run_command(monkeypatch, "preset", "default")
    assert read_sections() == before


def test_a_sign_that_the_terminal_lacks_ends_no_command(monkeypatch):
    printed = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", printed)
    monkeypatch.setattr("motiontransfer.project.entries.orphaned_outputs", lambda _: ["путь"])
    monkeypatch.setattr("motiontransfer.project.entries.delete", lambda *_: None)
    assert not run_command(monkeypatch, "clean", "--yes")
    printed.flush()
    assert printed.buffer.getvalue().decode() == r"\u043f\u0443\u0442\u044c" "\ndeleted 1\n"
