"""Every training: named losses that are weighted and finite, exact resume, the EMA's weights.

Its outs are weights, curves and samples, and nothing else.
"""

from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image

from motiontransfer.forensics.model import write_detector
from motiontransfer.forensics.training import DetectorTask
from motiontransfer.models.runtime import make_runtime
from motiontransfer.training.checkpoint import run_folder
from motiontransfer.training.face_cycle import FaceCycleTask
from motiontransfer.training.face_gan import FaceGanTask
from motiontransfer.training.pose_gan import PoseGanTask, ShadowGanTask
from motiontransfer.training.run_log import show_log_anew
from tests.digests import digests
from tests.forensics import planted
from tests.people import SIZE
from tests.training import small
from tests.training.trainings import train_cycle, train_face, train_pose


def train_poses(data, folder, options, **changes):
    return train_pose(data.two_clips, folder, config=small.gan_config(**options), **changes)


def train_shadows(data, folder, options, **changes):
    shapes = small.networks(texture="puppet", viewport=small.VIEWPORT)
    config = small.gan_config(**options)
    return train_pose(data.two_clips, folder, config=config, shapes=shapes, **changes)


def train_faces(data, folder, options, **changes):
    return train_face(data.face_clips, folder, config=small.face_gan_config(**options), **changes)


def train_people(data, folder, options, **changes):
    return train_cycle(data.people, folder, config=small.cycle_config(**options), **changes)


def train_detector(data, folder, options, *, on=None, **changes):
    """As the stage does it, on segments instead of a project."""
    place = small.paths(folder)
    plan = {**small.schedule(**changes).model_dump(), "batch_size": 4, **options}
    with run_folder(small.runtime(), place.checkpoints, "run") as run:
        detector, throughput = planted.train(*data.segments, run, to=place, on=on, **plan)
        show_log_anew(run, place.logs)
    write_detector(place.models / "detector.safetensors", detector, trained_on={})
    return throughput.metrics


class Training(NamedTuple):
    task: type
    train: object
    weights: set[str]
    averaged: str
    curves: set[str]
    counts: dict[str, int]
    sample: tuple[int, int]
    """(width, height), pixels."""


GAN_CURVES = {
    *("generator/adversarial", "generator/feature_matching", "generator/l1"),
    "discriminator/adversarial",
}
TRAININGS = {
    "pose": Training(
        PoseGanTask,
        train_poses,
        {"generator", "discriminator"},
        "generator",
        {*GAN_CURVES, "generator/sharpness"},
        {"windows": 8, "windows_without_body": 2},
        (6 * SIZE[1], 3 * SIZE[0]),
    ),
    "shadows": Training(
        ShadowGanTask,
        train_shadows,
        {"generator", "discriminator"},
        "generator",
        {*GAN_CURVES, "generator/shadows"} - {"generator/l1"},
        {"windows": 8, "windows_without_body": 2},
        (6 * SIZE[1], 2 * SIZE[0]),
    ),
    "face": Training(
        FaceGanTask,
        train_faces,
        {"generator", "face_generator"},
        "face_generator",
        GAN_CURVES,
        {"faces": 6, "frames_without_face": 1},
        (6 * small.CROP_SIZE, 3 * small.CROP_SIZE),
    ),
    "cycle": Training(
        FaceCycleTask,
        train_people,
        {"face_cycle"},
        "face_cycle",
        {
            f"{network}_{person}"
            for network in (
                *("generator/adversarial", "generator/cycle", "generator/identity"),
                "discriminator/adversarial",
            )
            for person in ("source", "target")
        },
        {"source_faces": 5, "target_faces": 7}
        | {"source_frames_without_face": 0, "target_frames_without_face": 0},
        (7 * small.CROP_SIZE, 6 * small.CROP_SIZE),
    ),
    "detector": Training(
        DetectorTask,
        train_detector,
        {"detector"},
        "detector",
        {"detector/cross_entropy", "detector/accuracy"},
        {},
        (6 * 32, 2 * 32),
    ),
}


@pytest.fixture(scope="module")
def data(two_clips, face_clips, people, tmp_path_factory):
    """What each is trained on; READ ONLY."""
    root = tmp_path_factory.mktemp("data")
    segments = [planted.clip_pairs(root, name, seed=seed) for seed, name in enumerate("ab", 1)]
    clips = {"two_clips": two_clips, "face_clips": face_clips}
    return SimpleNamespace(**clips, people=people, segments=segments)


@pytest.fixture(scope="module", params=TRAININGS)
def whole(request, data, tmp_path_factory):
    """(training, folder, metrics) of a run that was never stopped; READ ONLY."""
    training, folder = TRAININGS[request.param], tmp_path_factory.mktemp(request.param)
    return training, folder, training.train(data, folder, {})


def test_weights_curves_samples_and_counts_are_written_and_nothing_else(whole):
    training, folder, metrics = whole
    samples = ["logs/images/step_000004.png", "logs/images/step_000005.png"]
    curves = {f"logs/metrics/{name}.tsv" for name in training.curves}
    weights = {f"models/{name}.safetensors" for name in training.weights}
    assert digests(folder).keys() == {*samples, *curves, *weights}
    assert not list((folder / "checkpoints").iterdir())
    with Image.open(folder / samples[1]) as image:
        assert image.size == training.sample
    counts = {name: number for name, number in metrics.items() if name in training.counts}
    assert (metrics["steps"], counts) == (5, training.counts)
    measured = [name for name in metrics if name not in training.counts]
    assert {"minutes", "steps_per_second", "loader_share"} < set(measured)
    assert all(metrics[name] > 0 for name in measured)


def test_a_stopped_and_resumed_run_ends_in_the_same_bytes(whole, data, tmp_path, monkeypatch):
    training, folder, _ = whole
    taken = small.stop_at_step(monkeypatch, training.task, 3)
    with pytest.raises(RuntimeError, match="went down"):
        training.train(data, tmp_path, {})
    torch.randn(100)  # what else the process drew makes no difference
    training.train(data, tmp_path, {})
    assert taken == [0, 1, 2, 3, 2, 3, 4]
    assert digests(tmp_path) == digests(folder)


def test_the_average_of_the_weights_is_written(whole, data, tmp_path):
    training, folder, _ = whole
    training.train(data, tmp_path, {"ema_decay": 0.0})
    averaged, latest = (digests(path / "models") for path in (folder, tmp_path))
    differ = {name for name, digest in averaged.items() if latest[name] != digest}
    assert differ == {f"{training.averaged}.safetensors"}


@pytest.mark.slow
def test_the_seed_decides_the_weights(whole, data, tmp_path):
    training, folder, _ = whole
    training.train(data, tmp_path, {}, seed=4)
    before, after = (digests(path / "models") for path in (folder, tmp_path))
    assert before.keys() == after.keys()
    assert before != after


@pytest.mark.parametrize(
    "whole",
    [
        *("pose", "shadows", "face"),
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("cycle", "detector")),
    ],
    indirect=True,
)
def test_on_a_gpu_it_learns_the_same(whole, data, tmp_path, gpu):
    """Not the same weights: Adam turns the last bits of small gradients into whole steps."""
    training, folder, _ = whole
    training.train(data, tmp_path, {}, on=make_runtime(precision="32-true"))
    logs = [path.relative_to(folder) for path in (folder / "logs").rglob("*.*")]
    for log in logs:
        made, expected = (it / log for it in (tmp_path, folder))
        if log.suffix == ".tsv":
            values = [np.loadtxt(it, skiprows=1) for it in (made, expected)]
            np.testing.assert_allclose(*values, rtol=5e-4)
        else:
            images = [np.int16(Image.open(it)) for it in (made, expected)]
            np.testing.assert_allclose(*images, atol=1)
    assert sum(log.suffix == ".tsv" for log in logs) == len(training.curves)
    assert gpu.kernels["_fused_adam_"]
