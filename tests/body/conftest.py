"""Skeletons that walk, turn and swing their arms, as a detector would find them."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from motiontransfer.body.motion import BodyMotion
from motiontransfer.body.skeleton import BONE_NAMES, USUAL_LENGTHS
from motiontransfer.pose.keypoints import Keypoints
from tests.people import keypoints_of

SCALE = 200.0  # px a body height
LENGTHS = USUAL_LENGTHS * np.where(np.arange(len(USUAL_LENGTHS)) % 2, 1.12, 0.93)
_HANGING = {  # towards the camera, the left at the right of the picture
    **{"spine": (0, -1, 0), "neck": (0, -1, 0), "nose": (0, 0.3, -1), "mouth": (0, 0.8, -0.6)},
    **dict.fromkeys(("hips", "ears", "left_clavicle"), (1, 0, 0)),
    "right_clavicle": (-1, 0, 0),
}
_OF_SIDE = {
    **{"upper_arm": (0.3, 1, 0), "forearm": (0, 1, -0.3), "index": (0, 1, -0.2)},
    **{"pinky": (0.2, 1, 0), "thumb": (-0.2, 1, -0.3), "thigh": (0.05, 1, 0), "shin": (0, 1, 0.1)},
    **{"heel": (0, 1, 0.3), "toe": (0.1, 0.4, -1)},
}
_SWINGS = {"thigh": 0.5, "shin": 0.5, "upper_arm": -0.6, "forearm": -0.6, "index": -0.6}


def _turned(vectors, angles, axes):
    """Turned in the plane of two axes by angles, frame by frame."""
    first, second = axes
    turned = vectors.copy()
    cosine, sine = np.cos(angles)[:, None], np.sin(angles)[:, None]
    turned[..., first] = cosine * vectors[..., first] - sine * vectors[..., second]
    turned[..., second] = sine * vectors[..., first] + cosine * vectors[..., second]
    return turned


def moving(yaw, *, frame_rate=25.0):
    """Who walks on the spot, facing these yaws in turn."""
    frames, second = len(yaw), np.arange(len(yaw)) / frame_rate
    directions = np.zeros((frames, len(BONE_NAMES), 3))
    for index, name in enumerate(BONE_NAMES):
        side, _, part = name.partition("_")
        x, y, z = _HANGING.get(name) or _OF_SIDE[part]
        bone = np.full((frames, 3), (-x if side == "right" and name not in _HANGING else x, y, z))
        if part in _SWINGS:
            phase = np.pi * (side == "right")
            swing = _SWINGS[part] * np.sin(2 * np.pi * second + phase)
            bend = 0.4 * (1 - np.cos(2 * np.pi * second + phase)) if part == "shin" else 0
            bone = _turned(bone[:, None], swing + bend, (1, 2))[:, 0]
        directions[:, index] = bone / np.linalg.norm(bone, axis=1, keepdims=True)
    return replace(
        BodyMotion.unfitted(frames),
        directions=_turned(directions, yaw, (0, 2)),
        lengths=LENGTHS,
        place=np.stack([200 + 10 * np.sin(second), 210 + 0 * second], axis=1),
        scale=np.full(frames, SCALE),
        distance=np.full(frames, 3.0),
        center=np.array([199.5, 199.5]),
        yaw=np.asarray(yaw, np.float64),
        fits=np.ones(frames, np.bool_),
    )


@dataclass(frozen=True)
class Found:
    """What a detector gives of a motion."""

    motion: BodyMotion
    keypoints: Keypoints
    world: np.ndarray


def detected(motion, *, noise_px=0.0, frame_rate=25):
    frames = motion.num_frames
    keypoints = keypoints_of([{}] * frames, (400, 400), frame_rate=frame_rate)
    noise = np.random.default_rng(0).normal(size=(frames, 33, 2)) * noise_px
    keypoints.points[:, :33] = motion.projected() + noise
    keypoints.score[:, :33] = 0.9
    return Found(motion, keypoints, (1.7 * motion.joints()).astype(np.float32))


TURN = np.linspace(0, 2 * np.pi, 60)


@pytest.fixture(scope="session")
def turning():
    """One turn in 60 frames, with a pixel of noise."""
    return detected(moving(TURN), noise_px=1.0)
