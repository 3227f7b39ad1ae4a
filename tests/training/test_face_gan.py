"""The face step: a residual on what the main generator made, judged as a crop."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from motiontransfer.models.discriminators import (
    DiscriminatorConfig,
    DiscriminatorOutput,
    MultiscaleDiscriminator,
)
from motiontransfer.models.faces import FaceGenerator, draw_crops
from motiontransfer.models.layers import initialise
from motiontransfer.skeleton import HOLISTIC
from motiontransfer.training.face_gan import FaceDataset, FaceGanTask
from motiontransfer.training.optimization import Adversaries
from tests.dancer import dance, film, training_clip
from tests.training.small import STYLE, fabric, face_config, face_settings, whole


class Residual(nn.Module):
    """The same residual everywhere; remembers what it was shown."""

    def __init__(self, value=0.25):
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))
        self.shown = []

    def forward(self, pose_crop, face_crop):
        self.shown.append((pose_crop, face_crop))
        return self.value.expand_as(face_crop)


class Judge(nn.Module):
    """Judges a picture by its mean and a number of its own; remembers what it was shown."""

    def __init__(self):
        super().__init__()
        self.number = nn.Parameter(torch.tensor(0.5))
        self.shown = []

    def forward(self, condition, images):
        self.shown.append((condition, images.detach()))
        features = images.mean((1, 2, 3), keepdim=True)
        return [DiscriminatorOutput(logits=features + self.number, features=(features,))]


@pytest.fixture
def batch(tmp_path):
    clip = training_clip(tmp_path, dance(3))
    return FaceDataset([clip], [film(tmp_path / "r.mkv", dance(3, seed=4))], crop_size=32).batch(
        [0, 2]
    )


class Look(nn.Module):
    """Stands for the perceptual network: two slices, colours and their squares."""

    def forward(self, images):
        return [images, images.square()]


def task_of(generator, judge, *, perceptual=None, **changes):
    settings = face_settings(**changes)
    adversaries = Adversaries(fabric(), generator, judge, ema_decay=settings.ema_decay)
    return FaceGanTask(
        fabric(),
        adversaries,
        style=STYLE,
        skeleton=HOLISTIC,
        settings=settings,
        perceptual=perceptual,
    )


def drawn(batch):
    return draw_crops(
        batch.points, batch.score, batch.boxes, skeleton=HOLISTIC, style=STYLE, crop_size=32
    )


def test_the_generator_sees_pose_and_face_and_the_judge_sees_the_sum(batch):
    generator, judge = Residual(), Judge()
    task_of(generator, judge).step(whole(batch), step=0, learning_rate=0.0)
    ((pose, face),) = generator.shown
    assert torch.equal(pose, drawn(batch))
    assert torch.equal(face, batch.generated)
    ((condition, images),) = judge.shown
    assert torch.equal(condition, drawn(batch))
    assert torch.equal(images, torch.cat([batch.real, batch.generated + 0.25]))


def test_losses_are_what_their_weights_make_of_them(batch):
    weights = {"adversarial_weight": 3.0, "feature_matching_weight": 5.0, "l1_weight": 7.0}
    losses = task_of(Residual(), Judge(), **weights).step(whole(batch), step=0, learning_rate=0.0)
    fake = batch.generated + 0.25
    real_mean, fake_mean = batch.real.mean((1, 2, 3)), fake.mean((1, 2, 3))
    expected = {
        "generator/adversarial": 3 * (fake_mean + 0.5 - 1).square().mean(),
        "generator/feature_matching": 5 * 4 * (real_mean - fake_mean).abs().mean(),
        "generator/l1": 7 * (fake - batch.real).abs().mean(),
        "discriminator/adversarial": 0.5
        * ((real_mean + 0.5 - 1).square().mean() + (fake_mean + 0.5).square().mean()),
    }
    got = {name: loss.item() for name, loss in losses.items()}
    assert got == pytest.approx({name: x.item() for name, x in expected.items()}, rel=1e-4)


def test_the_perceptual_loss_compares_the_refined_face_with_the_real_one(batch):
    losses = task_of(Residual(), Judge(), perceptual=Look(), perceptual_weight=10.0).step(
        whole(batch), step=0, learning_rate=0.0
    )
    fake = batch.generated + 0.25
    colours = (fake - batch.real).abs().mean()
    squares = (fake.square() - batch.real.square()).abs().mean()
    expected = 10 * (colours / 32 + squares / 16)  # pix2pixHD's weights of the first two slices
    assert losses["generator/perceptual"].item() == pytest.approx(expected.item(), rel=1e-5)


def test_both_are_trained_at_the_learning_rate(batch):
    generator, judge = Residual(), Judge()
    task_of(generator, judge).step(whole(batch), step=0, learning_rate=0.125)
    assert abs(generator.value.item() - 0.25) == pytest.approx(0.125, abs=1e-4)
    assert abs(judge.number.item() - 0.5) == pytest.approx(0.125, abs=1e-4)


def test_a_state_comes_back(batch):
    task, other = task_of(Residual(), Judge()), task_of(Residual(), Judge())
    task.step(whole(batch), step=0, learning_rate=0.1)
    other.load_state({name: tensor.clone() for name, tensor in task.state().items()})
    for each in (task, other):
        each.step(whole(batch), step=1, learning_rate=0.1)
    assert all(torch.equal(x, other.state()[name]) for name, x in task.state().items())


@pytest.mark.slow
def test_two_faces_are_learnt_by_heart(batch):
    """L1 falls to half of what the main generator's faces have."""
    torch.manual_seed(0)
    judge = MultiscaleDiscriminator(
        DiscriminatorConfig(num_filters=4, num_layers=1, num_scales=1),
        condition_channels=STYLE.num_channels,
        image_channels=3,
    ).apply(initialise)
    config = face_config(num_filters=8)
    task = task_of(FaceGenerator(config).apply(initialise), judge)
    batch = replace(batch, generated=0.3 * batch.generated)  # much too pale
    losses = [task.step(whole(batch), step=step, learning_rate=2e-3) for step in range(80)]
    untouched = 20 * (batch.generated - batch.real).abs().mean()
    assert losses[-1]["generator/l1"] < untouched / 2
