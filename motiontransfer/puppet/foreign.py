"""What is before a body part without being of the body: a ball, a caption, what is held.

A pixel of a part is foreign where most references that show its place show another color. Folds and
cloth that moves come again, and are not.
"""

from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from motiontransfer.puppet.parts import Map

_SIDE_PX = 32  # of the small copies that are compared, the longer one
_COVERED = 200  # of 255; less is mixed with what is beside
_OTHER_COLOR = 90.0  # levels from which a color is another one
_LEAST_WITNESSES = 5  # references that show the place
_ALIKE_SHARE = 0.25  # of them, up to which a color is foreign
_MOST = 0.5  # of the part; where more is unlike, it is seen from another side


class SmallCopy(NamedTuple):
    """A part in a reference, made small."""

    colors: UInt8[np.ndarray, "rows columns 3"]
    coverage: UInt8[np.ndarray, "rows columns"]
    zoom: float
    """Its pixels per pixel of the part."""


def small_copy(
    colors: UInt8[np.ndarray, "height width 3"], coverage: UInt8[np.ndarray, "height width"]
) -> SmallCopy:
    zoom = min(_SIDE_PX / max(coverage.shape), 1.0)
    height, width = (max(round(zoom * side), 1) for side in coverage.shape)
    small = partial(cv2.resize, dsize=(width, height), interpolation=cv2.INTER_AREA)
    return SmallCopy(small(colors), small(coverage), zoom)


def foreign_share(
    own: SmallCopy, witnesses: Iterable[tuple[SmallCopy, Map]]
) -> Float32[np.ndarray, "rows columns"]:
    """1 where a part shows what most others do not, 0 elsewhere.

    Args:
        witnesses: other references, and maps from their parts to this one.
    """
    shown, alike = np.zeros((2, *own.coverage.shape), np.int32)
    for other, matrix in witnesses:
        small = own.zoom * matrix / (other.zoom, other.zoom, 1)
        size = own.coverage.shape[::-1]
        apart = cv2.absdiff(cv2.warpAffine(other.colors, small, size), own.colors)
        is_shown = cv2.warpAffine(other.coverage, small, size) > _COVERED
        shown += is_shown
        alike += is_shown & (np.square(apart, dtype=np.float32).sum(axis=2) < _OTHER_COLOR**2)
    covered = own.coverage > _COVERED
    found = covered & (shown >= _LEAST_WITNESSES) & (alike <= _ALIKE_SHARE * shown)
    # Not edges that lie a pixel aside, as these maps may.
    square = np.ones((3, 3), np.uint8)
    found = cv2.morphologyEx(found.astype(np.float32), cv2.MORPH_OPEN, square)
    if found.sum() > _MOST * np.count_nonzero(covered):
        return np.zeros_like(found)
    return cv2.dilate(found, square)
