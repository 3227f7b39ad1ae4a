"""A patch is blended in where it belongs to the face and nowhere else."""

import numpy as np
import pytest
import torch

from motiontransfer.media.tensors import frames_to_tensor, tensor_to_frames
from motiontransfer.rendering.face_blending import blend_poisson
from motiontransfer.rendering.face_patches import FacePatch, blend

SIZE = (16, 12)


def noise(seed):
    levels = np.random.default_rng(seed).integers(60, 190, (*SIZE, 3), dtype=np.uint8)
    return frames_to_tensor([levels])


def weight():
    """1 in the middle, falling to 0 in three steps."""
    rows = torch.tensor([0, 0, 0.25, 0.5, 0.75] + [1.0] * 6 + [0.75, 0.5, 0.25, 0, 0])
    columns = torch.tensor([0, 0.5] + [1.0] * 8 + [0.5, 0])
    return (rows[:, None] * columns[None, :])[None, None]


def test_feathering_mixes_by_the_weight():
    image, patch = noise(0), FacePatch(image=noise(1), weight=weight())
    blended = blend(image, patch, blending="feather")
    mixed = image * (1 - patch.weight) + patch.image * patch.weight
    assert np.abs(blended.astype(int) - tensor_to_frames(mixed)[0]).max() <= 1
    assert np.array_equal(blended[5, 5], tensor_to_frames(patch.image)[0][5, 5])


def test_poisson_takes_the_patch_where_the_weight_is_at_least_a_half():
    image, patch = noise(0), FacePatch(image=noise(1), weight=weight())
    frame, face = tensor_to_frames(torch.cat([image, patch.image]))
    mask = weight()[0, 0].numpy() >= 0.5
    assert 0 < mask.sum() < (weight() > 0).sum()
    expected = blend_poisson(frame, face, mask)
    assert np.array_equal(blend(image, patch, blending="poisson"), expected)


@pytest.mark.parametrize("blending", ["feather", "poisson"])
def test_outside_the_face_everything_is_untouched(blending):
    image, patch = noise(0), FacePatch(image=noise(1), weight=weight())
    blended = blend(image, patch, blending=blending)
    outside = weight()[0, 0].numpy() == 0
    frame = tensor_to_frames(image)[0]
    assert np.array_equal(blended[outside], frame[outside])
    assert not np.array_equal(blended, frame)
