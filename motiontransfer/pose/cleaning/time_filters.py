"""Filters over time, for joints that tremble.

Two of them look ahead as far as back, so that nothing lags behind the picture: a local parabola
(Savitzky and Golay, *Smoothing and differentiation of data by simplified least squares procedures*,
1964), which keeps peaks, and a running median. One knows only the past, for live use: the 1€ filter
(Casiez, Roussel and Vogel, *1€ filter: a simple speed-based low-pass filter for noisy input in
interactive systems*, CHI 2012). None looks across a gap, and none touches scores.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float64
from scipy.signal import savgol_filter

from motiontransfer.keypoints import Keypoints
from motiontransfer.pose.body_height import body_height_px
from motiontransfer.pose.runs import alike, runs_of
from motiontransfer.pose.smoothing import window_frames

TimeFilter = Literal["savitzky_golay", "median", "one_euro", "none"]

_Filter = Callable[[Float64[np.ndarray, "run joints 2"]], Float64[np.ndarray, "run joints 2"]]


def smooth(
    keypoints: Keypoints, time_filter: TimeFilter, *, seconds: float, groups: Sequence[str]
) -> Keypoints:
    """Smooth joint groups over each unbroken run of frames in which a joint is there.

    Args:
        seconds: width of the window; `one_euro` and `none` have none.
    """
    smoothed = keypoints.points.copy()
    apply = _filter(time_filter, keypoints, seconds)
    for group in groups:
        where = keypoints.skeleton.slice(group)
        for joints, present in alike(keypoints.score[:, where] > 0):
            for start, stop in runs_of(present):
                here = np.ix_(np.arange(start, stop), where.start + joints)
                smoothed[here] = apply(keypoints.points[here].astype(np.float64))
    return replace(keypoints, points=smoothed)


def _filter(time_filter: TimeFilter, keypoints: Keypoints, seconds: float) -> _Filter:
    window = window_frames(seconds, keypoints.frame_rate)
    match time_filter:
        case "savitzky_golay":
            return partial(savitzky_golay, window=window)
        case "median":
            return partial(median, window=window)
        case "one_euro":
            return partial(
                one_euro, frame_rate=keypoints.frame_rate, unit_px=body_height_px(keypoints)
            )
        case "none":
            return lambda points: points


def savitzky_golay(
    points: Float64[np.ndarray, "frames joints 2"], *, window: int
) -> Float64[np.ndarray, "frames joints 2"]:
    """The value in the middle of the parabola that fits best, over `window` frames (odd).

    A shorter run is fitted as a whole; one of three frames or fewer, through which a parabola
    passes, stays.
    """
    window = min(window, len(points) - (len(points) + 1) % 2)
    return savgol_filter(points, window, 2, axis=0) if window > 3 else points


def median(
    points: Float64[np.ndarray, "frames joints 2"], *, window: int
) -> Float64[np.ndarray, "frames joints 2"]:
    """The median of each coordinate over `window` frames (odd); at the ends the window shrinks."""
    half = np.minimum(window // 2, np.minimum(np.arange(len(points)), np.arange(len(points))[::-1]))
    windows = (points[at - reach : at + reach + 1] for at, reach in enumerate(half))
    return np.stack([np.median(values, axis=0) for values in windows])


def one_euro(
    points: Float64[np.ndarray, "frames joints 2"], *, frame_rate: Fraction, unit_px: float
) -> Float64[np.ndarray, "frames joints 2"]:
    """What `OneEuroFilter` makes of a run that is already there."""
    live = OneEuroFilter(frame_rate=frame_rate, unit_px=unit_px)
    everywhere = np.ones(points.shape[1], np.bool_)
    return np.stack([live.next(frame, everywhere) for frame in points])


class OneEuroFilter:
    """Smooths frame after frame as they come: calm at rest, with little lag in motion.

    A joint's speed along both axes together sets its cutoff, so that directions are alike.
    """

    def __init__(
        self,
        *,
        frame_rate: Fraction,
        unit_px: float,
        min_cutoff_hz: float = 1.5,
        speed_factor: float = 40.0,
        speed_cutoff_hz: float = 1.0,
    ) -> None:
        """Start with no memory.

        Args:
            unit_px: pixels that speed is measured in, e.g. the body's height.
            min_cutoff_hz: cutoff at rest; lower is calmer.
            speed_factor: Hz by which the cutoff rises for each unit a second; higher lags less.
            speed_cutoff_hz: cutoff of the speed itself.
        """
        self._rate = float(frame_rate)
        self._unit_px = unit_px
        self._min_cutoff_hz = min_cutoff_hz
        self._speed_factor = speed_factor
        self._speed_cutoff_hz = speed_cutoff_hz
        self._known: Bool[np.ndarray, " joints"] | None = None

    def next(
        self, points: Float64[np.ndarray, "joints 2"], present: Bool[np.ndarray, " joints"]
    ) -> Float64[np.ndarray, "joints 2"]:
        """The next frame, smoothed; a joint that was missing begins anew."""
        if self._known is None:
            self._known = np.zeros(len(points), np.bool_)
            self._raw, self._smoothed = points, points
            self._velocity = np.zeros_like(points)
        known = (self._known & present)[:, None]
        velocity = np.where(known, (points - self._raw) * self._rate / self._unit_px, 0.0)
        mixing = self._mixing(self._speed_cutoff_hz)
        self._velocity = np.where(known, self._velocity + mixing * (velocity - self._velocity), 0.0)
        speed = np.linalg.norm(self._velocity, axis=1, keepdims=True)
        mixing = self._mixing(self._min_cutoff_hz + self._speed_factor * speed)
        step = np.where(known, mixing * (points - self._smoothed), 0.0)
        self._smoothed = np.where(known, self._smoothed, points) + step
        self._raw, self._known = points, present.copy()
        return np.where(present[:, None], self._smoothed, points)

    def _mixing(
        self, cutoff_hz: float | Float64[np.ndarray, "joints 1"]
    ) -> float | Float64[np.ndarray, "joints 1"]:
        """Share of the new value in a first-order low-pass."""
        per_frame = 2 * np.pi * cutoff_hz / self._rate
        return per_frame / (per_frame + 1)
