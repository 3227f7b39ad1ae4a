from dataclasses import replace

import numpy as np

from motiontransfer.body.views import COLORS, with_views
from tests.body.conftest import SCALE, moving

SIZE = 400
BLACK = np.zeros((SIZE, SIZE, 3), np.uint8)


def middle(picture, side):
    """Mean (x, y) of the pixels of a side's color."""
    return np.argwhere((picture == COLORS[side]).all(axis=2)).mean(axis=0)[::-1]


def test_both_views_show_the_sides_in_their_colors_at_the_same_heights():
    drawn = with_views(BLACK, moving(np.array([0.0, np.pi / 2])), 0)
    film, beside = drawn[:, :SIZE], drawn[:, SIZE:]
    assert middle(film, "left")[0] > middle(film, "right")[0] + 0.1 * SCALE  # faces the camera
    is_bone = [(view == COLORS["middle"]).all(axis=2).any(axis=1) for view in (film, beside)]
    tops, bottoms = zip(*(np.flatnonzero(rows)[[0, -1]] for rows in is_bone), strict=True)
    np.testing.assert_allclose(tops + bottoms, tops[:1] * 2 + bottoms[:1] * 2, atol=0.03 * SCALE)


def test_what_is_farther_away_is_farther_right_from_the_side():
    beside = with_views(BLACK, moving(np.array([0.0, np.pi / 2])), 1)[:, SIZE:]
    assert middle(beside, "left")[0] > middle(beside, "right")[0] + 0.1 * SCALE  # left side is far


def test_over_a_frame_that_it_does_not_fit_no_skeleton_is_drawn():
    motion = replace(moving(np.zeros(1)), fits=np.array([False]))
    np.testing.assert_array_equal(with_views(BLACK, motion, 0)[:, :SIZE], BLACK)
