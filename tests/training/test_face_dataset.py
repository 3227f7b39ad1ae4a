"""Faces are cut out of real and generated frames alike, each in its own box."""

import numpy as np
import pytest
import torch

from motiontransfer.errors import TrainingError
from motiontransfer.models.faces import crop_boxes
from motiontransfer.pose.face_boxes import face_boxes
from motiontransfer.training.face_gan import FaceDataset
from motiontransfer.video.tensors import frames_to_tensor
from tests.dancer import dance, film, picture, training_clip


def faceless(keypoints, frames):
    """Hide one eye in these frames."""
    eye = keypoints.skeleton.index("left_eye")
    keypoints.score[frames, eye], keypoints.points[frames, eye] = 0, 0
    return keypoints


@pytest.fixture
def clips(tmp_path):
    return [
        training_clip(tmp_path / "a", faceless(dance(6), [1]), training_frames=range(4)),
        training_clip(tmp_path / "b", dance(3, seed=5)),
    ]


@pytest.fixture
def rollouts(tmp_path):
    """What a main generator made: somebody a little off."""
    return [
        film(tmp_path / "rollout_0.mkv", dance(4, seed=8)),
        film(tmp_path / "rollout_1.mkv", dance(3, seed=9)),
    ]


def test_every_training_frame_with_a_face_is_an_item(clips, rollouts):
    dataset = FaceDataset(clips, rollouts, crop_size=32)
    assert dataset.frames == [(0, 0), (0, 2), (0, 3), (1, 0), (1, 1), (1, 2)]
    assert len(dataset) == 6
    assert dataset.num_frames_without_face == 1


def test_a_batch_shows_the_same_box_of_real_and_generated(clips, rollouts):
    batch = FaceDataset(clips, rollouts, crop_size=32).batch([5, 1])
    for place, (clip, index, seed) in enumerate([(1, 2, 9), (0, 2, 8)]):
        keypoints = clips[clip].keypoints
        box = face_boxes(keypoints)[0][index]
        assert batch.boxes[place].tolist() == box.tolist()
        assert np.array_equal(batch.points[place], keypoints.points[index])
        assert np.array_equal(batch.score[place], keypoints.score[index])
        frames = {
            "real": picture(keypoints, index),
            "generated": picture(dance(4 if clip == 0 else 3, seed=seed), index),
        }
        for name, frame in frames.items():
            crop = crop_boxes(frames_to_tensor([frame]), batch.boxes[place, None], crop_size=32)
            assert torch.equal(getattr(batch, name)[place], crop[0])


def test_a_batch_is_copied_whole(clips, rollouts):
    copy = FaceDataset(clips, rollouts, crop_size=32).batch([0]).to(torch.device("meta"))
    tensors = (copy.points, copy.score, copy.boxes, copy.real, copy.generated)
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert copy.real.shape == copy.generated.shape == (1, 3, 32, 32)


def test_clips_without_a_face_are_refused(tmp_path, rollouts):
    clip = training_clip(tmp_path / "c", faceless(dance(4), slice(None)))
    with pytest.raises(TrainingError, match=r"no training frame shows a face; .*steps to 0"):
        FaceDataset([clip], rollouts[:1], crop_size=32)
