"""The main step: two frames, the second from the first, judged as a pair."""

import numpy as np
import pytest
import torch
from torch import nn

from motiontransfer.models.discriminators import DiscriminatorOutput
from motiontransfer.models.generators import build_generator
from motiontransfer.models.layers import initialise
from motiontransfer.pose.rendering import draw_poses
from motiontransfer.skeleton import HOLISTIC
from motiontransfer.training.data import RankBatch
from motiontransfer.training.optimization import Adversaries
from motiontransfer.training.pose_gan import GanTask, WindowBatch, WindowDataset
from tests.dancer import SIZE, dance, training_clip
from tests.training.small import (
    STYLE,
    discriminator,
    fabric,
    gan_settings,
    generator_config,
    whole,
)


class Remembering(nn.Module):
    """A generator of one flat colour that remembers what it was shown."""

    def __init__(self, value=0.3):
        super().__init__()
        self.colour = nn.Parameter(torch.full((1, 3, 1, 1), value))
        self.shown = []

    def forward(self, pose_map, previous_frame):
        self.shown.append((pose_map.detach().clone(), previous_frame.detach().clone()))
        return self.colour + 0.5 * previous_frame + 0 * pose_map[:, :1]


def task_of(generator, *, judge=None, seed=0, **changes):
    settings = gan_settings(**changes)
    scored_by = judge or discriminator().apply(initialise)
    adversaries = Adversaries(fabric(), generator, scored_by, ema_decay=settings.ema_decay)
    return GanTask(
        fabric(), adversaries, style=STYLE, skeleton=HOLISTIC, settings=settings, seed=seed
    )


@pytest.fixture
def batch(tmp_path):
    return WindowDataset([training_clip(tmp_path, dance(6))]).batch([0, 2, 4])


def poses_of(batch, time):
    return draw_poses(
        batch.points[:, time], batch.score[:, time], skeleton=HOLISTIC, size=SIZE, style=STYLE
    )


def test_the_first_frame_is_made_from_zeros_and_the_second_from_the_first(batch):
    generator = Remembering()
    task_of(generator).step(whole(batch), step=0, learning_rate=0.0)
    (first_pose, before), (second_pose, first) = generator.shown
    assert torch.equal(first_pose, poses_of(batch, 0))
    assert torch.equal(second_pose, poses_of(batch, 1))
    assert not before.any()
    assert torch.allclose(first, torch.tensor(0.3))


def test_the_gradient_reaches_the_first_frame_through_the_second(batch):
    """L1 on the second frame alone: 0.5 of the colour comes by way of the first."""

    def moved(*, detach):
        generator = Remembering(value=-0.9)
        task = task_of(
            generator,
            judge=Judge(),
            detach_previous_frame=detach,
            adversarial_weight=0.0,
            feature_matching_weight=0.0,
            l1_weight=1.0,
            foreground_l1_weight=1.0,
        )
        white = torch.ones_like(batch.frames)
        captured = {}
        generator.colour.register_hook(lambda g: captured.update(gradient=g.clone()))
        shown = type(batch)(points=batch.points, score=batch.score, frames=white)
        task.step(whole(shown), step=0, learning_rate=0.0)
        return captured["gradient"].sum().item()

    # all pixels are too dark: the gradient of each frame's L1 is -1, halved over two frames
    assert moved(detach=True) == pytest.approx(-1)
    assert moved(detach=False) == pytest.approx(-1 - 0.5 * 0.5)


class Judge(nn.Module):
    """Judges a picture by its mean and a number of its own; remembers what it was shown."""

    def __init__(self):
        super().__init__()
        self.number = nn.Parameter(torch.tensor(0.5))
        self.shown = []

    def forward(self, condition, images):
        self.shown.append((condition.detach(), images.detach()))
        features = images.mean((1, 2, 3), keepdim=True)
        return [DiscriminatorOutput(logits=features + self.number, features=(features,))]


def test_the_pair_of_frames_is_judged_with_the_pair_of_poses(batch):
    judge = Judge()
    task_of(Remembering(), judge=judge).step(whole(batch), step=0, learning_rate=0.0)
    ((condition, images),) = judge.shown
    assert torch.equal(condition, torch.cat([poses_of(batch, 0), poses_of(batch, 1)], dim=1))
    real, fake = images.chunk(2)
    assert torch.equal(real, torch.cat([batch.frames[:, 0], batch.frames[:, 1]], dim=1))
    assert torch.allclose(fake[:, :3], torch.tensor(0.3))
    assert torch.allclose(fake[:, 3:], torch.tensor(0.45))


def test_losses_are_what_their_weights_make_of_them(batch):
    weights = {"adversarial_weight": 3.0, "feature_matching_weight": 5.0, "l1_weight": 7.0}
    losses = task_of(Remembering(), judge=Judge(), foreground_l1_weight=1.0, **weights).step(
        whole(batch), step=0, learning_rate=0.0
    )
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
        whole(batch), step=0, learning_rate=0.1
    )
    assert all(losses[f"generator/{name}"] == 0 for name in names)
    assert losses["discriminator/adversarial"] > 0


VARIANTS = {
    "log": {"objective": "log"},
    "detached": {"detach_previous_frame": True},
    "limbs hidden": {"limb_dropout": 0.5},
    "one frame": {"window_frames": 1, "previous_frame": "none"},
    "nothing before": {"previous_frame": "none"},
    "four frames": {"window_frames": 4},
    "two poses": {"conditioning_poses": 2},
    "transposed": {"upsampling": "transposed"},
    "subpixel": {"upsampling": "subpixel"},
    "global": {"architecture": "global"},
    "local": {"architecture": "local", "upsampling": "transposed"},
}


def variant(tmp_path, changes):
    """Task and windows of one variant of the recipe."""
    torch.manual_seed(0)
    changes = dict(changes)
    window_frames = changes.pop("window_frames", 2)
    conditioning_poses = changes.get("conditioning_poses", 1)
    keys = ("architecture", "previous_frame", "conditioning_poses", "upsampling")
    shapes = {key: changes.pop(key) for key in keys if key in changes}
    scored_by = discriminator(window_frames=window_frames)
    config = generator_config(background="generated", **shapes)
    generator = build_generator(config, background_image=None).apply(initialise)
    settings = gan_settings(**{"ema_decay": 0.0, **changes})
    adversaries = Adversaries(fabric(), generator, scored_by.apply(initialise), ema_decay=0.0)
    task = GanTask(fabric(), adversaries, style=STYLE, skeleton=HOLISTIC, settings=settings, seed=0)
    dataset = WindowDataset(
        [training_clip(tmp_path, dance(9))],
        window_frames=window_frames,
        conditioning_poses=conditioning_poses,
    )
    return task, dataset.batch([0, 3])


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_moves_every_weight_and_stays_finite(tmp_path, name):
    """But those whose gradient is zero by the maths: a bias before instance normalisation."""
    task, batch = variant(tmp_path, VARIANTS[name])
    networks = (task.adversaries.generator, task.adversaries.discriminator)
    before = [
        {key: value.detach().clone() for key, value in network.named_parameters()}
        for network in networks
    ]
    for step in range(3):
        losses = task.step(whole(batch), step=step, learning_rate=1e-3)
        assert all(torch.isfinite(loss) for loss in losses.values()), losses
    for network, old in zip(networks, before, strict=True):
        still = [k for k, v in network.named_parameters() if torch.equal(v, old[k])]
        assert not still


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_that_was_stopped_goes_on_to_the_same_bits(tmp_path, name):
    if name in ("global", "transposed", "subpixel"):
        return
    (task, batch), (resumed, _) = (variant(tmp_path / str(i), VARIANTS[name]) for i in range(2))
    task.step(whole(batch), step=0, learning_rate=1e-3)
    resumed.load_state({key: value.clone() for key, value in task.state().items()})
    for each in (task, resumed):
        each.step(whole(batch), step=16, learning_rate=1e-3)
    expected, got = task.state(), resumed.state()
    assert expected.keys() == got.keys()
    assert all(torch.equal(expected[key], got[key]) for key in expected)


def test_random_numbers_do_not_depend_on_the_number_of_ranks(tmp_path):
    """Each of two ranks hides the limbs that one would have hidden in its share."""
    (task, batch), (other, _) = (variant(tmp_path / str(i), {"limb_dropout": 0.5}) for i in "ab")
    whole_batch = task.step(whole(batch), step=0, learning_rate=0.0)
    shares = [
        RankBatch(
            batch=WindowBatch(
                points=batch.points[i : i + 1],
                score=batch.score[i : i + 1],
                frames=batch.frames[i : i + 1],
            ),
            indices=range(i, i + 1),
        )
        for i in range(2)
    ]
    losses = [other.step(share, step=0, learning_rate=0.0) for share in shares]
    mean = {name: sum(each[name].item() for each in losses) / 2 for name in losses[0]}
    assert mean == pytest.approx({k: v.item() for k, v in whole_batch.items()}, rel=1e-4)


def shown(tmp_path, generator=None, **changes):
    """What generator and discriminator are shown in one step."""
    window_frames = changes.pop("window_frames", 2)
    conditioning_poses = changes.pop("conditioning_poses", 1)
    clip = training_clip(tmp_path, dance(9))
    batch = WindowDataset(
        [clip], window_frames=window_frames, conditioning_poses=conditioning_poses
    ).batch([0, 3, 4])
    generator, judge = generator or Remembering(), Judge()
    adversaries = Adversaries(fabric(), generator, judge, ema_decay=0.0)
    settings = gan_settings(**changes)
    GanTask(fabric(), adversaries, style=STYLE, skeleton=HOLISTIC, settings=settings, seed=0).step(
        whole(batch), step=0, learning_rate=0.0
    )
    return batch, generator.shown, judge.shown


def test_in_windows_of_one_a_single_frame_is_judged(tmp_path):
    batch, generated, [(condition, images)] = shown(tmp_path, window_frames=1)
    assert len(generated) == 1
    assert torch.equal(condition, poses_of(batch, 0))
    assert torch.equal(images[:3], batch.frames[:, 0])
    assert images.shape == (6, 3, *SIZE)


def test_in_longer_windows_every_two_frames_are_judged(tmp_path):
    batch, generated, [(condition, images)] = shown(tmp_path, window_frames=4)
    assert len(generated) == 4
    values = [0.3, 0.45, 0.525]
    assert [p.mean().item() for _, p in generated] == pytest.approx([0, *values])
    assert condition.shape[0] == 3 * 3
    real, fake = images.chunk(2)
    for pair in range(3):
        of_pair = slice(3 * pair, 3 * pair + 3)
        assert torch.equal(real[of_pair], batch.frames[:, pair : pair + 2].flatten(1, 2))
        assert fake[of_pair, :3].mean().item() == pytest.approx(values[pair])
        poses = torch.cat([poses_of(batch, pair), poses_of(batch, pair + 1)], dim=1)
        assert torch.equal(condition[of_pair], poses)


def test_the_pose_before_is_shown_to_the_generator_alone(tmp_path):
    batch, generated, [(condition, _)] = shown(tmp_path, conditioning_poses=2)
    for time, (pose_maps, _) in enumerate(generated):
        older, own = pose_maps.chunk(2, dim=1)
        assert torch.equal(older, poses_of(batch, time))
        assert torch.equal(own, poses_of(batch, time + 1))
    assert not generated[0][0][0, : STYLE.num_channels].any()  # before the clip's first frame
    assert torch.equal(condition, torch.cat([poses_of(batch, 1), poses_of(batch, 2)], dim=1))


def test_a_hidden_limb_is_hidden_from_all_in_all_poses(tmp_path):
    batch, generated, [(condition, _)] = shown(tmp_path, limb_dropout=1.0)
    first, second = condition.chunk(2, dim=1)
    assert torch.equal(generated[0][0], first)
    assert torch.equal(generated[1][0], second)
    for time, drawn in enumerate((first, second)):
        whole_poses = poses_of(batch, time)
        assert (drawn <= whole_poses).all()
    gone = [
        (poses_of(batch, t) > 0).any((2, 3)) & ~(m > 0).any((2, 3))
        for t, m in enumerate((first, second))
    ]
    assert torch.equal(*gone)
    assert gone[0].any()


@pytest.mark.parametrize(
    ("objective", "fooling", "telling"),
    [
        ("least_squares", lambda f: (f - 1) ** 2, lambda r, f: ((r - 1) ** 2 + f**2) / 2),
        (
            "log",
            lambda f: np.log1p(np.exp(-f)),
            lambda r, f: (np.log1p(np.exp(-r)) + np.log1p(np.exp(f))) / 2,
        ),
    ],
)
def test_both_networks_are_trained_by_the_objective(batch, objective, fooling, telling):
    losses = task_of(Remembering(), judge=Judge(), objective=objective).step(
        whole(batch), step=0, learning_rate=0.0
    )
    real = batch.frames.flatten(1, 2).mean((1, 2, 3)).numpy() + 0.5
    fake = (0.3 + 0.45) / 2 + 0.5
    assert losses["generator/adversarial"].item() == pytest.approx(fooling(fake), rel=1e-4)
    expected = telling(real, fake).mean()
    assert losses["discriminator/adversarial"].item() == pytest.approx(expected, rel=1e-4)


class Doubling(nn.Module):
    """Stands for the perceptual network: one slice, twice the colours."""

    def forward(self, images):
        return [2 * images]


def test_the_perceptual_loss_is_a_mean_over_frames(batch):
    settings = gan_settings(perceptual_weight=8.0)
    generator = Remembering()
    task = GanTask(
        fabric(),
        Adversaries(fabric(), generator, Judge(), ema_decay=0.0),
        style=STYLE,
        skeleton=HOLISTIC,
        settings=settings,
        seed=0,
        perceptual=Doubling(),
    )
    losses = task.step(whole(batch), step=0, learning_rate=0.0)
    first, second = batch.frames[:, 0], batch.frames[:, 1]
    mean = ((first - 0.3).abs().mean() + (second - 0.45).abs().mean()).item() / 2
    assert losses["generator/perceptual"].item() == pytest.approx(8 * 2 * mean / 32, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("background", ["plate", "generated"])
def test_one_pair_is_learnt_by_heart(tmp_path, background):
    """L1 falls to a third of what the untrained network has, and the average follows."""
    torch.manual_seed(0)
    batch = WindowDataset([training_clip(tmp_path, dance(2))]).batch([0])
    config = generator_config(background=background, num_filters=12, max_channels=24)
    plate = torch.zeros(3, *SIZE) if background == "plate" else None
    task = task_of(build_generator(config, background_image=plate).apply(initialise))
    losses = [task.step(whole(batch), step=step, learning_rate=2e-3) for step in range(90)]
    assert losses[-1]["generator/l1"] < losses[0]["generator/l1"] / 3
    with torch.no_grad():
        made = task.adversaries.generator_average(
            poses_of(batch, 0), torch.zeros_like(batch.frames[:, 0])
        )
    assert (made - batch.frames[:, 0]).abs().mean() < 0.2
