"""Left and right of a whole body, and where it faces, by one dynamic program over time.

An exchanged frame is, to a camera far away, the body mirrored in depth: left joints and right ones
swap, and depth changes its sign. So an exchange passes continuously through profiles. The program
chooses {as found, exchanged} and a yaw that turns continuously for each frame.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int8, Int64

from motiontransfer.body.skeleton import OTHER_SIDES, Mask, Series, joint
from motiontransfer.pose.skeleton import BODY_JOINTS

_EXCHANGED_SECOND = 0.6  # cost of a second that is exchanged: detectors are more often right
_FACE_SEEN = 0.3  # cost of exchanging a frame whose face was found
_YAW_WEIGHT = 0.15  # of 1 - cos(yaw - measured yaw)
_TURN_COST = 0.1  # of a radian a frame at 25 frames a second, squared
_TURNS_PER_SECOND = 2.5  # a quick spin
_FARTHEST = 0.3  # body heights: beyond, a joint's jump costs no more
_METERS = 1.7  # a body height in world landmarks
_BINS = 72
_STEP = 2 * np.pi / _BINS
_COMPARED = [
    BODY_JOINTS.index(f"{side}_{part}")
    for side in ("left", "right")
    for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "heel", "foot_index")
]

Costs = Float64[np.ndarray, "bins 2"]


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

    def with_exchanged(self, frames: Mask) -> "Pose":
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
    pose: Pose, *, found: Mask, has_face: Mask, frame_rate: float
) -> tuple[Mask, Series]:
    """Which frames are to be exchanged, and the continuous yaw, radians.

    Args:
        found: the person was detected; at least one frame.
        has_face: so was their face.
    """
    frames = np.flatnonzero(found)
    ways = (pose, pose.exchanged())
    yaws = np.stack([measured_yaw(way.world) for way in ways], axis=1)
    grid = np.arange(_BINS) * _STEP
    own = _YAW_WEIGHT * (1 - np.cos(grid[None, :, None] - yaws[:, None, :]))
    own[..., 1] += (_EXCHANGED_SECOND / frame_rate + _FACE_SEEN * has_face)[:, None]
    jumps = _jumps(ways, frames)
    total = own[frames[0]]
    came: list[tuple[Int8[np.ndarray, "bins 2"], Int8[np.ndarray, "bins 2"]]] = []
    for before, after, jump in zip(frames[:-1], frames[1:], jumps, strict=True):
        turned, step = _turn(total, frames=int(after - before), frame_rate=frame_rate)
        both = turned[:, :, None] + jump
        way = both.argmin(axis=1)
        steps = np.take_along_axis(step, way, axis=1)
        came.append((way.astype(np.int8), steps.astype(np.int8)))  # as many as frames
        total = both.min(axis=1) + own[after]
    return _traced(total, came, frames, num_frames=len(found))


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


def _turn(
    total: Costs, *, frames: int, frame_rate: float
) -> tuple[Costs, Int64[np.ndarray, "bins 2"]]:
    """Least cost after a turn to each yaw, and the turn, in bins."""
    seconds = frames / frame_rate
    reach = min(max(3, round(_TURNS_PER_SECOND * seconds * _BINS)), _BINS // 2)
    steps = np.arange(-reach, reach + 1)
    cost = _TURN_COST * (steps * _STEP / seconds / 25) ** 2 * 25 * seconds
    sources = (np.arange(_BINS) - steps[:, None]) % _BINS
    options = total[sources] + cost[:, None, None]
    return options.min(axis=0), steps[options.argmin(axis=0)]


def _traced(
    total: Costs,
    came: list[tuple[Int8[np.ndarray, "bins 2"], Int8[np.ndarray, "bins 2"]]],
    frames: Int64[np.ndarray, " found"],
    *,
    num_frames: int,
) -> tuple[Bool[np.ndarray, " frames"], Series]:
    bin_, way = (int(index) for index in np.unravel_index(total.argmin(), total.shape))
    exchanged = np.zeros(num_frames, np.bool_)
    exchanged[frames[-1]] = way
    steps = [0]
    for frame, (ways, turns) in zip(frames[-2::-1], reversed(came), strict=True):
        step = int(turns[bin_, way])
        way = int(ways[bin_, way])
        bin_ = (bin_ - step) % _BINS
        exchanged[frame] = way
        steps.append(step)
    first = (bin_ * _STEP + np.pi) % (2 * np.pi) - np.pi
    turned = np.concatenate([[0], np.cumsum(steps[:0:-1])]) * _STEP
    return exchanged, np.interp(np.arange(num_frames), frames, first + turned)
