"""Training of a target's generator, coarse-to-fine too; a stopped one ends as a whole one."""

import itertools
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from PIL import Image
from torch import nn
from torch.nn import functional

from motiontransfer.errors import TrainingError
from motiontransfer.models.layers import (
    check_depth,
    count_parameters,
    downsample_by_2,
    initialise,
)
from motiontransfer.skeleton import HOLISTIC
from motiontransfer.training import checkpoint, train_pose_gan
from motiontransfer.training.background import median_background
from motiontransfer.training.clips import HeldOut
from motiontransfer.training.pose_gan import PoseGanTask
from motiontransfer.training.train_pose_gan import (
    build_networks,
    global_config,
    global_networks,
    split_schedule,
    start_from_coarse,
    train_generator,
)
from motiontransfer.training.weights import read_description, read_generator
from tests.dancer import SIZE, dance, film, training_clip
from tests.digests import digests
from tests.training.small import (
    STYLE,
    fabric,
    gan_config,
    networks,
    paths,
    schedule,
    stop_at_step,
)

HELD_OUT = HeldOut(held_out_fraction=0.25, gap_frames=1)


def train(clips, folder, *, config=None, shapes=None, precision="32-true", **changes):
    return train_generator(
        clips,
        Fabric(accelerator="cpu", devices=1, precision=precision),
        networks=shapes or networks(),
        config=config or gan_config(),
        schedule=schedule(**changes),
        held_out=HELD_OUT,
        paths=paths(folder),
    )


@pytest.fixture(scope="module")
def trained_run(tmp_path_factory, two_clips):
    """(folder, metrics) of a training; READ ONLY."""
    folder = tmp_path_factory.mktemp("run")
    return folder, train(two_clips, folder)


def test_weights_logs_pictures_and_counts_are_there_and_nothing_else(trained_run):
    folder, counts = trained_run[0], dict(trained_run[1])
    assert {path for path in digests(folder) if not path.endswith(".tsv")} == {
        *("models/generator.safetensors", "models/discriminator.safetensors"),
        *("logs/images/step_000004.png", "logs/images/step_000005.png"),
    }
    curves = (folder / "logs/metrics").rglob("*.tsv")
    assert {f"{path.parent.name}/{path.stem}" for path in curves} == {
        *("generator/adversarial", "generator/feature_matching", "generator/l1"),
        "discriminator/adversarial",
    }
    assert not list((folder / "checkpoints").iterdir())
    with Image.open(folder / "logs/images/step_000005.png") as picture:
        assert picture.size == (6 * SIZE[1], 3 * SIZE[0])
    trained = read_generator(folder / "models/generator.safetensors")
    network = trained.network.requires_grad_(requires_grad=True)
    measured = ("discriminator_parameters", "minutes", "steps_per_second", "loader_share")
    assert all(counts.pop(name) > 0 for name in measured)
    assert counts == {
        **{"steps": 5, "windows": 8, "windows_without_body": 2},
        "generator_parameters": count_parameters(network),
    }


def test_the_weights_say_what_they_are(trained_run, two_clips):
    models = trained_run[0] / "models"
    trained = read_generator(models / "generator.safetensors")
    assert trained.config == networks().generator
    assert (trained.style, trained.held_out) == (STYLE, HELD_OUT)
    plate = median_background(two_clips, num_frames=100)
    assert torch.equal(trained.network.plate, plate)
    description = read_description(models / "discriminator.safetensors")
    assert description == {
        "discriminator": asdict(networks().discriminator),
        "window_frames": 2,
    }


@pytest.mark.parametrize("background", ["plate", pytest.param("generated", marks=pytest.mark.slow)])
def test_a_training_that_was_stopped_ends_in_the_same_bytes(
    tmp_path, two_clips, monkeypatch, background
):
    shapes = networks(background=background)
    train(two_clips, tmp_path / "whole", shapes=shapes)
    taken = stop_at_step(monkeypatch, PoseGanTask, 3)
    with pytest.raises(RuntimeError, match="went down"):
        train(two_clips, tmp_path / "stopped", shapes=shapes)
    assert not (tmp_path / "stopped/models").exists()
    torch.randn(100)  # what else the process drew makes no difference
    train(two_clips, tmp_path / "stopped", shapes=shapes)
    assert taken == [0, 1, 2, 3, 2, 3, 4]
    assert digests(tmp_path / "stopped") == digests(tmp_path / "whole")


@pytest.mark.parametrize("change", ["config", "keypoints", "frames", "precision", "code"])
def test_other_configurations_and_inputs_start_anew(tmp_path, monkeypatch, change):
    clip = training_clip(tmp_path, dance(4))
    taken = stop_at_step(monkeypatch, PoseGanTask, 3)
    with pytest.raises(RuntimeError, match="went down"):
        train([clip], tmp_path)
    if change == "keypoints":
        clip.keypoints_file.write_bytes(b"of another detector")
    if change == "frames":
        film(clip.frames, dance(4, seed=6))
    if change == "code":
        (tmp_path / "other_code.py").write_text("a = 1")
        monkeypatch.setattr(checkpoint, "source_files", lambda _: [tmp_path / "other_code.py"])
    config = gan_config(l1_weight=21.0) if change == "config" else None
    precision = "bf16-mixed" if change == "precision" else "32-true"
    train([clip], tmp_path, config=config, precision=precision)
    assert taken[4:] == [0, 1, 2, 3, 4]
    assert len(list((tmp_path / "checkpoints").iterdir())) == 1  # the stopped run can still resume


@pytest.mark.slow
def test_seed_and_settings_decide_the_weights(tmp_path, two_clips):
    variants = [
        {},
        {"seed": 4},
        {"learning_rate": 2e-3},
        {"config": gan_config(l1_weight=1.0)},
        {"config": gan_config(ema_decay=0.0)},
        {"config": gan_config(feature_matching_weight=0.0)},
        {"config": gan_config(adversarial_weight=0.0)},
        {"config": gan_config(foreground_l1_weight=1.0)},
    ]
    weights = []
    for index, changes in enumerate(variants):
        train(two_clips[1:], tmp_path / str(index), **{"steps": 2, **changes})
        weights.append((tmp_path / str(index) / "models/generator.safetensors").read_bytes())
    assert all(a != b for a, b in itertools.combinations(weights, 2))


def test_the_seed_decides_where_the_networks_begin(tmp_path):
    """There is one pair, so one order, and nothing is learnt."""
    clip = training_clip(tmp_path / "c", dance(2))
    weights = []
    for seed in (3, 4):
        train([clip], tmp_path / str(seed), steps=1, learning_rate=1e-30, seed=seed)
        path = tmp_path / str(seed) / "models/generator.safetensors"
        weights.append(read_generator(path).network.state_dict())
    differences = [(weights[0][name] - weights[1][name]).abs().max() for name in weights[0]]
    assert max(differences) > 0.01


def test_held_out_frames_make_no_difference(tmp_path, two_clips):
    """The same clip with another tail gives the same weights."""
    train(two_clips[:1], tmp_path / "one", steps=3)
    keypoints = two_clips[0].keypoints
    changed = replace(keypoints, points=keypoints.points.copy(), score=keypoints.score.copy())
    changed.points[8:] += 3 * (changed.score[8:, :, None] > 0)
    other = training_clip(tmp_path / "c", changed, training_frames=range(8))
    train([other], tmp_path / "other", steps=3)
    assert digests(tmp_path / "one/models") == digests(tmp_path / "other/models")
    assert not np.array_equal(changed.points, keypoints.points)


def test_a_network_too_deep_for_its_images_is_refused_by_key():
    for side in (32, 17):
        check_depth((64, side), stride=16, section="train_gan")
    with pytest.raises(
        TrainingError, match=r"train_gan\.num_downsamplings: images of 64x16 pixels shrink to 4x1"
    ):
        check_depth((64, 16), stride=16, section="train_gan")


def test_too_deep_networks_are_refused_before_training(tmp_path, two_clips):
    deep = replace(networks(), generator=replace(networks().generator, num_downsamplings=6))
    with pytest.raises(TrainingError, match=r"train_gan\.num_downsamplings"):
        train(two_clips, tmp_path / "run", shapes=deep)
    assert not (tmp_path / "run").exists()


def local(**changes):
    """A local enhancer, trained coarse-to-fine."""
    numbers = {"architecture": "local", "background": "generated", "upsampling": "transposed"}
    return networks(**{**numbers, **changes})


COARSE_TO_FINE = gan_config(global_only_fraction=0.5)


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


def built(shapes, *, seed):
    torch.manual_seed(seed)
    networks = build_networks(shapes, COARSE_TO_FINE, fabric(), background_image=None)
    return PoseGanTask(
        fabric(), networks, style=STYLE, skeleton=HOLISTIC, config=COARSE_TO_FINE, seed=0
    )


@pytest.fixture
def started():
    """(local enhancer started from a trained global generator, that one, finest scale before)."""
    optimizer, trained = built(local(), seed=0), built(global_networks(local()), seed=7)
    trained.generator_ema.apply(initialise)
    finest = {k: v.clone() for k, v in optimizer.discriminator.scales[0].state_dict().items()}
    start_from_coarse(optimizer, trained)
    return optimizer, trained, finest


def test_the_first_frame_of_a_local_enhancer_is_what_pix2pixhd_defines(started):
    optimizer, trained, _ = started
    channels = STYLE.num_channels + 3
    features, down, up = published_enhancer(channels, ngf=2)
    put_weights(features, [*trained.generator_ema.network.features.state_dict().values()])
    enhancer = optimizer.generator.network
    put_weights(down, [*enhancer.down.state_dict().values()])
    put_weights(up, [*enhancer.up.state_dict().values(), *enhancer.head.state_dict().values()])
    pose, before = torch.rand(1, STYLE.num_channels, *SIZE), torch.rand(1, 3, *SIZE) * 2 - 1
    shown = torch.cat([pose, before], dim=1)
    pooled = functional.avg_pool2d(shown, 3, stride=2, padding=1, count_include_pad=False)
    expected = up(down(shown) + features(pooled))
    for generator in (optimizer.generator, optimizer.generator_ema):
        assert torch.allclose(generator(pose, before), expected, atol=1e-5)
    assert not torch.allclose(up(down(shown)), expected, atol=1e-3)  # the global part matters


def test_the_discriminators_keep_their_resolution_and_the_finest_is_new(started):
    optimizer, trained, finest = started
    ours, theirs = optimizer.discriminator.scales, trained.discriminator.scales
    assert (len(ours), len(theirs)) == (2, 1)
    assert same(ours[0].state_dict(), finest)
    assert same(ours[1].state_dict(), theirs[0].state_dict())


def test_the_first_training_is_of_the_global_generator_at_half_the_size():
    small = global_networks(local())
    assert small.generator == replace(
        local().generator, architecture="global", size=(SIZE[0] // 2, SIZE[1] // 2)
    )
    assert small.discriminator == replace(local().discriminator, num_scales=1)
    assert global_networks(local(size=(25, 31))).generator.size == (13, 16)


def test_each_scale_has_its_weight_in_both_trainings_and_the_perceptual_loss_half_in_the_first():
    weights = {"adversarial_weight": 3.0, "perceptual_weight": 20.0, "foreground_radius_px": 8}
    three = replace(local(), discriminator=replace(local().discriminator, num_scales=3))
    early = {"adversarial_weight": 2.0, "perceptual_weight": 10.0, "foreground_radius_px": 4}
    assert global_config(gan_config(**weights), three) == gan_config(**early)


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


def train_coarse_to_fine(clip, folder, *, fraction=0.5, background="generated", **changes):
    return train(
        [clip],
        folder,
        shapes=local(background=background),
        config=gan_config(global_only_fraction=fraction),
        **{"steps": 7, "batch_size": 1, "log_every_steps": 1, "sample_every_steps": 2, **changes},
    )


@pytest.mark.parametrize("background", ["generated", "plate"])
def test_each_of_the_two_trainings_has_its_schedule_curves_and_pictures(
    tmp_path, clip, monkeypatch, background
):
    taken, whole_step, emas, backgrounds = [], PoseGanTask.step, [], []
    real_start, real_build = train_pose_gan.start_from_coarse, train_pose_gan.build_networks

    def step(self, share, *, step, learning_rate):
        network = self.generator.network
        inner = getattr(network, "coarse", None) or network.features
        copied = {name: value.clone() for name, value in inner.state_dict().items()}
        taken.append((self._resolution, step, learning_rate, copied))
        return whole_step(self, share, step=step, learning_rate=learning_rate)

    def start(optimizer, trained):
        emas.append(trained.generator_ema.network.features.state_dict())
        real_start(optimizer, trained)

    def build(*arguments, background_image):
        backgrounds.append(background_image)
        return real_build(*arguments, background_image=background_image)

    monkeypatch.setattr(PoseGanTask, "step", step)
    monkeypatch.setattr(train_pose_gan, "start_from_coarse", start)
    monkeypatch.setattr(train_pose_gan, "build_networks", build)
    metrics = train_coarse_to_fine(clip, tmp_path, background=background)
    # half of 7 steps, rounded to even; each part's rate is constant for half of it, then falls
    assert [(resolution, step) for resolution, step, _, _ in taken] == [
        *(("half", step) for step in range(4)),
        *(("full", step) for step in range(3)),
    ]
    rates = [rate for _, _, rate, _ in taken]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-3, 5e-4, 1e-3, 1e-3, 2e-3 / 3])
    assert same(emas[0], taken[4][3])
    assert not same(taken[3][3], taken[4][3])
    assert not same(taken[4][3], taken[5][3])
    assert metrics["steps"] == 7
    trained = read_generator(tmp_path / "models/generator.safetensors")
    assert (trained.config.architecture, trained.config.size) == ("local", SIZE)
    description = read_description(tmp_path / "models/discriminator.safetensors")
    assert description["discriminator"]["num_scales"] == 2
    if background == "plate":
        full, half = backgrounds
        assert torch.equal(half, downsample_by_2(full[None])[0])
        assert torch.equal(trained.network.plate, full)
    for logs, steps in ((tmp_path / "logs/global", 4), (tmp_path / "logs", 3)):
        lines = (logs / "metrics/generator/l1.tsv").read_text().splitlines()
        assert [line.split("\t")[0] for line in lines[1:]] == [str(n + 1) for n in range(steps)]
        assert (logs / f"images/step_{steps:06d}.png").exists()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, clip):
    folder = tmp_path_factory.mktemp("whole")
    train_coarse_to_fine(clip, folder)
    return digests(folder)


@pytest.mark.parametrize(
    "moment",
    [
        *(pytest.param(step, marks=pytest.mark.slow) for step in (0, 1, 2, 4, 5)),
        *(3, 6, "before the start", "after the start"),
    ],
)
def test_a_training_that_stopped_at_any_moment_ends_in_the_same_bytes(
    tmp_path, clip, monkeypatch, uninterrupted, moment
):
    real_start = train_pose_gan.start_from_coarse

    def failing_start(optimizer, trained):
        if moment == "after the start":
            real_start(optimizer, trained)
        raise RuntimeError("the machine went down")

    with monkeypatch.context() as patch:
        if isinstance(moment, int):
            stop_at_step(patch, PoseGanTask, moment)
        else:
            patch.setattr(train_pose_gan, "start_from_coarse", failing_start)
        with pytest.raises(RuntimeError, match="went down"):
            train_coarse_to_fine(clip, tmp_path / "run")
    assert not (tmp_path / "run/models").exists()
    torch.randn(100)  # what else the process drew makes no difference
    train_coarse_to_fine(clip, tmp_path / "run")
    assert digests(tmp_path / "run") == uninterrupted
    assert not list((tmp_path / "run/checkpoints").iterdir())


def test_another_global_only_fraction_is_another_run(tmp_path, clip, monkeypatch):
    taken = stop_at_step(monkeypatch, PoseGanTask, 5)
    with pytest.raises(RuntimeError, match="went down"):
        train_coarse_to_fine(clip, tmp_path)
    train_coarse_to_fine(clip, tmp_path, fraction=0.6)
    assert len(taken) == 6 + 7


def test_the_time_is_shared_like_the_steps():
    plan = schedule(steps=10, max_minutes=8.0)
    coarse, fine = split_schedule(plan, global_only_fraction=0.25)
    assert (coarse.steps, coarse.max_minutes) == (2, 2.0)
    assert (fine.steps, fine.max_minutes) == (8, 6.0)
    assert coarse.part(10, share=4.0) == plan


@pytest.mark.parametrize(("fraction", "steps"), [(0.001, (1, 9)), (0.999, (9, 1)), (0.5, (5, 5))])
def test_each_training_has_at_least_a_step(fraction, steps):
    split = split_schedule(schedule(steps=10), global_only_fraction=fraction)
    assert tuple(part.steps for part in split) == steps
    assert all(part.max_minutes is None for part in split)
