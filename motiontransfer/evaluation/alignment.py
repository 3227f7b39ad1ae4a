"""Likeness apart from place: a box compared with where the other picture looks most like it.

Where the person is cannot be known to the pixel (nobody says where the target would stand), and two
pixels beside its place a sharp face is less alike, by SSIM, than a blur.
"""

import cv2
import numpy as np
from jaxtyping import UInt8

from motiontransfer.evaluation.regions import Box

_REACH_SHARE = 0.02  # how far the place is looked for, share of the picture's height
_EQUALLY_GOOD = 1e-4  # correlations that differ by less are not worth a move


def best_match(
    real: UInt8[np.ndarray, "height width 3"], fake: UInt8[np.ndarray, "height width 3"], box: Box
) -> UInt8[np.ndarray, "box_height box_width 3"]:
    """The part of `fake`, at most 2 % of its height from the box, that looks most like the box.

    Most alike by normalised correlation, which does not ask for the same light; the box's own place
    where no other is better.
    """
    x0, y0, x1, y1 = box
    height, width = real.shape[:2]
    reach = max(round(_REACH_SHARE * height), 1)
    left, top = max(x0 - reach, 0), max(y0 - reach, 0)
    around = fake[top : min(y1 + reach, height), left : min(x1 + reach, width)]
    alike = cv2.matchTemplate(around, real[y0:y1, x0:x1], cv2.TM_CCOEFF_NORMED)
    alike = np.nan_to_num(alike, nan=-1.0, posinf=-1.0, neginf=-1.0)
    row, column = np.unravel_index(int(alike.argmax()), alike.shape)
    if alike[row, column] - alike[y0 - top, x0 - left] < _EQUALLY_GOOD:
        row, column = y0 - top, x0 - left
    return around[row : row + y1 - y0, column : column + x1 - x0]
