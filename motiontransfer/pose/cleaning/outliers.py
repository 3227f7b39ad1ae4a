"""Removing joints that jump away and come back, and hands that hang on no wrist.

Hides what a body cannot do. A joint that leaves its path for a few frames is an outlier if it goes
farther than muscles could take it in that time, farther than its path went on meanwhile, and
farther than its own motion around then would explain. Hands and face are judged as a whole.
"""

from dataclasses import replace
from fractions import Fraction

import numpy as np
from jaxtyping import Bool, Float64

from motiontransfer.keypoints import Keypoints
from motiontransfer.pose.body_height import body_height_px

# In body heights: how far detectors stray without being wrong, and about 100 m/s² for a grown
# person, several times what a dancer's hand reaches; the demo's true joints stay below a quarter.
_STRAYING = 0.03
_ACCELERATION = 60.0  # a second, squared
_OWN_MOTION_FACTOR = 3.0  # above the median step around
_OWN_MOTION_SECONDS = 1.0
_STRAY_HAND = 0.15  # body heights from the wrist; a hand is about a tenth long


def remove_outliers(keypoints: Keypoints, *, longest_frames: int) -> Keypoints:
    """Make joints missing that jump and return.

    Args:
        longest_frames: what lasts longer is taken for real; 0 removes nothing.
    """
    tracks, seen, joints_of_track = _tracks(keypoints)
    height = body_height_px(keypoints)
    gone = np.zeros(seen.shape, np.bool_)
    for length in range(1, longest_frames + 1):
        gone |= _excursions(
            tracks, seen, length=length, height=height, frame_rate=keypoints.frame_rate
        )
    removed = np.zeros(keypoints.score.shape, np.bool_)
    for index, joints in enumerate(joints_of_track):
        removed[:, joints] = gone[:, index, None]
    return without(keypoints, removed)


def remove_stray_hands(keypoints: Keypoints) -> Keypoints:
    """Make a hand missing where it lies far from the body's wrist."""
    removed = np.zeros(keypoints.score.shape, np.bool_)
    farthest = _STRAY_HAND * body_height_px(keypoints)
    for side in ("left", "right"):
        hand, hand_score = keypoints.joint(f"{side}_hand_wrist")
        wrist, wrist_score = keypoints.joint(f"{side}_wrist")
        stray = np.linalg.norm(hand - wrist, axis=1) > farthest
        stray &= (hand_score > 0) & (wrist_score > 0)
        removed[:, keypoints.skeleton.slice(f"{side}_hand")] = stray[:, None]
    return without(keypoints, removed)


def without(keypoints: Keypoints, removed: Bool[np.ndarray, "frames joints"]) -> Keypoints:
    """The same keypoints with some of them missing."""
    filled = keypoints.filled
    return replace(
        keypoints,
        points=np.where(removed[..., None], np.float32(0), keypoints.points),
        score=np.where(removed, np.float32(0), keypoints.score),
        filled=None if filled is None else filled & ~removed,
    )


def _tracks(
    keypoints: Keypoints,
) -> tuple[Float64[np.ndarray, "frames tracks 2"], Bool[np.ndarray, "frames tracks"], list[slice]]:
    """What is judged together: each joint of the body, and the middle of each other group."""
    present = keypoints.score > 0
    joints_of_track = []
    for group, _ in keypoints.skeleton.groups:
        where = keypoints.skeleton.slice(group)
        alone = [slice(joint, joint + 1) for joint in range(where.start, where.stop)]
        joints_of_track += alone if group == "body" else [where]
    count = np.stack([present[:, joints].sum(axis=1) for joints in joints_of_track], axis=1)
    total = np.stack(  # missing joints are (0, 0) and add nothing
        [keypoints.points[:, joints].sum(axis=1, dtype=np.float64) for joints in joints_of_track],
        axis=1,
    )
    return total / np.maximum(count, 1)[..., None], count > 0, joints_of_track


def _excursions(
    tracks: Float64[np.ndarray, "frames tracks 2"],
    seen: Bool[np.ndarray, "frames tracks"],
    *,
    length: int,
    height: float,
    frame_rate: Fraction,
) -> Bool[np.ndarray, "frames tracks"]:
    """Where a track is off the straight line between the frames before and after for `length`."""
    span = length + 1
    gone = np.zeros(seen.shape, np.bool_)
    if len(tracks) <= span:
        return gone
    before, after = tracks[:-span], tracks[span:]
    strays = []
    for step in range(1, span):
        here = slice(step, len(tracks) - span + step)
        line = before + (after - before) * (step / span)
        distance = np.linalg.norm(tracks[here] - line, axis=2)
        strays.append(np.where(seen[here], distance, np.inf))
    least = np.min(strays, axis=0)
    seconds = span / 2 / float(frame_rate)
    possible = height * (_STRAYING + _ACCELERATION * seconds**2 / 2)
    went_on = np.linalg.norm(after - before, axis=2)
    strayed = np.isfinite(least) & (least > np.maximum(possible, went_on))
    suspect = strayed & seen[:-span] & seen[span:]
    for start, track in np.argwhere(suspect).tolist():
        usual = _usual_step(tracks[:, track], seen[:, track], start, start + span, frame_rate)
        if least[start, track] > _OWN_MOTION_FACTOR * usual * span / 2:
            gone[start + 1 : start + span, track] = seen[start + 1 : start + span, track]
    return gone


def _usual_step(
    track: Float64[np.ndarray, "frames 2"],
    seen: Bool[np.ndarray, " frames"],
    before: int,
    after: int,
    frame_rate: Fraction,
) -> float:
    """Median distance from frame to frame around an excursion, without the excursion itself."""
    reach = round(_OWN_MOTION_SECONDS / 2 * frame_rate)
    around = (slice(max(0, before - reach), before + 1), slice(after, after + reach + 1))
    steps = [
        np.linalg.norm(np.diff(track[part], axis=0), axis=1)[seen[part][1:] & seen[part][:-1]]
        for part in around
    ]
    every = np.concatenate(steps)
    return float(np.median(every)) if len(every) else 0.0
