from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motiontransfer.pose.facing import lacks_back, seconds_from_behind
from tests.people import RATE, joined, lost, rotated, standing

MIDDLE = 128.0
HALF_SECOND = int(RATE / 2)


def turned(degrees, num_frames=1):
    """Someone who stands, turned about the vertical axis; flat, as if cut out of cardboard."""
    keypoints = standing(num_frames)
    x = MIDDLE + np.cos(np.radians(degrees)) * (keypoints.points[..., 0] - MIDDLE)
    points = np.stack([x, keypoints.points[..., 1]], axis=2).astype(np.float32)
    return replace(keypoints, points=points)


@pytest.mark.parametrize(
    # shoulders 40 px and hips 24 px wide, of 150 px: .43, and the limit is .1
    ("degrees", "is_behind"),
    [(0, False), (60, False), (103, False), (104, True), (180, True)],
)
def test_a_back_is_seen_from_a_limit_on(degrees, is_behind):
    assert seconds_from_behind([turned(degrees, 3)]) == (float(3 / RATE) if is_behind else 0)
    assert not seconds_from_behind([lost(turned(degrees, 3), "left_hip", range(3))])


@given(zoom=st.floats(0.3, 3), shift=st.tuples(st.floats(-99, 99), st.floats(-99, 99)))
def test_size_and_place_in_the_image_do_not_matter(zoom, shift):
    dance = joined(turned(180, 4), standing(7))
    points = (zoom * dance.points + np.float32(shift)).astype(np.float32)
    assert seconds_from_behind([replace(dance, points=points)]) == seconds_from_behind([dance])


@pytest.mark.parametrize("degrees", [-90, 90, 180])
def test_who_lies_or_stands_on_the_hands_is_seen_as_upright(degrees):
    for dance in (standing(3), turned(103, 3), turned(104, 3)):
        assert seconds_from_behind([rotated(dance, degrees)]) == seconds_from_behind([dance])


def test_half_a_second_of_all_films_shows_a_back():
    dance = joined(standing(9), turned(180, HALF_SECOND + 1))
    assert lacks_back(dance, [standing(50)])
    assert lacks_back(dance, [])
    parts = [turned(180, HALF_SECOND // 2 + 1), joined(standing(3), turned(180, HALF_SECOND))]
    assert lacks_back(dance, parts[:1])
    assert not lacks_back(dance, parts)
    assert not lacks_back(standing(50), [standing(50)])
    assert not lacks_back(joined(standing(50), turned(180, 1)), [standing(50)])
