"""Faces of two people are cut out aligned; neither list waits for the other."""

from collections import Counter

import numpy as np
import pytest
import torch

from motiontransfer.errors import TrainingError
from motiontransfer.models.faces import warp
from motiontransfer.pose.face_boxes import face_alignments
from motiontransfer.training.data import FrameCache
from motiontransfer.training.face_cycle import AlignedFaces, FaceCycleDataset
from motiontransfer.video.tensors import frames_to_tensor
from tests.dancer import dance, picture
from tests.training.small_cycle import CROP_SIZE, face_clip


def faceless(keypoints, frames):
    """Hide one eye in these frames."""
    eye = keypoints.skeleton.index("left_eye")
    keypoints.score[frames, eye], keypoints.points[frames, eye] = 0, 0
    return keypoints


@pytest.fixture
def clips(tmp_path):
    return [
        face_clip(tmp_path / "a", faceless(dance(6), [1]), used=range(4)),
        face_clip(tmp_path / "b", dance(3, seed=5)),
    ]


def aligned(clips):
    return AlignedFaces(clips, crop_size=CROP_SIZE, person="target subject")


def test_every_usable_frame_with_a_face_is_there(clips):
    faces = aligned(clips)
    assert faces.frames == [(0, 0), (0, 2), (0, 3), (1, 0), (1, 1), (1, 2)]
    assert len(faces) == 6
    assert faces.num_frames_without_face == 1


def test_crops_show_the_aligned_faces(clips):
    crops = aligned(clips).crops([4, 1])
    for crop, (clip, index) in zip(crops, [(1, 1), (0, 2)], strict=True):
        keypoints = clips[clip].keypoints
        maps, _ = face_alignments(keypoints, crop_size=CROP_SIZE)
        frame = frames_to_tensor([picture(keypoints, index)])
        expected = warp(frame, maps[index : index + 1], size=(CROP_SIZE, CROP_SIZE))
        assert torch.equal(crop, expected[0])


def test_frames_that_may_not_be_used_are_never_read(clips, tmp_path, monkeypatch):
    read = set()
    whole = FrameCache.__getitem__
    monkeypatch.setattr(
        FrameCache, "__getitem__", lambda cache, place: read.add(place) or whole(cache, place)
    )
    alone = face_clip(tmp_path / "c", dance(1, seed=8))
    dataset = FaceCycleDataset(aligned([alone]), aligned(clips))
    dataset.batch(range(len(dataset)))
    assert read == {(0, 0), (0, 2), (0, 3), (1, 0), (1, 1), (1, 2)}


@pytest.mark.parametrize("source_is_longer", [True, False])
def test_an_epoch_shows_the_longer_list_once_and_the_shorter_evenly(
    tmp_path, monkeypatch, source_is_longer
):
    many = aligned([face_clip(tmp_path / "a", dance(7))])
    few = aligned([face_clip(tmp_path / "b", dance(3, seed=5))])
    dataset = FaceCycleDataset(*((many, few) if source_is_longer else (few, many)))
    seen = {id(many): Counter(), id(few): Counter()}
    whole = AlignedFaces.crops

    def crops(faces, indices):
        chosen = list(indices)
        seen[id(faces)].update(chosen)
        return whole(faces, chosen)

    monkeypatch.setattr(AlignedFaces, "crops", crops)
    batch = dataset.batch(range(len(dataset)))
    assert batch.source.shape == batch.target.shape == (7, 3, CROP_SIZE, CROP_SIZE)
    assert seen[id(many)] == Counter(range(7))
    assert sorted(seen[id(few)].values()) == [2, 2, 3]
    longer = batch.source if source_is_longer else batch.target
    assert torch.equal(longer, whole(many, range(7)))


def test_a_batch_is_copied_whole(clips):
    dataset = FaceCycleDataset(aligned(clips[:1]), aligned(clips[1:]))
    copy = dataset.batch([0]).to(torch.device("meta"))
    assert {copy.source.device.type, copy.target.device.type} == {"meta"}


def test_somebody_without_a_face_is_named(tmp_path):
    clip = face_clip(tmp_path / "a", faceless(dance(4), slice(None)))
    with pytest.raises(TrainingError, match="no usable frame shows the face of the target subject"):
        aligned([clip])


def test_arguments_are_not_changed(clips):
    before = [clip.keypoints.points.copy() for clip in clips]
    aligned(clips).crops([0])
    assert all(np.array_equal(x, c.keypoints.points) for x, c in zip(before, clips, strict=True))
