"""Boxes around a person's joints, and the apparent body height in pixels."""

import math

import numpy as np
from jaxtyping import Bool, Float32, Float64

from motiontransfer.keypoints import Keypoints


def enclosing_box(
    points: Float32[np.ndarray, "joints 2"], *, margin: float, image_size: tuple[int, int]
) -> tuple[int, int, int, int] | None:
    """Bounding box of points, clipped to the image; None outside the image.

    Args:
        margin: added on each side, as a share of the points' larger extent.
    """
    if len(points) == 0:
        return None
    height, width = image_size
    low, high = points.min(axis=0), points.max(axis=0)
    padding = margin * float((high - low).max())
    x0, y0 = (max(0, math.floor(float(edge) - padding)) for edge in low)
    x1 = min(width, math.floor(float(high[0]) + padding) + 1)
    y1 = min(height, math.floor(float(high[1]) + padding) + 1)
    if x0 >= x1 or y0 >= y1:
        return None
    return x0, y0, x1, y1


def joint_boxes(
    points: Float32[np.ndarray, "rows joints 2"], score: Float32[np.ndarray, "rows joints"]
) -> Float64[np.ndarray, "rows 4"]:
    """Bounding box of each row's joints, x0, y0, x1, y1 in pixels; zeros where it has none."""
    found = score[..., None] > 0
    low = np.where(found, points, np.inf).min(axis=1, initial=np.inf)
    high = np.where(found, points, -np.inf).max(axis=1, initial=-np.inf)
    boxes = np.concatenate([low, high], axis=1).astype(np.float64)
    return np.where(np.any(found, axis=1), boxes, 0.0)


_HEIGHTS_PER_TRUNK = 3.0
_HEIGHTS_PER_SHOULDERS = 4.0
_UPRIGHT_QUANTILE = 0.9


def body_height_px(keypoints: Keypoints) -> float:
    """Apparent height of the upright body, one number a clip; 0 where nothing is seen.

    Estimated from the trunk, else from the shoulders, else from the extent of all joints.
    """
    shoulders, has_shoulders = _pair(keypoints, "shoulder")
    hips, has_hips = _pair(keypoints, "hip")
    trunk = np.linalg.norm(shoulders.mean(axis=1) - hips.mean(axis=1), axis=1)
    if (has_shoulders & has_hips).any():
        return _HEIGHTS_PER_TRUNK * _upright(trunk[has_shoulders & has_hips])
    if has_shoulders.any():
        width = np.linalg.norm(shoulders[:, 0] - shoulders[:, 1], axis=1)
        return _HEIGHTS_PER_SHOULDERS * _upright(width[has_shoulders])
    seen = keypoints.points[keypoints.score > 0].astype(np.float64)
    return float(np.ptp(seen, axis=0).max()) if len(seen) else 0.0


def _upright(lengths: Float64[np.ndarray, " some"]) -> float:
    return float(np.quantile(lengths, _UPRIGHT_QUANTILE))


def _pair(
    keypoints: Keypoints, name: str
) -> tuple[Float64[np.ndarray, "frames 2 2"], Bool[np.ndarray, " frames"]]:
    """A joint on both sides, and where both are seen."""
    found = [keypoints.joint(f"{side}_{name}") for side in ("left", "right")]
    points = np.stack([points for points, _ in found], axis=1).astype(np.float64)
    return points, (found[0][1] > 0) & (found[1][1] > 0)
