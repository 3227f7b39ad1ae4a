"""Poisson blending keeps the patch's details, the frame's colours, and everything outside."""

import numpy as np
import pytest

from motiontransfer.rendering.face_blending import blend_poisson


def noise(seed, *, low=60, high=190, size=(20, 24)):
    return np.random.default_rng(seed).integers(low, high, (*size, 3), dtype=np.uint8)


def disc(size=(20, 24), *, x=11.0, y=9.0, radius=6.0):
    rows, columns = np.mgrid[: size[0], : size[1]]
    return np.hypot(columns - x, rows - y) <= radius


def second_differences(picture):
    """Four times each inner pixel less its four neighbours."""
    p = picture.astype(float)
    inner = 4 * p[1:-1, 1:-1]
    return inner - p[:-2, 1:-1] - p[2:, 1:-1] - p[1:-1, :-2] - p[1:-1, 2:]


@pytest.mark.parametrize("x", [11.0, 0.0, 23.0])
def test_everything_outside_is_untouched_and_no_argument_is_changed(x):
    frame, patch, mask = noise(0), noise(1), disc(x=x)
    kept = frame.copy(), patch.copy(), mask.copy()
    blended = blend_poisson(frame, patch, mask)
    assert np.array_equal(blended[~mask], frame[~mask])
    assert not np.array_equal(blended[mask], frame[mask])
    assert all(np.array_equal(*pair) for pair in zip((frame, patch, mask), kept, strict=True))


def test_details_are_the_patchs():
    frame, mask = np.full((20, 24, 3), 100, np.uint8), disc()
    patch = noise(1, low=100, high=130)
    blended = blend_poisson(frame, patch, mask)
    difference = second_differences(blended) - second_differences(patch)
    # Rounding to whole levels moves each of the five pixels by at most a half.
    assert np.abs(difference[mask[1:-1, 1:-1]]).max() <= 4


def test_one_pixel_takes_the_mean_difference_of_its_four_neighbours():
    frame, patch = np.zeros((3, 3, 3), np.uint8), np.zeros((3, 3, 3), np.uint8)
    mask = np.zeros((3, 3), bool)
    mask[1, 1] = True
    patch[1, 1] = 50
    frame[0, 1], frame[1, 0], frame[2, 1], frame[1, 2] = 10, 20, 30, 100
    assert blend_poisson(frame, patch, mask)[1, 1].tolist() == [90, 90, 90]


@pytest.mark.parametrize("x", [11.0, 0.0, 23.0])
def test_a_patch_that_differs_by_a_shade_only_disappears(x):
    """Wherever the mask is: a frame's edge pulls at nothing."""
    frame = noise(0)
    shade = np.array([30, -20, 7])
    patch = (frame + shade).astype(np.uint8)
    assert np.array_equal(blend_poisson(frame, patch, disc(x=x)), frame)


def test_colours_pass_smoothly_from_one_side_to_the_other():
    frame = np.zeros((9, 11, 3), np.uint8)
    frame[:, 5:] = 100
    mask = np.zeros((9, 11), bool)
    mask[:, 1:-1] = True  # all between the first and the last column
    blended = blend_poisson(frame, np.full_like(frame, 7), mask)
    assert np.array_equal(blended[..., 0], np.tile(np.arange(0, 101, 10), (9, 1)))


def test_what_would_be_brighter_than_white_is_white():
    frame, patch = np.full((20, 24, 3), 250, np.uint8), np.full((20, 24, 3), 100, np.uint8)
    patch[9, 11] = 200
    blended = blend_poisson(frame, patch, disc())
    assert blended[9, 11].tolist() == [255] * 3
    assert (blended >= 250).all()


def test_several_places_are_blended_each_for_itself():
    frame, patch = noise(0), noise(1)
    left, right = disc(x=5, radius=3), disc(x=17, radius=3)
    both = blend_poisson(frame, patch, left | right)
    for mask in (left, right):
        assert np.array_equal(both[mask], blend_poisson(frame, patch, mask)[mask])


def test_nothing_and_everything():
    frame, patch = noise(0), noise(1)
    assert np.array_equal(blend_poisson(frame, patch, np.zeros((20, 24), bool)), frame)
    assert np.array_equal(blend_poisson(frame, patch, np.ones((20, 24), bool)), patch)
