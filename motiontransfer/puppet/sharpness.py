"""Sharpness of a body part in a reference, relative to other references in similar poses.

A fast part is blurred, and unlike a part at rest. Motion removes the detail along its direction and
leaves the detail across it. A face has detail in every direction, so its direction of least detail
counts. An open hand has more edges than a fist, and a face more than hair. Parts are therefore
compared only in similar poses and from the same side.
"""

from collections.abc import Callable, Mapping

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32

from motiontransfer.core.arrays import Frame, Mask
from motiontransfer.plate.masks import SOLID, covered_box

SIDE_PX = 96  # of the copies that are measured, as long as the part: noise of larger ones is sharp
_FEWEST_PIXELS = 30  # fewer tell nothing: the part is small, and its blur not seen
_NUM_SIMILAR = 20  # references that a part is compared with, in the most similar poses
_SHARP_QUANTILE = 0.8  # of them: some are always sharp
SHARP = 0.75  # of that quantile, from which a part is sharp: poses are not equal


def sharpness(
    colors: Frame, coverage: Mask, hull: Float[np.ndarray, "joints 2"] | None = None, *, zoom: float
) -> float | None:
    """Detail of a part in a fixed size; None where too little of it is shown.

    Args:
        zoom: factor to that size, the same of all references at body scale 1.
        hull: joints of a face, as (x, y), whose convex hull is measured alone; None: not a face.
    """
    inside = (coverage > SOLID).astype(np.uint8)
    if hull is not None and len(hull) > 2:
        within = np.zeros_like(inside)
        cv2.fillConvexPoly(within, cv2.convexHull(hull.round().astype(np.int32)), 1)
        if not (inside & within).any():
            return None
        face = covered_box(within)  # without what may be long hair
        colors, inside = colors[face], (inside & within)[face]
    width, height = (max(round(zoom * side), 1) for side in inside.shape[::-1])
    how = cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR
    small, inside = (
        cv2.resize(image, (width, height), interpolation=how) for image in (colors, inside)
    )
    within = cv2.erode(inside, np.ones((5, 5), np.uint8), borderValue=0) > 0
    if np.count_nonzero(within) < _FEWEST_PIXELS:
        return None
    gray = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
    if hull is None:
        return float(np.abs(cv2.Laplacian(gray, cv2.CV_32F))[within].mean())
    return min(_detail(gray, within, direction) for direction in ((1, 0), (0, 1), (1, 1), (1, -1)))


def _detail(
    gray: Float32[np.ndarray, "height width"],
    within: Bool[np.ndarray, "height width"],
    direction: tuple[int, int],
) -> float:
    """Mean absolute second difference in a direction (x, y), levels per squared pixel."""
    x, y = direction
    kernel = np.zeros((3, 3), np.float32)
    kernel[1 - y, 1 - x] = kernel[1 + y, 1 + x] = 1 / (x * x + y * y)
    kernel[1, 1] = -2 / (x * x + y * y)
    return float(np.abs(cv2.filter2D(gray, cv2.CV_32F, kernel))[within].mean())


def relative_sharpness(
    measured: Mapping[int, float | None],
    similar: Callable[[int], list[int]],
    *,
    least_share: float = 0.0,
) -> dict[int, float]:
    """Sharpness of each reference, 1 from that of the sharp ones in similar poses; 1 if not known.

    Args:
        similar: the other references that show the same side, from the most similar pose on.
        least_share: of these and itself, to compare with; more where that is less than 20.
    """
    known = {reference: value for reference, value in measured.items() if value is not None}
    relative = dict.fromkeys(measured, 1.0)
    for reference, own in known.items():
        others = similar(reference)
        count = max(_NUM_SIMILAR, int(least_share * (1 + len(others))))
        compared = [known[other] for other in others if other in known][:count]
        sharp = float(np.quantile([own, *compared], _SHARP_QUANTILE))
        relative[reference] = min(own / max(sharp, 1e-6), 1.0)
    return relative
