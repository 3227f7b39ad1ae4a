"""Structural similarity: the map of SSIM over a picture, and MS-SSIM of the whole.

SSIM is set as in Wang et al. 2004: Gaussian window of 11 pixels with sigma 1.5, population
covariance, range 255, each channel by itself and then the mean. MS-SSIM (Wang et al. 2003) takes
contrast at five scales, and luminance at the coarsest. Both are computed here, with OpenCV and at
once, because evaluation spends most of its own time on them: a tenth of what scikit-image and
torchmetrics take, and the same numbers, which the tests hold against theirs.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

WINDOW_PX = 11
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
SMALLEST_MS_SSIM_PX = WINDOW_PX * 2 ** (len(SCALE_WEIGHTS) - 1)
"""A side of the picture below which MS-SSIM's coarsest scale is smaller than its window."""

_SIGMA = 1.5
_LUMINANCE_CONSTANT = (0.01 * 255) ** 2
_CONTRAST_CONSTANT = (0.03 * 255) ** 2
_MIDDLE_GREY = 128.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Similarity:
    """How alike two pictures are around each pixel, channel by channel; 1 where they are equal."""

    ssim: Float32[np.ndarray, "height width 3"]
    """Luminance, contrast and structure."""

    contrast: Float32[np.ndarray, "height width 3"]
    """Contrast and structure alone."""


def similarity(
    real: UInt8[np.ndarray, "height width 3"], fake: UInt8[np.ndarray, "height width 3"]
) -> Similarity:
    """Compare the windows around each pixel; beyond the edges pictures are mirrored."""
    return _compare(_centred(real), _centred(fake))


def ms_ssim(
    real: UInt8[np.ndarray, "height width 3"],
    fake: UInt8[np.ndarray, "height width 3"],
    finest: Similarity,
) -> float:
    """MS-SSIM of two pictures, 1 where they are equal; torchmetrics' conventions at the edges.

    Args:
        finest: their `similarity`, which is the first scale.

    Raises:
        ValueError: a side is shorter than `SMALLEST_MS_SSIM_PX`.
    """
    if min(real.shape[:2]) < SMALLEST_MS_SSIM_PX:
        raise ValueError(f"expected sides of at least {SMALLEST_MS_SSIM_PX}, got {real.shape[:2]}")
    first, second, found = _centred(real), _centred(fake), finest
    product = 1.0
    reach = WINDOW_PX // 2
    for weight in SCALE_WEIGHTS[:-1]:
        contrast = float(found.contrast[reach:-reach, reach:-reach].mean(dtype=np.float64))
        product *= max(contrast, 0.0) ** weight
        first, second = _halved(first), _halved(second)
        found = _compare(first, second)
    return product * max(float(found.ssim.mean(dtype=np.float64)), 0.0) ** SCALE_WEIGHTS[-1]


def _centred(picture: UInt8[np.ndarray, "height width 3"]) -> Float32[np.ndarray, "height width 3"]:
    """Colours around zero: variances are the same, and single precision is enough for them."""
    return picture.astype(np.float32) - np.float32(_MIDDLE_GREY)


def _compare(
    first: Float32[np.ndarray, "height width 3"], second: Float32[np.ndarray, "height width 3"]
) -> Similarity:
    mean_first, mean_second = _windowed(first), _windowed(second)
    variances = (
        _windowed(first * first) - mean_first**2 + (_windowed(second * second) - mean_second**2)
    )
    covariance = _windowed(first * second) - mean_first * mean_second
    contrast = (2 * covariance + _CONTRAST_CONSTANT) / (variances + _CONTRAST_CONSTANT)
    mean_first, mean_second = mean_first + _MIDDLE_GREY, mean_second + _MIDDLE_GREY
    luminance = (2 * mean_first * mean_second + _LUMINANCE_CONSTANT) / (
        mean_first**2 + mean_second**2 + _LUMINANCE_CONSTANT
    )
    return Similarity(ssim=luminance * contrast, contrast=contrast)


def _windowed(
    picture: Float32[np.ndarray, "height width 3"],
) -> Float32[np.ndarray, "height width 3"]:
    """The mean of each pixel's window."""
    return cv2.GaussianBlur(
        picture, (WINDOW_PX, WINDOW_PX), _SIGMA, borderType=cv2.BORDER_REFLECT_101
    )


def _halved(picture: Float32[np.ndarray, "height width 3"]) -> Float32[np.ndarray, "_ _ 3"]:
    """The mean of each 2x2 pixels; an odd last row or column is left out."""
    height, width = (side // 2 * 2 for side in picture.shape[:2])
    even = picture[:height, :width]
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / np.float32(4)
