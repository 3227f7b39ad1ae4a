from dataclasses import replace

import numpy as np
import pytest

from motiontransfer.body.repair import repair, with_guesses
from motiontransfer.pose.cleaning import Filling
from motiontransfer.pose.skeleton import HOLISTIC
from tests.body.conftest import SCALE, TURN
from tests.people import joints_of, lost, moved

FILLING = Filling(longest_gap_seconds=0.2, smoothing="none", smoothing_seconds=0.0)
ELBOW, WRIST = (HOLISTIC.index(f"left_{part}") for part in ("elbow", "wrist"))


def true_points(found, joint):
    return found.motion.projected()[:, joint]


def with_hands(keypoints):
    """Hands that are points at their wrists."""
    points, score = keypoints.points.copy(), keypoints.score.copy()
    for side in ("left", "right"):
        hand = joints_of(f"{side}_hand")
        points[:, hand] = points[:, [HOLISTIC.index(f"{side}_wrist")]]
        score[:, hand] = 1
    return replace(keypoints, points=points, score=score)


def test_joints_are_between_the_detected_and_the_fitted_one(turning):
    repaired, repairs = repair(turning.keypoints, turning.motion, FILLING)
    body, true = slice(11, 33), turning.motion.projected()
    mean = (turning.keypoints.points[:, body] + true[:, body]) / 2
    np.testing.assert_allclose(repaired.points[:, body], mean, atol=1e-3)
    np.testing.assert_array_equal(repaired.score, turning.keypoints.score)
    np.testing.assert_array_equal(repaired.points[:, :11], turning.keypoints.points[:, :11])
    assert not any(repairs.counts().values())


@pytest.mark.parametrize(("away", "removed"), [(0.025, 0), (0.04, 1)])
def test_an_outlier_is_replaced(turning, away, removed):
    exact = replace(turning.keypoints, points=turning.keypoints.points.copy())
    exact.points[:, :33] = turning.motion.projected()
    jumped = moved(exact, "left_elbow", {30: (0, -away * SCALE)})
    repaired, repairs = repair(jumped, turning.motion, FILLING)
    off = np.linalg.norm(repaired.points[30, ELBOW] - true_points(turning, ELBOW)[30]) / SCALE
    assert off == pytest.approx(0 if removed else away / 2, abs=1e-4)
    assert repairs.counts()["joints_removed"] == removed
    assert repaired.filled[30, ELBOW] == removed


@pytest.mark.parametrize(
    ("group", "away", "left"),
    [
        *(("left_elbow", 0.006, 0.001), ("left_elbow", 0.025, 0.01)),
        *(("left_hand", 0.012, 0.004), ("left_hand", 0.025, 0.015)),
        ("nose", 0.03, 0.01),  # wholly smoothed
    ],
)
def test_smoothing_flattens_no_fast_turn(turning, group, away, left):
    """A parabola over 7 frames leaves a third of a peak; elbows are the mean with the body."""
    motion = turning.motion.part([0] * len(TURN))  # who stands still
    points = turning.keypoints.points.copy()
    points[:, :33] = motion.projected()
    still = with_hands(replace(turning.keypoints, points=points))
    filling = replace(FILLING, smoothing="savitzky_golay", smoothing_seconds=0.25)
    repaired, _ = repair(moved(still, group, {30: (0, -away * SCALE)}), motion, filling)
    off = (still.points - repaired.points)[30, joints_of(group).start, 1] / SCALE
    assert off == pytest.approx(left, abs=2e-4)


def test_exchanged_frames_are_put_back_with_their_hands(turning):
    frames = np.isin(np.arange(len(TURN)), [7, 8])
    hands = with_hands(turning.keypoints)
    expected, _ = repair(hands, turning.motion, FILLING)
    exchanged = hands.exchanged(frames)
    repaired, repairs = repair(exchanged, replace(turning.motion, is_exchanged=frames), FILLING)
    np.testing.assert_allclose(repaired.points, expected.points, atol=1e-3)
    np.testing.assert_array_equal(repairs.sides, frames)


def test_a_frame_that_does_not_fit_stays_as_detected_and_is_counted(turning):
    fits = np.arange(len(TURN)) != 12
    jumped = moved(turning.keypoints, "left_elbow", {12: (0, -40)})
    repaired, repairs = repair(jumped, replace(turning.motion, fits=fits), FILLING)
    np.testing.assert_array_equal(repaired.points[12], jumped.points[12])
    assert repairs.counts()["frames_without_fit"] == 1
    assert repairs.residual[12] > 1.3 * np.delete(repairs.residual, 12).max()


def test_hidden_joints_are_guessed_with_a_low_score_where_the_film_shows_them(turning):
    hidden, heel = slice(10, 30), HOLISTIC.index("right_heel")
    keypoints = lost(turning.keypoints, "left_wrist", range(10, 30))
    keypoints = lost(keypoints, "right_heel", range(len(TURN)))
    repaired, _ = repair(keypoints, turning.motion, FILLING)
    assert (repaired.score[hidden, WRIST] == 0).all()
    guessed, true = with_guesses(repaired, turning.motion), true_points(turning, WRIST)
    np.testing.assert_allclose(guessed.points[hidden, WRIST], true[hidden], atol=1e-3)
    assert (guessed.score[hidden, WRIST] < 0.5).all()
    assert guessed.filled[hidden, WRIST].all()
    assert (guessed.score[:, heel] == 0).all()
    others = np.delete(np.arange(len(TURN)), hidden)
    np.testing.assert_array_equal(guessed.score[others], repaired.score[others])


def test_a_wrist_that_leaves_the_picture_is_completed_by_the_body(turning):
    hidden = lost(turning.keypoints, "left_wrist", range(10, 30))
    away = replace(turning.motion, place=turning.motion.place + 400)
    guessed = with_guesses(hidden, away)
    np.testing.assert_allclose(guessed.points[10:30, WRIST], away.projected()[10:30, WRIST])
    assert guessed.completed[10:30, WRIST].all()
    assert guessed.completed.sum() == len(range(10, 30))
    assert guessed.filled is None
    np.testing.assert_array_equal(guessed.measured().score, hidden.score)
