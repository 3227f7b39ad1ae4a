"""Smoothing over time without delay: each value looks as far ahead as back.

Hides what happens at a clip's ends (the first and last value go on) and inside gaps (straight
lines).
"""

from fractions import Fraction

import numpy as np
from jaxtyping import Bool, Float64


def window_frames(seconds: float, frame_rate: Fraction) -> int:
    """The odd number of frames that lasts about so long; at least 1."""
    return 2 * round(seconds * float(frame_rate) / 2) + 1


def fill_gaps(
    values: Float64[np.ndarray, " frames"], valid: Bool[np.ndarray, " frames"]
) -> Float64[np.ndarray, " frames"]:
    """Draw straight lines over frames that are not valid.

    Before the first and after the last valid frame, its value is held.

    Raises:
        ValueError: no frame is valid.
    """
    if not valid.any():
        raise ValueError("expected at least one valid frame to fill gaps from")
    frame_indices = np.arange(len(values))
    return np.interp(frame_indices, frame_indices[valid], values[valid])


def running_median(
    values: Float64[np.ndarray, " frames"], *, window: int
) -> Float64[np.ndarray, " frames"]:
    """Median over `window` frames around each frame (an odd number).

    What is shorter than half a window leaves no trace.
    """
    return np.median(_windows(values, window), axis=1)


def running_mean(
    values: Float64[np.ndarray, " frames"], *, window: int
) -> Float64[np.ndarray, " frames"]:
    """Mean over `window` frames around each frame (an odd number)."""
    return _windows(values, window).mean(axis=1)


def _windows(
    values: Float64[np.ndarray, " frames"], window: int
) -> Float64[np.ndarray, "frames window"]:
    if window < 1 or window % 2 == 0:
        raise ValueError(f"expected an odd window of at least 1 frame, got {window}")
    padded = np.pad(values, window // 2, mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, window)
