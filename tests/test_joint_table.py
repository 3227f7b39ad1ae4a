"""Keypoints as rows: every joint of every frame once, and what is missing is missing."""

from dataclasses import replace

import numpy as np

from motiontransfer.joint_table import keypoint_table
from tests.dancer import RATE, dance


def test_there_is_one_row_for_every_joint_of_every_frame_in_order():
    keypoints = dance(3)
    table = keypoint_table(keypoints)
    joints = list(keypoints.skeleton.joints)
    assert list(table.joint) == joints * 3
    assert list(table.frame_index) == sorted([0, 1, 2] * len(joints))
    assert table.seconds.iloc[-1] == 2 / float(RATE)
    first_of_hand = keypoints.skeleton.slice("left_hand").start
    assert table.group[first_of_hand - 1] == "body"
    assert table.group[first_of_hand] == "left_hand"


def test_a_position_stands_in_the_row_of_its_frame_and_joint():
    keypoints = dance(3)
    row = keypoint_table(keypoints).query("frame_index == 2 and joint == 'left_wrist'").iloc[0]
    points, score = keypoints.joint("left_wrist")
    assert (row.x, row.y) == tuple(points[2])
    assert row.score == score[2]


def test_missing_joints_have_no_position_and_no_score():
    table = keypoint_table(dance(3, missing=[1]))
    gone = table[table.frame_index == 1]
    assert gone.x.isna().all()
    assert gone.y.isna().all()
    assert (gone.score == 0).all()
    assert table[table.joint == "nose"].x.notna().tolist() == [True, False, True]


def test_positions_that_were_filled_in_are_marked():
    keypoints = dance(2)
    filled = np.zeros(keypoints.score.shape, bool)
    filled[1, keypoints.skeleton.index("nose")] = True
    table = keypoint_table(replace(keypoints, filled=filled))
    assert table[table.filled].joint.tolist() == ["nose"]
    assert table[table.filled].frame_index.tolist() == [1]
    assert not keypoint_table(keypoints).filled.any()
