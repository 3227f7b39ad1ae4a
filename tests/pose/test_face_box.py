"""Face boxes are square, inside the image, around the head and as large as the head asks."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motiontransfer.pose.face_boxes import face_boxes
from motiontransfer.skeleton import HOLISTIC, mirrored
from tests.pose.stick_person import stick_person


def turned_round(keypoints):
    """The same person from behind: left and right joints change places in the image."""
    order = [HOLISTIC.index(mirrored(joint)) for joint in HOLISTIC.joints]
    return replace(keypoints, points=keypoints.points[:, order], score=keypoints.score[:, order])


def sides(boxes):
    return boxes[:, 2:] - boxes[:, :2]


def test_the_box_is_centred_on_the_head_and_in_proportion_to_it():
    # Eyes to mouth are 0.05 heights, so a face of 200 px height is 2.4 * 10 px = 24 px.
    person = stick_person([280.0] * 3, 200, x=160, image_size=(300, 320))
    boxes, valid = face_boxes(person, side_in_faces=2.0)
    assert valid.all()
    np.testing.assert_array_equal(sides(boxes), 48)
    np.testing.assert_allclose((boxes[:, :2] + boxes[:, 2:]) / 2, [[160, 80]] * 3, atol=1)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.floats(-20, 140), st.floats(1, 300), st.floats(-20, 90)),
        min_size=1,
        max_size=12,
    )
)
def test_boxes_are_square_and_inside_the_image_whatever_the_pose(frames):
    y, tall, x = map(np.array, zip(*frames, strict=True))
    boxes, valid = face_boxes(stick_person(y, tall, x=x))
    width, height = sides(boxes).T
    np.testing.assert_array_equal(width, height)
    assert (width >= 1).all()
    assert (boxes >= 0).all()
    assert (boxes[:, 2] <= 64).all()
    assert (boxes[:, 3] <= 100).all()
    head = y - tall
    assert not valid[(x < -1) | (x > 65) | (head < -1) | (head > 101)].any()


def test_at_the_edge_the_box_is_moved_and_not_squeezed():
    person = stick_person([280.0] * 3, 200, x=3, image_size=(300, 320))
    boxes, valid = face_boxes(person, side_in_faces=2.0)
    assert valid.all()
    assert boxes[0].tolist() == [0, 56, 48, 104]


def test_the_back_of_a_head_has_no_face():
    person = stick_person([80.0], 40)
    assert face_boxes(person)[1].all()
    assert not face_boxes(turned_round(person))[1].any()


def test_a_hand_stand_has_a_face():
    person = stick_person([80.0], 40)
    upside_down = replace(
        person,
        points=np.where(person.score[..., None] > 0, [64, 100] - person.points, 0).astype("f4"),
    )
    assert face_boxes(upside_down)[1].all()


def test_frames_without_a_face_get_a_box_between_their_neighbours():
    person = stick_person([80.0] * 3, 40, x=[20, 30, 40], missing=[(1, "nose")])
    boxes, valid = face_boxes(person, centre_seconds=0.0, size_seconds=0.0)
    assert valid.tolist() == [True, False, True]
    np.testing.assert_allclose(boxes[1], (boxes[0] + boxes[2]) / 2, atol=1)


def test_without_any_face_the_box_lies_in_the_middle():
    boxes, valid = face_boxes(stick_person([80.0] * 2, 40, score=0.1))
    assert not valid.any()
    assert boxes.tolist() == [[24, 42, 40, 58]] * 2


def test_one_bad_frame_does_not_change_the_size():
    tall = np.full(25, 200.0)
    tall[12] = 400
    person = stick_person(np.full(25, 280.0), tall, x=160, image_size=(300, 320))
    boxes, _ = face_boxes(person, side_in_faces=2.0)
    np.testing.assert_array_equal(sides(boxes), 48)


def test_the_box_does_not_lag_behind_the_head():
    x = np.linspace(100, 220, 25)
    person = stick_person(np.full(25, 280.0), 200, x=x, image_size=(300, 320))
    boxes, _ = face_boxes(person)
    centre = (boxes[:, 0] + boxes[:, 2]) / 2
    assert np.abs(centre - x)[2:-2].max() <= 1
    assert np.mean(centre - x) == pytest.approx(0, abs=0.6)
