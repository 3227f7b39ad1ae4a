"""Likeness of two images by their patches, wherever these are nearby (Simakov et al. 2008).

Every patch of one image is compared with the patches of the other around the same place, and the
most similar counts. All of the real image should be in the other (completeness), and nothing else
(coherence). What is off by a few pixels has all its patches; fog has none of the real ones. SSIM
and L1 prefer fog. A limb elsewhere is seen only as far as it covers something else: pose distance
sees that.
"""

import cv2
import numpy as np
from jaxtyping import Float32

from motiontransfer.evaluation.frames import Box
from motiontransfer.video.color import Frame

_PATCH_PX = 8  # side of a patch; a box needs this much
_REACH_PX = 6  # of the search, across and down
LUMINANCE_CONSTANT, CONTRAST_CONSTANT = (0.01 * 255) ** 2, (0.03 * 255) ** 2
"""What SSIM adds to denominators, as published."""

_Gray = Float32[np.ndarray, "height width"]
_Map = Float32[np.ndarray, "_ _"]


def likeness(real: Frame, fake: Frame, box: Box) -> float:
    """Mean of completeness and coherence in a box, from -1 to 1, which equal images have.

    Similarity is SSIM of the luma of patches of 8x8 pixels, at most 6 pixels apart, with one weight
    for every pixel of a patch.

    Args:
        box: with sides of at least `_PATCH_PX`.
    """
    x0, y0, x1, y1 = box
    height, width = real.shape[:2]
    left, top = max(x0 - _REACH_PX, 0), max(y0 - _REACH_PX, 0)
    around = np.s_[top : min(y1 + _REACH_PX, height), left : min(x1 + _REACH_PX, width)]
    first, second = _luma(real[around]), _luma(fake[around])
    rows = slice(y0 - top, y1 - top - _PATCH_PX + 1)
    columns = slice(x0 - left, x1 - left - _PATCH_PX + 1)
    found = _most_similar(first, second)
    return float(np.mean([best[rows, columns].mean(dtype=np.float64) for best in found]))


def _luma(image: Frame) -> _Gray:
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)


def _most_similar(first: _Gray, second: _Gray) -> tuple[_Map, _Map]:
    """SSIM of each patch and the most similar nearby one of the other image.

    A patch is named by its upper left pixel; those that leave the image are not compared.
    """
    means = _mean(first), _mean(second)
    shape = means[0].shape
    luminances = [mean**2 + LUMINANCE_CONSTANT / 2 for mean in means]
    variances = [
        _mean(image**2) - mean**2 + CONTRAST_CONSTANT / 2
        for image, mean in zip((first, second), means, strict=True)
    ]
    best = np.full(shape, -1, np.float32), np.full(shape, -1, np.float32)
    for down in range(-_REACH_PX, _REACH_PX + 1):
        for across in range(-_REACH_PX, _REACH_PX + 1):
            here, there = _overlap(first.shape, down, across)
            product = _mean(first[here] * second[there])
            here, there = _overlap(shape, down, across)
            of_means = means[0][here] * means[1][there]
            similar = (2 * of_means + LUMINANCE_CONSTANT) / (
                luminances[0][here] + luminances[1][there]
            )
            similar *= 2 * (product - of_means) + CONTRAST_CONSTANT
            similar /= variances[0][here] + variances[1][there]
            np.maximum(best[0][here], similar, out=best[0][here])
            np.maximum(best[1][there], similar, out=best[1][there])
    return best


def _overlap(
    shape: tuple[int, ...], down: int, across: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Pixels of an image, and the same shifted, where both are inside."""
    height, width = shape
    here = np.s_[max(-down, 0) : height - max(down, 0), max(-across, 0) : width - max(across, 0)]
    there = np.s_[max(down, 0) : height - max(-down, 0), max(across, 0) : width - max(-across, 0)]
    return here, there


def _mean(image: _Gray) -> _Map:
    """Mean of each patch."""
    means = cv2.boxFilter(image, -1, (_PATCH_PX, _PATCH_PX), anchor=(0, 0))
    return means[: image.shape[0] - _PATCH_PX + 1, : image.shape[1] - _PATCH_PX + 1]
