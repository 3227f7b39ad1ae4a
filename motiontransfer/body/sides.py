"""Left and right of a whole body by a dynamic program over time (Viterbi 1967).

An exchanged frame is, to a camera far away, the body mirrored in depth: left joints and right ones
swap, and depth changes its sign. So an exchange passes continuously through profiles. The program
chooses {as found, exchanged} for each frame, so that joints jump and the body turns least.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from motiontransfer.body.skeleton import OTHER_SIDES, joint
from motiontransfer.core.arrays import FrameMask, Series
from motiontransfer.pose.skeleton import BODY_JOINTS
from motiontransfer.pose.time_series import least_path

_EXCHANGED_SECOND = 0.3  # cost of a second that is exchanged: detectors are more often right
_FACE_SEEN = 0.3  # cost of exchanging a frame whose face was found
_TURN_COST = 0.1  # of a radian a frame at 25 frames a second, squared
_FARTHEST = 0.3  # body heights: beyond, a joint's jump costs no more
_METERS = 1.7  # a body height in world landmarks
_COMPARED = [
    BODY_JOINTS.index(f"{side}_{part}")
    for side in ("left", "right")
    for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "heel", "foot_index")
]


class Pose(NamedTuple):
    """A film's joints of the body as detected."""

    points: Float64[np.ndarray, "frames joints 2"]
    """Body heights."""
    score: Float64[np.ndarray, "frames joints"]
    world: Float64[np.ndarray, "frames joints 3"]
    """World landmarks: meters from the hips."""

    def exchanged(self) -> "Pose":
        mirror = np.array([1.0, 1.0, -1.0])
        return Pose(
            self.points[:, OTHER_SIDES],
            self.score[:, OTHER_SIDES],
            self.world[:, OTHER_SIDES] * mirror,
        )

    def with_exchanged(self, frames: FrameMask) -> "Pose":
        """Exchanged in some frames."""
        pairs = zip(self, self.exchanged(), strict=True)
        return Pose(
            *(
                np.where(frames[(...,) + (None,) * (own.ndim - 1)], other, own)
                for own, other in pairs
            )
        )


def measured_yaw(world: Float64[np.ndarray, "frames joints 3"]) -> Series:
    """Yaw of hips and shoulders, radians; 0 faces the camera, positive where the left is far."""
    hips, shoulders = (
        joint(world, f"left_{part}") - joint(world, f"right_{part}") for part in ("hip", "shoulder")
    )
    across = 1.3 * hips + shoulders
    return np.arctan2(across[:, 2], across[:, 0])


def choose_sides(
    pose: Pose, *, found: FrameMask, has_face: FrameMask, frame_rate: float
) -> FrameMask:
    """Which frames are to be exchanged.

    Args:
        found: the person was detected; at least one frame.
        has_face: so was their face.
    """
    frames = np.flatnonzero(found)
    own = np.zeros((len(frames), 2))
    own[:, 1] = _EXCHANGED_SECOND / frame_rate + _FACE_SEEN * has_face[frames]
    ways, seconds = (pose, pose.exchanged()), np.diff(frames) / frame_rate
    steps = _jumps(ways, frames) + _turns(ways, frames, seconds)
    exchanged = np.zeros(len(found), np.bool_)
    exchanged[frames] = least_path(own, steps)
    return exchanged


def _jumps(
    ways: tuple[Pose, Pose], frames: Int64[np.ndarray, " found"]
) -> Float64[np.ndarray, "steps 2 2"]:
    """Mean way of the joints from each found frame to the next, for each choice in both."""
    cost = np.zeros((len(frames) - 1, 2, 2))
    for first, earlier in enumerate(ways):
        for second, later in enumerate(ways):
            (points, score, world), (points_after, score_after, world_after) = (
                [values[rows][:, _COMPARED] for values in way]
                for way, rows in ((earlier, frames[:-1]), (later, frames[1:]))
            )
            weight = np.minimum(score, score_after)
            flat = np.linalg.norm(points_after - points, axis=2)
            deep = np.linalg.norm(world_after - world, axis=2) / _METERS
            far = np.minimum(flat, _FARTHEST) + np.minimum(deep, _FARTHEST)
            total = np.maximum(weight.sum(axis=1), 1e-6)
            cost[:, first, second] = (weight * far).sum(axis=1) / total
    return cost


def _turns(
    ways: tuple[Pose, Pose],
    frames: Int64[np.ndarray, " found"],
    seconds: Float64[np.ndarray, " steps"],
) -> Float64[np.ndarray, "steps 2 2"]:
    """Cost of the body's turn from each found frame to the next, for each choice in both."""
    yaw = np.stack([measured_yaw(way.world)[frames] for way in ways], axis=1)
    turn = np.angle(np.exp(1j * (yaw[1:, None] - yaw[:-1, :, None])))
    return _TURN_COST * turn**2 / (25 * seconds)[:, None, None]
