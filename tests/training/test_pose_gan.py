from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from motiontransfer.models.generators import FrameGenerator, Generated, build_generator
from motiontransfer.models.layers import downsample_by_2, initialize
from motiontransfer.pose.drawing import draw_rgb
from motiontransfer.training.pose_gan import PoseGanTask
from motiontransfer.video.geometry import resize
from motiontransfer.video.tensors import frames_to_tensor, levels_to_images, tensor_to_frames
from tests.people import SIZE, picture
from tests.training import small


class Remembering(FrameGenerator):
    """A generator of one flat colour that remembers what it was shown."""

    def __init__(self, value=0.3):
        nn.Module.__init__(self)
        self.colour = nn.Parameter(torch.full((1, 3, 1, 1), value))
        self.shown = []

    def forward(self, pose_map, previous_frame, background=None):
        self.shown.append((pose_map.detach().clone(), previous_frame.detach().clone()))
        frame = self.colour + 0.5 * previous_frame + 0 * pose_map[:, :1]
        return Generated(frame)


def task_of(generator, scored_by=None, *, perceptual=None, resolution="full", **changes):
    config = small.gan_config(**changes)
    own = small.discriminator(window_frames=config.window_frames).apply(initialize)
    gan = small.posed_gan((generator, scored_by or own), config, perceptual=perceptual)
    return PoseGanTask(gan, resolution=resolution)


@pytest.fixture
def batch(clip):
    return small.windows_of([clip]).batch([0, 2, 4])


def real_images(batch):
    return levels_to_images(batch.frames)


def test_the_gradient_reaches_the_first_frame_through_the_second(batch):
    """All pixels are too dark: each frame's L1 has gradient -1, and 0.5 of the second's goes on."""
    generator, captured = Remembering(value=-0.9), []
    weights = {"adversarial_weight": 0.0, "feature_matching_weight": 0.0, "l1_weight": 1.0}
    task = task_of(generator, small.MeanDiscriminator(), foreground_l1_weight=1.0, **weights)
    generator.colour.register_hook(lambda gradient: captured.append(gradient.sum().item()))
    white = replace(batch, frames=torch.full_like(batch.frames, 255))
    task.step(white, step=0, learning_rate=0.0)
    assert captured[0] == pytest.approx(-1 - 0.5 * 0.5)


@pytest.mark.parametrize("adam_steps", [1, 2])
def test_adam_moves_the_generator_as_often_on_each_gradient(batch, adam_steps):
    generator, scored_by = Remembering(), small.MeanDiscriminator()
    colour, number = generator.colour.detach().clone(), scored_by.number.item()
    task_of(generator, scored_by, adam_steps=adam_steps).step(batch, step=0, learning_rate=0.125)
    moved = (generator.colour - colour).abs().flatten().tolist()
    assert moved == pytest.approx([0.125 * adam_steps] * 3, abs=1e-4)
    assert abs(scored_by.number.item() - number) == pytest.approx(0.125, abs=1e-4)


@pytest.mark.parametrize("weights", [(3.0, 5.0, 7.0, 8.0), (0,) * 4])
def test_both_networks_are_trained_by_weighted_losses(batch, weights):
    """By the logarithmic objective; other trainings' tests are of the least squares."""
    adversarial, matching, l1, perceptual = weights
    task = task_of(
        Remembering(),
        small.MeanDiscriminator(),
        perceptual=small.Slices(1),
        objective="log",
        adversarial_weight=adversarial,
        feature_matching_weight=matching,
        l1_weight=l1,
        perceptual_weight=perceptual,
        foreground_l1_weight=1.0,
    )
    losses = task.step(batch, step=0, learning_rate=0.0)
    real, fake = real_images(batch).flatten(1, 2).mean((1, 2, 3)).numpy(), (0.3 + 0.45) / 2
    first, second = real_images(batch).unbind(1)
    difference = ((first - 0.3).abs().mean() + (second - 0.45).abs().mean()).item() / 2
    as_real = np.log1p(np.exp(-real - 0.5)).mean()
    expected = {
        "generator/adversarial": adversarial * np.log1p(np.exp(-fake - 0.5)),
        "generator/feature_matching": matching * 4 * abs(real - fake).mean(),
        "generator/l1": l1 * difference,
        "generator/perceptual": perceptual * difference / 32,
        "discriminator/adversarial": (as_real + np.log1p(np.exp(fake + 0.5))) / 2,
        "generator/sharpness": 0.0,  # `Remembering` generates even frames
    }
    got = {name: loss.item() for name, loss in losses.items()}
    assert got == pytest.approx(expected, rel=1e-4)


def shown(clip, *, conditioning_poses=1, resolution="full", **changes):
    """Inputs of generator and discriminator in one step."""
    dataset = small.windows_of(
        [clip], window_frames=changes.get("window_frames", 2), conditioning_poses=conditioning_poses
    )
    batch, generator, scored_by = dataset.batch([0, 3, 4]), Remembering(), small.MeanDiscriminator()
    task = task_of(generator, scored_by, resolution=resolution, **changes)
    task.step(batch, step=0, learning_rate=0.0)
    return batch, generator.shown, scored_by.shown


@pytest.mark.parametrize(("window_frames", "resolution"), [(1, "full"), (2, "full"), (2, "half")])
def test_the_frames_are_generated_in_a_row_and_scored_together(clip, window_frames, resolution):
    how = {"window_frames": window_frames, "resolution": resolution}
    batch, generated, [(condition, images)] = shown(clip, **how)
    sized = downsample_by_2 if resolution == "half" else nn.Identity()
    values = [0.3, 0.45][:window_frames]
    for time, (pose_maps, before) in enumerate(generated):
        assert torch.equal(pose_maps, sized(small.poses_of(batch, time)))
        assert before.mean().item() == pytest.approx(values[time - 1] if time else 0)
    assert len(generated) == window_frames
    poses = torch.cat([small.poses_of(batch, time) for time in range(window_frames)], dim=1)
    assert torch.equal(condition, sized(poses))
    real, fake = images.chunk(2)
    assert torch.equal(real, sized(real_images(batch).flatten(1, 2)))
    for frame, value in zip(fake.split(3, dim=1), values, strict=True):
        assert torch.allclose(frame, torch.tensor(value))


def test_the_pose_before_is_shown_to_the_generator_alone(clip):
    batch, generated, [(condition, _)] = shown(clip, conditioning_poses=2)
    for time, (pose_maps, _) in enumerate(generated):
        older, own = pose_maps.chunk(2, dim=1)
        assert torch.equal(older, small.poses_of(batch, time))
        assert torch.equal(own, small.poses_of(batch, time + 1))
    assert not generated[0][0][0, : small.STYLE.num_channels].any()  # before the clip's first frame
    poses = [small.poses_of(batch, time) for time in (1, 2)]
    assert torch.equal(condition, torch.cat(poses, dim=1))


@pytest.mark.parametrize(("resolution", "size"), [("full", SIZE), ("half", (24, 20))])
def test_a_sample_column_is_pose_real_and_generated_frame_of_a_window(clip, resolution, size):
    """The generated frame is the second of two; windows are spread evenly over all."""
    sample = task_of(small.brighter(), resolution=resolution).sample(small.windows_of([clip]))
    columns, poses = np.split(sample, 6, axis=1), clip.keypoints
    how = {"skeleton": poses.skeleton, "size": SIZE, "style": small.STYLE}
    for column, index in [(0, 1), (5, 7)]:
        pose, real, generated = np.split(columns[column], 3)
        drawn = draw_rgb(poses.points[index], poses.score[index], **how)
        assert np.array_equal(pose, resize(drawn, size))
        filmed = downsample_by_2(frames_to_tensor([picture(poses, index)]))
        expected = picture(poses, index) if size == SIZE else tensor_to_frames(filmed)[0]
        assert np.array_equal(real, expected)
        assert np.unique(generated).tolist() == [round((0.2 + 1) * 127.5)]


@pytest.mark.parametrize("resolution", ["full", "half"])
def test_in_a_viewport_the_person_is_composited_on_that_part_of_the_background(clip, resolution):
    """With the same light added everywhere; behind the person the target has no shadow."""
    torch.manual_seed(0)
    sized, scale = (nn.Identity(), 1) if resolution == "full" else (downsample_by_2, 2)
    plate = sized(torch.rand(1, 3, *SIZE))[0]
    config = small.generator_config(viewport=small.VIEWPORT, size=tuple(plate.shape[1:]))
    generator = build_generator(config, background_image=plate).apply(initialize)
    with torch.no_grad():
        generator.network.head.bias.view(4, -1)[3] = -100.0  # a mask of zeros
        generator.network.head.weight.zero_()
        generator.shadows.head.weight.zero_()
        generator.shadows.head.bias.fill_(0.2)
    weights = {"l1_weight": 1.0, "foreground_l1_weight": 1.0}
    task = task_of(generator, small.MeanDiscriminator(), resolution=resolution, **weights)
    batch = small.windows_of([clip], viewport=small.VIEWPORT).batch([0, 3, 5])
    losses = task.step(batch, step=0, learning_rate=0.0)
    expected = []
    for frames, (x, y) in zip(real_images(batch), batch.whole.corners, strict=True):
        real = sized(frames)
        part = plate[:, y // scale :, x // scale :][:, : real.shape[2], : real.shape[3]]
        expected.append((part + 0.2 - real).abs().mean())
    torch.testing.assert_close(losses["generator/l1"], torch.stack(expected).mean())
    coarse = levels_to_images(batch.whole.coarse)
    scene = functional.interpolate(plate[None], size=coarse.shape[3:], mode="area")
    lacking, shadow = (scene + 0.2 - coarse).abs(), (scene - coarse).abs()
    weighted = torch.where(
        batch.whole.is_background[:, :, None], lacking * (1 + 8 * shadow), 0.1 * 0.2
    )
    torch.testing.assert_close(losses["generator/shadows"], 30 * weighted.mean())


def test_what_is_in_the_viewport_teaches_no_shadows(clip):
    """Or clothes would be shadows, in poses that were never filmed."""
    batch = small.windows_of([clip], viewport=small.VIEWPORT).batch([0, 3, 5])
    config, learnt = small.generator_config(viewport=small.VIEWPORT), []
    for frames in (batch.frames, 255 - batch.frames):
        generator = build_generator(config, background_image=torch.zeros(3, *SIZE))
        torch.manual_seed(0)
        task = task_of(generator.apply(initialize), small.MeanDiscriminator())
        task.step(replace(batch, frames=frames), step=0, learning_rate=1e-3)
        learnt.append(torch.cat([each.flatten() for each in generator.shadows.parameters()]))
    assert torch.equal(*learnt)
