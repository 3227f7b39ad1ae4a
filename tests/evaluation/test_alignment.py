"""A box is found again where it was moved to, as far as it may be moved."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from motiontransfer.evaluation.alignment import best_match
from motiontransfer.evaluation.metrics import frame_metrics

BOX = (40, 50, 70, 100)


@pytest.fixture
def real():
    rng = np.random.default_rng(1)
    smooth = gaussian_filter(rng.uniform(0, 255, (200, 120, 3)), (2, 2, 0))
    return np.clip((smooth - 127) * 6 + 127, 0, 255).astype(np.uint8)


def cut(picture, box=BOX):
    x0, y0, x1, y1 = box
    return picture[y0:y1, x0:x1]


def moved(picture, dx, dy):
    return np.roll(picture, (dy, dx), (0, 1))


@pytest.mark.parametrize("shift", [(0, 0), (3, -2), (-4, 4), (4, 0)])
def test_what_was_moved_by_up_to_two_percent_of_the_height_is_found(real, shift):
    np.testing.assert_array_equal(best_match(real, moved(real, *shift), BOX), cut(real))


def test_what_was_moved_farther_is_not(real):
    assert (best_match(real, moved(real, 5, 0), BOX) != cut(real)).any()


def test_other_light_and_noise_do_not_matter(real):
    rng = np.random.default_rng(2)
    darker = (moved(real, 2, 3) * 0.6).astype(np.uint8) + rng.integers(0, 20, real.shape, np.uint8)
    np.testing.assert_array_equal(best_match(real, darker, BOX), cut(moved(darker, -2, -3)))


@pytest.mark.parametrize("box", [(0, 0, 30, 30), (95, 170, 120, 200), (0, 0, 120, 200)])
def test_at_the_edges_less_is_looked_at(real, box):
    np.testing.assert_array_equal(best_match(real, real, box), cut(real, box))
    assert best_match(real, moved(real, 2, 2), box).shape == cut(real, box).shape


def test_where_nothing_is_better_the_place_stays(real):
    flat = np.full_like(real, 90)
    flat[BOX[1], BOX[0]] = 91
    np.testing.assert_array_equal(best_match(flat, flat, BOX), cut(flat))
    stripes = np.zeros_like(real)
    stripes[:, ::2] = 255  # every second place is as good
    stripes[BOX[1], BOX[0]] = 128
    np.testing.assert_array_equal(best_match(stripes, stripes, BOX), cut(stripes))
    np.testing.assert_array_equal(best_match(np.full_like(real, 9), real, BOX), cut(real))


def test_a_sharp_picture_beside_its_place_beats_a_blur_only_apart_from_place(real):
    sharp = moved(real, 2, 1)
    blurred = gaussian_filter(real.astype(float), (2.5, 2.5, 0)).astype(np.uint8)
    beside, blur = (
        frame_metrics(real, fake, boxes={"face": BOX, "frame": (0, 0, 120, 200)})
        for fake in (sharp, blurred)
    )
    assert beside["face"]["ssim"] < blur["face"]["ssim"] < 0.95
    assert beside["face"]["ssim_aligned"] == pytest.approx(1)
    assert blur["face"]["ssim_aligned"] == pytest.approx(blur["face"]["ssim"], abs=0.02)
    assert "ssim_aligned" not in beside["frame"]
