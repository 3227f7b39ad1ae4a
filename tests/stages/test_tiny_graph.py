import json
import os
import re
import shutil
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import yaml

from motiontransfer.core.errors import MissingFileError
from motiontransfer.core.tensor_files import read_described
from motiontransfer.evaluation.measurements import Measurements, read_measurements
from motiontransfer.evaluation.metrics import nested
from motiontransfer.plate.target_clips import HeldOut
from stages import evaluate, evaluate_transfer

FRAMES = "artifacts/frames/ben/demo_dance/frames.mkv"
GENERATOR = "artifacts/models/ada/generator.safetensors"
TRUTH = "data/truth/demo.mp4"


@pytest.fixture
def project(tiny_run, tmp_path, monkeypatch):
    ignored = shutil.ignore_patterns(".dvc", "motiontransfer")
    shutil.copytree(tiny_run, tmp_path, copy_function=os.link, ignore=ignored, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)


def test_the_held_out_frames_are_evaluated(project):
    folder = Path("artifacts/evaluation/ada")
    written = {path.name for path in folder.iterdir()}
    assert {"likeness_person.csv", "comparison.png"} <= written
    assert pd.read_csv(folder / "likeness_person.csv")["frame_index"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(("full", "height"), [(300, 200), (150, 150)])
def test_evaluated_frames_are_twice_as_high_if_they_can(monkeypatch, full, height):
    monkeypatch.setattr(evaluate, "result_size", lambda renderer, height: (height or full, 1))
    renderer = SimpleNamespace(networks=SimpleNamespace(size=(100, 90)))
    assert evaluate._size(renderer) == (height, 1)


def test_a_transfer_is_evaluated(project):
    curve = pd.read_csv("artifacts/evaluation_transfer/ada_as_ben/truth_likeness_person.csv")
    assert list(curve) == ["frame_index", "ours", "nearest_neighbours"]
    table = Path("artifacts/measurements/evaluate_transfer/ada_as_ben.parquet")
    result = nested(read_measurements(table))
    metrics = json.loads(Path("results/ada_as_ben/metrics.json").read_text())
    likeness = result["truth"]["ours"]["face"]["likeness"]
    assert metrics["truth_face"] == pytest.approx(likeness, abs=5.1e-4)
    error = result["detection"]["ours"]["pose_error_px"]["all"]
    assert metrics["pose_px"] == pytest.approx(error, abs=0.051)  # decimals of about the noise


def test_the_baseline_has_no_frames_that_were_held_out_of_training(project, monkeypatch):
    """As the weights say, whatever the params are now."""
    asked, nothing = [], Measurements(summary=())
    held_out = HeldOut(held_out_fraction=0.5, gap_frames=1)
    monkeypatch.setattr(evaluate_transfer, "held_out_by", lambda _: held_out)
    asks = lambda *given, **_: asked.append(given) or nothing  # noqa: E731
    monkeypatch.setattr(evaluate_transfer, "evaluate_transfer", asks)
    evaluate_transfer.main("ada_as_ben")
    ((_, _, (clip,)),) = asked
    assert (clip.training, clip.held_out) == (range(14), range(15, 30))
    assert read_described(Path(GENERATOR), "held_out", HeldOut) != held_out


def test_the_report_has_the_params_of_this_transfer_only(project):
    html = Path("results/ada_as_ben/report.html").read_text()
    assert "<title>ada performs ben&#39;s motion</title>" in html
    assert 'id="video-nearest_neighbours"' in html
    for shown in ("transfers.ada_as_ben", "videos.demo_dance", "train_gan", "render"):
        assert f"<summary>{shown} " in html
    assert "videos.demo_target" not in html


@pytest.mark.parametrize(
    ("stage", "file"),
    [
        ("detect_keypoints demo_dance", FRAMES),
        ("clean_keypoints demo_dance", "artifacts/detections/ben/demo_dance.parquet"),
        ("fit_normalization ben", "artifacts/keypoints/ben/demo_dance.parquet"),
        ("fit_appearance ada", "artifacts/keypoints/ada/demo_target.parquet"),
        ("preview ada_as_ben", "artifacts/masks/ada/demo_target.parquet"),
        ("train_face_gan ada", GENERATOR),
        ("normalize ada_as_ben", "artifacts/statistics/ben.json"),
        ("encode ada_as_ben", "artifacts/rendered/ada_as_ben/rendered.json"),
        ("evaluate_transfer ada_as_ben", TRUTH),
        ("report ada_as_ben", "artifacts/measurements/evaluate_transfer/ada_as_ben.parquet"),
        ("evaluate_transfer ada_as_ben", "artifacts/counts/ada/evaluate.parquet"),
        ("report ada_as_ben", "artifacts/models/ada/face_generator.safetensors"),
        ("train_forensics detector", "artifacts/poses/ada_as_ben/poses.parquet"),
    ],
)
def test_a_missing_input_is_named(project, stage, file):
    """By its folder, where a stage takes all that is there."""
    Path(file).unlink()
    name, key = stage.split()
    is_listed = "keypoints/" in file and not file.endswith("detections")
    named = Path(file).parent if is_listed else Path(file)
    with pytest.raises(MissingFileError, match=re.escape(str(named))):
        import_module(f"stages.{name}").main(key)


def test_a_stage_reads_only_the_sections_that_dvc_records_of_it(tiny_run):
    """And those that change no output."""
    stages = yaml.safe_load((tiny_run / "dvc.lock").read_text())["stages"]
    recorded = {
        name.partition("@")[0]: lock.get("params", {}).get("params.yaml", {})
        for name, lock in stages.items()
    }
    notes = tiny_run.with_name("sections.txt").read_text().splitlines()
    notes = [note.split() for note in notes if not note.startswith("check_params ")]
    read = {(stage, key) for stage, file, key in notes if file == "params.yaml"}
    assert len({stage for stage, _ in read}) > 10
    for stage, key in read:
        sections = {each.partition(".")[0] for each in recorded[stage]} | {"compute", "logging"}
        assert key.partition(".")[0] in sections, stage
