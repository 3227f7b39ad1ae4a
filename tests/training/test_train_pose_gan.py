from dataclasses import asdict, replace
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import torch
from safetensors.torch import load_file

from motiontransfer.core.errors import TrainingError
from motiontransfer.core.params import SHIPPED_FILE, read_sections
from motiontransfer.core.tensor_files import read_description
from motiontransfer.models.layers import check_depth, downsample_by_2
from motiontransfer.models.weights import read_generator
from motiontransfer.plate.target_clips import HeldOut
from motiontransfer.training import pose_gan
from motiontransfer.training.params import TrainGanParams
from motiontransfer.video.tensors import frames_to_tensor
from tests.digests import digests
from tests.people import SIZE
from tests.training.small import (
    STYLE,
    VIEWPORT,
    gan_config,
    networks,
    schedule,
    stop_at_step,
    target_of,
)
from tests.training.trainings import train_pose

HELD_OUT = HeldOut(held_out_fraction=0.25, gap_frames=1)
CONFIG = gan_config()
DRAWN = networks(texture="puppet", viewport=VIEWPORT)


def train(clips, folder, *, config=CONFIG, shapes=None, **changes):
    shapes = shapes or DRAWN
    return train_pose(clips, folder, held_out=HELD_OUT, shapes=shapes, config=config, **changes)


def test_what_paints_a_learned_person_decides_nothing_where_one_is_drawn(tmp_path, two_clips):
    of_losses = {"l1_weight": 1.0, "foreground_l1_weight": 2.0, "foreground_radius_px": 1}
    of_losses |= {"perceptual_weight": 3.0, "adam_steps": 2}
    of_network = {"architecture": "global", "num_filters": 8, "num_residual_blocks": 2}
    of_network |= {"max_channels": 16, "upsampling": "transposed", "conditioning_poses": 2}
    params = TrainGanParams(**read_sections(SHIPPED_FILE)["train_gan"])
    idle = {each.key for each in params.idle() if each.why == "texture is puppet"}
    assert idle == {*of_losses, *of_network, "previous_frame"}
    other = networks(texture="puppet", viewport=VIEWPORT, previous_frame="none", **of_network)
    train(two_clips[:1], tmp_path / "one", steps=1)
    train(two_clips[:1], tmp_path / "two", steps=1, shapes=other, config=gan_config(**of_losses))
    one, two = (tmp_path / name / "models/generator.safetensors" for name in ("one", "two"))
    assert same(load_file(one), load_file(two))


def test_too_deep_networks_are_refused_before_training(tmp_path, two_clips):
    deep = replace(networks(), generator=replace(networks().generator, num_downsamplings=6))
    with pytest.raises(TrainingError, match=r"train_gan\.num_downsamplings"):
        train(two_clips, tmp_path / "run", shapes=deep)
    assert not (tmp_path / "run").exists()
    for side in (32, 17):
        check_depth((64, side), stride=16, section="train_gan")
    with pytest.raises(TrainingError, match=r"train_gan\.num_downsamplings: .* to 4x1"):
        check_depth((64, 16), stride=16, section="train_gan")


def local(**changes):
    """A local enhancer, trained coarse-to-fine."""
    numbers = {"architecture": "local", "background": "generated", "upsampling": "transposed"}
    return networks(**{**numbers, **changes})


def test_the_first_training_is_of_the_global_generator_at_half_the_size():
    small = pose_gan.global_networks(local())
    assert small.generator == replace(
        local().generator, architecture="global", size=(SIZE[0] // 2, SIZE[1] // 2)
    )
    assert small.discriminator == replace(local().discriminator, num_scales=1)
    assert pose_gan.global_networks(local(size=(25, 31))).generator.size == (13, 16)
    # Each scale has its weight in both trainings, the perceptual loss half of it in the first.
    weights = {"adversarial_weight": 3.0, "perceptual_weight": 20.0, "foreground_radius_px": 8}
    three = replace(local(), discriminator=replace(local().discriminator, num_scales=3))
    early = {"adversarial_weight": 2.0, "perceptual_weight": 10.0, "foreground_radius_px": 4}
    assert pose_gan.global_config(gan_config(**weights), three) == gan_config(**early)


def copied(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


SHAPES = local(background="plate")


def train_coarse_to_fine(clip, folder):
    config = gan_config(global_only_fraction=0.5)
    steps = {"steps": 7, "log_every_steps": 1, "sample_every_steps": 2}
    return train([clip], folder, shapes=SHAPES, config=config, batch_size=1, **steps)


@pytest.fixture(scope="module")
def coarse_to_fine(tmp_path_factory, clip):
    """A training, with what its steps were given; READ ONLY."""
    folder, taken = tmp_path_factory.mktemp("coarse_to_fine"), []
    whole_step, real_start = pose_gan.PoseGanTask.step, pose_gan.start_from_coarse
    build = Mock(wraps=pose_gan.build_networks)

    def step(self, batch, *, step, learning_rate):
        network = self.generator.network
        inner = getattr(network, "coarse", None) or network.features
        taken.append((self._resolution, step, learning_rate, copied(inner)))
        return whole_step(self, batch, step=step, learning_rate=learning_rate)

    def start(task, trained):
        finest = copied(task.discriminator.scales[0])
        averaged = copied(trained.ema.network.features)
        real_start(task, trained)
        assert same(copied(task.discriminator.scales[0]), finest)
        assert same(copied(task.discriminator.scales[1]), copied(trained.discriminator.scales[0]))
        for generator in (task.generator, task.ema):
            assert same(copied(generator.network.coarse), averaged)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pose_gan.PoseGanTask, "step", step)
        patch.setattr(pose_gan, "start_from_coarse", start)
        patch.setattr(pose_gan, "build_networks", build)
        metrics = train_coarse_to_fine(clip, folder)
    backgrounds = [call.kwargs["background_image"] for call in build.call_args_list]
    return SimpleNamespace(folder=folder, metrics=metrics, taken=taken, backgrounds=backgrounds)


def test_each_of_the_two_trainings_has_its_schedule_curves_and_samples(coarse_to_fine, clip):
    folder, taken = coarse_to_fine.folder, coarse_to_fine.taken
    # half of 7 steps, rounded to even; each part's rate is constant for half of it, then falls
    steps = [(resolution, step) for resolution, step, _, _ in taken]
    assert steps == [
        ("half", 0),
        ("half", 1),
        ("half", 2),
        ("half", 3),
        *(("full", i) for i in range(3)),
    ]
    rates = [rate for _, _, rate, _ in taken]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-3, 5e-4, 1e-3, 1e-3, 2e-3 / 3])
    assert not same(taken[3][3], taken[4][3])
    assert not same(taken[4][3], taken[5][3])
    assert coarse_to_fine.metrics["steps"] == 7
    trained = read_generator(folder / "models/generator.safetensors")
    assert trained.config == SHAPES.generator
    assert (trained.style, trained.held_out) == (STYLE, HELD_OUT)
    description = read_description(folder / "models/discriminator.safetensors")
    assert description == {"discriminator": asdict(SHAPES.discriminator), "window_frames": 2}
    full, half = coarse_to_fine.backgrounds
    assert torch.equal(full, frames_to_tensor([target_of([clip]).appearance.background])[0])
    assert torch.equal(half, downsample_by_2(full[None])[0])
    assert torch.equal(trained.network.background_image, full)
    for logs, steps in ((folder / "logs/global", 4), (folder / "logs", 3)):
        lines = (logs / "metrics/generator/l1.tsv").read_text().splitlines()
        assert [line.split("\t")[0] for line in lines[1:]] == [str(n + 1) for n in range(steps)]
        assert (logs / f"images/step_{steps:06d}.png").exists()


@pytest.mark.slow
@pytest.mark.parametrize("moment", [1, 5, "after the start", "before the start"])
def test_a_training_that_stopped_at_any_moment_ends_in_the_same_bytes(
    tmp_path, clip, monkeypatch, coarse_to_fine, moment
):
    real_start = pose_gan.start_from_coarse

    def failing_start(optimizer, trained):
        if moment == "after the start":
            real_start(optimizer, trained)
        raise RuntimeError("the machine went down")

    with monkeypatch.context() as patch:
        if isinstance(moment, int):
            stop_at_step(patch, pose_gan.PoseGanTask, moment)
        else:
            patch.setattr(pose_gan, "start_from_coarse", failing_start)
        with pytest.raises(RuntimeError, match="went down"):
            train_coarse_to_fine(clip, tmp_path / "run")
    assert not (tmp_path / "run/models").exists()
    torch.randn(100)  # what else the process drew makes no difference
    train_coarse_to_fine(clip, tmp_path / "run")
    assert digests(tmp_path / "run") == digests(coarse_to_fine.folder)
    assert not list((tmp_path / "run/checkpoints").iterdir())


@pytest.mark.parametrize(
    ("fraction", "steps"), [(0.25, (2, 8)), (0.001, (1, 9)), (0.999, (9, 1)), (0.5, (5, 5))]
)
def test_the_time_is_shared_like_the_steps_of_which_each_training_has_one(fraction, steps):
    for minutes in (None, 8.0):
        plan = schedule(steps=10, max_minutes=minutes)
        split = pose_gan.split_schedule(plan, share=fraction)
        assert tuple(part.steps for part in split) == steps
        shares = (fraction, 1 - fraction)
        expected = [minutes and pytest.approx(minutes * share) for share in shares]
        assert [part.max_minutes for part in split] == expected
    assert split[0].part(10, share=1 / fraction) == plan


def test_the_run_is_known_by_all_that_decides_its_result(tmp_path, two_clips, monkeypatch):
    key = Mock(side_effect=KeyboardInterrupt)
    monkeypatch.setattr(pose_gan, "run_key", key)
    with pytest.raises(KeyboardInterrupt):
        train(two_clips, tmp_path)
    _, config, files = key.call_args.args
    assert config == [DRAWN, CONFIG, schedule(), HELD_OUT]
    of_clips = [file for c in two_clips for file in (c.frames, c.keypoints_file)]
    appearance, masks = target_of(two_clips).appearance_file, [c.masks_file for c in two_clips]
    assert files == [*of_clips, appearance, *masks]
    assert key.call_args.kwargs == {"code": pose_gan.__name__}
