"""Where a person is in a frame: the box around the joints found, and a margin.

Hides how far hair, hands and clothes reach beyond the joints: the margin is a share of the person's
own extent, so that near and far persons are treated alike.
"""

import math

import numpy as np
from jaxtyping import Float32, Float64


def enclosing_box(
    points: Float32[np.ndarray, "joints 2"], *, margin: float, image_size: tuple[int, int]
) -> tuple[int, int, int, int] | None:
    """The box around points, cut at the image's edges; None where nothing of it is inside.

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
    """The box around each row's joints, x0, y0, x1, y1 in pixels, without margin and not cut.

    Zeros where a row has no joint.
    """
    found = score[..., None] > 0
    low = np.where(found, points, np.inf).min(axis=1, initial=np.inf)
    high = np.where(found, points, -np.inf).max(axis=1, initial=-np.inf)
    boxes = np.concatenate([low, high], axis=1).astype(np.float64)
    return np.where(np.any(found, axis=1), boxes, 0.0)
