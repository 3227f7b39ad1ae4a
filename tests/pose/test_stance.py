"""The stance is measured on ankles and head, and only where they were found."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from motiontransfer.errors import KeypointsError
from motiontransfer.pose.statistics import floor_line, measure_ground_contact
from motiontransfer.skeleton import HOLISTIC, Skeleton
from tests.pose.stick_person import stick_person


def moved(keypoints, joint, *, by):
    points = keypoints.points.copy()
    points[:, HOLISTIC.index(joint)] += np.array(by, np.float32)
    return replace(keypoints, points=points)


def test_a_standing_person_is_measured():
    stance = measure_ground_contact(stick_person([80, 90], [50, 60], x=20), min_score=0.5)
    np.testing.assert_allclose(stance.ankle_y_px, [80, 90])
    np.testing.assert_allclose(stance.ankle_x_px, [20, 20])
    np.testing.assert_allclose(stance.height_px, [50, 60], rtol=1e-6)
    assert stance.has_height.all()


def test_the_ankle_line_is_the_lower_ankle_and_the_height_ends_between_them():
    stance = measure_ground_contact(
        moved(stick_person(80, 50), "left_ankle", by=(0, -10)), min_score=0.5
    )
    assert stance.ankle_y_px[0] == 80
    assert stance.height_px[0] == pytest.approx(45)


def test_without_an_ankle_there_is_no_line():
    person = stick_person([80, 80], 50, missing=[(1, "right_ankle")])
    stance = measure_ground_contact(person, min_score=0.5)
    assert stance.has_ankles.tolist() == stance.has_height.tolist() == [True, False]
    assert stance.ankle_y_px[1] == stance.ankle_x_px[1] == stance.height_px[1] == 0


@pytest.mark.parametrize(
    ("missing", "height"),
    [
        (["nose"], 50),  # the ears lie level with the nose
        (["nose", "left_ear"], 51.5),
        (["nose", "right_ear", "right_eye"], None),
    ],
)
def test_ears_then_eyes_stand_in_for_the_nose(missing, height):
    person = stick_person(80, 50, missing=[(0, joint) for joint in missing])
    stance = measure_ground_contact(person, min_score=0.5)
    assert stance.has_ankles[0]
    assert stance.has_height[0] == (height is not None)
    assert stance.height_px[0] == pytest.approx(height or 0)


def test_scores_below_the_threshold_count_as_missing():
    person = stick_person(80, 50, score=0.5)
    assert measure_ground_contact(person, min_score=0.5).has_ankles[0]
    assert not measure_ground_contact(person, min_score=0.51).has_ankles[0]
    absent = stick_person(80, 50, missing=[(0, "left_ankle")])
    assert not measure_ground_contact(absent, min_score=0.0).has_ankles[0]


def test_keypoints_without_ankles_at_all_are_refused():
    person = stick_person(80, 50)
    other = replace(
        person,
        skeleton=Skeleton(groups=(("body", ("nose",)),)),
        points=person.points[:, :1],
        score=person.score[:, :1],
    )
    with pytest.raises(KeypointsError, match="no joint 'left_ankle'"):
        measure_ground_contact(other, min_score=0.5)


def floor(ankles, **more):
    stance = measure_ground_contact(stick_person(ankles, 30, **more), min_score=0.5)
    return floor_line(stance, frame_rate=Fraction(25))


def test_the_floor_stays_where_it_is_in_a_jump_and_in_a_gap():
    ankles = np.full(60, 90.0)
    ankles[20:30] = 70
    gap = [(frame, "right_ankle") for frame in range(40, 50)]
    np.testing.assert_allclose(floor(ankles, missing=gap), 90)


def test_the_floor_follows_a_walk_without_delay():
    walk = np.linspace(60, 100, 101)
    np.testing.assert_allclose(floor(walk)[20:-20], walk[20:-20], atol=1e-4)
