"""Likeness of two images by their patches, wherever these are nearby (Simakov et al. 2008).

Every patch of one image is compared with the patches of the other around the same place, and the
most similar counts. All of the real image should be in the other (completeness), and nothing else
(coherence). What is off by a few pixels has all its patches; fog has none of the real ones. SSIM
and L1 prefer fog. A limb elsewhere is seen only as far as it covers something else: pose distance
sees that.

Deviations: patches are compared by SSIM, with the larger variance of two in place of their mean. A
blur takes a little contrast, which SSIM hardly minds, and with it the details that differ, so that
SSIM rises. Images are to be compared at half the size in which they are viewed. That removes noise
and offsets below a pixel.
"""

import cv2
import numpy as np
from jaxtyping import Float32

from motiontransfer.core.arrays import Box, Frame, Plane

_PATCH_PX = 4  # side of a patch; a box needs this much
_REACH_PX = 3  # of the search, across and down
LUMINANCE_CONSTANT, CONTRAST_CONSTANT = (0.01 * 255) ** 2, (0.03 * 255) ** 2
"""What SSIM adds to denominators, as published."""
_OfPatches = Float32[np.ndarray, "_ _"]


def likeness(real: Frame, fake: Frame, box: Box) -> float:
    """Mean of completeness and coherence in a box, from -1 to 1, which equal images have.

    Similarity is that of the luma of patches of 4x4 pixels, at most 3 pixels apart, with one weight
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


def _luma(image: Frame) -> Plane:
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)


def _most_similar(first: Plane, second: Plane) -> tuple[_OfPatches, _OfPatches]:
    """Similarity of each patch and the most similar nearby one of the other image.

    A patch is named by its upper left pixel. Images are flat arrays with a margin as wide as the
    search, so a shift is one offset. Loops over rows take twice as long. Patches that leave the
    image have variance NaN, and are not compared.
    """
    first, second = np.pad(first, _REACH_PX), np.pad(second, _REACH_PX)
    inside = np.s_[_REACH_PX : 1 - _PATCH_PX - _REACH_PX, _REACH_PX : 1 - _PATCH_PX - _REACH_PX]
    outside = np.full_like(first, np.nan)
    outside[inside] = 0
    means = _mean(first), _mean(second)
    luminances = [(mean**2 + LUMINANCE_CONSTANT / 2).ravel() for mean in means]
    doubled_variances = [
        (2 * (_mean(image**2) - mean**2) + CONTRAST_CONSTANT + outside).ravel()
        for image, mean in zip((first, second), means, strict=True)
    ]
    doubled, other = (2 * first).ravel(), second.ravel()
    doubled_mean, other_mean = (2 * means[0]).ravel(), means[1].ravel()
    products, similar = np.zeros((2, first.size), np.float32)
    scratch = np.empty((2, first.size), np.float32)
    best = np.full((2, first.size), -1, np.float32)
    for down in range(-_REACH_PX, _REACH_PX + 1):
        for across in range(-_REACH_PX, _REACH_PX + 1):
            shift = down * first.shape[1] + across
            here = slice(max(-shift, 0), first.size - max(shift, 0))
            there = slice(here.start + shift, here.stop + shift)
            np.multiply(doubled[here], other[there], out=products[here])
            _mean(products.reshape(first.shape), out=similar.reshape(first.shape))
            similarity, luminance, below = similar[here], scratch[0, here], scratch[1, here]
            np.multiply(doubled_mean[here], other_mean[there], out=luminance)
            similarity -= luminance
            similarity += np.float32(CONTRAST_CONSTANT)
            luminance += np.float32(LUMINANCE_CONSTANT)
            luminance /= np.add(luminances[0][here], luminances[1][there], out=below)
            np.maximum(doubled_variances[0][here], doubled_variances[1][there], out=below)
            similarity /= below
            similarity *= luminance
            np.fmax(best[0, here], similarity, out=best[0, here])
            np.fmax(best[1, there], similarity, out=best[1, there])
    return best[0].reshape(first.shape)[inside], best[1].reshape(first.shape)[inside]


def _mean(image: Plane, *, out: Plane | None = None) -> Plane:
    """Mean of the patch at each pixel; of those that leave the image, of something else, too."""
    return cv2.boxFilter(image, -1, (_PATCH_PX, _PATCH_PX), dst=out, anchor=(0, 0))
