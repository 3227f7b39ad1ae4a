"""A transfer's face cycle is trained on the faces of two people, to the same bytes every time."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from motiontransfer.errors import TrainingError
from motiontransfer.training.face_cycle import FaceCycleTask, train_face_cycle
from motiontransfer.training.weights import read_face_translator
from motiontransfer.video.frame_store import FrameStore
from tests.dancer import dance
from tests.training.small import fabric, paths, schedule
from tests.training.small_cycle import (
    CROP_SIZE,
    cycle_networks,
    cycle_settings,
    face_clip,
    translator_config,
)

WEIGHTS = Path("models/face_cycle.safetensors")
CURVE = Path("logs/metrics/generator/cycle_source.tsv")


@pytest.fixture
def people(tmp_path):
    """Clips of the source, and of the target, whose last two frames are held out."""
    source = face_clip(tmp_path / "source", dance(5, seed=5, start_x=12))
    return [source], [face_clip(tmp_path / "target", dance(9), used=range(7))]


def train(people, folder, *, settings=None, networks=None, **changes):
    return train_face_cycle(
        *people,
        fabric(),
        networks=networks or cycle_networks(),
        settings=settings or cycle_settings(),
        schedule=schedule(**changes),
        paths=paths(folder),
    )


def test_weights_logs_and_counts_are_there(tmp_path, people):
    metrics = train(people, tmp_path / "run")
    network, config = read_face_translator(tmp_path / "run/models")
    assert config == translator_config()
    counts = {name: metrics[name] for name in metrics if "face" in name} | {
        "steps": metrics["steps"]
    }
    assert counts == {
        **{"steps": 5, "source_faces": 5, "target_faces": 7},
        **{"source_frames_without_face": 0, "target_frames_without_face": 0},
        "face_translator_parameters": sum(x.numel() for x in network.parameters()),
    }
    assert (tmp_path / "run" / CURVE).exists()
    assert not list((tmp_path / "run/checkpoints").iterdir())


def test_pictures_of_the_training_show_both_people_there_and_back(tmp_path, people):
    train(people, tmp_path / "run", num_steps=1)
    with Image.open(tmp_path / "run/logs/images/step_000001.png") as picture:
        assert picture.size == (7 * CROP_SIZE, 6 * CROP_SIZE)
        rows = np.asarray(picture).reshape(6, CROP_SIZE, 7 * CROP_SIZE, 3)
    assert all(row.std() > 10 for row in (rows[0], rows[3]))  # real faces


@pytest.fixture
def taken(monkeypatch):
    """Steps as they are taken; the sixth of them all fails."""
    whole_step, steps = FaceCycleTask.step, []

    def step(self, share, *, step, learning_rate):
        steps.append(step)
        if len(steps) == 6:
            raise RuntimeError("the machine went down")
        return whole_step(self, share, step=step, learning_rate=learning_rate)

    monkeypatch.setattr(FaceCycleTask, "step", step)
    return steps


def test_a_stopped_run_goes_on_to_the_same_bytes(tmp_path, people, taken):
    with pytest.raises(RuntimeError, match="went down"):
        train(people, tmp_path / "stopped", num_steps=8)
    train(people, tmp_path / "stopped", num_steps=8)
    assert taken == [0, 1, 2, 3, 4, 5, 4, 5, 6, 7]
    train(people, tmp_path / "whole", num_steps=8)
    for name in (WEIGHTS, CURVE):
        assert (tmp_path / "stopped" / name).read_bytes() == (
            tmp_path / "whole" / name
        ).read_bytes()


def test_a_stopped_run_is_not_taken_up_on_other_frames(tmp_path, people, taken):
    with pytest.raises(RuntimeError, match="went down"):
        train(people, tmp_path, num_steps=7)
    source, (target,) = people
    train((source, [replace(target, used=range(6))]), tmp_path, num_steps=7)
    assert taken == [*range(6), *range(7)]


def test_the_seed_decides(tmp_path, people):
    weights = []
    for run, seed in enumerate((1, 1, 2)):
        torch.manual_seed(run)
        train(people, tmp_path / str(run), num_steps=2, seed=seed)
        weights.append((tmp_path / str(run) / WEIGHTS).read_bytes())
    assert weights[0] == weights[1] != weights[2]


def test_held_out_frames_are_never_read(tmp_path, people, monkeypatch):
    read = set()
    whole = FrameStore.__getitem__

    def watched(store, index):
        read.add((store.path.parent.name, index))
        return whole(store, index)

    monkeypatch.setattr(FrameStore, "__getitem__", watched)
    train(people, tmp_path / "run", num_steps=8)
    assert read == {("source", t) for t in range(5)} | {("target", t) for t in range(7)}


def test_what_is_kept_is_the_average(tmp_path, people):
    weights = []
    for decay in (0.0, 0.9):
        folder = tmp_path / str(decay)
        train(people, folder, settings=cycle_settings(ema_decay=decay), num_steps=2)
        weights.append((folder / WEIGHTS).read_bytes())
    assert weights[0] != weights[1]


@pytest.mark.parametrize(
    ("networks", "text"),
    [
        ({"translator": translator_config(num_downsamplings=5)}, r"num_downsamplings: .* to 1x1"),
        ({"discriminator_layers": 4}, r"discriminator_layers: .*32x32 pixels shrink to 2 patches"),
    ],
)
def test_networks_too_deep_for_their_faces_are_refused(tmp_path, people, networks, text):
    with pytest.raises(TrainingError, match=rf"train_face_cycle\.{text}"):
        train(people, tmp_path / "run", networks=cycle_networks(**networks))


def test_the_deepest_judge_that_is_not_refused_can_judge(tmp_path, people):
    train(people, tmp_path / "run", networks=cycle_networks(discriminator_layers=3), num_steps=1)
