"""Left and right are put back where a detector exchanged them, and only there."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motiontransfer.pose.boxes import body_height_px
from motiontransfer.pose.cleaning import repair_hands, repair_side_swaps, swap_sides
from motiontransfer.skeleton import HOLISTIC, mirrored
from tests.pose.whole_person import HEIGHT_PX, joints_of, lost, moved, person, standing

WALK = [(80 + 2.0 * frame, 128 + 4 * np.sin(frame / 3)) for frame in range(40)]
BODY = tuple(joint for joint in HOLISTIC.joints[:33] if joint.startswith("left_"))
HAND = dict(HOLISTIC.groups)["left_hand"]
ARMS = ("left_elbow", "left_wrist", "left_pinky", "left_index", "left_thumb", *HAND)
LEGS = ("left_knee", "left_ankle", "left_heel", "left_foot_index")
EVERYTHING = (*BODY, *HAND)


def frames_from(start, stop, num_frames=40):
    return (np.arange(num_frames) >= start) & (np.arange(num_frames) < stop)


def wide_steps(keypoints):
    """Legs apart: those that touch could as well be the other one."""
    for joint in LEGS:
        keypoints = moved(
            moved(keypoints, joint, dict.fromkeys(range(keypoints.num_frames), (15, 0))),
            mirrored(joint),
            dict.fromkeys(range(keypoints.num_frames), (-15, 0)),
        )
    return keypoints


@given(st.lists(st.booleans(), min_size=4, max_size=4), st.lists(st.sampled_from(EVERYTHING)))
@settings(deadline=None)
def test_swapping_twice_is_the_identity(frames, joints):
    keypoints = person(WALK[:4], score=0.5)
    marked = np.zeros(keypoints.score.shape, np.bool_)
    marked[1, :40] = True
    keypoints = replace(lost(keypoints, "left_ankle", [0]), filled=marked)
    frames, joints = np.array(frames), sorted(set(joints))
    twice = swap_sides(swap_sides(keypoints, frames, joints=joints), frames, joints=joints)
    np.testing.assert_array_equal(twice.points, keypoints.points)
    np.testing.assert_array_equal(twice.score, keypoints.score)
    np.testing.assert_array_equal(twice.filled, keypoints.filled)


def test_a_swap_exchanges_positions_scores_and_marks():
    keypoints = lost(person(WALK[:2]), "left_ankle", [0])
    swapped = swap_sides(keypoints, np.array([True, False]), joints=["left_ankle"])
    left, right = HOLISTIC.index("left_ankle"), HOLISTIC.index("right_ankle")
    np.testing.assert_array_equal(swapped.points[0, left], keypoints.points[0, right])
    assert (swapped.score[0, left], swapped.score[0, right]) == (np.float32(0.9), 0)
    np.testing.assert_array_equal(swapped.points[1], keypoints.points[1])


@pytest.mark.parametrize("joints", [EVERYTHING, ARMS, LEGS], ids=["body", "arms", "legs"])
@pytest.mark.parametrize(
    ("start", "stop"), [(10, 11), (10, 13), (5, 22), (0, 6), (33, 40)], ids=str
)
def test_a_swap_is_put_back(joints, start, stop):
    truth = wide_steps(person(WALK))
    swapped = swap_sides(truth, frames_from(start, stop), joints=joints)
    assert (swapped.points != truth.points).any()
    np.testing.assert_array_equal(repair_side_swaps(swapped).points, truth.points)


def test_several_swaps_are_put_back():
    truth = person(WALK)
    frames = frames_from(3, 5) | frames_from(12, 13) | frames_from(20, 28)
    swapped = swap_sides(truth, frames, joints=EVERYTHING)
    np.testing.assert_array_equal(repair_side_swaps(swapped).points, truth.points)


def test_a_swap_beside_missing_joints_is_put_back():
    truth = lost(person(WALK), "left_knee", range(10, 14))
    swapped = swap_sides(truth, frames_from(12, 20), joints=EVERYTHING)
    np.testing.assert_array_equal(repair_side_swaps(swapped).points, truth.points)


@pytest.mark.parametrize("turns_per_second", [0.2, 0.5, 1.0, 2.0, -2.0])
@pytest.mark.parametrize("phase", [0.0, 0.1, 0.2])
def test_a_turn_round_is_real(turns_per_second, phase):
    keypoints = standing(60)
    turned = np.cos(2 * np.pi * (np.arange(60) / 25 * turns_per_second + phase))
    keypoints.points[..., 0] = 128 + (keypoints.points[..., 0] - 128) * turned[:, None]
    np.testing.assert_array_equal(repair_side_swaps(keypoints).points, keypoints.points)


@pytest.mark.parametrize(("half_width", "repaired"), [(5.5, False), (6.8, True)])
def test_sides_change_from_where_no_turn_is_quick_enough(half_width, repaired):
    """2.5 turns a second are 36 degrees a frame: 2 x 0.26 x sin 18 degrees = 0.16 body heights.

    Both sides together move by four times the half width when they change places.
    """
    truth = standing(20)
    for joint in EVERYTHING:
        for name, side in ((joint, 1), (mirrored(joint), -1)):
            truth.points[:, HOLISTIC.index(name), 0] = 128 + side * half_width
    assert 4 * 5.5 < 0.16 * HEIGHT_PX < 4 * 6.8
    assert body_height_px(truth) == HEIGHT_PX
    swapped = swap_sides(truth, frames_from(8, 9, 20), joints=EVERYTHING)
    back = (repair_side_swaps(swapped).points == truth.points).all()
    assert back == repaired


def test_arms_that_cross_are_real():
    keypoints = standing(40)
    across = 32 * np.cos(2 * np.pi * np.arange(40) / 12)  # twice a second
    for joint in ARMS[1:]:
        for name, sign in ((joint, 1), (mirrored(joint), -1)):
            keypoints.points[:, HOLISTIC.index(name), 0] = 128 + sign * across
    np.testing.assert_array_equal(repair_side_swaps(keypoints).points, keypoints.points)


def test_a_cut_to_another_place_is_no_swap():
    keypoints = person([(60.0, 128.0)] * 20 + [(190.0, 128.0)] * 20)
    np.testing.assert_array_equal(repair_side_swaps(keypoints).points, keypoints.points)


def test_a_cut_to_someone_turned_away_elsewhere_is_no_swap():
    keypoints = person([(80.0, 128.0)] * 20 + [(120.0, 128.0)] * 20)
    keypoints = swap_sides(keypoints, frames_from(20, 40), joints=EVERYTHING)
    np.testing.assert_array_equal(repair_side_swaps(keypoints).points, keypoints.points)


def test_what_lasts_too_long_to_be_told_stays():
    keypoints = standing(1000)
    swapped = swap_sides(keypoints, frames_from(300, 700, 1000), joints=EVERYTHING)
    np.testing.assert_array_equal(repair_side_swaps(swapped).points, swapped.points)


def test_what_most_frames_say_is_believed():
    truth = person(WALK)
    swapped = swap_sides(truth, frames_from(3, 37), joints=EVERYTHING)
    whole = swap_sides(truth, frames_from(0, 40), joints=EVERYTHING)
    np.testing.assert_array_equal(repair_side_swaps(swapped).points, whole.points)


def test_nobody_and_a_moment_are_no_trouble():
    keypoints = person()
    np.testing.assert_array_equal(repair_side_swaps(keypoints).points, keypoints.points)
    for group, _ in keypoints.skeleton.groups:
        keypoints = lost(keypoints, group, [0])
    assert not repair_side_swaps(keypoints).score.any()
    assert not repair_hands(keypoints).score.any()


def test_hands_on_each_others_wrists_are_exchanged():
    truth = standing(3)
    swapped = swap_sides(truth, np.array([False, True, False]), joints=HAND)
    np.testing.assert_array_equal(repair_hands(swapped).points, truth.points)


def test_the_only_hand_goes_to_the_wrist_it_hangs_on():
    truth = lost(standing(3), "left_hand", [1])
    swapped = swap_sides(truth, np.array([False, True, False]), joints=HAND)
    assert swapped.score[1, joints_of("left_hand")].all()
    repaired = repair_hands(swapped)
    np.testing.assert_array_equal(repaired.points, truth.points)
    np.testing.assert_array_equal(repaired.score, truth.score)


def test_a_hand_found_twice_is_not_exchanged():
    keypoints = standing(2)
    keypoints.points[1, joints_of("left_hand")] = keypoints.points[1, joints_of("right_hand")] + 1
    np.testing.assert_array_equal(repair_hands(keypoints).points, keypoints.points)


def test_a_hand_between_the_wrists_stays():
    """Nearer to the other one, and too far from its own, but not clearly."""
    keypoints = lost(standing(2), "right_hand", [1])
    keypoints.points[1, joints_of("left_hand")] -= (36, 0)  # the wrists are 64 px apart
    np.testing.assert_array_equal(repair_hands(keypoints).points, keypoints.points)


def test_hands_that_touch_stay_as_they_are():
    keypoints = standing(2)
    for side, x in (("left", 129), ("right", 127)):
        keypoints.points[:, HOLISTIC.index(f"{side}_wrist")] = (x, 128)
        keypoints.points[:, joints_of(f"{side}_hand")] = (256 - x, 128)
    np.testing.assert_array_equal(repair_hands(keypoints).points, keypoints.points)
