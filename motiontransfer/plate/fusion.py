"""Gradient-domain fusion of the frames behind a background image (Agarwala et al. 2004).

Neighbors in a masked median are from different frames: where light or camera change, the borders of
the person's places show. Each difference of two neighbors is therefore taken from the frames that
show both. A screened Poisson equation gives the image with these differences (Bhat et al. 2008).
Away from the borders it keeps the median's levels.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Bool, Float32
from scipy.fft import dctn, idctn

from motiontransfer.core.arrays import Frame, PixelMask
from motiontransfer.plate.full_size import ImageOnDisk, ImagesOnDisk, for_bands, nearest

_REACH = 0.02  # from a border, of what mends it; share of the image's height
_LIGHT = 0.15  # largest change of light by which a frame and the image show the same thing
_NOISE = 8.0  # levels
_EARLIER = (np.s_[:-1], np.s_[:, :-1])  # of two neighbors, along each axis
_LATER = (np.s_[1:], np.s_[:, 1:])

Differences = tuple[
    Float32[np.ndarray, "height-1 width 3"], Float32[np.ndarray, "height width-1 3"]
]
"""Each pixel below minus that above, each on the right minus that on the left."""


def fused(
    image: Frame,
    frames: Sequence[Frame] | Sequence[ImageOnDisk] | ImagesOnDisk,
    is_used: Bool[np.ndarray, "frames rows columns"],
    is_hidden: PixelMask,
) -> Frame:
    """An image without borders between its frames.

    Args:
        is_used: the frames that each pixel is taken from, in any size.
        is_hidden: pixels that none shows.
    """
    differences = _mean_differences(image, frames, is_used)
    levels = image.astype(np.float32)
    for axis, (earlier, later) in enumerate(zip(_EARLIER, _LATER, strict=True)):
        kept = is_hidden[earlier] | is_hidden[later]
        differences[axis][kept] = np.diff(levels, axis=axis)[kept]
    solved = _screened_poisson(levels, differences, reach_px=_REACH * len(image))
    return solved.round().clip(0, 255).astype(np.uint8)


def _mean_differences(
    image: Frame,
    frames: Sequence[Frame] | Sequence[ImageOnDisk] | ImagesOnDisk,
    is_used: Bool[np.ndarray, "frames rows columns"],
) -> Differences:
    """Differences over the frames in which both neighbors are like the image; 0 without any."""
    height, width = image.shape[:2]
    y, x = map(nearest, (height, width), is_used.shape[1:])
    down = np.empty((height - 1, width, 3), np.float32)
    right = np.empty((height, width - 1, 3), np.float32)

    def fill(band: slice) -> None:
        # Also of the last row: that is the first of the next band, which has the same sums there.
        rows = slice(band.start, band.stop + 1)
        filled = (down[rows.start : rows.stop - 1], right[rows])
        sums = [np.zeros(of.shape, np.float32) for of in filled]
        counts = [np.zeros(of.shape[:2], np.float32) for of in filled]
        levels = image[rows].astype(np.float32)
        lowest, highest = (
            (levels * (1 + sign * _LIGHT) + sign * _NOISE).clip(0, 255).astype(np.uint8)
            for sign in (-1, 1)
        )
        used = np.take(is_used.view(np.uint8)[:, y[rows]], x, axis=2)
        for number in np.flatnonzero(used.any(axis=(1, 2))).tolist():
            frame = frames[number][rows]
            shown = cv2.bitwise_and(cv2.inRange(frame, lowest, highest), used[number])
            for of, count, earlier, later in zip(sums, counts, _EARLIER, _LATER, strict=True):
                both = cv2.bitwise_and(shown[earlier], shown[later])
                difference = cv2.subtract(frame[later], frame[earlier], dtype=cv2.CV_32F)
                cv2.accumulate(difference, of, mask=both)
                cv2.accumulate(both, count)
        for mean, of, count in zip(filled, sums, counts, strict=True):
            np.divide(of, np.maximum(count, 1)[..., None], out=mean)

    for_bands(fill, height - 1)
    return down, right


def _screened_poisson(
    levels: Float32[np.ndarray, "height width 3"], differences: Differences, *, reach_px: float
) -> Float32[np.ndarray, "height width 3"]:
    """The image nearest to both levels and differences in least squares, by cosine transform."""
    weight = np.float32(reach_px**-2)
    right_side = weight * levels
    for of, earlier, later in zip(differences, _EARLIER, _LATER, strict=True):
        right_side[later] += of
        right_side[earlier] -= of
    along = [2 - 2 * np.cos(np.pi * np.arange(length) / length) for length in levels.shape[:2]]
    eigenvalues = (along[0][:, None] + along[1] + weight).astype(np.float32)[..., None]
    return idctn(dctn(right_side, axes=(0, 1)) / eigenvalues, axes=(0, 1))
