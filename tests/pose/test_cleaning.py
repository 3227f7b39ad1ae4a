from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import PchipInterpolator

from motiontransfer.pose import cleaning
from motiontransfer.pose.skeleton import HOLISTIC
from tests.people import HEIGHT_PX, joints_of, lost, moved, person, rotated, standing


def gone(before, after):
    """{(frame_index, joint)} that are missing now and were not."""
    removed = np.argwhere((before.score > 0) & (after.score == 0))
    return {(frame, HOLISTIC.joints[joint]) for frame, joint in removed.tolist()}


@pytest.mark.parametrize(
    ("away", "wrist_lost", "removed"), [(0.14, [], []), (0.16, [], [2]), (0.16, [2], [])]
)
def test_a_hand_far_from_its_wrist_is_removed(away, wrist_lost, removed):
    keypoints = moved(standing(4), "right_hand", {2: (0, -away * HEIGHT_PX)})
    keypoints = lost(keypoints, "right_wrist", wrist_lost)
    hand = dict(HOLISTIC.groups)["right_hand"]
    expected = {(frame, joint) for frame in removed for joint in hand}
    assert gone(keypoints, cleaning.remove_strays(keypoints)) == expected


@pytest.mark.parametrize("degrees", [0, 180])
def test_a_face_that_is_upside_down_on_its_head_is_removed(degrees):
    """Also of someone on their hands."""
    keypoints, face = rotated(standing(3), degrees), HOLISTIC.slice("face")
    points = keypoints.points.copy()
    chin, forehead = map(HOLISTIC.index, ("face_chin", "face_forehead"))
    points[:, forehead] = 2 * points[:, face].mean(axis=1) - points[:, chin]
    assert not gone(replace(keypoints, points=points), cleaning.remove_strays(keypoints))
    points[1, face] = 2 * points[1, face].mean(axis=0) - points[1, face]
    keypoints = replace(keypoints, points=points)
    expected = {(1, joint) for joint in dict(HOLISTIC.groups)["face"]}
    assert gone(keypoints, cleaning.remove_strays(keypoints)) == expected
    unknown = lost(keypoints, "left_mouth", [1])
    assert not gone(unknown, cleaning.remove_strays(unknown))


STRAIGHT = [(100 + 3 * frame, 120 + frame) for frame in range(12)]


def fill(keypoints, longest, groups=("body", "left_hand", "right_hand", "face")):
    filled = cleaning.fill_joints(keypoints, groups[:1], longest_gap_frames=longest)
    return cleaning.fill_joints(filled, groups[1:], longest_gap_frames=longest)


def wandering(seed, *, num_frames=14, chance=0.3):
    """Someone moving at random, with joints and whole groups missing at random."""
    rng = np.random.default_rng(seed)
    keypoints = person(rng.uniform(60, 190, (num_frames, 2)))
    for group in (*HOLISTIC.joints[:33], "left_hand", "right_hand", "face"):
        keypoints = lost(keypoints, group, np.flatnonzero(rng.uniform(size=num_frames) < chance))
    return keypoints


@given(st.integers(0, 2**32 - 1), st.integers(0, 6))
def test_detected_joints_are_not_touched_and_others_lie_between_their_neighbors(seed, longest):
    keypoints = wandering(seed)
    seen = keypoints.score > 0
    filled = fill(keypoints, longest)
    np.testing.assert_array_equal(filled.points[seen], keypoints.points[seen])
    np.testing.assert_array_equal(filled.score[seen], keypoints.score[seen])
    np.testing.assert_array_equal(filled.filled, ~seen & (filled.score > 0))
    for frame, joint in np.argwhere(filled.filled[:, : joints_of("face").start]):
        seen = np.flatnonzero(keypoints.score[:, joint])
        ends = [seen[seen < frame].max(), seen[seen > frame].min()]
        assert ends[1] - ends[0] - 1 <= longest
        if joint >= joints_of("body").stop:
            continue  # it goes with its wrist
        low, high = keypoints.points[ends, joint].min(axis=0), keypoints.points[ends, joint].max(0)
        assert (low - 1e-3 <= filled.points[frame, joint]).all()
        assert (filled.points[frame, joint] <= high + 1e-3).all()
        assert 0 < filled.score[frame, joint] < keypoints.score[ends, joint].max()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=8, deadline=None)
def test_a_gap_is_filled_by_a_monotone_cubic(seed):
    """Of all frames it depends on two on either side."""
    rng = np.random.default_rng(seed)
    truth = person(rng.uniform(60, 190, (14, 2)))
    filled = fill(lost(truth, "nose", range(5, 8)), 3)
    seen = [frame for frame in range(14) if not 5 <= frame < 8]
    whole = PchipInterpolator(seen, truth.joint("nose")[0][seen].astype(float), axis=0)
    np.testing.assert_allclose(filled.joint("nose")[0][5:8], whole([5, 6, 7]), atol=1e-3)


@pytest.mark.parametrize(
    ("last_score", "frames", "expected"),
    [
        (0.9, range(1, 6), [0.9, 0.75, 0.6, 0.45, 0.6, 0.75, 0.9]),  # a sixth less a frame away
        (0.5, [1], [0.9, 0.7 / 2, 0.5]),  # from one side to the other
    ],
)
def test_scores_fade_towards_the_middle_of_a_gap(last_score, frames, expected):
    keypoints = standing(len(expected))
    keypoints.score[-1] = last_score
    filled = fill(lost(keypoints, "nose", frames), len(frames))
    np.testing.assert_allclose(filled.joint("nose")[1], expected, rtol=1e-6)


def test_a_hand_goes_with_its_wrist_and_not_where_the_wrist_is_missing():
    """Missing beside the gap, the hand would seem to come from far away."""
    away = {4: (0, -30), 5: (0, -60), 6: (0, -30)}
    truth = moved(moved(person(STRAIGHT), "left_wrist", away), "left_hand", away)
    keypoints = lost(lost(truth, "left_hand", range(4, 7)), "left_wrist", [2])
    filled = cleaning.fill_joints(keypoints, ["left_hand"], longest_gap_frames=3)
    hand = joints_of("left_hand")
    np.testing.assert_allclose(filled.points[:, hand], truth.points[:, hand], atol=1e-3)


PATH = [(80 + 1.5 * frame, 120 + 0.5 * frame) for frame in range(30)]
FILLING = cleaning.Filling(
    longest_gap_seconds=0.2, smoothing="savitzky_golay", smoothing_seconds=0.25
)


def test_gaps_are_filled_and_counted_and_nothing_else_is_repaired():
    keypoints = lost(lost(person(PATH), "right_elbow", range(5, 9)), "left_hand", range(20, 25))
    filled, repairs = cleaning.fill(keypoints, FILLING)
    np.testing.assert_allclose(filled.points, person(PATH).points, atol=0.02)
    assert repairs.filled[[5, 22]].tolist() == [1, 21]
    others = {name: count for name, count in repairs.counts().items() if name != "joints_filled"}
    assert repairs.counts()["joints_filled"] == 4 + 5 * 21
    assert not any(others.values())


@pytest.mark.parametrize(("frame_rate", "filled"), [(25, 5), (50, 5), (10, 0)])
def test_times_are_seconds_whatever_the_frame_rate(frame_rate, filled):
    keypoints = lost(standing(30, frame_rate=frame_rate), "nose", range(10, 15))
    cleaned, _ = cleaning.fill(keypoints, FILLING)
    assert cleaned.filled[:, joints_of("nose")].sum() == filled
