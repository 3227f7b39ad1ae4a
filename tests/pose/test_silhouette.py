"""A body is as thick as people are, wherever joints were found."""

import numpy as np
import pytest

from motiontransfer.pose.silhouette import distance_to_body
from tests.pose.test_limb_retargeting import PLACES, person

HEIGHT_PX = 100.0


def distance(places=PLACES, height_px=HEIGHT_PX):
    return distance_to_body(person(places), 0, height_px=height_px)


def test_limbs_reach_as_far_as_they_are_thick():
    """The left thigh runs down x = 110 and is 5.5 % of the height thick on each side."""
    away = distance({"left_hip": (110, 100), "left_knee": (110, 130)})
    row = away[115]
    assert row[110] == pytest.approx(-5.5)
    assert row[120] == pytest.approx(4.5, abs=0.3)
    assert row[100] == pytest.approx(row[120])
    assert distance({"left_hip": (110, 100), "left_knee": (110, 130)}, 200.0)[115, 120] < 0


def test_trunk_and_lap_are_filled():
    """All joints at their places: 25 px from the sticks of arms and hips, inside the trunk."""
    away = distance()
    assert away[80, 100] < 0
    assert away[115, 100] < 0
    assert away[150, 100] > 0  # between the shins
    assert away[20, 100] > 10  # above the head


def test_a_limb_needs_both_ends_and_a_head_any_joint():
    only = {"left_elbow": (50, 50)}
    assert np.isinf(distance(only)).all()
    nose = distance({"nose": (100, 46)})
    assert nose[46, 103] <= -0.9
    assert nose[46, 110] == pytest.approx(6, abs=0.3)


def test_without_joints_everything_is_infinitely_far():
    assert np.isposinf(distance({})).all()


def test_what_is_beyond_the_frame_hides_nothing():
    assert np.isinf(distance({"nose": (900, 900)})).all()
    edge = distance({"left_hip": (198, 100), "left_knee": (260, 130)})
    assert edge[100, 198] < 0
    assert np.isfinite(edge).all()
