"""Path fit: a dance that is wider than the target's picture takes a shorter path.

The path is that of the middle of the hips, from side to side. It is shortened evenly over the clip,
just so far that hands and feet are in view as often as asked. How the body moves about it stays.
If the film shows no feet, the way up and down of the shoulders is shortened in the same way, for
head and shoulders.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from motiontransfer.core.arrays import FrameMask, Series
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.shown import WHOLE
from motiontransfer.pose.time_series import fill_gaps
from motiontransfer.retargeting.statistics import PoseStatistics

_HIPS = ("left_hip", "right_hip")
_ENDS = tuple(f"{side}_{end}" for side in ("left", "right") for end in ("wrist", "ankle"))
_BUST = ("nose", "left_shoulder", "right_shoulder")
_IN_VIEW = 0.98  # share of the frames, or that of the dance if it is less
_OF_NO_USE = 0.02  # of the frames more, where arms alone are wider than the picture
_SHORTENINGS = np.linspace(0, 1, 51)  # steps of 2 %


class PathFit(NamedTuple):
    """What became of a path, shares of its length and of frames."""

    shorter: float
    lower: float
    """The same of the way up and down."""
    out_of_view: float
    """Frames that show less than asked, and less than the dance."""

    def __str__(self) -> str:
        said = {
            "the path from side to side will be {:.0f} % shorter": self.shorter,
            "the way up and down will be {:.0f} % shorter": self.lower,
            "hands, feet or head will be out of view in {:.0f} % of frames": self.out_of_view,
        }
        return ", ".join(text.format(100 * share) for text, share in said.items() if share)

    def counts(self, num_frames: int) -> dict[str, float]:
        """As `normalize` counts them."""
        return {
            "path_shorter": self.shorter,
            "up_and_down_shorter": self.lower,
            "frames_out_of_view": round(self.out_of_view * num_frames),
        }


def fit_path(
    poses: Keypoints, dance: Keypoints, target: PoseStatistics
) -> tuple[Keypoints, PathFit]:
    """Shorten a path, as little as it takes.

    Args:
        poses: normalized.
        dance: the same poses in the dance's own picture.
    """
    poses, shorter, out = _shortened(poses, dance, 0, _ENDS, target.median_ankle_x_px)
    lower = out_of_height = 0.0
    if target.shows != WHOLE:
        poses, lower, out_of_height = _shortened(poses, dance, 1, _BUST, None)
    return poses, PathFit(shorter, lower, max(out, out_of_height))


def _shortened(
    poses: Keypoints, dance: Keypoints, axis: int, joints: Sequence[str], middle: float | None
) -> tuple[Keypoints, float, float]:
    """The poses, by how much their path is shorter, and the share that is still out of view."""
    middles, found = poses.midpoint(*(_BUST[1:] if axis else _HIPS))
    if not found.any():
        return poses, 0.0, 0.0
    path = fill_gaps(middles[:, axis], found)
    path -= np.median(path) if middle is None else middle
    low, high = _reach(poses, axis, joints)
    size = poses.image_size[1 - axis]
    of_dance = _in_view(*_reach(dance, axis, joints), dance.image_size[1 - axis])
    wanted = min(_IN_VIEW, float(of_dance.mean()))
    shares = [
        float(_in_view(low - by * path, high - by * path, size).mean()) for by in _SHORTENINGS
    ]
    least = wanted if max(shares) >= wanted else max(shares) - _OF_NO_USE
    best = int(np.flatnonzero(np.array(shares) >= least)[0])
    by = float(_SHORTENINGS[best])
    out = 1 - shares[best] if shares[best] < wanted else 0.0
    if not by:
        return poses, by, out
    points = poses.points.copy()
    points[..., axis] -= np.float32(by) * path[:, None].astype(np.float32)
    points[poses.score == 0] = 0
    return replace(poses, points=points), by, out


def _reach(keypoints: Keypoints, axis: int, joints: Sequence[str]) -> tuple[Series, Series]:
    """The first and the last of some joints along an axis, pixels; 0 and 0 where none is known."""
    measured = keypoints.measured()
    indices = [keypoints.skeleton.index(joint) for joint in joints]
    at, known = measured.points[:, indices, axis].astype(np.float64), measured.score[:, indices] > 0
    low, high = np.where(known, at, np.inf).min(axis=1), np.where(known, at, -np.inf).max(axis=1)
    return np.where(np.isfinite(low), low, 0.0), np.where(np.isfinite(high), high, 0.0)


def _in_view(low: Series, high: Series, size: int) -> FrameMask:
    return (low >= 0) & (high <= size - 1)
