"""Temporal metrics: background flicker, frame-to-frame change and the warping error.

Background flicker is the standard deviation of background pixels over time. Frame change is the
mean change from frame to frame relative to real frames': above 1 is flicker, below 1 is smearing.
The warping error (Lai et al. 2018, sec. 4) warps each frame to the one before it along the optical
flow of the real frames. It is the mean squared difference, colors from 0 to 1, over pixels visible
in both. These are neither occluded nor on a boundary of motion (Ruder et al. 2016, sec. 3.2).
Switches are changes that neither the real flow nor the video's own explains, where the real frames
do not change nearby. An example is an arm that comes from elsewhere in one frame. Deviations:
OpenCV's DIS flow (Kroeger et al. 2016) in place of a network's; means over the three colors.
Without real frames the flow is the video's own, and misses errors that move like it.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from motiontransfer.core.arrays import Box, Frame, PixelMask, Plane
from motiontransfer.evaluation.frames import FrameSet, Regions
from motiontransfer.evaluation.measurements import (
    LEVELS,
    OF_VIDEOS,
    FrameScores,
    Metric,
    MetricKey,
    RatioMetric,
)

SECTION = "temporal"
METRICS = {
    # Best is what real frames have: a picture that stands still has none.
    "background_flicker": Metric("Background flicker", LEVELS, "unknown", OF_VIDEOS),
    "warping_error_person": Metric("Warping error, person's box", "", "unknown", OF_VIDEOS),
    "frame_change_to_source": Metric(
        "Frame change relative to the source", "", "near one", "{section}.{metric}"
    ),
    "frame_change_to_truth": Metric(
        "Frame change relative to the ground truth", "", "near one", OF_VIDEOS
    ),
    "frame_change_to_real": Metric(
        "Frame change relative to the real frames", "", "near one", OF_VIDEOS
    ),
    "switches": Metric("Switches, share of the person's box", "", "lower", OF_VIDEOS),
}

_Flow = Float32[np.ndarray, "height width 2"]

_SAMPLED_SIDE = (
    32  # rows and columns of the grid of pixels that gives each frame's share of flicker
)
# Ruder et al. 2016, equations 5 and 6: share of the squared flow, and squared pixels.
_OCCLUDED_SHARE, _OCCLUDED_PX2 = 0.01, 0.5
_BOUNDARY_SHARE, _BOUNDARY_PX2 = 0.01, 0.002
_SWITCHED = 8.0  # levels of change beyond what is explained; of an area, as edges have more
_SMALLEST_FLOW_PX = 16  # side of an image in which DIS finds any
_SWITCHED_PX, _NEARBY_PX = 7, 9  # sides of that area, and of where the real frames change


class BackgroundFlicker:
    """Streaming flicker of several videos' backgrounds.

    Mean over background pixels of their standard deviation over time, in levels of 0 to 255. A
    pixel is background in a frame where it is outside the person's box. Frames without a box do not
    count. Nor do pixels that are background in fewer than two frames.
    """

    every = 1  # each frame is looked at

    def __init__(self, systems: Iterable[str], *, persons: Regions, section: str = SECTION) -> None:
        self._section = section
        self._pixels = {system: _PixelStatistics(persons) for system in systems}

    def scored(self, frame_set: FrameSet) -> Callable[[], None]:
        """What adds a frame, whose order does not count."""
        return partial(self._add, frame_set)

    def _add(self, frame_set: FrameSet) -> None:
        for system, pixels in self._pixels.items():
            pixels.add(frame_set.index, frame_set.frames[system])

    def compute(self) -> dict[MetricKey, RatioMetric]:
        return {
            MetricKey("background_flicker", "", system, self._section): pixels.flicker()
            for system, pixels in self._pixels.items()
        }


class _PixelStatistics:
    """Sums over time at each pixel, and the values over time of a grid of pixels."""

    def __init__(self, persons: Regions) -> None:
        self._persons = persons
        self._count = self._total = self._squares = np.zeros(())
        self._grid = (slice(None), slice(None))
        self._samples: list[UInt8[np.ndarray, "rows columns 3"]] = []

    def add(self, index: int, frame: Frame) -> None:
        if not self._samples:
            self._count = np.zeros((*frame.shape[:2], 1))
            self._total, self._squares = np.zeros(frame.shape), np.zeros(frame.shape)
            step_y, step_x = (-(-side // _SAMPLED_SIDE) for side in frame.shape[:2])
            self._grid = (slice(None, None, step_y), slice(None, None, step_x))
        outside = self._outside(index)
        if outside.any():
            values = frame * outside
            self._count += outside
            self._total += values
            self._squares += np.square(values, dtype=np.uint16)
        self._samples.append(frame[self._grid].copy())

    def _outside(self, index: int) -> UInt8[np.ndarray, "height width 1"]:
        """1 at the background pixels of a frame."""
        box = self._persons[index]
        outside = np.full(self._count.shape, box is not None, np.uint8)
        if box is not None:
            x0, y0, x1, y1 = box
            outside[y0:y1, x0:x1] = 0
        return outside

    def flicker(self) -> RatioMetric:
        """The clip's flicker, attributed to its frames.

        A frame's share is its influence on the standard deviation s of a pixel with mean m, ((x -
        m)^2 / s + s) / 2. Steady frames add less than others, and the mean over frames is the
        flicker. The shares are those of a grid of pixels.
        """
        none = np.zeros(len(self._persons))
        seen = self._count >= 2
        if not seen.any():
            return RatioMetric(total=none, weight=none)
        count = np.maximum(self._count, 1)
        mean = self._total / count
        deviations = np.sqrt(np.maximum(self._squares / count - np.square(mean), 0))
        total, weight = none.copy(), none.copy()
        m, s, pixel_weight = (each[self._grid] for each in (mean, deviations, seen / count))
        for index, values in enumerate(self._samples):
            weights = self._outside(index)[self._grid] * pixel_weight
            squares = np.square(values - m)
            quotient = np.divide(squares, s, out=np.zeros(squares.shape), where=s > 0)
            total[index] = (weights * (quotient + s) / 2).mean()
            weight[index] = weights.mean()
        deviation = float(deviations[seen[..., 0]].mean())
        if not total.any():  # the grid misses the little flicker or background there is
            weight = weight if weight.any() else none + 1
            return RatioMetric(total=weight * deviation, weight=weight)
        return RatioMetric(total=total * (deviation * weight.sum() / total.sum()), weight=weight)


def frame_changes(
    frame_set: FrameSet, *, real: str, systems: Sequence[str], persons: Regions | None = None
) -> FrameScores:
    """Each system's change from the frame before, relative to that of the frames called `real`.

    Counted in the smallest box around the person in both frames; without `persons` in the whole
    frame, whose size may differ from video to video.
    """
    scores = _not_measured(f"frame_change_to_{real}", systems)
    box = None if persons is None else _union(persons, frame_set.index)
    if frame_set.previous is None or (box is None and persons is not None):
        return scores
    change = {
        name: frame_change(frame_set.previous[name], frame_set.frames[name], box)
        for name in (real, *systems)
    }
    return {key: (change[key.system], change[real]) for key in scores}


def _not_measured(metric: str, systems: Sequence[str]) -> FrameScores:
    return {MetricKey(metric, "", system, SECTION): (0.0, 0.0) for system in systems}


def _union(persons: Regions, index: int) -> Box | None:
    """The smallest box around a frame's box and the one before; None if either is missing."""
    first, second = persons[max(index - 1, 0)], persons[index]
    if first is None or second is None:
        return None
    x0, y0 = map(min, first[:2], second[:2])
    x1, y1 = map(max, first[2:], second[2:])
    return x0, y0, x1, y1


def frame_change(first: Frame, second: Frame, box: Box | None = None) -> float:
    """Mean absolute change inside a box, by default the frame, in levels of 0 to 255."""
    x0, y0, x1, y1 = box or (0, 0, *first.shape[1::-1])
    before, after = (frame[y0:y1, x0:x1].astype(np.int16) for frame in (first, second))
    return float(np.abs(after - before).mean())


def flow_between(first: Frame, second: Frame) -> _Flow:
    """(x, y) in pixels from a pixel of the first frame to where it is in the second."""
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    gray_first, gray_second = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (first, second))
    return dis.calc(gray_first, gray_second, np.zeros((*gray_first.shape, 2), np.float32))


def visible_pixels(there: _Flow, back: _Flow) -> PixelMask:
    """Pixels of the first frame that are neither occluded in the second nor on a boundary.

    Source: Ruder et al. 2016, equations 5 and 6.
    """
    height, width = there.shape[:2]
    there_squared = _squared_length(there)
    returning = warped(back, there)
    allowed = _OCCLUDED_SHARE * (there_squared + _squared_length(returning)) + _OCCLUDED_PX2
    occluded = _squared_length(there + returning) > allowed
    down, across = np.gradient(there, axis=(0, 1))
    steepness = _squared_length(down) + _squared_length(across)
    boundary = steepness > _BOUNDARY_SHARE * there_squared + _BOUNDARY_PX2
    y, x = np.mgrid[:height, :width]
    x, y = x + there[..., 0], y + there[..., 1]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return inside & ~occluded & ~boundary


def _squared_length(vectors: _Flow) -> Plane:
    return vectors[..., 0] ** 2 + vectors[..., 1] ** 2


def warped(
    image: Float32[np.ndarray, "height width channels"], flow: _Flow
) -> Float32[np.ndarray, "height width channels"]:
    """Warp an image backwards: sample it at each pixel's flow target."""
    height, width = flow.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    x, y = x + flow[..., 0], y + flow[..., 1]
    return cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def warping_error(first: Frame, second: Frame, flow: _Flow) -> Plane:
    """Squared difference of the first frame and the warped second, mean of colors from 0 to 1."""
    laid_over = warped(second.astype(np.float32), flow)
    return np.square((laid_over - first) / np.float32(255)).mean(axis=-1)


def mean_visible(error: Plane, visible: PixelMask, box: Box) -> tuple[float, float]:
    """Mean over the visible pixels in a box, and its weight; zeros without any."""
    x0, y0, x1, y1 = box
    inside = visible[y0:y1, x0:x1]
    if not inside.any():
        return 0.0, 0.0
    return float(error[y0:y1, x0:x1][inside].mean(dtype=np.float64)), 1.0


def switches(
    frames: tuple[Frame, Frame], real_frames: tuple[Frame, Frame], flow: _Flow
) -> PixelMask:
    """Pixels that change from one frame to the next as neither motion nor the real frames explain.

    Args:
        flow: of the real frames.
    """
    own = _change(*frames, flow_between(*frames))
    nearby = np.ones((_NEARBY_PX, _NEARBY_PX), np.uint8)
    explained = cv2.dilate(_change(*real_frames, flow), nearby)
    return np.minimum(own, _change(*frames, flow)) - explained > _SWITCHED


def _change(first: Frame, second: Frame, flow: _Flow) -> Plane:
    """Levels by which areas differ once the second frame is warped to the first."""
    levels = 255 * np.sqrt(warping_error(first, second, flow))
    return cv2.blur(levels, (_SWITCHED_PX, _SWITCHED_PX))


def switch_scores(
    frame_set: FrameSet, *, real: str, systems: Sequence[str], persons: Regions
) -> FrameScores:
    """Share of the person's box that switches from the frame before, of each system."""
    scores = _not_measured("switches", systems)
    last, now = frame_set.previous, frame_set.frames
    box = persons[max(frame_set.index - 1, 0)]
    x0, y0, x1, y1 = box or (0, 0, 0, 0)
    if last is None or min(x1 - x0, y1 - y0) < _SMALLEST_FLOW_PX:
        return scores
    frames = {
        name: (last[name][y0:y1, x0:x1], now[name][y0:y1, x0:x1]) for name in (real, *systems)
    }
    flow = flow_between(*frames[real])
    return {
        key: (float(switches(frames[key.system], frames[real], flow).mean()), 1.0) for key in scores
    }


def warping_errors(
    frame_set: FrameSet, *, real: str, systems: Sequence[str], persons: Regions
) -> FrameScores:
    """Warping error from the frame before, in a box, of the real video, too."""
    scores = _not_measured("warping_error_person", (real, *systems))
    last, now = frame_set.previous, frame_set.frames
    box = persons[max(frame_set.index - 1, 0)]
    if last is None or box is None:
        return scores
    flow = flow_between(last[real], now[real])
    visible = visible_pixels(flow, flow_between(now[real], last[real]))
    errors = {key: warping_error(last[key.system], now[key.system], flow) for key in scores}
    return {key: mean_visible(error, visible, box) for key, error in errors.items()}


class OverTime(NamedTuple):
    """A metric of consecutive frames beside the real ones."""

    scores: Callable[..., FrameScores]
    """Function of a frame set, `real`, `systems` and `persons`, the real video's boxes."""
    per_second: int | None = None
    """How many frames a second are looked at; None: each. Flow takes longest."""


OVER_TIME = (OverTime(warping_errors, 12), OverTime(frame_changes), OverTime(switch_scores, 12))
