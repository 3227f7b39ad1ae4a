"""Multi-person detections drawn in code: people who walk, the body's joints only."""

from fractions import Fraction

import numpy as np

from motiontransfer.keypoints import Detections
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
    """x, y, score of each joint of someone whose ankles are at x, y.

    Args:
        jitter: standard deviation of a detector's error, px.
        without: joints that are missing.
    """
    joints = np.zeros((len(HOLISTIC.joints), 3), np.float32)
    offsets = {"nose": (0.0, 1.0)}
    for name, (right, up) in _LEFT.items():
        offsets |= {f"left_{name}": (right, up), f"right_{name}": (-right, up)}
    noise = np.random.default_rng(seed).normal(0, jitter, (len(offsets), 2))
    for (name, (right, up)), (dx, dy) in zip(offsets.items(), noise, strict=True):
        if name not in without:
            place = (x + right * height + dx, y - up * height + dy, 0.9)
            joints[HOLISTIC.index(name)] = place
    return joints


def frame_of(*walkers):
    """Everyone in one frame, in this order."""
    joints = np.array(walkers, np.float32)
    return joints.reshape(len(walkers), len(HOLISTIC.joints), 3)


def detections_of(tracks, *, num_frames, frame_rate=25, image_size=(256, 256)):
    """Everyone in a clip.

    Args:
        tracks: for each track number, its frames and a function from the frame to `walker`'s
            arguments, or those arguments.
    """
    people, numbers = [[] for _ in range(num_frames)], [[] for _ in range(num_frames)]
    for track, (frames, place) in tracks.items():
        for index in frames:
            people[index].append(walker(*(place(index) if callable(place) else place)))
            numbers[index].append(track)
    return Detections.from_frames(
        [frame_of(*found) for found in people],
        [np.array(found, np.int32) for found in numbers],
        skeleton=HOLISTIC,
        image_size=image_size,
        frame_rate=Fraction(frame_rate),
        detector="drawn",
    )
