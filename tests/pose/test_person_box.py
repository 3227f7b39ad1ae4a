"""The person's box holds every joint found and stays inside the image."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from motiontransfer.pose.person_box import body_boxes, enclosing_box
from motiontransfer.skeleton import HOLISTIC
from tests.pose.stick_person import stick_person


def test_the_margin_is_a_share_of_the_larger_extent():
    points = np.array([[20, 30], [30, 50]], np.float32)
    assert enclosing_box(points, margin=0.0, image_size=(100, 64)) == (20, 30, 31, 51)
    assert enclosing_box(points, margin=0.1, image_size=(100, 64)) == (18, 28, 33, 53)


def test_the_box_is_cut_at_the_edges_and_absent_outside():
    points = np.array([[-5, 90], [20, 120]], np.float32)
    assert enclosing_box(points, margin=0.0, image_size=(100, 64)) == (0, 90, 21, 100)
    assert enclosing_box(points - 200, margin=0.0, image_size=(100, 64)) is None
    assert enclosing_box(points[:0], margin=0.0, image_size=(100, 64)) is None


@settings(deadline=None)
@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 6), st.just(2)), elements=st.floats(-50, 150)),
    st.floats(0, 1),
)
def test_boxes_are_inside_the_image_and_hold_the_points_that_are(points, margin):
    box = enclosing_box(points, margin=margin, image_size=(100, 64))
    inside = points[((points >= 0) & (points < (64, 100))).all(axis=1)]
    if box is None:
        assert len(inside) == 0
        return
    x0, y0, x1, y1 = box
    assert 0 <= x0 < x1 <= 64
    assert 0 <= y0 < y1 <= 100
    assert ((inside >= (x0, y0)) & (inside < (x1, y1))).all()


def test_a_frame_without_a_body_gets_the_whole_image():
    everything = [(1, joint) for joint in HOLISTIC.joints]
    boxes, valid = body_boxes(stick_person([80.0, 80.0], 40, missing=everything), margin=0.0)
    assert valid.tolist() == [True, False]
    assert boxes[1].tolist() == [0, 0, 64, 100]
    assert boxes[0].tolist() == [28, pytest.approx(80 - 1.03 * 40, abs=1), 45, 81]
