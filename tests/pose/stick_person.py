"""A drawn person with few joints: head, shoulders, ankles and a hand."""

from fractions import Fraction

import numpy as np

from motiontransfer.keypoints import Keypoints
from motiontransfer.skeleton import HOLISTIC

# (x, y) in heights of the body, from the middle of the ankles; y upward
_OFFSETS = {
    "nose": (0, 1),
    "left_eye": (0.02, 1.03),
    "right_eye": (-0.02, 1.03),
    "left_ear": (0.05, 1.0),
    "right_ear": (-0.05, 1.0),
    "left_mouth": (0.015, 0.98),
    "right_mouth": (-0.015, 0.98),
    "left_shoulder": (0.1, 0.8),
    "right_shoulder": (-0.1, 0.8),
    "left_ankle": (0.05, 0),
    "right_ankle": (-0.05, 0),
    "left_hand_index_tip": (0.3, 0.4),
}


def stick_person(
    ankle_y, height, *, x=32.0, image_size=(100, 64), frame_rate=25, missing=(), score=0.9
):
    """Keypoints of someone standing at `ankle_y`, one a frame, `height` px from ankles to nose.

    Args:
        missing: (frame_index, joint) pairs.
    """
    ankle_y, height, x = np.broadcast_arrays(np.atleast_1d(ankle_y).astype(float), height, x)
    frames, joints = len(ankle_y), len(HOLISTIC.joints)
    points = np.zeros((frames, joints, 2), np.float32)
    scores = np.zeros((frames, joints), np.float32)
    for joint, (right, up) in _OFFSETS.items():
        index = HOLISTIC.index(joint)
        points[:, index] = np.stack([x + right * height, ankle_y - up * height], axis=1)
        scores[:, index] = score
    for frame_index, joint in missing:
        points[frame_index, HOLISTIC.index(joint)] = 0
        scores[frame_index, HOLISTIC.index(joint)] = 0
    return Keypoints(
        points=points,
        score=scores,
        skeleton=HOLISTIC,
        image_size=image_size,
        frame_rate=Fraction(frame_rate),
        detector="drawn",
    )
