"""The source's real face, translated, lies where the pose says; without a face nothing changes."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from motiontransfer.errors import KeypointsError, MissingFileError
from motiontransfer.media.tensors import frames_to_tensor
from motiontransfer.nets.aligned_crops import warp
from motiontransfer.nets.face_translation import FaceTranslator
from motiontransfer.pose.face_alignment import face_alignments
from motiontransfer.rendering.face_cycle import TranslatedFaces, load_translated_faces
from motiontransfer.rendering.face_patches import FaceModel
from motiontransfer.skeleton import HOLISTIC
from motiontransfer.training.face_cycle_weights import write_face_translator
from tests.dancer import dance, film, picture
from tests.training.small import fabric
from tests.training.small_cycle import CROP_SIZE, translator_config

NUM_FRAMES = 4


class Same(FaceTranslator):
    """Leaves faces as they are; remembers them."""

    def __init__(self):
        nn.Module.__init__(self)
        self.shown = []

    def forward(self, faces):
        assert torch.is_inference_mode_enabled()
        self.shown.append(faces.clone())
        return faces


def without_left_eye(keypoints, frames):
    eye = HOLISTIC.index("left_eye")
    keypoints.score[frames, eye], keypoints.points[frames, eye] = 0, 0
    return keypoints


def shifted(keypoints, x, y):
    points = np.where(keypoints.score[..., None] > 0, keypoints.points + np.float32([x, y]), 0)
    return replace(keypoints, points=points)


@pytest.fixture
def source():
    return dance(NUM_FRAMES)


@pytest.fixture
def faces(tmp_path, source):
    return TranslatedFaces(
        fabric=fabric(),
        translator=Same(),
        crop_size=64,  # several times as large as the face: nothing gets lost on the way
        frames=film(tmp_path / "source.mkv", source),
        keypoints=source,
    )


def images(keypoints, num_frames=NUM_FRAMES):
    """What a main generator made: grey."""
    return [torch.zeros((1, 3, *keypoints.image_size)) for _ in range(num_frames)]


def test_it_is_a_face_model(faces):
    assert isinstance(faces, FaceModel)


def test_the_translator_sees_the_sources_aligned_face(faces, source):
    list(faces.patches(images(source), shifted(source, 3, 2)))
    maps, _ = face_alignments(source, crop_size=64)
    assert len(faces.translator.shown) == NUM_FRAMES
    for index, shown in enumerate(faces.translator.shown):
        frame = frames_to_tensor([picture(source, index)])
        assert torch.equal(shown, warp(frame, maps[index : index + 1], size=(64, 64)))


def test_the_face_lies_where_the_pose_has_it(faces, source):
    made = images(source)
    patches = list(faces.patches(made, shifted(source, 4, 3)))
    for index, (image, patch) in enumerate(patches):
        assert image is made[index]
        on_face = patch.weight[0, 0] == 1
        assert on_face.sum() > 10
        x, y = source.joint("nose")[0][index].round().astype(int) + np.array([4, 3])
        assert on_face[y, x]
        frame = frames_to_tensor([picture(source, index)])
        error_at = {}
        for right, down in itertools.product((3, 4, 5), (2, 3, 4)):
            there = torch.roll(frame, (down, right), dims=(2, 3))
            error_at[right, down] = float((patch.image - there)[0, :, on_face].abs().mean())
        # The pose's face is the source's, 4 px further right and 3 px further down.
        assert min(error_at, key=error_at.get) == (4, 3)
        assert error_at[4, 3] < 0.2  # a drawn face is all edges, and was resampled twice


def test_the_face_is_as_large_as_the_pose_has_it(faces, source):
    doubled = replace(source, points=2 * source.points, image_size=(96, 80))
    small = list(faces.patches(images(source), source))
    large = list(faces.patches(images(doubled), doubled))
    for (_, one), (_, other) in zip(small, large, strict=True):
        assert other.weight.sum() == pytest.approx(4 * float(one.weight.sum()), rel=0.05)


def test_without_a_face_in_source_or_pose_there_is_no_patch(faces, source):
    poses = without_left_eye(shifted(source, 1, 1), [2])
    unseen = replace(faces, keypoints=without_left_eye(dance(NUM_FRAMES), [0]))
    patches = [patch for _, patch in unseen.patches(images(source), poses)]
    assert [patch is None for patch in patches] == [True, False, True, False]
    assert len(faces.translator.shown) == 2


def test_poses_of_another_clip_are_refused(faces):
    with pytest.raises(KeypointsError, match=r"each of the 4 frames of .*source\.mkv.*, got 5"):
        next(faces.patches(images(dance(5), 5), dance(5)))


def test_inference_mode_stays_inside(faces, source):
    for _ in faces.patches(images(source), source):
        assert not torch.is_inference_mode_enabled()


def test_a_transfers_translator_is_loaded(tmp_path, faces, source):
    torch.manual_seed(0)
    write_face_translator(tmp_path, FaceTranslator(translator_config()), translator_config())
    loaded = load_translated_faces(
        tmp_path, fabric(), frames=faces.frames, keypoints=faces.keypoints
    )
    assert loaded.crop_size == CROP_SIZE
    assert all(patch is not None for _, patch in loaded.patches(images(source), source))
    with pytest.raises(MissingFileError, match=r"elsewhere/face_cycle\.safetensors"):
        load_translated_faces(
            tmp_path / "elsewhere", fabric(), frames=faces.frames, keypoints=faces.keypoints
        )
