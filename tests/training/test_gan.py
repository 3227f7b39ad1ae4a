"""The main step: two frames, the second from the first, judged as a pair."""

import numpy as np
import pytest
import torch
from torch import nn

from motiontransfer.nets.blocks import initialise
from motiontransfer.nets.discriminators import Judgement, MultiscaleDiscriminator
from motiontransfer.nets.frame_generator import build_generator
from motiontransfer.pose.drawing import draw_poses
from motiontransfer.skeleton import HOLISTIC
from motiontransfer.training.adversaries import Adversaries
from motiontransfer.training.dataset import PairDataset
from motiontransfer.training.gan import GanTask, near_pose_weight
from tests.dancer import SIZE, dance, training_clip
from tests.training.small import STYLE, fabric, gan_settings, generator_config


class Remembering(nn.Module):
    """A generator of one flat colour that remembers what it was shown."""

    def __init__(self, value=0.3):
        super().__init__()
        self.colour = nn.Parameter(torch.full((1, 3, 1, 1), value))
        self.shown = []

    def forward(self, pose_map, previous_frame):
        self.shown.append((pose_map.detach().clone(), previous_frame.detach().clone()))
        return self.colour + 0.5 * previous_frame + 0 * pose_map[:, :1]


def discriminator():
    return MultiscaleDiscriminator(
        condition_channels=2 * STYLE.num_channels,
        image_channels=6,
        num_filters=4,
        num_layers=1,
        num_scales=2,
    ).apply(initialise)


def task_of(generator, *, judge=None, seed=0, **changes):
    settings = gan_settings(**changes)
    judge = discriminator() if judge is None else judge
    adversaries = Adversaries(
        generator, judge, device=torch.device("cpu"), average_decay=settings.average_decay
    )
    return GanTask(
        fabric(), adversaries, style=STYLE, skeleton=HOLISTIC, settings=settings, seed=seed
    )


@pytest.fixture
def batch(tmp_path):
    return PairDataset([training_clip(tmp_path, dance(6))]).batch([0, 2, 4])


def poses_of(batch, time):
    return draw_poses(
        batch.points[:, time], batch.score[:, time], skeleton=HOLISTIC, size=SIZE, style=STYLE
    )


def test_the_first_frame_is_made_from_zeros_and_the_second_from_the_first(batch):
    generator = Remembering()
    task_of(generator, previous_frame_dropout=0.0).step(batch, step=0, learning_rate=0.0)
    (first_pose, before), (second_pose, first) = generator.shown
    assert torch.equal(first_pose, poses_of(batch, 0))
    assert torch.equal(second_pose, poses_of(batch, 1))
    assert not before.any()
    assert torch.allclose(first, torch.tensor(0.3))


def test_dropped_out_the_second_frame_is_made_from_zeros_too(batch):
    generator = Remembering()
    task_of(generator, previous_frame_dropout=1.0).step(batch, step=0, learning_rate=0.0)
    assert not generator.shown[1][1].any()


def dropped(batch, *, steps, seed=0, dropout=0.5):
    generator = Remembering()
    task = task_of(generator, previous_frame_dropout=dropout, seed=seed)
    for step in steps:
        task.step(batch, step=step, learning_rate=0.0)
    return [(previous == 0).all((1, 2, 3)).tolist() for _, previous in generator.shown[1::2]]


def test_which_pairs_are_dropped_out_is_drawn_from_seed_and_step(batch):
    whole = dropped(batch, steps=range(20))
    assert dropped(batch, steps=range(10, 20)) == whole[10:]
    assert dropped(batch, steps=range(20), seed=1) != whole
    assert len({tuple(pairs) for pairs in whole}) > 2
    share = np.mean(whole)
    assert 0.3 < share < 0.7
    assert any(len(set(pairs)) == 2 for pairs in whole)  # each pair is drawn on its own
    assert np.mean(dropped(batch, steps=range(20), dropout=0.1)) < share


def test_the_gradient_reaches_the_first_frame_through_the_second(batch):
    """L1 on the second frame alone: 0.5 of the colour comes by way of the first."""

    def moved(dropout):
        generator = Remembering(value=-0.9)
        task = task_of(
            generator,
            judge=Judge(),
            previous_frame_dropout=dropout,
            adversarial_weight=0.0,
            feature_matching_weight=0.0,
            l1_weight=1.0,
            near_pose_weight=1.0,
        )
        white = torch.ones_like(batch.frames)
        captured = {}
        generator.colour.register_hook(lambda g: captured.update(gradient=g.clone()))
        shown = type(batch)(points=batch.points, score=batch.score, frames=white)
        task.step(shown, step=0, learning_rate=0.0)
        return captured["gradient"].sum().item()

    # all pixels are too dark: the gradient of each frame's L1 is -1, halved over two frames
    assert moved(1.0) == pytest.approx(-1)
    assert moved(0.0) == pytest.approx(-1 - 0.5 * 0.5)


class Judge(nn.Module):
    """Judges a picture by its mean and a number of its own; remembers what it was shown."""

    def __init__(self):
        super().__init__()
        self.number = nn.Parameter(torch.tensor(0.5))
        self.shown = []

    def forward(self, condition, images):
        self.shown.append((condition.detach(), images.detach()))
        features = images.mean((1, 2, 3), keepdim=True)
        return [Judgement(logits=features + self.number, features=(features,))]


def test_the_pair_of_frames_is_judged_with_the_pair_of_poses(batch):
    judge = Judge()
    task_of(Remembering(), judge=judge, previous_frame_dropout=0.0).step(
        batch, step=0, learning_rate=0.0
    )
    ((condition, images),) = judge.shown
    assert torch.equal(condition, torch.cat([poses_of(batch, 0), poses_of(batch, 1)], dim=1))
    real, fake = images.chunk(2)
    assert torch.equal(real, torch.cat([batch.frames[:, 0], batch.frames[:, 1]], dim=1))
    assert torch.allclose(fake[:, :3], torch.tensor(0.3))
    assert torch.allclose(fake[:, 3:], torch.tensor(0.45))


def test_losses_are_what_their_weights_make_of_them(batch):
    weights = {"adversarial_weight": 3.0, "feature_matching_weight": 5.0, "l1_weight": 7.0}
    losses = task_of(
        Remembering(), judge=Judge(), previous_frame_dropout=0.0, near_pose_weight=1.0, **weights
    ).step(batch, step=0, learning_rate=0.0)
    real = batch.frames.flatten(1, 2).mean((1, 2, 3))
    fake = (0.3 + 0.45) / 2
    first, second = batch.frames[:, 0], batch.frames[:, 1]
    expected = {
        "generator/adversarial": 3 * (fake + 0.5 - 1) ** 2,
        "generator/feature_matching": 5 * 4 * (real - fake).abs().mean().item(),
        "generator/l1": 7 * ((first - 0.3).abs().mean() + (second - 0.45).abs().mean()).item() / 2,
        "discriminator/adversarial": 0.5
        * ((real + 0.5 - 1).square().mean().item() + (fake + 0.5) ** 2),
    }
    got = {name: loss.item() for name, loss in losses.items()}
    assert got == pytest.approx(expected, rel=1e-4)


def test_weight_zero_turns_a_loss_off(batch):
    names = ("adversarial", "feature_matching", "l1")
    losses = task_of(Remembering(), **{f"{name}_weight": 0.0 for name in names}).step(
        batch, step=0, learning_rate=0.1
    )
    assert all(losses[f"generator/{name}"] == 0 for name in names)
    assert losses["discriminator/adversarial"] > 0


def test_pixels_near_the_pose_count_more():
    poses = torch.zeros(1, 2, 32, 40)
    poses[0, 1, 9, 18] = 0.01
    weight = near_pose_weight(poses, radius_px=4, weight=5.0)
    assert weight.shape == (1, 1, 32, 40)
    # cells of 4 pixels: the stick's and one around it
    expected = torch.ones(1, 1, 32, 40)
    expected[:, :, 4:16, 12:24] = 5
    assert torch.equal(weight, expected)
    assert (near_pose_weight(poses, radius_px=0, weight=5.0) == 5).sum() == 16
    assert (near_pose_weight(poses, radius_px=4, weight=1.0) == 1).all()


def test_the_weight_covers_sizes_that_do_not_divide():
    poses = torch.zeros(1, 1, 10, 7)
    poses[0, 0, 9, 6] = 1
    weight = near_pose_weight(poses, radius_px=0, weight=3.0)
    assert weight.shape == (1, 1, 10, 7)
    assert (weight == 3).nonzero()[:, 2:].tolist() == [
        [8, 4],
        [8, 5],
        [8, 6],
        [9, 4],
        [9, 5],
        [9, 6],
    ]


@pytest.mark.slow
@pytest.mark.parametrize("background", ["plate", "generated"])
def test_one_pair_is_learnt_by_heart(tmp_path, background):
    """L1 falls to a third of what the untrained network has, and the average follows."""
    torch.manual_seed(0)
    batch = PairDataset([training_clip(tmp_path, dance(2))]).batch([0])
    config = generator_config(background=background, num_filters=12, max_channels=24)
    plate = torch.zeros(3, *SIZE) if background == "plate" else None
    task = task_of(build_generator(config, plate=plate).apply(initialise))
    losses = [task.step(batch, step=step, learning_rate=2e-3) for step in range(90)]
    assert losses[-1]["generator/l1"] < losses[0]["generator/l1"] / 3
    with torch.no_grad():
        made = task.adversaries.generator_average(
            poses_of(batch, 0), torch.zeros_like(batch.frames[:, 0])
        )
    assert (made - batch.frames[:, 0]).abs().mean() < 0.2
