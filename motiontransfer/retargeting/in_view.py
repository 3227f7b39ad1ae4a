"""Path fit: a dance that is wider than the target's picture takes a shorter path from side to side.

The path is that of the middle of the hips. It is shortened evenly over the clip, just so far that
hands and feet are in view as often as asked; how the body moves about it stays.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.time_series import Mask, Series, fill_gaps

_HIPS = ("left_hip", "right_hip")
_ENDS = tuple(f"{side}_{end}" for side in ("left", "right") for end in ("wrist", "ankle"))
_IN_VIEW = 0.98  # share of the frames, or that of the dance if it is less
_OF_NO_USE = 0.02  # of the frames more, where arms alone are wider than the picture
_SHORTENINGS = np.linspace(0, 1, 51)  # steps of 2 %


def fit_path(poses: Keypoints, dance: Keypoints, *, center_x_px: float) -> tuple[Keypoints, str]:
    """Shorten the path towards a place, as little as it takes; and say so.

    Args:
        poses: normalized.
        dance: the same poses in the dance's own picture.
        center_x_px: the target's usual place.
    """
    hips, found = poses.midpoint(*_HIPS, min_score=0.0)
    if not found.any():
        return poses, ""
    path = fill_gaps(hips[:, 0], found) - center_x_px
    low, high = _reach(poses)
    width = poses.image_size[1]
    wanted = min(_IN_VIEW, float(_in_view(*_reach(dance), dance.image_size[1]).mean()))
    shares = [
        float(_in_view(low - by * path, high - by * path, width).mean()) for by in _SHORTENINGS
    ]
    least = wanted if max(shares) >= wanted else max(shares) - _OF_NO_USE
    enough = np.flatnonzero(np.array(shares) >= least)
    best = int(enough[0])
    by = float(_SHORTENINGS[best])
    said = "" if shares[best] >= wanted else _still_out(shares[best])
    if not by:
        return poses, said
    points = poses.points.copy()
    points[..., 0] -= np.float32(by) * path[:, None].astype(np.float32)
    points[poses.score == 0] = 0
    return replace(poses, points=points), f", its path from side to side {by:.0%} shorter{said}"


def _still_out(share: float) -> str:
    return f", hands or feet out of view in {1 - share:.0%} of frames"


def _reach(keypoints: Keypoints) -> tuple[Series, Series]:
    """The leftmost and the rightmost of hands and feet, pixels; 0 and 0 where none is known."""
    measured = keypoints.measured()
    indices = [keypoints.skeleton.index(joint) for joint in _ENDS]
    x, known = measured.points[:, indices, 0].astype(np.float64), measured.score[:, indices] > 0
    low, high = np.where(known, x, np.inf).min(axis=1), np.where(known, x, -np.inf).max(axis=1)
    return np.where(np.isfinite(low), low, 0.0), np.where(np.isfinite(high), high, 0.0)


def _in_view(
    low: Float64[np.ndarray, " frames"], high: Float64[np.ndarray, " frames"], width: int
) -> Mask:
    return (low >= 0) & (high <= width - 1)
