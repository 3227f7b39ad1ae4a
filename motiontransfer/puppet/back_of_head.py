"""Back of a head that was filmed from the front alone: its hair over its face.

The hair around the face goes on over it, smoothly. Where there is no hair, that is skin. Hair that
does not hang beside the chin ends in a nape, round, below which the neck is seen.
"""

from functools import partial

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

_WIDER = 1.1  # of the face's hull: its points lie within the face
_BELOW_CHIN = 0.1  # of the face's height, to which the face reaches
_LEAST_WEIGHT = 1e-3  # of the hair's median, which is taken far from any hair
_COVERED = 250  # level of 255; less is mixed with what is beside
_HAIR_COLOR = 45  # levels from the hair's median, up to which it is hair
_FEWEST_PIXELS = 30  # of hair above the face; fewer are no hair
_EDGE_PX = 2  # standard deviation of the smooth edge
_NAPE = (0.5, 0.85)  # of the face's height: from where the back of a head narrows, and its end
_LONG_HAIR = 0.05  # of the face's area, below the nape: longer hair hides it
_SMOOTHNESS = 0.15  # standard deviation of the hair's shade, of the face's height

_Pixels = UInt8[np.ndarray, "height width 4"]


def with_hair_over_face(pixels: _Pixels, face: Float[np.ndarray, "joints 2"]) -> _Pixels:
    """Cover a face.

    Args:
        pixels: RGB and coverage of an upright head.
        face: points of the face, (x, y).
    """
    middle = face.mean(axis=0)
    hull = np.zeros(pixels.shape[:2], np.uint8)
    wider = (middle + _WIDER * (face - middle)).round().astype(np.int32)
    cv2.fillConvexPoly(hull, cv2.convexHull(wider), 1)
    top, bottom = face[:, 1].min(), face[:, 1].max()
    bottom = min(round(float(bottom + _BELOW_CHIN * (bottom - top))), len(pixels))
    top = round(float(top))
    rows = np.arange(len(pixels))[:, None]
    covered = pixels[..., 3] > _COVERED
    above = covered & (hull == 0) & (rows < top)  # beside the face is skin, too
    if np.count_nonzero(above) < _FEWEST_PIXELS:
        return pixels
    colors = pixels[..., :3]
    hair = np.median(colors[above], axis=0)
    is_hair = covered & (np.abs(colors - hair).max(axis=2) < _HAIR_COLOR)
    blur = partial(cv2.GaussianBlur, ksize=(0, 0), sigmaX=_SMOOTHNESS * float(bottom - top))
    is_around = is_hair & (hull == 0)  # not eyes and lips, which are dark too
    weight = is_around.astype(np.float32) + np.float32(_LEAST_WEIGHT)
    shown = np.where(is_around[..., None], colors, hair) * weight[..., None]
    over = blur(shown.astype(np.float32)) / blur(weight)[..., None]
    is_face = (hull > 0) | (covered & ~is_hair & (rows < bottom))
    # Its edge is mixed with hair, and looks like it.
    is_face = cv2.dilate(is_face.astype(np.float32), np.ones((2 * _EDGE_PX + 1,) * 2, np.uint8))
    share, shown = cv2.GaussianBlur(is_face, (0, 0), _EDGE_PX), pixels[..., 3]
    below = _below_nape(hull, top, bottom)
    if np.count_nonzero(is_around & below) < _LONG_HAIR * np.count_nonzero(hull):
        ends = (~below | is_around).astype(np.float32)
        shown = shown * cv2.GaussianBlur(ends, (0, 0), _EDGE_PX)
    color = colors + share[..., None] * (over - colors)
    return np.dstack([color, shown]).round().astype(np.uint8)


def _below_nape(
    hull: UInt8[np.ndarray, "height width"], top: int, bottom: int
) -> Bool[np.ndarray, "height width"]:
    """Below the half ellipse in which short hair ends.

    Args:
        top: first row of the face; bottom: the one behind the last.
    """
    narrows, end = (top + share * (bottom - top) for share in _NAPE)
    rows, columns = np.ogrid[: hull.shape[0], : hull.shape[1]]
    left, right = np.flatnonzero(hull.any(axis=0))[[0, -1]].tolist()
    across = (2 * columns - left - right) / max(right - left, 1)
    down = np.maximum(rows - narrows, 0) / max(end - narrows, 1)
    return (np.square(across) + np.square(down) > 1) & (rows > narrows)
