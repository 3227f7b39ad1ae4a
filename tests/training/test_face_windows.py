"""Face GAN on windows: what conditions the next frame, and the full frame's losses."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from motiontransfer.errors import TrainingError
from motiontransfer.models.generators import Generated
from motiontransfer.pose.boxes import face_boxes
from motiontransfer.skeleton import HOLISTIC
from motiontransfer.target_clips import HeldOut
from motiontransfer.training.face_gan import FaceWindowDataset, FaceWindowTask, FullFrameLosses
from motiontransfer.training.losses import GanLossConfig
from motiontransfer.training.weights import TrainedGenerator
from motiontransfer.video.tensors import levels_to_images, levels_to_textures
from tests.films import training_clip
from tests.people import SIZE, dance, puppet_of
from tests.training.small import (
    STYLE,
    Brighter,
    MeanDiscriminator,
    face_config,
    face_gan_config,
    faceless,
    generator_config,
    runtime,
    whole,
)

MAIN = TrainedGenerator(
    network=Brighter(),
    config=generator_config(background="generated"),
    style=STYLE,
    held_out=HeldOut(held_out_fraction=0.2, gap_frames=0),
)


class Residual(nn.Module):
    """0.1 everywhere, a parameter."""

    def __init__(self):
        super().__init__()
        self.value = nn.Parameter(torch.tensor(0.1))

    def forward(self, pose_crop, face_crop):
        return self.value.expand_as(face_crop)


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    clip = training_clip(tmp_path_factory.mktemp("clip"), dance(4))
    return FaceWindowDataset([clip], conditioning_poses=1).batch([0, 2])


def task_of(*, previous_frame="corrected", full_frame=None, scored_by=None, main=MAIN):
    return FaceWindowTask(
        runtime(),
        (Residual(), scored_by or MeanDiscriminator()),
        main=main,
        shape=face_config(previous_frame=previous_frame),
        skeleton=HOLISTIC,
        config=face_gan_config(),
        full_frame=full_frame,
    )


def test_windows_are_those_with_a_face_in_both_frames(face_clips):
    dataset = FaceWindowDataset(face_clips, conditioning_poses=1)
    assert dataset.windows == [(0, 2), (1, 0), (1, 1)]
    batch = dataset.batch([2, 0])
    for place, (clip, first) in enumerate([(1, 1), (0, 2)]):
        boxes, _ = face_boxes(face_clips[clip].keypoints)
        assert np.array_equal(batch.boxes[place], boxes[first : first + 2])


def test_clips_without_two_faces_in_a_row_are_refused(tmp_path):
    clip = training_clip(tmp_path, faceless(dance(4), slice(0, 4, 2)))
    with pytest.raises(TrainingError, match=r"no two consecutive training frames show a face"):
        FaceWindowDataset([clip], conditioning_poses=1)


@pytest.mark.parametrize(
    ("previous_frame", "inside", "gradient"), [("corrected", 0.4, 2), ("generated", 0.3, 1)]
)
def test_the_next_frame_is_generated_from_the_corrected_one(
    batch, previous_frame, inside, gradient
):
    """The main generator adds 0.1, and the face generator 0.1 more inside the box."""
    task = task_of(previous_frame=previous_frame)
    windows = task.generate(task.generator, batch)
    for first, second, boxes in zip(
        windows.corrected[:, 0], windows.corrected[:, 1], batch.boxes, strict=True
    ):
        x, y = ((boxes[0, :2] + boxes[0, 2:]) // 2).tolist()  # in the box of both frames
        assert first[0, y, x].item() == pytest.approx(0.2)
        assert second[0, y, x].item() == pytest.approx(inside)
        assert (first[0, -1, 0].item(), second[0, -1, 0].item()) == pytest.approx((0.1, 0.2))
        slope = torch.autograd.grad(second[0, y, x], task.generator.value, retain_graph=True)
        assert slope[0].item() == pytest.approx(gradient)


class ShowingTexture(Brighter):
    """The colours of the puppet."""

    def forward(self, pose_map, previous_frame, background=None, texture=None):
        return Generated(texture[:, :3], texture[:, :3])


def test_the_main_generator_sees_the_puppet_of_each_frame(clip):
    puppet = puppet_of(clip.keypoints, range(8))
    batch = FaceWindowDataset([clip], conditioning_poses=1, puppet=puppet).batch([0, 2])
    task = task_of(main=replace(MAIN, network=ShowingTexture()))
    task.generator.value.data.zero_()
    expected = levels_to_textures(batch.textures)[:, :, :3]
    assert expected.any()
    assert torch.equal(task.generate(task.generator, batch).corrected, expected)


def test_crops_are_those_of_the_frames_and_their_residuals(batch):
    task = task_of(previous_frame="generated")
    faces = task.correct(task.generator, batch)
    levels = torch.tensor([0.1, 0.1, 0.2, 0.2])[:, None, None, None]  # frame after frame
    assert torch.allclose(faces.generated, levels.expand_as(faces.generated))
    assert torch.allclose(faces.corrected, faces.generated + 0.1)
    assert faces.poses.shape[1] == STYLE.num_channels


def test_the_full_frames_losses_are_those_of_the_corrected_pair(batch):
    main = MeanDiscriminator().requires_grad_(False)
    config = GanLossConfig(
        adversarial_weight=3.0, feature_matching_weight=5.0, l1_weight=0.0, perceptual_weight=0.0
    )
    full = FullFrameLosses(discriminator=main, config=config, objective="least_squares")
    task = task_of(full_frame=full)
    windows = task.generate(task.generator, batch)
    losses = task.step(whole(batch), step=0, learning_rate=0.0)
    ((condition, images),) = main.shown
    real, fake = images.chunk(2)
    assert condition.shape == (2, 2 * STYLE.num_channels, *SIZE)
    assert torch.equal(real, levels_to_images(batch.frames).flatten(1, 2))
    assert torch.equal(fake, windows.corrected.flatten(1, 2))
    means = real.mean((1, 2, 3)), fake.mean((1, 2, 3))
    expected = {
        "adversarial": 3 * (means[1] + 0.5 - 1).square().mean(),
        "feature_matching": 5 * 4 * (means[0] - means[1]).abs().mean(),
    }
    got = {name: losses[f"generator/full_frame_{name}"].item() for name in expected}
    assert got == pytest.approx({name: loss.item() for name, loss in expected.items()}, rel=1e-4)
    without = task_of().step(whole(batch), step=0, learning_rate=0.0)
    assert {name for name in losses if name not in without} == {
        f"generator/full_frame_{name}" for name in expected
    }
