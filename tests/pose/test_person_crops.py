"""The part of a frame around a person holds them, moves calmly, and nothing is lost on the way."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from motiontransfer.keypoints import nobody
from motiontransfer.pose.detection import believed, follow, placed
from motiontransfer.skeleton import HOLISTIC
from tests.pose.walkers import frame_of, walker

SIZE = (200, 300)
RATE = Fraction(25)


@st.composite
def tracks(draw):
    """Boxes inside the frame over some frames, and when the person is seen."""
    frames = draw(st.integers(1, 60))
    corners = hnp.arrays(np.float64, (frames, 2, 2), elements=st.floats(0, 1, width=32))
    corners = np.sort(draw(corners), axis=1) * [SIZE[1] - 1, SIZE[0] - 1]
    seen = draw(hnp.arrays(bool, frames))
    seen[draw(st.integers(0, frames - 1))] = True
    return corners.reshape(frames, 4), seen


@given(tracks())
def test_a_part_holds_the_person_and_lies_in_the_frame(track):
    boxes, seen = track
    parts = follow(boxes, seen, frame_rate=RATE, image_size=SIZE)
    assert (parts[:, :2] >= 0).all()
    assert (parts[:, 2:] <= [SIZE[1], SIZE[0]]).all()
    assert (parts[:, :2] < parts[:, 2:]).all()
    assert (parts[seen, :2] <= boxes[seen, :2]).all()
    assert (parts[seen, 2:] > boxes[seen, 2:]).all()


@given(tracks())
def test_what_stands_where_nobody_is_seen_is_of_no_importance(track):
    boxes, seen = track
    other = np.where(seen[:, None], boxes, -1e6)
    np.testing.assert_array_equal(
        follow(boxes, seen, frame_rate=RATE, image_size=SIZE),
        follow(other, seen, frame_rate=RATE, image_size=SIZE),
    )


def test_someone_who_stands_still_has_a_margin_of_a_quarter_on_all_sides():
    boxes = np.tile([100.0, 60.0, 120.0, 140.0], (9, 1))
    parts = follow(boxes, np.ones(9, bool), frame_rate=RATE, image_size=SIZE)
    assert parts.tolist() == [[80, 40, 141, 161]] * 9


def test_a_step_aside_moves_the_part_little_by_little():
    x = np.where(np.arange(100) < 50, 100.0, 150.0)
    boxes = np.stack([x, np.full(100, 60.0), x + 20, np.full(100, 140.0)], axis=1)
    parts = follow(boxes, np.ones(100, bool), frame_rate=RATE, image_size=SIZE)
    assert parts[0].tolist() == [80, 40, 141, 161]
    assert parts[-1].tolist() == [130, 40, 191, 161]
    assert np.abs(np.diff(parts, axis=0)).max() <= 5  # pixels a frame; the step is 50


@given(
    st.integers(0, 100),
    st.integers(0, 50),
    hnp.arrays(np.float32, 115, elements=st.sampled_from([0.0, 0.5])),
)
def test_found_joints_are_moved_and_missing_ones_stay_nowhere(x, y, score):
    points = np.where(score[:, None] > 0, np.full((115, 2), 7, np.float32), np.float32(0))
    person = frame_of((points, score))
    found = placed(person, offset=(x, y))
    expected = np.where(score[:, None] > 0, [[7 + x, 7 + y]], 0)
    np.testing.assert_array_equal(found.points[0], np.broadcast_to(expected, (115, 2)))
    np.testing.assert_array_equal(found.score, person.score)


def is_believed(found, known, index):
    result = believed(found, known, index, skeleton=HOLISTIC, image_size=SIZE)
    if result is found:
        return True
    np.testing.assert_array_equal(result.points, known.points[[index]])
    np.testing.assert_array_equal(result.score, known.score[[index]])
    return False


@pytest.mark.parametrize(
    ("shift", "expected"), [(0, True), (4, True), (20, False), (60, False), (-20, False)]
)
def test_only_what_is_where_the_person_is_is_believed(shift, expected):
    known, found = frame_of(walker(100)), frame_of(walker(100 + shift, jitter=1.0))
    assert is_believed(found, known, 0) == expected


@given(st.integers(-12, 12), st.integers(-12, 12), st.integers(-12, 12))
def test_of_people_side_by_side_only_the_nearest_is_believed(one, other, found):
    known = frame_of(walker(100 + one), walker(100 + other))
    believers = [is_believed(frame_of(walker(100 + found)), known, index) for index in (0, 1)]
    if abs(one - found) != abs(other - found):
        near = min(abs(one - found), abs(other - found)) < 0.09 * 100
        assert sum(believers) <= 1
        assert not near or believers[int(abs(other - found) < abs(one - found))]


def test_who_is_not_found_again_is_as_known():
    known = frame_of(walker(50), walker(100))
    assert not is_believed(nobody(len(HOLISTIC.joints)), known, 1)
