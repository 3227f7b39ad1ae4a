"""How much a video flickers along the motion it shows: the warping error (Lai et al. 2018, sec. 4).

Hides the flow and which pixels count. Each frame is laid over the one before it along the optical
flow of the real frames, and the mean squared difference, colours from 0 to 1, is taken over the
pixels that are to be seen in both: neither occluded nor on a boundary of motion (Ruder et al. 2016,
sec. 3.2; the flows there and back disagree, or change steeply). Deviations: OpenCV's DIS flow
(Kroeger et al. 2016) in place of a network's; means over the three colours; where there are no real
frames a video is judged along its own flow, which forgives what that can explain.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from motiontransfer.evaluation.regions import Box, Regions
from motiontransfer.evaluation.series import series_of

_Frame = UInt8[np.ndarray, "height width 3"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """How one frame's pixels moved to the next frame."""

    flow: Float32[np.ndarray, "height width 2"]
    """(x, y) in pixels from a pixel of the first frame to where it is in the second."""

    visible: Bool[np.ndarray, "height width"]
    """Whether the pixel of the first frame is to be seen in the second, as far as flow tells."""


def motion_between(
    first: UInt8[np.ndarray, "height width 3"], second: UInt8[np.ndarray, "height width 3"]
) -> Motion:
    """Estimate the motion from one frame to the next."""
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    grey_first, grey_second = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (first, second))
    still = np.zeros((*grey_first.shape, 2), np.float32)
    there = dis.calc(grey_first, grey_second, still.copy())
    back = dis.calc(grey_second, grey_first, still)
    return Motion(flow=there, visible=visible_pixels(there, back))


def visible_pixels(
    there: Float32[np.ndarray, "height width 2"], back: Float32[np.ndarray, "height width 2"]
) -> Bool[np.ndarray, "height width"]:
    """Pixels of the first frame that are neither occluded in the second nor on a boundary.

    Source: Ruder et al. 2016, equations 5 and 6.
    """
    height, width = there.shape[:2]
    there_squared = _squared_length(there)
    returning = warped(back, there)
    allowed = 0.01 * (there_squared + _squared_length(returning)) + 0.5
    occluded = _squared_length(there + returning) > allowed
    down, across = np.gradient(there, axis=(0, 1))
    steepness = _squared_length(down) + _squared_length(across)
    boundary = steepness > 0.01 * there_squared + 0.002
    y, x = np.mgrid[:height, :width]
    x, y = x + there[..., 0], y + there[..., 1]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return inside & ~occluded & ~boundary


def _squared_length(
    vectors: Float32[np.ndarray, "height width 2"],
) -> Float32[np.ndarray, "height width"]:
    return vectors[..., 0] ** 2 + vectors[..., 1] ** 2


def warped(
    picture: Float32[np.ndarray, "height width channels"],
    flow: Float32[np.ndarray, "height width 2"],
) -> Float32[np.ndarray, "height width channels"]:
    """At each pixel what the picture shows where the flow leads from there."""
    height, width = flow.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return cv2.remap(
        picture,
        x + flow[..., 0],
        y + flow[..., 1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )


def warping_error(
    first: UInt8[np.ndarray, "height width 3"],
    second: UInt8[np.ndarray, "height width 3"],
    motion: Motion,
) -> Float32[np.ndarray, "height width"]:
    """At each pixel the squared difference of the first frame and the second laid over it.

    Colours are from 0 to 1; the mean over the three is taken. Pixels that are not visible have a
    value, too.
    """
    laid_over = warped(second.astype(np.float32), motion.flow)
    return np.square((laid_over - first) / np.float32(255)).mean(axis=-1)


def mean_visible(
    error: Float32[np.ndarray, "height width"], motion: Motion, box: Box | None
) -> float:
    """Mean over the visible pixels in a box; NaN where there are none, or no box."""
    if box is None:
        return float("nan")
    x0, y0, x1, y1 = box
    visible = motion.visible[y0:y1, x0:x1]
    if not visible.any():
        return float("nan")
    return float(error[y0:y1, x0:x1][visible].mean(dtype=np.float64))


class WarpingJudge:
    """Warping errors of several videos, as their frames stream past."""

    def __init__(self, methods: Sequence[str], *, guide: str | None, persons: Regions) -> None:
        """Judge each method's video.

        Args:
            guide: whose frames the flow is taken from; None: from each video's own.
            persons: boxes in which the error is measured too.
        """
        self._methods, self._guide, self._persons = tuple(methods), guide, persons
        self._previous: Mapping[str, _Frame] = {}
        self._index = 0
        self._errors: dict[str, list[float]] = {method: [] for method in methods}
        self._person_errors: dict[str, list[float]] = {method: [] for method in methods}

    def see(self, frames: Mapping[str, UInt8[np.ndarray, "_ _ 3"]]) -> None:
        """Take the next frame of every video, by name."""
        guided = self._motion(self._guide, frames) if self._guide and self._previous else None
        for method in self._methods:
            whole = in_person = float("nan")
            if self._previous:
                motion = guided or self._motion(method, frames)
                error = warping_error(self._previous[method], frames[method], motion)
                height, width = error.shape
                whole = mean_visible(error, motion, (0, 0, width, height))
                in_person = mean_visible(error, motion, self._persons.at(self._index - 1))
            self._errors[method].append(whole)
            self._person_errors[method].append(in_person)
        self._previous = frames
        self._index += 1

    def scores(self) -> dict[str, object]:
        """Region -> method -> series; a frame's error is the one to the frame before it."""
        return {
            "frame": {method: series_of(errors) for method, errors in self._errors.items()},
            "person": {method: series_of(errors) for method, errors in self._person_errors.items()},
        }

    def _motion(self, name: str, frames: Mapping[str, _Frame]) -> Motion:
        return motion_between(self._previous[name], frames[name])
