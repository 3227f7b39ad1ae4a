"""Gaps are filled between what was seen, and nothing else changes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import PchipInterpolator

from motiontransfer.pose.cleaning import fill_body_gaps, fill_carried_gaps
from motiontransfer.skeleton import HOLISTIC
from tests.pose.whole_person import joints_of, lost, moved, person, standing

STRAIGHT = [(100 + 3 * frame, 120 + frame) for frame in range(12)]
FILLS = (fill_body_gaps, fill_carried_gaps)


def fill(keypoints, longest):
    return fill_carried_gaps(
        fill_body_gaps(keypoints, longest_gap_frames=longest), longest_gap_frames=longest
    )


def wandering(seed, *, num_frames=14, chance=0.3):
    """Someone moving at random, with joints and whole groups missing at random."""
    rng = np.random.default_rng(seed)
    keypoints = person(rng.uniform(60, 190, (num_frames, 2)))
    for group in (*HOLISTIC.joints[:33], "left_hand", "right_hand", "face"):
        keypoints = lost(keypoints, group, np.flatnonzero(rng.uniform(size=num_frames) < chance))
    return keypoints


@given(st.integers(0, 2**32 - 1), st.integers(0, 6))
@settings(max_examples=40, deadline=None)
def test_what_was_seen_is_not_touched(seed, longest):
    keypoints = wandering(seed)
    seen = keypoints.score > 0
    filled = fill(keypoints, longest)
    assert filled.num_frames == keypoints.num_frames
    np.testing.assert_array_equal(filled.points[seen], keypoints.points[seen])
    np.testing.assert_array_equal(filled.score[seen], keypoints.score[seen])
    np.testing.assert_array_equal(filled.filled, ~seen & (filled.score > 0))


@given(st.integers(0, 2**32 - 1), st.integers(0, 6))
@settings(max_examples=40, deadline=None)
def test_a_joint_stays_between_its_neighbours_and_its_score_below_theirs(seed, longest):
    keypoints = wandering(seed)
    filled = fill_body_gaps(keypoints, longest_gap_frames=longest)
    for frame, joint in np.argwhere(filled.filled):
        seen = np.flatnonzero(keypoints.score[:, joint])
        ends = [seen[seen < frame].max(), seen[seen > frame].min()]
        assert ends[1] - ends[0] - 1 <= longest
        low, high = keypoints.points[ends, joint].min(axis=0), keypoints.points[ends, joint].max(0)
        assert (low - 1e-3 <= filled.points[frame, joint]).all()
        assert (filled.points[frame, joint] <= high + 1e-3).all()
        assert 0 < filled.score[frame, joint] < keypoints.score[ends, joint].max()


@pytest.mark.parametrize("group", ["left_wrist", "left_hand", "face"])
def test_straight_motion_is_filled_exactly(group):
    truth = person(STRAIGHT)
    filled = fill(lost(truth, group, range(3, 8)), 5)
    np.testing.assert_allclose(filled.points, truth.points, atol=1e-3)


def test_a_bend_is_rounded_and_not_cut_off():
    hips = [(128.0 + min(frame, 7), 128.0) for frame in range(12)]
    filled = fill_body_gaps(lost(person(hips), "nose", range(5, 9)), longest_gap_frames=4)
    x = filled.joint("nose")[0][4:10, 0] - 128
    straight = np.linspace(4, 7, 6)
    assert (x[1:-1] > straight[1:-1] + 0.1).all()  # slope of before goes on, as in 4, 5, 6, 7, 7, 7
    assert (np.diff(x) >= 0).all()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_a_gap_is_filled_as_if_all_that_was_seen_were_known(seed):
    """Two frames on either side say all that a monotone cubic can make use of."""
    rng = np.random.default_rng(seed)
    truth = person(rng.uniform(60, 190, (14, 2)))
    filled = fill_body_gaps(lost(truth, "nose", range(5, 8)), longest_gap_frames=3)
    seen = [frame for frame in range(14) if not 5 <= frame < 8]
    whole = PchipInterpolator(seen, truth.joint("nose")[0][seen].astype(float), axis=0)
    np.testing.assert_allclose(filled.joint("nose")[0][5:8], whole([5, 6, 7]), atol=1e-3)


@pytest.mark.parametrize("fill_some", FILLS)
@pytest.mark.parametrize(
    "frames", [range(4), range(8, 12), range(2, 8)], ids=["start", "end", "too long"]
)
def test_gaps_that_are_longer_or_at_the_ends_stay(fill_some, frames):
    keypoints = lost(lost(person(STRAIGHT), "left_hand", frames), "nose", frames)
    filled = fill_some(keypoints, longest_gap_frames=5)
    np.testing.assert_array_equal(filled.points, keypoints.points)
    np.testing.assert_array_equal(filled.score, keypoints.score)
    assert not filled.filled.any()


def test_scores_fade_towards_the_middle():
    filled = fill(lost(standing(7), "nose", range(1, 6)), 5)
    expected = np.array([0.9, 0.75, 0.6, 0.45, 0.6, 0.75, 0.9])  # one sixth less a frame away
    np.testing.assert_allclose(filled.joint("nose")[1], expected, rtol=1e-6)


def test_scores_go_from_one_side_to_the_other():
    keypoints = standing(3)
    keypoints.score[2] = 0.5
    filled = fill(lost(keypoints, "nose", [1]), 1)
    np.testing.assert_allclose(filled.joint("nose")[1][1], 0.7 / 2, rtol=1e-6)


def test_a_hand_goes_with_its_wrist():
    away = {3: (0, -30), 4: (0, -60), 5: (0, -30)}
    keypoints = moved(standing(9), "left_wrist", away)
    truth = moved(keypoints, "left_hand", away)
    filled = fill_carried_gaps(lost(keypoints, "left_hand", range(3, 6)), longest_gap_frames=3)
    np.testing.assert_allclose(filled.points, truth.points, atol=1e-3)


def test_without_its_wrist_a_hand_goes_by_itself():
    keypoints = moved(standing(9), "left_wrist", {3: (0, -30), 5: (0, -30)})
    gone = lost(lost(keypoints, "left_hand", range(3, 6)), "left_wrist", [4])
    filled = fill_carried_gaps(gone, longest_gap_frames=3)
    hand = joints_of("left_hand")
    np.testing.assert_allclose(filled.points[:, hand], keypoints.points[:, hand], atol=1e-3)


def test_a_wrist_missing_beside_the_gap_carries_nothing_there():
    """Without it the hand seems to come from far away, and the gap is bent towards there."""
    truth = moved(person(STRAIGHT), "left_wrist", {frame: (2 * frame, 0) for frame in range(12)})
    keypoints = lost(lost(truth, "left_hand", range(4, 7)), "left_wrist", [2])
    filled = fill_carried_gaps(keypoints, longest_gap_frames=3)
    hand = joints_of("left_hand")
    np.testing.assert_allclose(filled.points[:, hand], truth.points[:, hand], atol=1e-3)


def test_one_finger_out_of_sight_is_no_gap():
    keypoints = lost(standing(5), "left_hand_thumb_tip", [2])
    assert not fill(keypoints, 3).filled.any()


def test_a_finger_missing_beside_a_gap_stays_missing_in_it():
    keypoints = lost(lost(standing(6), "left_hand", [2, 3]), "left_hand_thumb_tip", [1])
    filled = fill(keypoints, 3)
    thumb = HOLISTIC.index("left_hand_thumb_tip")
    assert not filled.filled[:, thumb].any()
    assert filled.filled[2:4, joints_of("left_hand")].sum() == 2 * 20


def test_what_was_filled_before_stays_marked():
    before = np.zeros((5, len(HOLISTIC.joints)), np.bool_)
    before[0, 0] = True
    keypoints = replace(lost(standing(5), "left_knee", [2]), filled=before)
    filled = fill(keypoints, 2).filled
    assert filled[0, 0]
    assert filled[2, HOLISTIC.index("left_knee")]
    assert filled.sum() == 2
    assert before.sum() == 1  # and the array given is as it was
