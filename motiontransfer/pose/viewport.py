"""Viewport: the part of each frame that the networks generate, which follows the person.

It keeps its place until the person would leave it, and then moves by the least multiple of the
networks' stride: neither place nor size jitters. Outside it, a frame is the background image.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

from motiontransfer.keypoints import Keypoints
from motiontransfer.pose.boxes import body_height_px, joint_boxes

_MARGIN = 0.06  # of the body's height: hair, shoes, folds and the shadow at the feet
_QUANTILE = 0.98  # of the training frames whose person fits; in the others the edge is cut off


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewport:
    """Size of the viewport and the margin that it keeps around the joints."""

    size: tuple[int, int]
    """(height, width), pixels."""

    margin_px: float
    """Least distance of a joint from an edge that is not the image's."""

    multiple_of: int
    """Of its sides, and of its moves, pixels; a side may also be the image's."""


def fit_viewport(clips: Sequence[Keypoints], *, multiple_of: int) -> Viewport:
    """Smallest viewport that holds the person in nearly all frames of the clips.

    Args:
        clips: poses in images of one size.
        multiple_of: stride of the networks, pixels.
    """
    margin_px = _MARGIN * max(body_height_px(keypoints) for keypoints in clips)
    image_size = clips[0].image_size
    extents = []
    for keypoints in clips:
        boxes, found = _padded_boxes(
            keypoints.points, keypoints.score, margin_px=margin_px, image_size=image_size
        )
        extents.append((boxes[:, 2:] - boxes[:, :2])[found])
    width, height = np.quantile(np.concatenate(extents), _QUANTILE, axis=0)
    return Viewport(
        size=(
            _holding(height, multiple_of, image_size[0]),
            _holding(width, multiple_of, image_size[1]),
        ),
        margin_px=margin_px,
        multiple_of=multiple_of,
    )


def place_viewport(
    viewport: Viewport,
    points: Float[np.ndarray, "frames joints 2"],
    score: Float[np.ndarray, "frames joints"],
    *,
    image_size: tuple[int, int],
) -> Int64[np.ndarray, "frames 4"]:
    """Box x0, y0, x1, y1 of the viewport in each frame: pixels, half-open, inside the image.

    Causal. A person who is larger than the viewport enlarges it in that frame; where none is
    detected it stays.
    """
    boxes, found = _padded_boxes(points, score, margin_px=viewport.margin_px, image_size=image_size)
    sides = [
        _place(
            boxes[:, [axis, axis + 2]],
            found,
            length=viewport.size[1 - axis],
            multiple_of=viewport.multiple_of,
            image_length=image_size[1 - axis],
        )
        for axis in range(2)
    ]
    return np.stack(sides, axis=2).reshape(-1, 4)


def _padded_boxes(
    points: Float[np.ndarray, "frames joints 2"],
    score: Float[np.ndarray, "frames joints"],
    *,
    margin_px: float,
    image_size: tuple[int, int],
) -> tuple[Float64[np.ndarray, "frames 4"], Bool[np.ndarray, " frames"]]:
    """Box around each frame's joints with the margin, inside the image; and where it has joints."""
    boxes = joint_boxes(points, score) + margin_px * np.array([-1, -1, 1, 1])
    return np.clip(boxes, 0, [*image_size[::-1]] * 2), (score > 0).sum(axis=1) > 0


def _place(
    spans: Float64[np.ndarray, "frames 2"],
    found: Bool[np.ndarray, " frames"],
    *,
    length: int,
    multiple_of: int,
    image_length: int,
) -> Int64[np.ndarray, "frames 2"]:
    """Start and stop along one axis, which hold the person's span."""
    placed = np.zeros(spans.shape, np.int64)
    low, high = spans[found.argmax()].tolist() if found.any() else (0.0, float(image_length))
    start = (low + high - length) / 2
    for frame, (low, high) in enumerate(spans.tolist()):
        needed = length
        if found[frame]:
            needed = max(length, _holding(high - low, multiple_of, image_length))
            start = min(max(start, _up(high - needed, multiple_of)), low)
        start = max(-_up(-start, multiple_of), 0.0)
        placed[frame, 0] = min(start, image_length - needed)
        placed[frame, 1] = placed[frame, 0] + needed
    return placed


def _holding(extent: float, multiple_of: int, image_length: int) -> int:
    """Length that holds an extent wherever it lies between two multiples."""
    return min(int(_up(extent + multiple_of - 1, multiple_of)), image_length)


def _up(value: float, multiple_of: int) -> float:
    """Round up to a multiple."""
    return float(math.ceil(value / multiple_of) * multiple_of)
