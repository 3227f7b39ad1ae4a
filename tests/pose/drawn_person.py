"""A person with every joint of every set, each at a place of its own."""

import numpy as np

# Heights above the floor, and to the person's left of the middle, in heights of the body.
_BODY = {
    "nose": (0.92, 0),
    "neck": (0.82, 0),
    "mid_hip": (0.52, 0),
    "left_eye": (0.94, 0.02),
    "left_ear": (0.93, 0.05),
    "left_shoulder": (0.81, 0.12),
    "left_elbow": (0.65, 0.17),
    "left_wrist": (0.50, 0.20),
    "left_hip": (0.52, 0.08),
    "left_knee": (0.28, 0.09),
    "left_ankle": (0.04, 0.10),
    "left_heel": (0.01, 0.10),
    "left_foot_index": (0.00, 0.13),
    "left_small_toe": (0.00, 0.15),
    "left_pupil": (0.94, 0.021),
}


def place_of(joint, *, x=100.0, floor=200.0, height=150.0):
    """(x, y) of a joint of someone who faces the camera: their left is at the image's right."""
    twin = "left_" + joint.removeprefix("right_") if joint.startswith("right_") else joint
    side = -1 if joint.startswith("right_") else 1
    if twin in _BODY:
        up, left = _BODY[twin]
    else:  # hands and face: anywhere near, and no two at one place
        digest = sum(ord(letter) * (index + 1) for index, letter in enumerate(twin))
        up, left = 0.5 + (digest % 97) / 400, 0.05 + (digest % 89) / 500
    return x + side * left * height, floor - up * height


def rows_of(joints, *, score=0.9, **placement):
    """x, y and score of each joint, as a list of triples."""
    return [[*place_of(joint, **placement), score] for joint in joints]


def flat(rows):
    """x0, y0, score0, x1, … as OpenPose and COCO have it."""
    return [float(value) for value in np.array(rows).reshape(-1)]
