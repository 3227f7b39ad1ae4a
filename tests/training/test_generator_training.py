"""A target's generator is trained from its clips, and a stopped training ends as a whole one."""

import itertools
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from PIL import Image

from motiontransfer.errors import TrainingError
from motiontransfer.models.layers import check_depth, count_parameters
from motiontransfer.training import train_pose_gan
from motiontransfer.training.background import median_background
from motiontransfer.training.clips import HeldOut
from motiontransfer.training.pose_gan import GanTask
from motiontransfer.training.train_pose_gan import train_generator
from motiontransfer.training.weights import read_description, read_generator
from tests.dancer import SIZE, dance, film, training_clip
from tests.digests import digests
from tests.training.small import STYLE, gan_settings, networks, paths, schedule

HELD_OUT = HeldOut(held_out_fraction=0.25, gap_frames=1)


@pytest.fixture
def clips(tmp_path):
    return [
        training_clip(tmp_path / "a", dance(10, missing=[6]), training_frames=range(8)),
        training_clip(tmp_path / "b", dance(4, seed=5)),
    ]


def train(clips, folder, *, settings=None, background="plate", precision="32-true", **changes):
    return train_generator(
        clips,
        Fabric(accelerator="cpu", devices=1, precision=precision),
        networks=networks(background=background),
        settings=settings or gan_settings(),
        schedule=schedule(**changes),
        held_out=HELD_OUT,
        paths=paths(folder),
    )


def test_weights_logs_and_counts_are_there_and_nothing_else(tmp_path, clips):
    counts = train(clips, tmp_path / "run")
    assert {path for path in digests(tmp_path / "run") if not path.endswith(".tsv")} == {
        *("models/generator.safetensors", "models/discriminator.safetensors"),
        *("logs/images/step_000004.png", "logs/images/step_000005.png"),
    }
    curves = (tmp_path / "run/logs/metrics").rglob("*.tsv")
    assert {f"{path.parent.name}/{path.stem}" for path in curves} == {
        *("generator/adversarial", "generator/feature_matching", "generator/l1"),
        "discriminator/adversarial",
    }
    assert not list((tmp_path / "run/checkpoints").iterdir())
    trained = read_generator(tmp_path / "run/models/generator.safetensors")
    network = trained.network.requires_grad_(requires_grad=True)
    measured = ("discriminator_parameters", "minutes", "steps_per_second", "loader_share")
    assert all(counts.pop(name) > 0 for name in measured)
    assert counts == {
        **{"steps": 5, "windows": 8, "windows_without_body": 2},
        "generator_parameters": count_parameters(network),
    }


def test_the_weights_say_what_they_are(tmp_path, clips):
    train(clips, tmp_path / "run")
    path = tmp_path / "run/models/generator.safetensors"
    trained = read_generator(path)
    assert trained.config == networks().generator
    assert (trained.style, trained.held_out) == (STYLE, HELD_OUT)
    plate = median_background(clips, num_frames=100)
    assert torch.equal(trained.network.plate, plate)
    judge = read_description(tmp_path / "run/models/discriminator.safetensors")
    assert judge == {
        "discriminator": asdict(networks().discriminator),
        "window_frames": 2,
    }


def test_what_is_kept_is_the_average(tmp_path, clips):
    """With almost no decay the average is the last state, with much it is not."""
    last = [
        gan_settings(ema_decay=0.0),
        gan_settings(ema_decay=0.9),
    ]
    weights = []
    for index, settings in enumerate(last):
        train(clips, tmp_path / str(index), settings=settings)
        path = tmp_path / str(index) / "models/generator.safetensors"
        weights.append(read_generator(path).network.state_dict())
    assert any(not torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_pictures_of_the_training_are_pose_real_and_generated(tmp_path, clips):
    train(clips, tmp_path / "run", num_steps=1)
    with Image.open(tmp_path / "run/logs/images/step_000001.png") as picture:
        assert picture.size == (6 * SIZE[1], 3 * SIZE[0])


@pytest.mark.parametrize("background", ["plate", "generated"])
def test_a_training_that_was_stopped_ends_in_the_same_bytes(
    tmp_path, clips, monkeypatch, background
):
    train(clips, tmp_path / "whole", background=background)
    whole_step, taken = GanTask.step, []

    def step(self, share, *, step, learning_rate):
        taken.append(step)
        if len(taken) == 4:
            raise RuntimeError("the machine went down")
        return whole_step(self, share, step=step, learning_rate=learning_rate)

    monkeypatch.setattr(GanTask, "step", step)
    with pytest.raises(RuntimeError, match="went down"):
        train(clips, tmp_path / "stopped", background=background)
    assert not (tmp_path / "stopped/models").exists()
    torch.randn(100)  # what else the process drew makes no difference
    train(clips, tmp_path / "stopped", background=background)
    assert taken == [0, 1, 2, 3, 2, 3, 4]
    assert digests(tmp_path / "stopped") == digests(tmp_path / "whole")


@pytest.mark.parametrize("change", ["settings", "keypoints", "frames", "precision", "code"])
def test_other_settings_and_inputs_start_anew(tmp_path, clips, monkeypatch, change):
    whole_step, taken = GanTask.step, []

    def step(self, share, *, step, learning_rate):
        taken.append(step)
        if len(taken) == 4:
            raise RuntimeError("the machine went down")
        return whole_step(self, share, step=step, learning_rate=learning_rate)

    monkeypatch.setattr(GanTask, "step", step)
    with pytest.raises(RuntimeError, match="went down"):
        train(clips, tmp_path)
    if change == "keypoints":
        clips[1].keypoints_file.write_bytes(b"of another detector")
    if change == "frames":
        film(clips[1].frames, dance(4, seed=6))
    if change == "code":
        (tmp_path / "other_code.py").write_text("a = 1")
        monkeypatch.setattr(train_pose_gan, "source_files", lambda _: [tmp_path / "other_code.py"])
    settings = gan_settings(l1_weight=21.0) if change == "settings" else None
    precision = "bf16-mixed" if change == "precision" else "32-true"
    train(clips, tmp_path, settings=settings, precision=precision)
    assert taken[4:] == [0, 1, 2, 3, 4]
    stopped = list((tmp_path / "checkpoints").iterdir())
    assert len(stopped) == 1  # the stopped run can still be taken up


def test_seed_and_settings_decide_the_weights(tmp_path, clips):
    variants = [
        {},
        {"seed": 4},
        {"learning_rate": 2e-3},
        {"settings": gan_settings(l1_weight=1.0)},
        {"settings": gan_settings(feature_matching_weight=0.0)},
        {"settings": gan_settings(adversarial_weight=0.0)},
        {"settings": gan_settings(foreground_l1_weight=1.0)},
    ]
    weights = []
    for index, changes in enumerate(variants):
        train(clips[1:], tmp_path / str(index), **{"num_steps": 2, **changes})
        weights.append((tmp_path / str(index) / "models/generator.safetensors").read_bytes())
    assert all(a != b for a, b in itertools.combinations(weights, 2))


def test_the_seed_decides_where_the_networks_begin(tmp_path):
    """There is one pair, so one order, and nothing is learnt."""
    clip = training_clip(tmp_path / "c", dance(2))
    weights = []
    for seed in (3, 4):
        train([clip], tmp_path / str(seed), num_steps=1, learning_rate=1e-30, seed=seed)
        path = tmp_path / str(seed) / "models/generator.safetensors"
        weights.append(read_generator(path).network.state_dict())
    differences = [(weights[0][name] - weights[1][name]).abs().max() for name in weights[0]]
    assert max(differences) > 0.01


def test_held_out_frames_make_no_difference(tmp_path, clips):
    """The same clip with another tail gives the same weights."""
    train(clips[:1], tmp_path / "one", num_steps=3)
    keypoints = clips[0].keypoints
    changed = replace(keypoints, points=keypoints.points.copy(), score=keypoints.score.copy())
    changed.points[8:] += 3 * (changed.score[8:, :, None] > 0)
    other = training_clip(tmp_path / "c", changed, training_frames=range(8))
    train([other], tmp_path / "other", num_steps=3)
    assert digests(tmp_path / "one/models") == digests(tmp_path / "other/models")
    assert not np.array_equal(changed.points, keypoints.points)


@pytest.mark.parametrize(("side", "fits"), [(32, True), (17, True), (16, False)])
def test_a_network_too_deep_for_its_images_is_refused_by_key(side, fits):
    if fits:
        check_depth((64, side), stride=16, section="train_gan")
        return
    with pytest.raises(
        TrainingError, match=r"train_gan\.num_downsamplings: images of 64x16 pixels shrink to 4x1"
    ):
        check_depth((64, side), stride=16, section="train_gan")


def test_too_deep_networks_are_refused_before_training(tmp_path, clips):
    shapes = networks(background="plate")
    deep = replace(shapes, generator=replace(shapes.generator, num_downsamplings=6))
    with pytest.raises(TrainingError, match=r"train_gan\.num_downsamplings"):
        train_generator(
            clips,
            Fabric(accelerator="cpu", devices=1, precision="32-true"),
            networks=deep,
            settings=gan_settings(),
            schedule=schedule(),
            held_out=HELD_OUT,
            paths=paths(tmp_path / "run"),
        )
    assert not (tmp_path / "run").exists()
