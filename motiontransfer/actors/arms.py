"""What arms do in a dance: a vocabulary of poses, and in which order they come."""

from collections.abc import Mapping

import numpy as np

ARM_ANGLES = (
    *("shoulder_raise", "shoulder_spread", "shoulder_twist", "elbow"),
    *("forearm_twist", "wrist_bend", "curl"),
)
"""Joint angles of an arm that a pose sets."""

ARM_POSES: Mapping[str, tuple[float, ...]] = {
    "hang": (0.10, 0.24, 0.0, 0.35, 0.2, 0.0, 0.45),
    "swing_front": (0.75, 0.22, 0.0, 0.85, 0.1, 0.0, 0.75),
    "swing_back": (-0.45, 0.26, 0.0, 0.55, 0.1, 0.0, 0.75),
    "wave_high": (0.25, 2.30, 0.3, 0.65, 0.2, 0.1, 0.05),
    "overhead": (2.45, 0.70, 0.0, 0.30, 0.0, 0.0, 0.15),
    "side": (0.10, 1.45, 0.0, 0.15, 0.6, 0.0, 0.10),
    "low_side": (0.05, 0.80, 0.0, 0.20, 0.3, 0.0, 0.25),
    "goal_post": (0.10, 1.35, 1.30, 1.45, 0.0, 0.0, 0.20),
    "reach_front": (1.35, 0.30, 0.0, 0.30, -0.3, 0.0, 0.10),
    "push_side": (0.95, 0.75, 0.2, 0.95, -0.4, -0.5, 0.05),
    "cross_chest": (0.78, 0.12, -0.95, 1.55, -0.3, 0.0, 0.30),
    "cross_belly": (0.42, 0.20, -0.95, 1.35, -0.3, 0.0, 0.40),
    "on_hip": (-0.30, 0.85, -0.55, 1.65, 0.3, 0.3, 0.60),
    "fist_up": (1.30, 0.55, 0.2, 1.75, 0.0, 0.0, 1.35),
}
"""Poses of an arm by name: `ARM_ANGLES`, radians."""

_BOTH = (
    "goal_post",
    "cross_chest",
    "cross_belly",
    "overhead",
    "side",
    "reach_front",
    "on_hip",
    "low_side",
)
_ONE = (
    "wave_high",
    "fist_up",
    "push_side",
    "side",
    "swing_front",
    "overhead",
    "cross_chest",
    "on_hip",
)
_OTHER = ("hang", "low_side", "swing_back", "on_hip", "cross_belly")


def arm_sequence(num_beats: int, rng: np.random.Generator) -> list[tuple[int, str, str]]:
    """(beat, left pose, right pose): held for two beats mostly, so that each pose is reached."""
    sequence: list[tuple[int, str, str]] = [(0, "hang", "hang")]
    at, last = 1, ""
    while at < num_beats + 3:
        kind = rng.choice(("both", "one", "march"), p=(0.40, 0.42, 0.18))
        if kind == "both":
            pose = str(rng.choice([name for name in _BOTH if name != last]))
            sequence.append((at, pose, pose))
            last, at = pose, at + 2
        elif kind == "one":
            pose, other = (
                str(rng.choice([name for name in _ONE if name != last])),
                str(rng.choice(_OTHER)),
            )
            pair = (pose, other) if rng.random() < 0.5 else (other, pose)
            sequence.append((at, *pair))
            last, at = pose, at + 2
        else:
            sequence.append((at, "swing_front", "swing_back"))
            sequence.append((at + 1, "swing_back", "swing_front"))
            at += 2
    return sequence
