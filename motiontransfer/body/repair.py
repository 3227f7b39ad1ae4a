"""Detected joints repaired by the fitted body: exchanged sides, outliers, and what is not seen.

Where detector and body agree, a joint is between them: their errors differ. Head, face and hands
are the detector's. In frames that the body does not fit, joints stay as they were detected.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from motiontransfer.body.motion import BodyMotion
from motiontransfer.core.arrays import JointMask, Scores
from motiontransfer.pose.cleaning import Filling, Repairs, remove_strays
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.shown import inside_film, whole_image
from motiontransfer.pose.skeleton import BODY_JOINTS, HOLISTIC

_AGREES = 0.03  # body heights between detector and body; farther, the detector is wrong
_LEAST_SHOWN = 0.3  # share of the frames; a joint seen in fewer is not one that a film shows
_GUESSED_SCORE = 0.3  # of joints that were not seen
_HEAD = BODY_JOINTS.index("left_shoulder")  # joints before the first one of the trunk
_BODY = slice(len(BODY_JOINTS))
_TREMBLES = np.full(len(HOLISTIC.joints), 0.01)
"""Body heights that detections tremble; farther is a fast turn, of which a head makes none."""
_TREMBLES[_BODY] = 0.005
_TREMBLES[:_HEAD] = _TREMBLES[HOLISTIC.slice("face")] = np.inf


def repair(detected: Keypoints, motion: BodyMotion, filling: Filling) -> tuple[Keypoints, Repairs]:
    """Put sides right, replace outliers, fill gaps, smooth, and blend with the body."""
    sided = detected.exchanged(motion.is_exchanged)
    place = motion.projected()
    off = np.linalg.norm(place - sided.points[:, _BODY], axis=2)
    is_wrong = np.zeros(sided.score.shape, np.bool_)
    is_wrong[:, _BODY] = (off > _AGREES * motion.scale[:, None]) & motion.fits[:, None]
    is_wrong[:, :_HEAD] = False
    kept = sided.without(is_wrong)
    smooth = _gently(filling.of_body(kept), kept, motion)
    repaired = _blended(smooth, kept.score, motion, place)
    removed = remove_strays(repaired)
    is_gone = (sided.score > 0) & ((kept.score == 0) | (removed.score < repaired.score))
    filled = _gently(filling.of_carried(removed), removed, motion)
    seen = sided.score[:, _BODY] > 0
    distance = (off * seen).sum(axis=1) / np.where(seen.any(axis=1), seen.sum(axis=1), np.nan)
    assert filled.filled is not None
    return filled, Repairs(
        sides=motion.is_exchanged,
        removed=is_gone.sum(axis=1),
        filled=filled.filled.sum(axis=1),
        misfits=~motion.fits & seen.any(axis=1),
        residual=distance / motion.scale,
    )


def _gently(smoothed: Keypoints, detected: Keypoints, motion: BodyMotion) -> Keypoints:
    """Joints moved no farther by smoothing than detections tremble: fast turns stay."""
    moved = smoothed.points - detected.points
    away = np.linalg.norm(moved, axis=2) / (_TREMBLES * motion.scale[:, None])
    near = detected.points + moved / np.maximum(away, 1)[..., None]
    points = np.where(detected.score[..., None] > 0, near, smoothed.points)
    return replace(smoothed, points=points.astype(np.float32))


def _blended(
    filled: Keypoints, seen: Scores, motion: BodyMotion, place: Float64[np.ndarray, "frames body 2"]
) -> Keypoints:
    """The body's joints in gaps, its mean with the detector's where these were seen."""
    points = filled.points.copy()
    mean = (points[:, _BODY] + place) / 2
    mean[:, :_HEAD] = points[:, :_HEAD]
    fitted = np.where(seen[:, _BODY, None] > 0, mean, place)
    known = (filled.score[:, _BODY] > 0) & motion.fits[:, None]
    points[:, _BODY] = np.where(known[..., None], fitted, points[:, _BODY])
    return replace(filled, points=points)


def with_guesses(keypoints: Keypoints, motion: BodyMotion) -> Keypoints:
    """Joints of the body that are missing, where the film shows them elsewhere.

    Those in the picture are marked as filled in, those beyond its edge as completed. So an arm
    that leaves a dance's picture is whole in the target's. Their score is low.
    """
    place = motion.projected()
    seen = keypoints.measured().score[:, _BODY] > 0
    known = seen.any(axis=1)
    shown = seen[known].mean(axis=0) >= _LEAST_SHOWN if known.any() else seen.any(axis=0)
    is_guess = np.zeros(keypoints.score.shape, np.bool_)
    is_guess[:, _BODY] = motion.fits[:, None] & shown
    is_guess &= keypoints.score == 0
    points = keypoints.points.copy()
    points[:, _BODY] = np.where(is_guess[:, _BODY, None], place, points[:, _BODY])
    inside = inside_film(points.astype(np.float64), whole_image(keypoints))
    score = np.where(is_guess, np.float32(_GUESSED_SCORE), keypoints.score)
    return replace(
        keypoints,
        points=points,
        score=score,
        filled=_marked(keypoints.filled, is_guess & inside),
        completed=_marked(keypoints.completed, is_guess & ~inside),
    )


def _marked(marks: JointMask | None, more: JointMask) -> JointMask | None:
    if not more.any():
        return marks
    return more if marks is None else marks | more
