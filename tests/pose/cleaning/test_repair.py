"""All repairs together: what is broken in known ways comes back as it was."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motiontransfer.pose.cleaning import CleaningSettings, clean, swap_sides
from motiontransfer.skeleton import HOLISTIC
from tests.pose.whole_person import joints_of, lost, moved, person, standing

SETTINGS = CleaningSettings(
    longest_gap_seconds=0.2,
    longest_outlier_seconds=0.12,
    smoothing="savitzky_golay",
    smoothing_seconds=0.25,
)
PATH = [(80 + 1.5 * frame, 120 + 0.5 * frame) for frame in range(40)]


def broken():
    """Someone walking straight, broken in every way, and the frames it was done in."""
    keypoints = moved(person(PATH), "left_knee", {20: (0, -50)})
    keypoints = lost(keypoints, "right_elbow", range(5, 9))
    keypoints = lost(keypoints, "left_hand", range(30, 35))
    keypoints = moved(keypoints, "right_hand", dict.fromkeys(range(30, 34), (0, -30)))
    hands_exchanged = np.isin(np.arange(40), [25, 26])
    keypoints = swap_sides(keypoints, hands_exchanged, joints=dict(HOLISTIC.groups)["left_hand"])
    swapped = (np.arange(40) >= 12) & (np.arange(40) < 15)
    body = [joint for joint in HOLISTIC.joints if joint.startswith("left_")][:16]
    hands = dict(HOLISTIC.groups)["left_hand"]
    return swap_sides(keypoints, swapped, joints=(*body, *hands))


def test_everything_comes_back_to_where_it_was():
    cleaned, repairs = clean(broken(), SETTINGS)
    np.testing.assert_allclose(cleaned.points, person(PATH).points, atol=0.02)
    assert repairs.counts() == {
        "frames_with_sides_repaired": 3,
        "frames_with_hands_repaired": 2,
        "frames_with_joints_removed": 1 + 4,
        "joints_removed": 1 + 4 * 21,
        "joints_filled": 1 + 4 + (5 + 4) * 21,
    }
    assert np.flatnonzero(repairs.sides).tolist() == [12, 13, 14]
    assert np.flatnonzero(repairs.hands).tolist() == [25, 26]
    assert np.flatnonzero(repairs.removed).tolist() == [20, 30, 31, 32, 33]
    assert repairs.filled[[5, 32]].tolist() == [1, 42]


def test_a_hand_is_carried_by_a_wrist_that_was_filled():
    away = {3: (0, -10), 4: (0, -20), 5: (0, -30), 6: (0, -20), 7: (0, -10)}
    truth = moved(moved(standing(12), "left_wrist", away), "left_hand", away)
    keypoints = lost(lost(truth, "left_hand", range(3, 8)), "left_wrist", [4])
    cleaned, _ = clean(keypoints, replace(SETTINGS, smoothing="none"))
    np.testing.assert_allclose(cleaned.points, truth.points, atol=3)  # and not 30 px away


def test_nothing_is_done_where_nothing_is_asked():
    settings = CleaningSettings(
        longest_gap_seconds=0.0,
        longest_outlier_seconds=0.0,
        smoothing="none",
        smoothing_seconds=0.25,
    )
    keypoints = lost(moved(person(PATH), "left_knee", {20: (0, -50)}), "right_elbow", [7])
    cleaned, repairs = clean(keypoints, settings)
    np.testing.assert_array_equal(cleaned.points, keypoints.points)
    np.testing.assert_array_equal(cleaned.score, keypoints.score)
    assert not any(repairs.counts().values())


def test_cleaning_what_was_cleaned_moves_it_by_less_than_the_first_time():
    noise = np.random.default_rng(0).normal(0, 1, (40, len(HOLISTIC.joints), 2))
    trembling = person(PATH)
    trembling = replace(trembling, points=(trembling.points + noise).astype(np.float32))
    once, _ = clean(trembling, SETTINGS)
    twice, repairs = clean(once, SETTINGS)
    assert repairs.removed.sum() == 0
    first, second = (
        np.abs(b.points - a.points).mean() for a, b in ((trembling, once), (once, twice))
    )
    assert second < first / 3


@given(st.integers(1, 30), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_frames_stay_and_nothing_becomes_impossible(num_frames, seed):
    """Whatever comes in, `Keypoints` comes out: finite, in range, (0, 0) where missing."""
    rng = np.random.default_rng(seed)
    score = rng.uniform(0, 1, (num_frames, len(HOLISTIC.joints))).astype(np.float32)
    score[rng.uniform(size=score.shape) < 0.4] = 0
    points = rng.uniform(0, 256, (*score.shape, 2)).astype(np.float32) * (score > 0)[..., None]
    keypoints = replace(standing(num_frames), points=points, score=score)
    cleaned, repairs = clean(keypoints, SETTINGS)
    assert cleaned.num_frames == num_frames
    assert (cleaned.frame_rate, cleaned.detector) == (keypoints.frame_rate, keypoints.detector)
    assert repairs.filled.sum() == cleaned.filled.sum()
    assert not cleaned.points[cleaned.score == 0].any()


@pytest.mark.parametrize(("frame_rate", "filled"), [(25, 5), (50, 5), (10, 0)])
def test_times_are_seconds_whatever_the_frame_rate(frame_rate, filled):
    keypoints = lost(standing(30, frame_rate=frame_rate), "nose", range(10, 15))
    cleaned, _ = clean(keypoints, SETTINGS)
    assert cleaned.filled[:, joints_of("nose")].sum() == filled
