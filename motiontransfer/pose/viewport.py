"""Viewport: the part of each frame that the networks generate, which follows the person.

It is as small as the person allows: the networks' time is that of its pixels. It stays until the
person would leave it or has become much smaller, so that it does not jitter. Outside it, a frame is
the background image with the person's shadows.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int64

from motiontransfer.keypoints import Keypoints
from motiontransfer.pose.boxes import body_height_px, joint_boxes

_MARGIN = 0.06  # share of the body's height: hair, shoes, folds and the shadow at the feet
_GRID_PX = 2  # corners lie on it: half the resolution has the same viewports

Boxes = Int64[np.ndarray, "boxes 4"]
"""x0, y0, x1, y1; pixels, half-open, inside the image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewport:
    """How the viewport follows the person."""

    margin_px: float
    """Least distance of a joint from an edge that is not the image's."""
    multiple_of: int
    """Side lengths are multiples of this, at least twice it, or the image's. Pixels."""


def fit_viewport(clips: Sequence[Keypoints], *, multiple_of: int) -> Viewport:
    """The viewport of a person; `multiple_of` is the networks' stride, pixels."""
    height_px = max(body_height_px(keypoints) for keypoints in clips)
    return Viewport(margin_px=_MARGIN * height_px, multiple_of=multiple_of)


class ViewportFollower:
    """Places the viewport in a clip's frames as they arrive, in batches of any size. Causal."""

    def __init__(self, viewport: Viewport, *, image_size: tuple[int, int]) -> None:
        self._viewport, self._image_size = viewport, image_size
        self._sides = [(0, length) for length in reversed(image_size)]  # start and stop along x, y

    def place(
        self,
        points: Float[np.ndarray, "frames joints 2"],
        score: Float[np.ndarray, "frames joints"],
    ) -> Boxes:
        """Boxes in the next frames; where no person is detected, the viewport stays."""
        boxes = np.zeros((len(points), 4), np.int64)
        people = person_boxes(self._viewport, points, score, image_size=self._image_size)
        for box, person in zip(boxes, people.tolist(), strict=True):
            for axis, image_length in enumerate(reversed(self._image_size)):
                span = (person[axis], person[axis + 2])
                side = _hold(self._sides[axis], span, self._viewport, image_length)
                self._sides[axis] = box[axis], box[axis + 2] = side
        return boxes


def person_boxes(
    viewport: Viewport,
    points: Float[np.ndarray, "frames joints 2"],
    score: Float[np.ndarray, "frames joints"],
    *,
    image_size: tuple[int, int],
) -> Float64[np.ndarray, "frames 4"]:
    """Box around each frame's joints with the margin, inside the image; NaN where it has none."""
    boxes = joint_boxes(points, score) + viewport.margin_px * np.array([-1, -1, 1, 1])
    boxes = np.clip(boxes, 0, [*image_size[::-1]] * 2)
    return np.where((score > 0).any(axis=1, keepdims=True), boxes, np.nan)


def equal_viewports(
    viewport: Viewport, people: Float64[np.ndarray, "boxes 4"], *, image_size: tuple[int, int]
) -> Boxes:
    """Viewports of one size, the smallest that hold a person's box each."""
    sides = []
    for axis in range(2):
        spans, image_length = people[:, [axis, axis + 2]], image_size[1 - axis]
        length = max(_length(high - low, viewport, image_length) for low, high in spans.tolist())
        starts = np.array([_start(*span, length, image_length) for span in spans.tolist()])
        sides.append(np.stack([starts, starts + length], axis=1))
    return np.stack(sides, axis=2).reshape(-1, 4)


def _hold(
    side: tuple[int, int], span: tuple[float, float], viewport: Viewport, image_length: int
) -> tuple[int, int]:
    """Start and stop along one axis, after those before; a span of NaN has nobody in it."""
    (start, stop), (low, high) = side, span
    if math.isnan(low):
        return side
    length = _length(high - low, viewport, image_length)
    holds = start <= low and high <= stop
    if holds and stop - start <= length + viewport.multiple_of:
        return side
    start = _start(low, high, length, image_length)
    return start, start + length


def _length(extent: float, viewport: Viewport, image_length: int) -> int:
    """Smallest side that holds an extent wherever its start is rounded to."""
    multiple = viewport.multiple_of
    num_multiples = max(math.ceil((extent + _GRID_PX) / multiple), 2)
    return min(num_multiples * multiple, image_length)


def _start(low: float, high: float, length: int, image_length: int) -> int:
    """Start of the side that has the span in its middle, as far as the image allows."""
    start = min(max((low + high - length) / 2, 0.0), image_length - length)
    return _GRID_PX * math.floor(start / _GRID_PX)
