"""Warping resamples where it must and nowhere else; the ellipse ends inside the crop."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from motiontransfer.models.faces import face_ellipse, warp
from motiontransfer.pose.face_boxes import inverse

IDENTITY = np.eye(2, 3)[None]
CPU = torch.device("cpu")


def noise(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def smooth(size):
    """A picture without detail: it survives resampling."""
    y, x = torch.meshgrid(*(torch.linspace(0, 3, length) for length in size), indexing="ij")
    return torch.stack([torch.sin(x), torch.cos(y), torch.sin(x + y)])[None]


def test_the_identity_changes_nothing():
    image = noise(1, 3, 9, 7)
    kept = image.clone()
    assert torch.allclose(warp(image, IDENTITY, size=(9, 7)), image, atol=1e-5)
    assert torch.equal(image, kept)


def test_a_shift_by_whole_pixels_is_a_cut_and_past_the_edge_the_edge_goes_on():
    image = noise(1, 2, 6, 8)
    shift = np.array([[[1.0, 0, -3], [0, 1, 2]]])  # 3 to the left, 2 down
    shifted = warp(image, shift, size=(6, 8))
    assert torch.allclose(shifted[..., 2:, :5], image[..., :4, 3:], atol=1e-5)
    assert torch.allclose(shifted[..., :2, :5], image[..., :1, 3:].expand(1, 2, 2, 5), atol=1e-5)
    assert torch.allclose(shifted[..., 2:, 5:], image[..., :4, 7:].expand(1, 2, 4, 3), atol=1e-5)


def test_half_the_size_is_the_mean_of_fours():
    image = noise(1, 3, 8, 6)
    half = np.array([[[0.5, 0, -0.25], [0, 0.5, -0.25]]])  # pixel centres are whole numbers
    expected = functional.avg_pool2d(image, 2)
    assert torch.allclose(warp(image, half, size=(4, 3)), expected, atol=1e-5)


def test_a_quarter_turn_turns_to_the_right():
    image = noise(1, 1, 5, 5)
    turn = np.array([[[0.0, -1, 4], [1, 0, 0]]])  # (x, y) -> (4 - y, x)
    assert torch.allclose(warp(image, turn, size=(5, 5)), image.rot90(-1, (2, 3)), atol=1e-5)


@pytest.mark.parametrize("scale", [0.6, 1.0, 2.3])
def test_the_inverse_returns_the_picture(scale):
    turn = np.radians(20)
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    there = np.concatenate([linear, 40 - linear @ [[20], [20]]], axis=1)[None]  # about the middle
    image = smooth((41, 41))
    back = warp(warp(image, there, size=(81, 81)), inverse(there), size=(41, 41))
    assert (back - image)[..., 10:31, 10:31].abs().max() < 0.02


def test_a_batch_is_its_images_one_by_one():
    images, maps = noise(3, 3, 12, 10), np.tile(np.eye(2, 3), (3, 1, 1))
    maps[:, 0, 0] = maps[:, 1, 1] = (0.3, 1.0, 1.7)
    maps[:, 0, 2] = (0.5, -2.0, 1.25)
    together = warp(images, maps, size=(7, 9))
    alone = [warp(images[i : i + 1], maps[i : i + 1], size=(7, 9)) for i in range(3)]
    assert torch.equal(together, torch.cat(alone))


def test_the_ellipse_is_1_on_the_face_and_0_at_the_crops_border():
    ellipse = face_ellipse(64, device=CPU)[0, 0]
    assert ellipse[24:40, 26:38].min() == 1
    border = torch.cat([ellipse[0], ellipse[-1], ellipse[:, 0], ellipse[:, -1]])
    assert border.abs().max() == 0
    assert torch.allclose(ellipse, ellipse.flip(0))
    assert torch.allclose(ellipse, ellipse.flip(1))
    assert (ellipse[:32].diff(dim=0) >= 0).all()
    assert ellipse.sum(dim=0).count_nonzero() < ellipse.sum(dim=1).count_nonzero()  # upright
