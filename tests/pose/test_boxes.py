import numpy as np
import pytest

from motiontransfer.pose.boxes import across_body, body_height_px, joint_boxes
from motiontransfer.video.geometry import enclosing_box
from tests.people import HEIGHT_PX, lost, standing


@pytest.mark.parametrize(
    ("points", "margin", "box"),
    [
        ([[20, 30], [30, 50]], 0.0, (20, 30, 31, 51)),
        ([[20, 30], [30, 50]], 0.1, (18, 28, 33, 53)),  # of the larger extent
        ([[-5, 90], [20, 120]], 0.0, (0, 90, 21, 100)),
        ([[-205, -110], [-180, -80]], 0.0, None),
        (np.zeros((0, 2)), 0.0, None),
    ],
)
def test_boxes_have_a_margin_and_are_cut_at_the_edges(points, margin, box):
    assert enclosing_box(np.array(points, np.float32), margin=margin, image_size=(100, 64)) == box


def test_boxes_of_joints_hold_those_that_were_found_and_nothing_else():
    points = np.array([[[20, 30], [0, 0], [10, 50]], [[0, 0]] * 3], np.float32)
    score = np.array([[0.5, 0, 1], [0, 0, 0]], np.float32)
    np.testing.assert_array_equal(joint_boxes(points, score), [[10, 30, 20, 50], [0, 0, 0, 0]])
    assert joint_boxes(points[:0], score[:0]).shape == (0, 4)
    assert joint_boxes(points[:, :0], score[:, :0]).tolist() == [[0] * 4] * 2


@pytest.mark.parametrize(
    ("missing", "height"),
    [
        ([], HEIGHT_PX),
        (["left_hip"], 4 * 40),  # from the shoulders
        (["left_shoulder"], 80 + 76),  # the extent of all joints
        (["body", "face", "left_hand", "right_hand"], 0),
    ],
)
def test_the_height_comes_from_trunk_then_shoulders_then_extent(missing, height):
    keypoints = standing(3)
    for group in missing:
        keypoints = lost(keypoints, group, range(3))
    assert body_height_px(keypoints) == pytest.approx(height)


def test_bodies_are_upright_up_to_a_share_of_their_length_and_else_seen_along_their_axis():
    """The sine of how far the shoulders are above the ankles; the limit is .3."""
    up = np.array([-1j, -0.31j + 0.95, -0.29j + 0.957, 0.2 - 0.01j, 2j, 0, np.nan])
    across = across_body(up)
    np.testing.assert_array_equal(across[[0, 1, 5, 6]], 1)
    np.testing.assert_allclose(across[[2, 3, 4]], [0.957j + 0.29, 0.05 + 1j, -1], atol=0.01)
