"""Coarse-to-fine training: a global generator first, then a local enhancer around it."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from motiontransfer.models.layers import downsample_by_2, initialise
from motiontransfer.pose.rendering import draw_poses
from motiontransfer.skeleton import HOLISTIC
from motiontransfer.training import train_pose_gan
from motiontransfer.training.clips import HeldOut
from motiontransfer.training.optimization import Adversaries
from motiontransfer.training.pose_gan import GanTask, WindowDataset
from motiontransfer.training.train_pose_gan import (
    build_pair,
    global_networks,
    global_settings,
    split_schedule,
    start_from_coarse,
    train_generator,
)
from motiontransfer.training.weights import read_description, read_generator
from tests.dancer import SIZE, dance, training_clip
from tests.digests import digests
from tests.training.small import (
    STYLE,
    discriminator,
    fabric,
    gan_settings,
    networks,
    paths,
    schedule,
    whole,
)

HALF = (SIZE[0] // 2, SIZE[1] // 2)


def shapes(*, global_only_fraction=0.5, **changes):
    numbers = {"architecture": "local", "background": "generated", "upsampling": "transposed"}
    return replace(networks(**{**numbers, **changes}), global_only_fraction=global_only_fraction)


def conv(inputs, outputs, **options):
    return nn.Conv2d(inputs, outputs, **options)


def normed(*layers, channels):
    return [*layers, nn.InstanceNorm2d(channels), nn.ReLU()]


class Block(nn.Module):
    """pix2pixHD's residual block."""

    def __init__(self, channels):
        super().__init__()
        once = [nn.ReflectionPad2d(1), conv(channels, channels, kernel_size=3)]
        twice = [nn.ReflectionPad2d(1), conv(channels, channels, kernel_size=3)]
        norm = nn.InstanceNorm2d(channels)
        self.body = nn.Sequential(*normed(*once, channels=channels), *twice, norm)

    def forward(self, features):
        return features + self.body(features)


def published_enhancer(in_channels, ngf):
    """pix2pixHD's table, for one downsampling and one block: (global features, down, up)."""
    wide, down = 2 * ngf, {"kernel_size": 3, "stride": 2, "padding": 1}
    features = nn.Sequential(
        *normed(nn.ReflectionPad2d(3), conv(in_channels, wide, kernel_size=7), channels=wide),
        *normed(conv(wide, 2 * wide, **down), channels=2 * wide),
        Block(2 * wide),
        *normed(nn.ConvTranspose2d(2 * wide, wide, **down, output_padding=1), channels=wide),
    )
    downwards = nn.Sequential(
        *normed(nn.ReflectionPad2d(3), conv(in_channels, ngf, kernel_size=7), channels=ngf),
        *normed(conv(ngf, wide, **down), channels=wide),
    )
    upwards = nn.Sequential(
        *(Block(wide), Block(wide), Block(wide)),
        *normed(nn.ConvTranspose2d(wide, ngf, **down, output_padding=1), channels=ngf),
        *(nn.ReflectionPad2d(3), conv(ngf, 3, kernel_size=7), nn.Tanh()),
    )
    return features, downwards, upwards


def put_weights(network, weights):
    """Put weights into a network of the same layers under other names, in their order."""
    state = network.state_dict()
    for name, weight in zip(state, weights, strict=True):
        assert state[name].shape == weight.shape
    network.load_state_dict(dict(zip(state, weights, strict=True)))
    return network


def trained_global(*, seed=7):
    """Networks of a first training, with weights that nothing else has."""
    torch.manual_seed(seed)
    pair = build_pair(global_networks(shapes()), background_image=None)
    trained = Adversaries(fabric(), pair.generator, pair.discriminator, ema_decay=0.9)
    trained.generator_average.apply(initialise)
    return trained


def test_the_first_frame_of_a_local_enhancer_is_what_pix2pixhd_defines():
    pair, trained = build_pair(shapes(), background_image=None), trained_global()
    start_from_coarse(pair, trained)
    channels = STYLE.num_channels + 3
    features, down, up = published_enhancer(channels, ngf=2)
    put_weights(features, [*trained.generator_average.network.features.state_dict().values()])
    enhancer = pair.generator.network
    put_weights(down, [*enhancer.down.state_dict().values()])
    put_weights(up, [*enhancer.up.state_dict().values(), *enhancer.head.state_dict().values()])
    pose, before = torch.rand(1, STYLE.num_channels, *SIZE), torch.rand(1, 3, *SIZE) * 2 - 1
    shown = torch.cat([pose, before], dim=1)
    pooled = functional.avg_pool2d(shown, 3, stride=2, padding=1, count_include_pad=False)
    expected = up(down(shown) + features(pooled))
    assert torch.allclose(pair.generator(pose, before), expected, atol=1e-5)
    assert not torch.allclose(up(down(shown)), expected, atol=1e-3)  # the global part matters


def test_the_discriminators_keep_their_resolution_and_the_finest_is_new():
    pair, trained = build_pair(shapes(), background_image=None), trained_global()
    finest = {k: v.clone() for k, v in pair.discriminator.scales[0].state_dict().items()}
    start_from_coarse(pair, trained)
    ours, theirs = pair.discriminator.scales, trained.discriminator.scales
    assert (len(ours), len(theirs)) == (2, 1)
    assert same(ours[0].state_dict(), finest)
    assert same(ours[1].state_dict(), theirs[0].state_dict())


def test_the_first_training_is_of_the_global_generator_at_half_the_size():
    small = global_networks(shapes())
    assert small.generator == replace(
        shapes().generator, architecture="global", size=(SIZE[0] // 2, SIZE[1] // 2)
    )
    assert small.discriminator == replace(shapes().discriminator, num_scales=1)
    assert global_networks(shapes(size=(25, 31))).generator.size == (13, 16)


def test_each_scale_has_its_weight_in_both_trainings_and_the_perceptual_loss_half_in_the_first():
    settings = gan_settings(
        adversarial_weight=3.0, perceptual_weight=20.0, foreground_radius_px=8, l1_weight=2.0
    )
    three = replace(shapes(), discriminator=replace(shapes().discriminator, num_scales=3))
    early = global_settings(settings, three)
    expected = replace(settings.frame_losses, perceptual_weight=10.0, foreground_radius_px=4)
    assert early == replace(settings, adversarial_weight=2.0, frame_losses=expected)


@pytest.fixture
def clips(tmp_path):
    return [training_clip(tmp_path / "a", dance(8))]


class Remembering(nn.Module):
    """A generator of one flat colour that remembers what it was shown."""

    def __init__(self):
        super().__init__()
        self.colour = nn.Parameter(torch.full((1, 3, 1, 1), 0.3))
        self.shown = []

    def forward(self, pose_map, previous_frame):
        self.shown.append(pose_map.detach().clone())
        return self.colour + 0 * pose_map[:, :1] + 0 * previous_frame


def test_in_the_first_training_all_images_are_downsampled_by_2(clips, monkeypatch):
    batch = WindowDataset(clips).batch([1])
    generator, scored_by = Remembering(), discriminator()
    adversaries = Adversaries(fabric(), generator, scored_by, ema_decay=0.0)
    seen, forward = [], type(scored_by).forward

    def remembered(self, poses, frames):
        seen.append((poses, frames))
        return forward(self, poses, frames)

    monkeypatch.setattr(type(scored_by), "forward", remembered)
    task = GanTask(
        fabric(),
        adversaries,
        style=STYLE,
        skeleton=HOLISTIC,
        settings=gan_settings(),
        seed=0,
        resolution="half",
    )
    task.step(whole(batch), step=0, learning_rate=0.0)
    poses = draw_poses(batch.points[0], batch.score[0], skeleton=HOLISTIC, size=SIZE, style=STYLE)
    assert [shown.shape[2:] for shown in generator.shown] == [HALF, HALF]
    assert torch.equal(torch.cat(generator.shown), downsample_by_2(poses))
    ((seen_poses, seen_frames),) = seen
    assert torch.equal(seen_poses[0], downsample_by_2(poses).flatten(0, 1))
    assert torch.equal(seen_frames[0], downsample_by_2(batch.frames[0]).flatten(0, 1))
    assert seen_frames.shape == (2, 6, *HALF)


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


def train(clips, folder, *, global_only_fraction=0.5, background="generated", **changes):
    return train_generator(
        clips,
        fabric(),
        networks=shapes(global_only_fraction=global_only_fraction, background=background),
        settings=gan_settings(),
        schedule=schedule(
            **{"num_steps": 7, "batch_size": 1, "log_every_steps": 1, "sample_every_steps": 2},
            **changes,
        ),
        held_out=HeldOut(held_out_fraction=0.0, gap_frames=0),
        paths=paths(folder),
    )


def recorded_steps(monkeypatch):
    """(resolution, step, learning rate, global part before the step) of each step from now on."""
    whole_step, taken = GanTask.step, []

    def step(self, share, *, step, learning_rate):
        network = self.adversaries.generator.network
        inner = getattr(network, "coarse", None) or network.features
        copied = {name: value.clone() for name, value in inner.state_dict().items()}
        taken.append((self._resolution, step, learning_rate, copied))
        return whole_step(self, share, step=step, learning_rate=learning_rate)

    monkeypatch.setattr(GanTask, "step", step)
    return taken


@pytest.mark.parametrize("background", ["generated", "plate"])
def test_each_of_the_two_trainings_has_its_own_schedule(tmp_path, clips, monkeypatch, background):
    taken = recorded_steps(monkeypatch)
    averages = []
    real_start = train_pose_gan.start_from_coarse

    def remembered(pair, trained):
        averages.append(trained.generator_average.network.features.state_dict())
        real_start(pair, trained)

    monkeypatch.setattr(train_pose_gan, "start_from_coarse", remembered)
    metrics = train(clips, tmp_path, background=background)
    # half of 7 steps, rounded to even; each part's rate is constant for half of it, then falls
    assert [(resolution, step) for resolution, step, _, _ in taken] == [
        *(("half", step) for step in range(4)),
        *(("full", step) for step in range(3)),
    ]
    rates = [rate for _, _, rate, _ in taken]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-3, 5e-4, 1e-3, 1e-3, 2e-3 / 3])
    (average,) = averages
    assert same(average, taken[4][3])  # what the first training would have kept
    assert not same(taken[3][3], taken[4][3])
    assert not same(taken[4][3], taken[5][3])
    assert metrics["steps"] == 7
    trained = read_generator(tmp_path / "models/generator.safetensors")
    assert (trained.config.architecture, trained.config.size) == ("local", SIZE)
    judge = read_description(tmp_path / "models/discriminator.safetensors")
    assert judge["discriminator"]["num_scales"] == 2


def test_both_trainings_have_curves_and_pictures(tmp_path, clips):
    train(clips, tmp_path)
    for logs, steps in ((tmp_path / "logs/global", 4), (tmp_path / "logs", 3)):
        lines = (logs / "metrics/generator/l1.tsv").read_text().splitlines()
        assert [line.split("\t")[0] for line in lines[1:]] == [str(n + 1) for n in range(steps)]
        assert (logs / f"images/step_{steps:06d}.png").exists()


class WentDownError(Exception):
    pass


def go_down(monkeypatch, moment):
    """Fail at a moment: before the step of this number, or between the trainings."""
    whole_step, real_start, taken = GanTask.step, train_pose_gan.start_from_coarse, []

    def step(self, share, *, step, learning_rate):
        taken.append(step)
        if len(taken) - 1 == moment:
            raise WentDownError
        return whole_step(self, share, step=step, learning_rate=learning_rate)

    def failing_start(pair, trained):
        if moment == "between":
            raise WentDownError
        real_start(pair, trained)
        if moment == "started":
            raise WentDownError

    monkeypatch.setattr(GanTask, "step", step)
    monkeypatch.setattr(train_pose_gan, "start_from_coarse", failing_start)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    train([training_clip(folder / "clip", dance(8))], folder / "run")
    return digests(folder / "run")


@pytest.mark.parametrize("moment", [*range(7), "between", "started"])
def test_a_training_that_stopped_at_any_moment_ends_in_the_same_bytes(
    tmp_path, clips, monkeypatch, uninterrupted, moment
):
    with monkeypatch.context() as patch:
        go_down(patch, moment)
        with pytest.raises(WentDownError):
            train(clips, tmp_path / "run")
    assert not (tmp_path / "run/models").exists()
    torch.randn(100)  # what else the process drew makes no difference
    train(clips, tmp_path / "run")
    assert digests(tmp_path / "run") == uninterrupted
    assert not list((tmp_path / "run/checkpoints").iterdir())


def test_another_global_only_fraction_is_another_run(tmp_path, clips, monkeypatch):
    with monkeypatch.context() as patch:
        go_down(patch, 5)
        with pytest.raises(WentDownError):
            train(clips, tmp_path)
    taken = recorded_steps(monkeypatch)
    train(clips, tmp_path, global_only_fraction=0.6)
    assert len(taken) == 7


def test_the_time_is_shared_like_the_steps():
    plan = schedule(num_steps=10, max_minutes=8.0)
    coarse, fine = split_schedule(plan, global_only_fraction=0.25)
    assert (coarse.num_steps, coarse.max_minutes) == (2, 2.0)
    assert (fine.num_steps, fine.max_minutes) == (8, 6.0)
    assert replace(coarse, num_steps=10, max_minutes=8.0) == plan


@pytest.mark.parametrize(("fraction", "steps"), [(0.001, (1, 9)), (0.999, (9, 1)), (0.5, (5, 5))])
def test_each_training_has_at_least_a_step(fraction, steps):
    split = split_schedule(schedule(num_steps=10), global_only_fraction=fraction)
    assert tuple(part.num_steps for part in split) == steps
    assert all(part.max_minutes is None for part in split)


def test_the_background_image_is_downsampled_with_the_frames(tmp_path, clips, monkeypatch):
    built = []
    real_build = train_pose_gan.build_pair

    def remembered(networks, *, background_image):
        built.append(background_image)
        return real_build(networks, background_image=background_image)

    monkeypatch.setattr(train_pose_gan, "build_pair", remembered)
    train(clips, tmp_path, background="plate", checkpoint_every_steps=100)
    full, half = built
    assert full.shape == (3, *SIZE)
    assert torch.equal(half, downsample_by_2(full[None])[0])
    trained = read_generator(tmp_path / "models/generator.safetensors")
    assert torch.equal(trained.network.plate, full)
