"""Occluders: objects in front of a part, as a ball, a caption, or what a hand holds.

Most other references that show the place show another color. Folds and moving cloth come again, and
are none. What an arm or a hand moves with it, and what shows between fingers, has a color that few
references show anywhere on that part.
"""

from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from motiontransfer.core.arrays import Affine, Frame, Mask
from motiontransfer.plate.masks import HALF, SOLID, disc_of, touching
from motiontransfer.puppet.fit.cutting import CutPart
from motiontransfer.puppet.fit.matting import OTHER_COLOR

_COPY_PX = 64
"""Longer side of the small copies that are compared. In half of it a ball before a thigh is hardly
told; larger ones are slower, and maps are not exact."""
_FEWEST_SHOWING = 5  # references that show the place: fewer tell nothing
_USUAL_SHARE = 0.25  # of the references, from which a color that they show is the part's

# Colors of a part.
_BINS = (16, 64, 64)  # of brightness Y and chroma Cr, Cb
_SHOWN_SHARE = 0.02  # of its pixels, from which a reference shows a color
_FAR_CHROMA = 3.0  # bins from it, beyond which a color is surely of something else

_Colors = Float32[np.ndarray, "brightnesses chromas"]


class SmallCopy(NamedTuple):
    """A part in a reference, made small."""

    colors: UInt8[np.ndarray, "rows columns 3"]
    coverage: UInt8[np.ndarray, "rows columns"]
    zoom: float
    """Its pixels per pixel of the part."""


def small_copy(
    colors: UInt8[np.ndarray, "height width 3"], coverage: UInt8[np.ndarray, "height width"]
) -> SmallCopy:
    zoom = min(_COPY_PX / max(coverage.shape), 1.0)
    height, width = (max(round(zoom * side), 1) for side in coverage.shape)
    small = partial(cv2.resize, dsize=(width, height), interpolation=cv2.INTER_AREA)
    return SmallCopy(small(colors), small(coverage), zoom)


def occluder_mask(
    part: SmallCopy, others: Iterable[tuple[SmallCopy, Affine]], *, has_sides: bool
) -> Float32[np.ndarray, "rows columns"]:
    """Pixels whose color most other references contradict: 1 there, 0 elsewhere.

    Args:
        others: the part in other references, and maps from there to this one.
        has_sides: what is contradicted in more than half is another side of it, and no occluder.
    """
    shown, alike = np.zeros((2, *part.coverage.shape), np.int32)
    for other, matrix in others:
        small = part.zoom * matrix / (other.zoom, other.zoom, 1)
        size = part.coverage.shape[::-1]
        apart = cv2.absdiff(cv2.warpAffine(other.colors, small, size), part.colors)
        is_shown = cv2.warpAffine(other.coverage, small, size) > SOLID
        shown += is_shown
        alike += is_shown & (np.square(apart, dtype=np.float32).sum(axis=2) < OTHER_COLOR**2)
    covered = part.coverage > SOLID
    found = covered & (shown >= _FEWEST_SHOWING) & (alike <= _USUAL_SHARE * shown)
    # Not edges that lie a pixel beside, as these maps may.
    beside, around = (np.ones((side, side), np.uint8) for side in (3, 5))
    found = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_OPEN, beside) > 0
    is_another_side = has_sides and np.count_nonzero(found) > np.count_nonzero(covered) / 2
    if is_another_side or not found.any():
        return np.zeros(found.shape, np.float32)
    # It goes on in its colors up to where most others show them: a ball comes to a knee again.
    away = np.linalg.norm(part.colors - np.median(part.colors[found], axis=0), axis=2)
    goes_on = covered & (2 * alike <= shown) & (away < OTHER_COLOR)
    return cv2.dilate(touching(goes_on, found).astype(np.float32), around)  # its blurred rim


def usual_colors(cut: Iterable[CutPart]) -> Bool[np.ndarray, "brightnesses chromas"]:
    """Colors that enough references show, or nearly the same."""
    shown = [_with_similar(color_shares(one.colors, one.coverage)) >= _SHOWN_SHARE for one in cut]
    return np.mean(shown, axis=0) >= _USUAL_SHARE


def unusual_mask(
    cut: CutPart, usual: Bool[np.ndarray, "brightnesses chromas"]
) -> Float32[np.ndarray, "rows columns"]:
    """Pixels of a part whose chroma is far from every usual one: 1 there, 0 elsewhere."""
    _, reds, blues = _BINS
    is_near = cv2.dilate(
        usual.any(axis=0).reshape(reds, blues).astype(np.uint8), disc_of(_FAR_CHROMA)
    )
    _, red, blue = cv2.split(_smooth_colors(cut.colors))
    red, blue = red // (256 // reds), blue // (256 // blues)
    found = (cut.coverage > 0) & (is_near[red, blue] == 0)
    return cv2.morphologyEx(found.astype(np.float32), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))


def _smooth_colors(colors: Frame) -> Frame:
    """Brightness Y and chroma Cr, Cb, without noise."""
    return cv2.cvtColor(cv2.blur(colors, (3, 3)), cv2.COLOR_RGB2YCrCb)


def color_shares(colors: Frame, coverage: Mask) -> _Colors:
    """Share of each color among the pixels that are covered."""
    image = _smooth_colors(colors)
    covered = (coverage > HALF).view(np.uint8)
    counted = cv2.calcHist([image], [0, 1, 2], covered, _BINS, [0, 256] * 3)
    return counted.reshape(len(counted), -1) / max(counted.sum(), 1)


def _with_similar(shares: _Colors) -> _Colors:
    """Sum of the shares of each color and of those beside it."""
    brightnesses, reds, blues = _BINS
    sums = cv2.boxFilter(shares.reshape(brightnesses * reds, blues), -1, (3, 3), normalize=False)
    return cv2.boxFilter(sums.reshape(brightnesses, -1), -1, (1, 3), normalize=False)
