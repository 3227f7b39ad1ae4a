"""How steady a video is, without a network: flicker of what should stand still, and frame changes.

Hides the measures: the standard deviation over time of background pixels, and the mean change from
frame to frame, compared with that of real frames. Too much change is flicker, too little is
smearing: 1 is right. Frames are seen once, and a few images are kept.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from jaxtyping import Float64, UInt8

from motiontransfer.evaluation.regions import Box, Regions
from motiontransfer.evaluation.series import Series, series_of

_SAMPLED_SIDE = 32
"""Rows and columns of the grid of pixels that tells how much each frame adds to the flicker."""


class FlickerJudge:
    """Flicker of several videos' backgrounds, as their frames stream past.

    Mean over background pixels of their standard deviation over time, in levels of 0 to 255. A
    pixel is background in a frame where it lies outside the person's box; frames without a box do
    not count, nor pixels that are background in fewer than two frames.
    """

    def __init__(self, methods: Sequence[str], *, persons: Regions) -> None:
        self._persons = persons
        self._index = 0
        self._pixels = {method: _PixelStatistics(len(persons.found)) for method in methods}

    def see(self, frames: Mapping[str, UInt8[np.ndarray, "_ _ 3"]]) -> None:
        """Take the next frame of every video, by name."""
        box = self._persons.at(self._index)
        for method, pixels in self._pixels.items():
            pixels.add(self._index, frames[method], box)
        self._index += 1

    def scores(self) -> dict[str, object]:
        """Method -> series."""
        return {method: pixels.flicker() for method, pixels in self._pixels.items()}


class _PixelStatistics:
    """Sums over time at each pixel, and the values over time at a few."""

    def __init__(self, num_frames: int) -> None:
        self._count = self._total = self._squares = np.zeros(())
        # In one piece: many small arrays among the frames would tear the memory apart.
        self._samples = np.zeros((num_frames, 0, 0, 3), np.uint8)
        self._sampled = np.zeros((num_frames, 0, 0, 1), bool)

    def add(self, index: int, frame: UInt8[np.ndarray, "height width 3"], box: Box | None) -> None:
        step_y, step_x = (-(-side // _SAMPLED_SIDE) for side in frame.shape[:2])
        if not self._count.ndim:
            self._count = np.zeros((*frame.shape[:2], 1))
            self._total, self._squares = np.zeros(frame.shape), np.zeros(frame.shape)
            grid = frame[::step_y, ::step_x].shape[:2]
            self._samples = np.zeros((len(self._samples), *grid, 3), np.uint8)
            self._sampled = np.zeros((len(self._sampled), *grid, 1), bool)
        outside = np.zeros((*frame.shape[:2], 1), np.uint8)
        if box is not None:
            x0, y0, x1, y1 = box
            outside[:] = 1
            outside[y0:y1, x0:x1] = 0
            values = frame * outside
            self._count += outside
            self._total += values
            self._squares += np.square(values, dtype=np.uint16)
        self._samples[index] = frame[::step_y, ::step_x]
        self._sampled[index] = outside[::step_y, ::step_x]

    def flicker(self) -> Series:
        """The clip's flicker, shared out among its frames.

        A frame's share is its influence on the standard deviation s of a pixel with mean m,
        ((x - m)^2 / s + s) / 2, so that steady frames add less than others and the mean over
        frames is the flicker.
        """
        none = np.zeros(len(self._samples))
        if not self._count.ndim or not (self._count >= 2).any():
            return Series(total=none, weight=none)
        deviation = self._deviation()
        total, weight = self._shares()
        if not total.any():  # the grid misses what little flicker or background there is
            weight = weight if weight.any() else none + 1
            return Series(total=weight * deviation, weight=weight)
        return Series(total=total * (deviation * weight.sum() / total.sum()), weight=weight)

    def _deviation(self) -> float:
        seen = self._count[..., 0] >= 2
        mean = self._total[seen] / self._count[seen]
        variance = np.maximum(self._squares[seen] / self._count[seen] - np.square(mean), 0)
        return float(np.sqrt(variance).mean())

    def _shares(self) -> tuple[Float64[np.ndarray, " frames"], Float64[np.ndarray, " frames"]]:
        count = self._sampled.sum(axis=0)
        weights = (self._sampled & (count >= 2)) / np.maximum(count, 1)
        mean = _weighted(self._samples, weights)
        squares = _weighted((np.square(s, dtype=np.float64) for s in self._samples), weights)
        deviation = np.sqrt(np.maximum(squares - mean**2, 0))
        total = np.zeros(len(self._samples))
        for index, values in enumerate(self._samples):
            apart = np.square(values - mean)
            quotient = np.divide(apart, deviation, out=np.zeros(apart.shape), where=deviation > 0)
            total[index] = (weights[index] * (quotient + deviation) / 2).mean()
        return total, weights.mean(axis=(1, 2, 3))


def _weighted(
    values: Iterable[np.ndarray], weights: Float64[np.ndarray, "frames rows columns 1"]
) -> Float64[np.ndarray, "rows columns 3"]:
    total = np.zeros((*weights.shape[1:3], 3))
    for value, weight in zip(values, weights, strict=True):
        total += weight * value
    return total


class ChangeJudge:
    """How much videos change from frame to frame, as a share of how much the real one does."""

    def __init__(
        self, methods: Sequence[str], *, real: str, persons: Regions | None = None
    ) -> None:
        """Compare each method's change with that of the frames called `real`.

        Args:
            persons: changes count in the smallest box around the person in both frames; None: in
                the whole frame.
        """
        self._names = (real, *methods)
        self._real, self._methods, self._persons = real, tuple(methods), persons
        self._previous: Mapping[str, UInt8[np.ndarray, "_ _ 3"]] = {}
        self._index = 0
        self._changes: dict[str, list[float]] = {name: [] for name in self._names}

    def see(self, frames: Mapping[str, UInt8[np.ndarray, "_ _ 3"]]) -> None:
        """Take the next frame of every video, by name."""
        box = self._box(frames[self._real].shape[:2]) if self._index else None
        for name in self._names:
            change = frame_change(self._previous[name], frames[name], box) if box else float("nan")
            self._changes[name].append(change)
        self._previous = frames
        self._index += 1

    def scores(self) -> dict[str, object]:
        """Method -> series; a frame's change is the one from the frame before it."""
        real = series_of(self._changes[self._real])
        return {
            method: Series(total=series_of(self._changes[method]).total, weight=real.total)
            for method in self._methods
        }

    def _box(self, size: tuple[int, ...]) -> Box | None:
        if self._persons is None:
            return 0, 0, size[1], size[0]
        boxes = [self._persons.at(index) for index in (self._index - 1, self._index)]
        if None in boxes:
            return None
        corners = np.array(boxes)
        x0, y0 = corners[:, :2].min(axis=0).tolist()
        x1, y1 = corners[:, 2:].max(axis=0).tolist()
        return x0, y0, x1, y1


def frame_change(
    first: UInt8[np.ndarray, "height width 3"],
    second: UInt8[np.ndarray, "height width 3"],
    box: Box,
) -> float:
    """Mean absolute change from one frame to the next in a box, in levels of 0 to 255."""
    x0, y0, x1, y1 = box
    before, after = (frame[y0:y1, x0:x1].astype(np.int16) for frame in (first, second))
    return float(np.abs(after - before).mean())
