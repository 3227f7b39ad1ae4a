"""Time series with gaps: segments, interpolation, zero-phase and One-Euro filters."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float64, Int64

from motiontransfer.core.arrays import FrameMask, JointMask, Joints, Points, Series
from motiontransfer.pose.keypoints import Keypoints


def segments(flags: FrameMask) -> list[tuple[int, int]]:
    """(first frame, one past the last) of each contiguous segment of True, in order."""
    edges = np.diff(np.concatenate([[0], flags.astype(np.int8), [0]]))
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return list(zip(starts.tolist(), stops.tolist(), strict=True))


def longest_segment(flags: FrameMask) -> int:
    return max((stop - start for start, stop in segments(flags)), default=0)


def peaks(values: Series, *, count: int, apart: int) -> list[int]:
    """Indices of the largest values, largest first, the earliest of equals; NaN is left out.

    Neighbors resemble each other: between any two are at least `apart` frames, counted with one.
    """
    chosen: list[int] = []
    for index in np.argsort(-values, kind="stable").tolist():
        if len(chosen) == count or np.isnan(values[index]):
            break
        if all(abs(index - other) >= apart for other in chosen):
            chosen.append(index)
    return chosen


def inner_gaps(seen: FrameMask, *, longest: int) -> list[tuple[int, int]]:
    """Segments of False of at most `longest` frames with True on both sides."""
    return [
        (start, stop)
        for start, stop in segments(~seen)
        if start > 0 and stop < len(seen) and stop - start <= longest
    ]


def joints_by_presence(seen: JointMask) -> Iterator[tuple[Int64[np.ndarray, " some"], FrameMask]]:
    """Indices of joints that are present in the same frames, with a mask of those frames."""
    if not seen.size:
        return
    patterns, of_joint = np.unique(seen, axis=1, return_inverse=True)
    for index in range(patterns.shape[1]):
        yield np.flatnonzero(of_joint.reshape(-1) == index), patterns[:, index]


def least_path(
    costs: Float64[np.ndarray, "frames states"], steps: Float64[np.ndarray, "_ states states"]
) -> Int64[np.ndarray, " frames"]:
    """States with the least sum of costs, and of steps between two frames (Viterbi 1967).

    Args:
        steps: of each pair of frames, from the earlier state to the later one.
    """
    total, came = costs[0], []
    for step, after in zip(steps, costs[1:], strict=True):
        both = total[:, None] + step
        came.append(both.argmin(axis=0))
        total = both.min(axis=0) + after
    path = [int(total.argmin())]
    for before in reversed(came):
        path.append(int(before[path[-1]]))
    return np.array(path[::-1])


def window_frames(seconds: float, frame_rate: Fraction) -> int:
    """Odd window length nearest to a duration; at least 1."""
    return 2 * round(seconds * float(frame_rate) / 2) + 1


def fill_gaps(values: Series, valid: FrameMask) -> Series:
    """Interpolate linearly over invalid frames, not all; hold the first and last valid value."""
    frame_indices = np.arange(len(values))
    return np.interp(frame_indices, frame_indices[valid], values[valid])


def running_median(values: Series, *, window: int) -> Series:
    """Median over `window` frames (odd) around each frame."""
    return np.median(_windows(values, window), axis=1)


def running_mean(values: Series, *, window: int) -> Series:
    """Mean over `window` frames (odd) around each frame."""
    return _windows(values, window).mean(axis=1)


def _windows(values: Series, window: int) -> Float64[np.ndarray, "frames window"]:
    padded = np.pad(values, window // 2, mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, window)


TimeFilter = Literal["savitzky_golay", "median", "gaussian", "none"]

Present = Bool[np.ndarray, " joints"]


def smooth(
    keypoints: Keypoints, time_filter: TimeFilter, *, seconds: float, groups: Sequence[str]
) -> Keypoints:
    """Smooth joint groups, in windows this long, over each segment in which a joint is present."""
    window = window_frames(seconds, keypoints.frame_rate)
    apply = {
        "savitzky_golay": partial(savitzky_golay, window=window),
        "median": partial(median, window=window),
        "gaussian": partial(gaussian, window=window),
        "none": lambda points: points,
    }[time_filter]
    smoothed = keypoints.points.copy()
    for group in groups:
        where = keypoints.skeleton.slice(group)
        for joints, present in joints_by_presence(keypoints.score[:, where] > 0):
            for start, stop in segments(present):
                here = np.ix_(np.arange(start, stop), where.start + joints)
                smoothed[here] = apply(keypoints.points[here].astype(np.float64))
    return replace(keypoints, points=smoothed)


def savitzky_golay(points: Points, *, window: int) -> Points:
    """Quadratic Savitzky-Golay filter over `window` frames (odd).

    A shorter segment is fitted as a whole; one of up to three frames, which a parabola passes
    through, stays.
    """
    window = min(window, len(points) - (len(points) + 1) % 2)
    if window <= 3:
        return points
    from scipy.signal import savgol_filter  # a second of importing, which most stages never need

    return savgol_filter(points, window, 2, axis=0)


def median(points: Points, *, window: int) -> Points:
    """The median of each coordinate over `window` frames (odd); at the ends the window shrinks."""
    return _over_windows(points, window, partial(np.median, axis=0))


def gaussian(points: Points, *, window: int) -> Points:
    """The mean over `window` frames (odd), weighted by a Gaussian; at the ends the window shrinks.

    Its standard deviation is a quarter of the window.
    """

    def mean(values: Points) -> Joints:
        offsets = np.arange(len(values)) - len(values) // 2
        return np.average(values, axis=0, weights=np.exp(-8 * (offsets / window) ** 2))

    return _over_windows(points, window, mean)


def _over_windows(points: Points, window: int, apply: Callable[[Points], Joints]) -> Points:
    half = np.minimum(window // 2, np.minimum(np.arange(len(points)), np.arange(len(points))[::-1]))
    windows = (points[at - reach : at + reach + 1] for at, reach in enumerate(half))
    return np.stack([apply(values) for values in windows])


_MIN_CUTOFF_HZ = 1.5  # at rest; lower is smoother
_SPEED_FACTOR = 40.0  # Hz by which the cutoff rises for each unit a second; higher lags less
_SPEED_CUTOFF_HZ = 1.0  # of the speed estimate


class OneEuroFilter:
    """Causal low-pass filter whose cutoff rises with speed (Casiez et al. 2012).

    Both axes share the cutoff, so that the filter is isotropic.
    """

    def __init__(self) -> None:
        self._known: Present | None = None

    def next(self, points: Joints, present: Present, *, rate_hz: float, unit_px: float) -> Joints:
        """Filter the next frame; a joint that was missing restarts.

        Args:
            rate_hz: inverse of the time since the frame before.
            unit_px: unit of length for speeds, e.g. the body's height.
        """
        if self._known is None:
            self._known = np.zeros(len(points), np.bool_)
            self._raw, self._smoothed = points, points
            self._velocity = np.zeros_like(points)
        known = (self._known & present)[:, None]
        velocity = np.where(known, (points - self._raw) * rate_hz / unit_px, 0.0)
        weight = _low_pass_weight(_SPEED_CUTOFF_HZ, rate_hz)
        self._velocity = np.where(known, self._velocity + weight * (velocity - self._velocity), 0.0)
        speed = np.linalg.norm(self._velocity, axis=1, keepdims=True)
        weight = _low_pass_weight(_MIN_CUTOFF_HZ + _SPEED_FACTOR * speed, rate_hz)
        step = np.where(known, weight * (points - self._smoothed), 0.0)
        self._smoothed = np.where(known, self._smoothed, points) + step
        self._raw, self._known = points, present.copy()
        return np.where(present[:, None], self._smoothed, points)


def _low_pass_weight(
    cutoff_hz: float | Float64[np.ndarray, "joints 1"], rate_hz: float
) -> float | Float64[np.ndarray, "joints 1"]:
    """Weight of the new value in a first-order low-pass."""
    per_frame = 2 * np.pi * cutoff_hz / rate_hz
    return per_frame / (per_frame + 1)
