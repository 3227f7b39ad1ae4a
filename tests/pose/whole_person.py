"""A drawn person with all joints, facing the camera, on a given path."""

from dataclasses import replace
from fractions import Fraction

import numpy as np

from motiontransfer.keypoints import Keypoints
from motiontransfer.skeleton import HOLISTIC, mirrored

SIZE = (256, 256)
HEIGHT_PX = 150.0  # as `body_height_px` measures it: three times the trunk of 50 px

# Pixels (x, y) from the middle of the hips; the left side is at the right of the image.
_LEFT = {
    "eye_inner": (2, -76),
    "eye": (4, -76),
    "eye_outer": (6, -76),
    "ear": (9, -74),
    "mouth": (3, -68),
    "shoulder": (20, -50),
    "elbow": (28, -25),
    "wrist": (32, 0),
    "pinky": (34, 8),
    "index": (33, 9),
    "thumb": (31, 6),
    "hip": (12, 0),
    "knee": (14, 35),
    "ankle": (15, 70),
    "heel": (15, 74),
    "foot_index": (20, 76),
}
WRIST_OF_HAND = {"left_hand": "left_wrist", "right_hand": "right_wrist"}


def _standing():
    points = np.zeros((len(HOLISTIC.joints), 2))
    points[HOLISTIC.index("nose")] = (0, -72)
    for name, (x, y) in _LEFT.items():
        points[HOLISTIC.index(f"left_{name}")] = (x, y)
        points[HOLISTIC.index(mirrored(f"left_{name}"))] = (-x, y)
    for group, wrist in WRIST_OF_HAND.items():
        where = HOLISTIC.slice(group)
        fingers = np.arange(where.stop - where.start)[:, None] * (0.2, 0.6)
        points[where] = points[HOLISTIC.index(wrist)] + fingers
    where = HOLISTIC.slice("face")
    angles = np.linspace(0, 2 * np.pi, where.stop - where.start, endpoint=False)
    points[where] = (0, -72) + 8 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return points


def person(path=((128.0, 128.0),), *, frame_rate=25, score=0.9):
    """Keypoints of someone whose hips are at each of some (x, y), one a frame."""
    points = _standing() + np.asarray(path, np.float64)[:, None]
    return Keypoints(
        points=points.astype(np.float32),
        score=np.full(points.shape[:2], score, np.float32),
        skeleton=HOLISTIC,
        image_size=SIZE,
        frame_rate=Fraction(frame_rate),
        detector="drawn",
    )


def standing(num_frames, **others):
    """Someone who does not move."""
    return person([(128.0, 128.0)] * num_frames, **others)


def joints_of(group):
    """Where a group's joints, or one joint, lie along the joint axis."""
    if group in HOLISTIC.joints:
        return slice(HOLISTIC.index(group), HOLISTIC.index(group) + 1)
    return HOLISTIC.slice(group)


def lost(keypoints, group, frames):
    """The same with a group or a joint missing in some frames."""
    points, score = keypoints.points.copy(), keypoints.score.copy()
    points[list(frames), joints_of(group)] = 0
    score[list(frames), joints_of(group)] = 0
    return replace(keypoints, points=points, score=score)


def moved(keypoints, group, shifts):
    """The same with a group or a joint moved by (x, y) px in some frames.

    Args:
        shifts: frame_index -> (x, y).
    """
    points = keypoints.points.copy()
    for frame, shift in shifts.items():
        points[frame, joints_of(group)] += np.float32(shift)
    return replace(keypoints, points=points)
