import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from motiontransfer.core.errors import KeypointsError
from motiontransfer.models.faces import FaceTranslator, warp
from motiontransfer.pose.boxes import face_alignments
from motiontransfer.rendering.compositing import blend_poisson
from motiontransfer.rendering.frame import FacePatch
from motiontransfer.rendering.renderer import TranslatedFaces
from motiontransfer.rendering.rollout import FramePose
from motiontransfer.video.tensors import frames_to_tensor
from tests.films import film
from tests.live.parts import renderer
from tests.people import dance, picture, scaled
from tests.training.small import faceless, runtime

NUM_FRAMES = 4
PATCH_SIZE = (16, 12)


class Same(FaceTranslator):
    def __init__(self):
        nn.Module.__init__(self)
        self.shown = []

    def forward(self, faces):
        assert torch.is_inference_mode_enabled()
        self.shown.append(faces.clone())
        return faces


@pytest.fixture
def source():
    return dance(NUM_FRAMES)


@pytest.fixture
def faces(tmp_path, source):
    return TranslatedFaces(
        runtime=runtime(),
        translator=Same(),
        crop_size=64,  # several times as large as the face: nothing gets lost on the way
        frames=film(tmp_path / "source.mkv", source),
        keypoints=source,
    )


POSE = FramePose(box=(0, 0, 1, 1), pose_map=torch.zeros(1, 1, 1, 1), coarse_pose=None)


def patched(faces, keypoints):
    """The patches of a clip whose generated frames are grey."""
    image = torch.zeros((1, 3, *keypoints.image_size))
    for make_patch in faces.patches(keypoints):
        yield None if make_patch is None else make_patch(image, POSE)


def test_the_translator_sees_the_sources_aligned_face(faces, source):
    for _ in patched(faces, scaled(source, shift=(3, 2))):
        assert not torch.is_inference_mode_enabled()
    maps, _ = face_alignments(source, crop_size=64)
    assert len(faces.translator.shown) == NUM_FRAMES
    for index, shown in enumerate(faces.translator.shown):
        frame = frames_to_tensor([picture(source, index)])
        assert torch.equal(shown, warp(frame, maps[index : index + 1], size=(64, 64)))


def test_the_face_lies_where_the_pose_has_it(faces, source):
    for index, patch in enumerate(patched(faces, scaled(source, shift=(4, 3)))):
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


def test_without_a_face_in_source_or_pose_there_is_no_patch(faces, source):
    poses = faceless(scaled(source, shift=(1, 1)), [2])
    unseen = replace(faces, keypoints=faceless(dance(NUM_FRAMES), [0]))
    assert [patch is None for patch in patched(unseen, poses)] == [True, False, True, False]
    assert len(faces.translator.shown) == 2
    with pytest.raises(KeypointsError, match=r"each of the 4 frames of .*source\.mkv.*, got 5"):
        next(faces.patches(dance(5)))


def test_poisson_takes_the_patch_where_the_weight_is_at_least_a_half():
    """Of noise for other noise; the weight is 1 in the middle, falling to 0 in three steps."""
    frame, face = np.random.default_rng(0).integers(60, 190, (2, *PATCH_SIZE, 3), np.uint8)
    rows = torch.tensor([0, 0, 0.25, 0.5, 0.75] + [1.0] * 6 + [0.75, 0.5, 0.25, 0, 0])
    columns = torch.tensor([0, 0.5] + [1.0] * 8 + [0.5, 0])
    weight = rows[:, None] * columns[None, :]
    patch = FacePatch(
        image=frames_to_tensor([face]), box=(0, 0, *reversed(PATCH_SIZE)), weight=weight[None, None]
    )
    mask = weight.numpy() >= 0.5
    assert 0 < mask.sum() < (weight > 0).sum()
    made = replace(renderer(), face_blending="poisson")
    blended = made.start_frame(frames_to_tensor([frame]), lambda: patch)()
    assert np.array_equal(blended, blend_poisson(frame, face, mask))
