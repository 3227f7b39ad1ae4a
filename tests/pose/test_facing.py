from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motiontransfer.pose.facing import degrees_to_upright, lacks_back, seconds_from_behind
from tests.people import RATE, joined, lost, moved, rotated, standing

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
    front, back = standing(50), turned(180, HALF_SECOND)
    dance, less = joined(standing(9), turned(180, HALF_SECOND + 1)), turned(180, 7)
    for films in ([front], [], [less]):
        assert lacks_back(dance, films)
    assert not lacks_back(dance, [less, joined(standing(3), back)])
    assert not lacks_back(front, [front])
    assert not lacks_back(joined(front, turned(180, 1)), [front])


ANKLES = {"left_ankle": (-8, 0), "right_ankle": (8, 0)}  # px; of 30 between them, .6 of the trunk
HANDS = {"left_wrist": (0, -60), "right_wrist": (0, -60)}  # from the hips to above the shoulders


def with_joints(keypoints, shifts):
    for joint, shift in shifts.items():
        keypoints = moved(keypoints, joint, dict.fromkeys(range(keypoints.num_frames), shift))
    return keypoints


@pytest.mark.parametrize(
    ("person", "turned_by", "degrees"),
    [
        *((standing(5), turn, -turn % 360) for turn in (0, 90, 180, 270)),
        *((standing(5), turn, 270) for turn in (60, 120)),
        (turned(180, 5), 90, 270),  # from behind
        (turned(65, 5), 90, 0),  # from the side: lies on the back, as far as anybody can tell
        (with_joints(standing(5), ANKLES), 80, 0),  # on one side, one foot on the other
        (with_joints(standing(5), ANKLES), 86, 270),
        (with_joints(standing(5), HANDS), 180, 0),
        (with_joints(standing(5), HANDS), 90, 270),
        (with_joints(standing(5), {"left_ankle": (0, -30), "right_ankle": (0, -30)}), 90, 0),
    ],
)
def test_a_film_is_turned_in_which_somebody_stands_across_it(person, turned_by, degrees):
    assert degrees_to_upright(rotated(person, turned_by)) == degrees
    assert not degrees_to_upright(lost(rotated(person, turned_by), "body", range(5)))


def test_a_film_is_turned_only_if_most_of_it_is_across():
    for num_frames, degrees in ((79, 0), (80, 270)):
        some = joined(rotated(standing(num_frames), 90), standing(100 - num_frames))
        assert degrees_to_upright(some) == degrees


@pytest.mark.parametrize(("turn", "degrees"), [(90, 270), (0, 0)])
def test_without_hips_the_head_tells_which_way_up(turn, degrees):
    bust = rotated(standing(5), turn)
    for joint in ("hip", "knee", "ankle"):
        bust = lost(lost(bust, f"left_{joint}", range(5)), f"right_{joint}", range(5))
    assert degrees_to_upright(bust) == degrees
