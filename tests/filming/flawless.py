"""Quality measures of a flawless clip, with given faults."""

import numpy as np

from motiontransfer.filming.quality import MEASURED, PARTS, ClipQuality
from motiontransfer.pose.cleaning import Repairs
from tests.people import moved, standing

NUM_FRAMES = 100


def share(percent, num_frames=NUM_FRAMES):
    """A mask that is true in so many per cent of frames, from the first on."""
    return np.arange(num_frames) < num_frames * percent / 100


def quality(states=(), *, num_frames=NUM_FRAMES, **others):
    """A flawless clip with some things otherwise.

    Args:
        states: (part, state, frames) for what is not MEASURED.
    """
    nowhere = np.zeros(num_frames, np.bool_)
    state = np.full((len(PARTS), num_frames), MEASURED, np.int8)
    for part, value, frames in states:
        state[PARTS.index(part), frames] = value
    outside = dict.fromkeys(("head", "hands", "feet"), nowhere) | others.pop("outside", {})
    flawless = {
        "state": state,
        "score_histogram": np.array([0] * 9 + [3300]),
        "repairs": Repairs.none(num_frames),
        "outside": outside,
        "with_others": nowhere,
        "possible_switches": 0,
        "body_height_px": 170.0,
        "camera_speed": 0.0,
        "frame_rate": 25.0,
        "shows": "whole",
    }
    return ClipQuality(**(flawless | others))


def arm_up(num_frames, side="left"):
    """Someone with an arm raised to the side, from the shoulder on."""
    pose = standing(num_frames)
    for joint, shift in (("elbow", (20, -35)), ("wrist", (40, -60)), ("hand", (40, -60))):
        pose = moved(pose, f"{side}_{joint}", dict.fromkeys(range(num_frames), shift))
    return pose
