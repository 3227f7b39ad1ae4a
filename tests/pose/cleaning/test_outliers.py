"""What jumps away and comes back goes; what moves fast stays."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motiontransfer.pose.cleaning import remove_outliers, remove_stray_hands
from motiontransfer.skeleton import HOLISTIC
from tests.pose.whole_person import HEIGHT_PX, joints_of, lost, moved, person, standing


def gone(before, after):
    """{(frame_index, joint)} that are missing now and were not."""
    removed = np.argwhere((before.score > 0) & (after.score == 0))
    return {(frame, HOLISTIC.joints[joint]) for frame, joint in removed.tolist()}


@pytest.mark.parametrize(("length", "away"), [(1, 0.12), (2, 0.2), (3, 0.35)])
def test_a_jump_and_return_is_removed_and_nothing_else(length, away):
    shift = (0.0, -away * HEIGHT_PX)
    keypoints = moved(standing(12), "left_knee", dict.fromkeys(range(5, 5 + length), shift))
    cleaned = remove_outliers(keypoints, longest_frames=3)
    assert gone(keypoints, cleaned) == {(frame, "left_knee") for frame in range(5, 5 + length)}


def test_what_lasts_longer_than_asked_stays():
    keypoints = moved(standing(12), "left_knee", dict.fromkeys(range(5, 8), (0, -60)))
    assert gone(keypoints, remove_outliers(keypoints, longest_frames=2)) == set()
    assert gone(keypoints, remove_outliers(keypoints, longest_frames=0)) == set()


def test_what_jumps_and_stays_is_kept():
    keypoints = moved(standing(12), "left_knee", dict.fromkeys(range(5, 12), (0, -60)))
    assert gone(keypoints, remove_outliers(keypoints, longest_frames=3)) == set()


@given(
    amplitude=st.floats(0, 80),
    period=st.floats(5, 40),
    phase=st.floats(0, 6.3),
    still=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_fast_motion_is_kept(amplitude, period, phase, still):
    """A hand that swings by up to its own arm's length, five times a second, and may stop."""
    frames = np.arange(40)
    swing = amplitude * np.sin(2 * np.pi * frames / period + phase)
    if still:
        swing[:20] = swing[20]
    keypoints = moved(standing(40), "left_wrist", {f: (swing[f], 0) for f in range(40)})
    if still and period < 12:  # out of rest in no time: not what a body does
        return
    assert gone(keypoints, remove_outliers(keypoints, longest_frames=3)) == set()


def test_a_trembling_joint_is_not_all_outliers():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.05 * HEIGHT_PX, (60, 2))
    keypoints = moved(standing(60), "left_wrist", dict(enumerate(noise)))
    assert len(gone(keypoints, remove_outliers(keypoints, longest_frames=1))) <= 1


def test_at_a_low_frame_rate_nobody_can_tell():
    keypoints = moved(standing(12, frame_rate=5), "left_knee", {5: (0, -60)})
    assert gone(keypoints, remove_outliers(keypoints, longest_frames=1)) == set()


def test_distances_are_relative_to_the_body():
    """The same jump in pixels is an outlier of someone small, and not of someone near."""
    keypoints = moved(standing(9), "left_knee", {4: (0, -12)})
    assert len(gone(keypoints, remove_outliers(keypoints, longest_frames=1))) == 1
    keypoints.points[:] = keypoints.points * 2
    keypoints.points[4, HOLISTIC.index("left_knee"), 1] += 12
    assert gone(keypoints, remove_outliers(keypoints, longest_frames=1)) == set()


def test_hands_are_judged_as_a_whole():
    keypoints = moved(standing(9), "left_hand", {4: (0, -40)})
    cleaned = remove_outliers(keypoints, longest_frames=1)
    assert gone(keypoints, cleaned) == {(4, joint) for joint in dict(HOLISTIC.groups)["left_hand"]}
    one_finger = moved(standing(9), "left_hand_thumb_tip", {4: (0, -40)})
    assert gone(one_finger, remove_outliers(one_finger, longest_frames=1)) == set()


def test_a_jump_next_to_a_gap_is_judged_by_what_is_seen():
    in_the_corner = person([(0.0, 72.0)] * 9)  # where (0, 0), of a missing joint, is on the path
    keypoints = lost(moved(in_the_corner, "nose", {4: (0, -60)}), "nose", [5])
    assert gone(keypoints, remove_outliers(keypoints, longest_frames=2)) == {(4, "nose")}


def test_nobody_and_a_moment_are_no_trouble():
    keypoints = person()
    assert gone(keypoints, remove_outliers(keypoints, longest_frames=3)) == set()
    for group, _ in keypoints.skeleton.groups:
        keypoints = lost(keypoints, group, [0])
    assert gone(keypoints, remove_outliers(keypoints, longest_frames=3)) == set()


def test_a_hand_far_from_its_wrist_is_removed():
    keypoints = moved(standing(4), "right_hand", {2: (0, -0.16 * HEIGHT_PX)})
    hand = dict(HOLISTIC.groups)["right_hand"]
    assert gone(keypoints, remove_stray_hands(keypoints)) == {(2, joint) for joint in hand}


@pytest.mark.parametrize("away", [0.0, 0.14])
def test_a_hand_at_its_wrist_stays(away):
    keypoints = moved(standing(4), "right_hand", {2: (0, -away * HEIGHT_PX)})
    assert gone(keypoints, remove_stray_hands(keypoints)) == set()


def test_a_hand_is_kept_where_its_wrist_is_not_known():
    keypoints = lost(standing(4), "right_wrist", [2])
    assert gone(keypoints, remove_stray_hands(keypoints)) == set()
    assert keypoints.score[2, joints_of("right_hand")].all()
