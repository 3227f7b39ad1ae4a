"""A person's height is told by whatever is seen of them."""

import pytest

from motiontransfer.pose.boxes import body_height_px
from tests.pose.whole_person import HEIGHT_PX, lost, person, standing


def test_the_trunk_tells_it():
    assert body_height_px(standing(3)) == pytest.approx(HEIGHT_PX)


def test_bending_down_now_and_then_does_not_make_anyone_smaller():
    keypoints = standing(20)
    keypoints.points[:8, :, 1] = 128 + (keypoints.points[:8, :, 1] - 128) / 3
    assert body_height_px(keypoints) == pytest.approx(HEIGHT_PX)


def test_without_hips_the_shoulders_tell_it():
    assert body_height_px(lost(standing(2), "left_hip", [0, 1])) == pytest.approx(4 * 40)


def test_without_shoulders_the_extent_does():
    assert body_height_px(lost(standing(2), "left_shoulder", [0, 1])) == pytest.approx(80 + 76)


def test_nobody_has_no_height():
    keypoints = person()
    for group, _ in keypoints.skeleton.groups:
        keypoints = lost(keypoints, group, [0])
    assert body_height_px(keypoints) == 0
