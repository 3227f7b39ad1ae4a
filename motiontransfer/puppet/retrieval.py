"""Retrieval of references: which frame shows a body part most like a pose needs it.

A part is alike where its joints lie alike around their middle, and where the bone beside it points
the same way.
"""

import math

import cv2
import numpy as np
from jaxtyping import Bool, Complex128, Float64, Int64

from motiontransfer.puppet.appearance import Appearance
from motiontransfer.puppet.parts import (
    BodyPart,
    BodyPoses,
    Motion,
    body_parts,
    body_scales,
    half_neighbors,
    part_shapes,
)

_HIDDEN_PENALTY = 2.0  # of a reference that does not show the part at all, % of the body's height
_ENLARGING_PENALTY, _SHRINKING_PENALTY = 1.5, 0.5  # per factor e between the bodies' sizes
_DRAWN_RADIUS_PX = 8  # of a part's outline, to measure its area
_MISSING_PENALTY = 3.0  # per share of the joints that the reference lacks
_FITTED_SHARE = 0.5  # of a rigid part's distance, measured after the best similarity
_BLOCK_FRAMES = 16  # compared with all references at once


class References:
    """The poses of an appearance's reference frames, prepared for comparison."""

    def __init__(self, appearance: Appearance) -> None:
        self._appearance = appearance
        self.parts = body_parts(appearance.skeleton)
        self.poses = BodyPoses(appearance.skeleton, appearance.points, appearance.score)
        self.scales = body_scales(self.poses, appearance.full_lengths)
        self._shapes = [part_shapes(part, self.poses, self.scales) for part in self.parts]
        self._neighbors = {
            part.name: half_neighbors(part, self.poses, self.scales)
            for part in self.parts
            if part.neighbor is not None
        }
        self._penalties = self._hidden() * _HIDDEN_PENALTY

    def excluded(
        self, clip: int, num_frames: int, *, within: int
    ) -> Bool[np.ndarray, "frames references"]:
        """The references that are less than so many frames away from each frame of a clip."""
        clips, frames = self._appearance.frames.T
        return (clips == clip) & (np.abs(np.arange(num_frames)[:, None] - frames) < within)

    def _hidden(self) -> Float64[np.ndarray, "references parts"]:
        """Share of each part's outline that a reference does not show, compared with those that do.

        Measured against the outline in the same pose: a fist shows less than an open hand, and
        hides nothing.
        """
        shown = [
            [0 if patch is None else patch.area for patch in patches]
            for patches in self._appearance.patches
        ]
        radii_px = self._appearance.height_px * self.scales
        outlines = [
            [
                _outline_area(part, self.poses, index, radius_px=part.radius * radius_px)
                for part in self.parts
            ]
            for index, radius_px in enumerate(radii_px.tolist())
        ]
        share = np.array(shown) / np.maximum(outlines, 1)
        whole = np.quantile(share, 0.8, axis=0)
        return np.clip(1 - share / np.maximum(whole, 1e-6), 0, 1)

    def distances(
        self, number: int, poses: BodyPoses, scales: Float64[np.ndarray, " frames"]
    ) -> Float64[np.ndarray, "frames references"]:
        """How unlike a part looks, % of the body's height; infinite where no map can be fitted.

        Args:
            number: of the part.
        """
        part = self.parts[number]
        shape, found = part_shapes(part, poses, scales)
        of_reference, found_there = self._shapes[number]
        shared = np.zeros((len(shape), len(of_reference)), np.int64)
        square = np.zeros(shared.shape)
        for start in range(0, len(shape), _BLOCK_FRAMES):
            block = slice(start, start + _BLOCK_FRAMES)
            # Joints come first: a sum over them is quick, and the same for any number of frames.
            both = found[block].T[:, :, None] & found_there.T[:, None]
            shared[block] = both.sum(axis=0)
            square[block] = _square_distance(
                shape[block].T[:, :, None], of_reference.T[:, None], both, motion=part.motion
            )
        square /= np.maximum(shared, 1)
        if part.neighbor is not None:
            square += self._turned(part, poses, scales)
        distance = np.sqrt(square) / self._appearance.height_px * 100
        distance += _MISSING_PENALTY * (1 - shared / np.maximum(found.sum(axis=1)[:, None], 1))
        growth = np.log(scales[:, None] / self.scales)
        distance += np.maximum(_ENLARGING_PENALTY * growth, -_SHRINKING_PENALTY * growth)
        distance += self._penalties[:, number]
        return np.where((shared >= part.min_joints) & np.isfinite(distance), distance, np.inf)

    def _turned(
        self, part: BodyPart, poses: BodyPoses, scales: Float64[np.ndarray, " frames"]
    ) -> Float64[np.ndarray, "frames references"]:
        """Square of how far a part is turned around its own axis, by its neighbor, pixels²."""
        halves = half_neighbors(part, poses, scales)
        distance = np.abs(halves[:, None] - self._neighbors[part.name])
        missing = _MISSING_PENALTY / 100 * self._appearance.height_px
        return np.square(np.where(np.isnan(distance), missing, distance))


def _outline_area(part: BodyPart, poses: BodyPoses, index: int, *, radius_px: float) -> float:
    """Area within a radius of a part's bones in one frame, square pixels; 0 without any."""
    bones = [poses.joints(bone, index) for bone in part.bones]
    ends = np.array([points for points, found in bones if found.all()])
    if not len(ends):
        return 0.0
    zoom = _DRAWN_RADIUS_PX / radius_px
    two_heights = 2 * _DRAWN_RADIUS_PX / part.radius  # a joint farther away is a wrong detection
    ends = np.minimum(zoom * (ends - ends.min(axis=(0, 1))), two_heights)
    ends = (ends + 2 * _DRAWN_RADIUS_PX).round().astype(np.int32)
    width, height = ends.max(axis=(0, 1)) + 2 * _DRAWN_RADIUS_PX
    outline = np.zeros((height, width), np.uint8)
    if part.is_solid:
        cv2.fillConvexPoly(outline, cv2.convexHull(ends.reshape(-1, 2)), 1)
    for start, end in ends.tolist():
        cv2.line(outline, start, end, 1, 2 * _DRAWN_RADIUS_PX)
    return float(outline.sum()) / zoom**2


def _square_distance(
    pose: Complex128[np.ndarray, "joints frames 1"],
    reference: Complex128[np.ndarray, "joints 1 references"],
    both: Bool[np.ndarray, "joints frames references"],
    *,
    motion: Motion,
) -> Float64[np.ndarray, "frames references"]:
    """Sum of the joints' squared distances, around the middle of those that both have.

    A rigid part is rotated and resized when it is carried: part of the distance is measured after
    the similarity that fits best. With x + iy for a point, that is a complex factor.
    """
    count = np.maximum(both.sum(axis=0), 1)
    a, b = reference * both, pose * both
    a, b = a - a.sum(axis=0) / count * both, b - b.sum(axis=0) / count * both
    aa, bb = (np.square(np.abs(points)).sum(axis=0) for points in (a, b))
    ab = (b * a.conj()).sum(axis=0)
    square = aa + bb - 2 * ab.real
    if motion == "rigid":
        residual = bb - np.square(np.abs(ab)) / np.maximum(aa, 1e-9)
        square += _FITTED_SHARE * (residual - square)
    return np.maximum(square, 0)


def choose_with_hysteresis(
    distances: Float64[np.ndarray, "frames references"],
    current: int,
    hysteresis: tuple[float, float],
) -> Int64[np.ndarray, " frames"]:
    """The nearest reference, held while none is much nearer; -1 where all are infinitely far.

    Args:
        current: the reference of the frame before, or -1.
        hysteresis: share of the distance, and distance, by which another one has to be nearer.
    """
    share, least = hysteresis
    nearest = distances.argmin(axis=1)
    chosen = np.full(len(distances), -1)
    for frame, best in enumerate(nearest.tolist()):
        row = distances[frame]
        if not math.isfinite(row[best]):
            current = -1
        elif current < 0 or not row[current] * (1 - share) - least <= row[best]:
            current = best
        chosen[frame] = current
    return chosen
