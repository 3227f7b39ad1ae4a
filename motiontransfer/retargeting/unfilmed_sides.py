"""Unfilmed sides: where a target was never filmed from behind, a dance is danced facing the camera.

A pose seen from behind has the silhouette of the same pose seen from the front with left and right
exchanged: in an orthographic image, depth has no sign. When to exchange is a shortest path over two
states (Viterbi 1967), whose evidence is the width of shoulders and hips over time.
"""

from collections import deque
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from motiontransfer.pose.boxes import across_body
from motiontransfer.pose.facing import BACK_SECONDS, WIDTH_FROM_FRONT, both_sides
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.skeleton import mirrored
from motiontransfer.pose.time_series import (
    Mask,
    Series,
    fill_gaps,
    running_median,
    segments,
    window_frames,
)
from motiontransfer.retargeting.head_views import body_sizes, show_filmed_heads, unit_vectors
from motiontransfer.retargeting.shapes import head_joints
from motiontransfer.retargeting.statistics import PoseStatistics

UnfilmedSides = Literal["face_camera", "as_danced"]

_SIZE_SECONDS = 1.0  # window of the median of sizes
_SWITCH_SECONDS = 0.05  # from behind that an exchange and back are each worth; a fast spin has 0.25
_SHOWN_SECONDS = 0.2  # that are added per height that limbs move, which shifts it by a few frames
_BEFORE_TRUNK = 0.15  # of the height from the trunk's axis: nearer, an arm lies on the trunk


@dataclass(frozen=True, slots=True, kw_only=True)
class FacingCamera:
    """Poses of a target that show no side that was not filmed."""

    poses: Keypoints
    is_exchanged: Mask
    """Frames whose dancer is seen from behind, and whose target faces the camera."""
    is_head_turned: Mask
    """Frames whose head is turned towards the camera."""

    def counts(self) -> dict[str, int]:
        return {
            "frames": self.poses.num_frames,
            "frames_turned_to_camera": int(self.is_exchanged.sum()),
            "turns_to_camera": len(segments(self.is_exchanged)),
            "heads_turned_to_camera": int(self.is_head_turned.sum()),
        }


def face_camera(poses: Keypoints, target: PoseStatistics) -> FacingCamera:
    """Turn what the target's films do not show to the camera; nothing if they show the back.

    Args:
        poses: in the target's image.
    """
    if target.seconds_from_behind >= BACK_SECONDS:
        nowhere = np.zeros(poses.num_frames, np.bool_)
        return FacingCamera(poses=poses, is_exchanged=nowhere, is_head_turned=nowhere)
    sizes = _sizes(poses, target)
    is_behind = _path(*_evidence(poses, sizes, target.min_score), 1 / float(poses.frame_rate))
    return _facing(poses, target, sizes, is_behind)


class LiveFacing:
    """The same, frame by frame: an exchange comes as soon as its evidence outweighs its cost."""

    def __init__(self, target: PoseStatistics) -> None:
        self._target = target
        self.restart()

    def restart(self) -> None:
        self._evidence, self._states = 0.0, deque([False], maxlen=1)

    def follow(self, recent: Keypoints, seconds: float) -> Keypoints:
        """The recent poses, oldest first, of which the last is new.

        Args:
            seconds: since the frame before.
        """
        if self._target.seconds_from_behind >= BACK_SECONDS:
            return recent
        sizes = _sizes(recent, self._target)
        width, cost = (values[-1] for values in _evidence(recent, sizes, self._target.min_score))
        is_behind = self._states[-1]
        self._evidence = max(0.0, self._evidence + seconds * (width if is_behind else -width))
        if self._evidence > cost:
            is_behind, self._evidence = not is_behind, 0.0
        states = [*self._states, is_behind]
        self._states = deque(states, maxlen=recent.num_frames)
        states = [states[0]] * recent.num_frames + states
        return _facing(recent, self._target, sizes, np.array(states[-recent.num_frames :])).poses


def _sizes(poses: Keypoints, target: PoseStatistics) -> Series:
    """Height of the upright body in each frame, pixels; NaN where no length is known."""
    sizes = body_sizes(poses, target.proportions, min_score=target.min_score)
    known = np.isfinite(sizes)
    if not known.any():
        return sizes
    window = window_frames(_SIZE_SECONDS, poses.frame_rate)
    return running_median(fill_gaps(sizes, known), window=window)


def _evidence(poses: Keypoints, sizes: Series, min_score: float) -> tuple[Series, Series]:
    """Signed width of the trunk, 1 from the front and -1 from behind, and what an exchange costs.

    It shows least where legs are together and arms away from the trunk.

    Returns:
        The width, 0 where it is not known, and the cost in seconds of a whole width.
    """
    shoulders, hips, knees, ankles, elbows, wrists = (
        both_sides(poses, name, min_score=min_score) / sizes[:, None]
        for name in ("shoulder", "hip", "knee", "ankle", "elbow", "wrist")
    )
    across = across_body((shoulders - ankles).mean(axis=1)).conj()[:, None]
    width = (((shoulders + hips) * across).real @ np.array((1, -1))) / WIDTH_FROM_FRONT
    apart = [np.abs(pair[:, 0] - pair[:, 1]) for pair in (hips, knees, ankles)]
    up, middle = (shoulders - hips).sum(axis=1), hips.mean(axis=1)
    along = unit_vectors(up, otherwise=1 + 0j)
    arms = np.concatenate([elbows, wrists], axis=1) - middle[:, None]
    before = np.maximum(_BEFORE_TRUNK - np.abs((arms * along.conj()[:, None]).imag), 0)
    shown = np.nan_to_num(np.column_stack([*apart, before])).mean(axis=1)
    return np.nan_to_num(width), _SWITCH_SECONDS + _SHOWN_SECONDS * shown


def _path(width: Series, cost: Series, seconds: float) -> Mask:
    """Where to be exchanged, at the least sum of wrong widths over time and of costs."""
    total, came = np.zeros(2), np.zeros((len(width), 2), np.bool_)
    for index, (wide, price) in enumerate(zip(width.tolist(), cost.tolist(), strict=True)):
        other = total[::-1] + price
        came[index] = other < total
        total = np.minimum(total, other) + seconds * np.array((max(-wide, 0), max(wide, 0)))
    state, path = int(total.argmin()), np.zeros(len(width), np.bool_)
    for index in reversed(range(len(width))):
        path[index] = state
        state ^= int(came[index, state])
    return path


def _facing(
    poses: Keypoints, target: PoseStatistics, sizes: Series, is_behind: Mask
) -> FacingCamera:
    turned, is_turned = show_filmed_heads(
        poses, target.head_views, sizes, min_score=target.min_score
    )
    joints = poses.skeleton.joints
    stay = set(head_joints(poses)) if target.head_views else set()
    others = [
        index if joint in stay else poses.skeleton.index(mirrored(joint))
        for index, joint in enumerate(joints)
    ]

    def exchanged(values: np.ndarray) -> np.ndarray:
        is_there = is_behind.reshape(-1, *[1] * (values.ndim - 1))
        return np.where(is_there, values[:, others], values)

    filled, completed, depth = turned.filled, turned.completed, turned.depth
    poses = replace(
        turned,
        points=exchanged(turned.points),
        score=exchanged(turned.score),
        filled=None if filled is None else exchanged(filled),
        completed=None if completed is None else exchanged(completed),
        depth=None
        if depth is None
        else exchanged(depth) * np.where(is_behind, -1, 1)[:, None].astype(np.float32),
    )
    return FacingCamera(poses=poses, is_exchanged=is_behind, is_head_turned=is_turned)
