"""Bodies are compared by their joints, in sizes of the person, whichever side is called left."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motiontransfer.pose.tracking import (
    difference,
    displacement,
    measure_bodies,
    moved,
    overlap,
    share_in_place,
)
from motiontransfer.skeleton import HOLISTIC, mirrored
from tests.pose.walkers import frame_of, walker

SIZE = (256, 256)


def bodies_of(*walkers):
    return measure_bodies(frame_of(*walkers), skeleton=HOLISTIC, image_size=SIZE)


def body_of(*args, **kwargs):
    (body,) = bodies_of(walker(*args, **kwargs))
    return body


def sides_swapped(points, score):
    other = [HOLISTIC.index(mirrored(name)) for name in HOLISTIC.joints]
    return points[other], score[other]


def test_people_are_measured_from_left_to_right():
    bodies = bodies_of(walker(150), walker(50, height=80))
    assert [body.row for body in bodies] == [1, 0]
    assert bodies[1].centre == pytest.approx(
        [150, 200 - 69], abs=0.01
    )  # between shoulders and hips
    assert bodies[1].box == pytest.approx(np.array([[132, 97], [168, 203]]), abs=0.01)
    assert bodies[1].size == pytest.approx(np.hypot(36, 106), abs=0.01)
    assert bodies[1].mean_score == pytest.approx(0.9)


def test_whoever_has_no_joint_of_the_body_is_left_out():
    points, score = walker(50)
    hand = np.zeros_like(score)
    hand[HOLISTIC.slice("left_hand")] = 1
    assert [body.row for body in bodies_of((points, hand), (points, score))] == [1]
    assert bodies_of() == []


@settings(deadline=None, max_examples=30)
@given(st.floats(-40, 40), st.floats(-40, 40), st.floats(0.3, 3))
def test_a_difference_is_the_way_in_sizes(dx, dy, scale):
    here, there = body_of(100, height=100 * scale), body_of(100 + dx, 200 + dy, 100 * scale)
    assert difference(here, there) == pytest.approx(np.hypot(dx, dy) / here.size, abs=1e-4)
    assert displacement(here, there) == pytest.approx([dx, dy], abs=1e-3)
    assert difference(moved(here, np.array([dx, dy])), there) == pytest.approx(0, abs=1e-4)


@settings(deadline=None, max_examples=20)
@given(st.floats(-20, 20), st.floats(0, 3), st.integers(0, 99))
def test_swapping_left_and_right_changes_nothing(dx, jitter, seed):
    first = body_of(100)
    found = walker(100 + dx, jitter=jitter, seed=seed)
    (second,), (swapped,) = bodies_of(found), bodies_of(sides_swapped(*found))
    assert difference(first, swapped) == pytest.approx(difference(first, second))
    assert displacement(first, swapped) == pytest.approx(displacement(first, second))
    assert share_in_place(first, swapped) == share_in_place(first, second)
    assert swapped.centre == pytest.approx(second.centre)


def test_only_joints_that_both_have_are_compared():
    below = [name for name in HOLISTIC.joints if "hip" in name or "knee" in name or "ankle" in name]
    assert difference(body_of(100), body_of(100, without=below)) == 0
    assert difference(body_of(100), body_of(110, without=below)) > 0.05


def test_with_too_few_joints_in_common_boxes_are_compared():
    legs = ("left_ankle", "right_ankle", "left_knee", "right_knee")
    upper = body_of(100, without=[n for n in HOLISTIC.joints if n in legs or "heel" in n])
    lower = body_of(100, without=[n for n in HOLISTIC.joints if n not in legs])
    corners = np.linalg.norm(upper.box - lower.box, axis=1).mean()
    assert difference(upper, lower) == pytest.approx(corners / upper.size)


def test_a_share_in_place_is_counted_within_a_twentieth_of_the_size():
    body = body_of(100)
    assert share_in_place(body, body) == 1
    assert share_in_place(body, body_of(100 + 0.049 * body.size)) == 1
    assert share_in_place(body, body_of(100, 200 + 0.06 * body.size)) < 0.5
    half = body.points.copy()
    half[:, ::2] += 50
    assert share_in_place(body, replace(body, points=half)) == pytest.approx(16 / 33)


def test_boxes_overlap_where_they_have_an_area_in_common():
    assert overlap(body_of(100), body_of(135))
    assert not overlap(body_of(100), body_of(140))
    assert not overlap(body_of(100), body_of(100, 90))
