"""Poses and frames are changed together, and gradients find their way back."""

import pytest
import torch

from motiontransfer.nets.augmentation import Augmentation, draw_augmentation

SIZE = (8, 12)


def augmentation(batch=1, **changes):
    """One that changes nothing but what is asked for."""
    nothing = {
        "shift": torch.zeros(batch, 2, dtype=torch.int64),
        "hole": torch.zeros(batch, 4, dtype=torch.int64),
        "brightness": torch.zeros(batch),
        "saturation": torch.ones(batch),
        "contrast": torch.ones(batch),
    }
    return Augmentation(**{**nothing, **{k: torch.tensor(v) for k, v in changes.items()}})


def images(batch=1, channels=3):
    return torch.rand(batch, channels, *SIZE, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_nothing_changes_nothing():
    assert torch.equal(augmentation().poses(images(channels=5)), images(channels=5))
    assert torch.allclose(augmentation().frames(images()), images(), atol=1e-6)


def test_a_shift_moves_right_and_down_and_leaves_zeros():
    moved = augmentation(shift=[[2, 1]]).poses(images())
    assert torch.equal(moved[:, :, 1:, 2:], images()[:, :, :-1, :-2])
    assert not moved[:, :, 0].any()
    assert not moved[:, :, :, :2].any()
    back = augmentation(shift=[[-2, -1]]).poses(images())
    assert torch.equal(back[:, :, :-1, :-2], images()[:, :, 1:, 2:])
    assert not back[:, :, -1].any()
    assert not back[:, :, :, -2:].any()


def test_a_hole_is_half_open_and_may_reach_over_the_border():
    cut = augmentation(hole=[[2, -3, 5, 4]]).poses(images())
    assert not cut[:, :, :4, 2:5].any()
    rest = torch.ones(SIZE, dtype=torch.bool)
    rest[:4, 2:5] = False
    assert torch.equal(cut[:, :, rest], images()[:, :, rest])


def test_colours_are_changed_in_frames_only():
    change = augmentation(brightness=[0.25], saturation=[0.5], contrast=[0.7])
    assert torch.equal(change.poses(images()), images())
    assert not torch.allclose(change.frames(images()), images(), atol=1e-3)


def test_brightness_is_added():
    assert torch.allclose(
        augmentation(brightness=[0.25]).frames(images()), images() + 0.25, atol=1e-6
    )


def test_saturation_is_distance_from_grey():
    grey = images().mean(1, keepdim=True).expand(-1, 3, -1, -1)
    assert torch.allclose(augmentation(saturation=[0.0]).frames(images()), grey, atol=1e-6)
    double = augmentation(saturation=[2.0]).frames(images())
    assert torch.allclose(double - grey, 2 * (images() - grey), atol=1e-6)


def test_contrast_is_distance_from_each_frames_own_mean():
    two = torch.cat([images() + 0.5, images() - 0.5], dim=1)
    half = augmentation(contrast=[0.5]).frames(two)
    for frame, before in zip(half.split(3, 1), two.split(3, 1), strict=True):
        assert torch.allclose(frame - frame.mean(), 0.5 * (before - before.mean()), atol=1e-6)
        assert frame.mean().item() == pytest.approx(before.mean().item(), abs=1e-6)


def test_real_and_fake_of_one_sample_are_changed_alike():
    change = draw_augmentation(range(2), SIZE, draws=torch.Generator().manual_seed(3))
    real, fake = images(2, 6), images(2, 6).flip(0)
    together = change.frames(torch.cat([real, fake]))
    assert torch.equal(together[:2], change.frames(real))
    assert torch.equal(together[2:], change.frames(fake))


def test_poses_stay_with_their_frames():
    """What marks a place in both marks the same place after."""
    change = draw_augmentation(range(4), SIZE, draws=torch.Generator().manual_seed(4))
    marks = images(4, 3)
    moved = change.poses(marks)
    colourless = Augmentation(
        shift=change.shift,
        hole=change.hole,
        brightness=torch.zeros(4),
        saturation=torch.ones(4),
        contrast=torch.ones(4),
    )
    assert torch.allclose(colourless.frames(marks), moved, atol=1e-6)


def test_gradients_come_back_to_where_the_pixels_were():
    frames = images().requires_grad_()
    augmentation(shift=[[3, 0]], hole=[[0, 0, 12, 2]]).frames(frames).sum().backward()
    assert torch.allclose(frames.grad[:, :, 2:, :-3], torch.ones(1, 3, 6, 9))
    assert not frames.grad[:, :, :2].any()
    assert not frames.grad[:, :, :, -3:].any()


def test_the_draw_follows_its_generator_alone():
    torch.manual_seed(0)
    first = draw_augmentation(range(3), SIZE, draws=torch.Generator().manual_seed(5))
    torch.manual_seed(1)
    second = draw_augmentation(range(3), SIZE, draws=torch.Generator().manual_seed(5))
    other = draw_augmentation(range(3), SIZE, draws=torch.Generator().manual_seed(6))
    for name in ("shift", "hole", "brightness", "saturation", "contrast"):
        assert torch.equal(getattr(first, name), getattr(second, name))
    assert not torch.equal(first.brightness, other.brightness)


def test_a_place_is_given_the_same_whoever_asks_for_it():
    def drawn(places):
        return draw_augmentation(places, SIZE, draws=torch.Generator().manual_seed(8))

    whole, share = drawn(range(20)), drawn(range(5, 8))
    for name in ("shift", "hole", "brightness", "saturation", "contrast"):
        assert torch.equal(getattr(whole, name)[5:8], getattr(share, name))


def test_draws_fill_their_ranges():
    many = draw_augmentation(range(5000), (64, 128), draws=torch.Generator().manual_seed(7))
    # an eighth of the size either way; holes of half the size, centred anywhere
    assert [many.shift[:, axis].min().item() for axis in (0, 1)] == [-16, -8]
    assert [many.shift[:, axis].max().item() for axis in (0, 1)] == [16, 8]
    assert (many.hole[:, 2:] - many.hole[:, :2]).unique(dim=0).tolist() == [[64, 32]]
    assert many.hole[:, :2].min(0).values.tolist() == [-32, -16]
    assert many.hole[:, :2].max(0).values.tolist() == [95, 47]
    for numbers, low, high in (
        *((many.brightness, -0.5, 0.5), (many.saturation, 0.0, 2.0)),
        (many.contrast, 0.5, 1.5),
    ):
        assert low <= numbers.min() < low + 0.01
        assert high - 0.01 < numbers.max() <= high
