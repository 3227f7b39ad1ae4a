"""People who walk through a frame as detectors would find them: the body's joints, nothing else."""

import numpy as np

from motiontransfer.keypoints import People, nobody
from motiontransfer.skeleton import HOLISTIC

# (x, y) in heights of the body, from the middle of the ankles; y upward. Left is on the image's
# right, as of someone who looks at the camera.
_LEFT = {
    "eye_inner": (0.01, 1.03),
    "eye": (0.02, 1.03),
    "eye_outer": (0.03, 1.03),
    "ear": (0.05, 1.0),
    "mouth": (0.015, 0.97),
    "shoulder": (0.11, 0.85),
    "elbow": (0.15, 0.67),
    "wrist": (0.17, 0.5),
    "pinky": (0.18, 0.46),
    "index": (0.17, 0.45),
    "thumb": (0.16, 0.47),
    "hip": (0.06, 0.53),
    "knee": (0.06, 0.28),
    "ankle": (0.06, 0.0),
    "heel": (0.055, -0.02),
    "foot_index": (0.08, -0.03),
}


def walker(x, y=200.0, height=100.0, *, jitter=0.0, without=(), seed=0):
    """(points, score) of someone whose ankles are at x, y.

    Args:
        jitter: standard deviation of a detector's error, px.
        without: joints that are missing.
    """
    points = np.zeros((len(HOLISTIC.joints), 2), np.float32)
    score = np.zeros(len(HOLISTIC.joints), np.float32)
    offsets = {"nose": (0.0, 1.0)}
    for name, (right, up) in _LEFT.items():
        offsets |= {f"left_{name}": (right, up), f"right_{name}": (-right, up)}
    noise = np.random.default_rng(seed).normal(0, jitter, (len(offsets), 2))
    for (name, (right, up)), error in zip(offsets.items(), noise, strict=True):
        if name not in without:
            points[HOLISTIC.index(name)] = np.array([x + right * height, y - up * height]) + error
            score[HOLISTIC.index(name)] = 0.9
    return points, score


def frame_of(*walkers):
    """Everyone in one frame, in this order."""
    if not walkers:
        return nobody(len(HOLISTIC.joints))
    return People(
        points=np.stack([points for points, _ in walkers]),
        score=np.stack([score for _, score in walkers]),
    )
