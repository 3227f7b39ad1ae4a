"""Frames made elsewhere are all there, in order, and their joints are what they are taken for."""

import logging
from pathlib import Path

import numpy as np
import pytest

from motiontransfer.errors import KeypointsError
from motiontransfer.pose.importers import check_joint_order, frames_in_order, to_holistic
from motiontransfer.skeleton import BODY_23, BODY_25, COCO_17, COCO_18, COCO_WHOLEBODY, HOLISTIC
from tests.pose.imports.drawn_person import place_of, rows_of

SOURCE = Path("keypoints/dance")


@pytest.mark.parametrize("first", [0, 1])
def test_frames_come_in_order_whether_they_count_from_0_or_1(first):
    numbered = [(first + 2, "c"), (first, "a"), (first + 1, "b")]
    assert frames_in_order(numbered, num_frames=3, source=SOURCE) == ["a", "b", "c"]


def test_missing_frames_are_named():
    numbered = [(number, "") for number in (1, 2, 5, 12)]
    with pytest.raises(
        KeypointsError, match=r"dance: .* 12 frames, numbered from 1; 8 are .*: 3, 4, 6, 7, 8, …"
    ):
        frames_in_order(numbered, num_frames=12, source=SOURCE)


def test_a_first_frame_that_is_missing_shows_at_the_end():
    numbered = [(number, "") for number in range(1, 5)]  # 0 to 4 were wanted
    with pytest.raises(KeypointsError, match=r"1 are missing: 5;"):
        frames_in_order(numbered, num_frames=5, source=SOURCE)


def test_a_late_start_is_told():
    with pytest.raises(KeypointsError, match="numbered from 0 or 1, got 57 as the first"):
        frames_in_order([(57, "")], num_frames=1, source=SOURCE)


def test_two_videos_in_one_folder_are_told():
    with pytest.raises(KeypointsError, match="expected each frame once, got 2 numbered 1"):
        frames_in_order([(0, "a"), (1, "a"), (1, "b")], num_frames=2, source=SOURCE)


def test_frames_beyond_the_clip_are_left_out_and_counted(caplog):
    numbered = [(0, "a"), (1, "b"), (2, "c")]
    with caplog.at_level(logging.INFO):
        assert frames_in_order(numbered, num_frames=1, source=SOURCE) == ["a"]
    assert "has 3 frames, of which the clip shows the first 1" in caplog.text


def test_scores_are_clipped_and_joints_without_one_are_missing():
    points = np.full((2, 3, 2), 7.0)
    score = np.array([[1.3, 0.5, -0.2], [0.0, 0.0, -1.0]])
    people = to_holistic(
        np.dstack([points, score]), joints=("nose", "left_eye", "neck"), where="here"
    )
    assert len(people) == 1  # the second has no joint
    index = [HOLISTIC.index("nose"), HOLISTIC.index("left_eye")]
    assert people[0, index, 2].tolist() == [1, 0.5]
    assert people[..., 2].sum() == 1.5
    assert people[0, index, :2].tolist() == [[7, 7], [7, 7]]
    assert people[..., :2].sum() == 28


def test_numbers_that_are_none_are_told():
    points = np.array([[[np.nan, 1.0]]])
    with pytest.raises(KeypointsError, match="frame 3: expected finite numbers"):
        to_holistic(np.dstack([points, np.ones((1, 1))]), joints=("nose",), where="frame 3")


def read_as(taken_for, written_as):
    """Frames of someone whose joints are written in one order and read in another."""
    rows = np.array(rows_of(written_as))
    return [to_holistic(rows[None], joints=taken_for, where="")] * 6


@pytest.mark.parametrize("joints", [COCO_17, COCO_18, BODY_23, BODY_25, COCO_WHOLEBODY])
def test_the_right_order_passes(joints):
    check_joint_order(read_as(joints, joints), joint_set="", source=SOURCE)


@pytest.mark.parametrize(
    ("taken_for", "written_as", "name"),
    [
        (COCO_18, (*COCO_17, "neck"), "COCO-18"),
        (BODY_23, COCO_WHOLEBODY[:23], "BODY_23"),
    ],
)
def test_another_order_of_as_many_joints_is_told(taken_for, written_as, name):
    with pytest.raises(KeypointsError, match=rf"dance: read as {name}, one side is far longer"):
        check_joint_order(read_as(taken_for, written_as), joint_set=name, source=SOURCE)


def test_a_few_frames_prove_nothing():
    frames = read_as(BODY_23, COCO_WHOLEBODY[:23])[:2]
    check_joint_order(frames, joint_set="BODY_23", source=SOURCE)
    check_joint_order([], joint_set="BODY_23", source=SOURCE)


def test_one_arm_towards_the_camera_is_no_other_order():
    rows = np.array(rows_of(COCO_17))
    rows[COCO_17.index("left_elbow"), :2] = place_of("left_shoulder")
    frames = [to_holistic(rows[None], joints=COCO_17, where="")] * 6
    check_joint_order(frames, joint_set="COCO_17", source=SOURCE)
