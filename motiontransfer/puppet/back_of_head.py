"""Back of a head that was filmed from the front alone: its hair over its face.

The hair around the face goes on over it, smoothly. Where there is no hair, that is skin.
"""

from functools import partial

import cv2
import numpy as np
from jaxtyping import Float, UInt8

_WIDER = 1.1  # of the face's hull: its points lie within the face
_BELOW_CHIN = 0.1  # of the face's height, to which the face reaches
_LEAST_WEIGHT = 1e-3  # of the hair's median, which is taken far from any hair
_COVERED = 250  # level of 255; less is mixed with what is beside
_HAIR_COLOR = 45  # levels from the hair's median, up to which it is hair
_FEWEST_PIXELS = 30  # of hair above the face; fewer are no hair
_EDGE_PX = 2  # standard deviation of the smooth edge
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
    share = cv2.GaussianBlur(is_face, (0, 0), _EDGE_PX)[..., None]
    color = colors + share * (over - colors)
    return np.dstack([color.round().astype(np.uint8), pixels[..., 3]])
