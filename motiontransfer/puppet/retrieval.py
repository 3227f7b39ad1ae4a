"""Retrieval of references: which frame shows a body part most like a pose needs it.

A part is alike where its joints lie alike around their middle, and where the bone beside it points
the same way.
"""

from collections.abc import Sequence

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
_WHOLE_SHARE = 0.9  # of what others show: masks of the same part differ by a few percent
_ENLARGING_PENALTY, _SHRINKING_PENALTY = 1.5, 0.5  # per factor e between the bodies' sizes
_DRAWN_RADIUS_PX = 8  # of a part's outline, to measure its area
_MISSING_PENALTY = 3.0  # per share of the joints that the reference lacks
_FITTED_SHARE = 0.5  # of a rigid part's distance, measured after the best similarity


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
        whole = _WHOLE_SHARE * np.quantile(share, 0.8, axis=0)
        return np.clip(1 - share / np.maximum(whole, 1e-6), 0, 1)

    def distances(
        self, poses: BodyPoses, scales: Float64[np.ndarray, " frames"]
    ) -> Float64[np.ndarray, "frames parts references"]:
        """How unlike each part looks, % of the body's height; infinite where no map can be fitted.

        Memory grows with frames times references times joints.
        """
        found = [self._distances(number, poses, scales) for number in range(len(self.parts))]
        return np.stack(found, axis=1)

    def _distances(
        self, number: int, poses: BodyPoses, scales: Float64[np.ndarray, " frames"]
    ) -> Float64[np.ndarray, "frames references"]:
        part = self.parts[number]
        shape, found = part_shapes(part, poses, scales)
        of_reference, found_there = self._shapes[number]
        # Joints come first: a sum over them is quick, and the same for any number of frames.
        both = found.T[:, :, None] & found_there.T[:, None]
        shared = both.sum(axis=0)
        square = _square_distance(
            shape.T[:, :, None], of_reference.T[:, None], both, motion=part.motion
        ) / np.maximum(shared, 1)
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


def choose_jointly(
    distances: Float64[np.ndarray, "parts references"],
    *,
    joined: Sequence[tuple[int, int]],
    seam: float,
) -> Int64[np.ndarray, " parts"]:
    """References of all parts of a frame with the least sum of distances and seams, by min-sum.

    -1 where all references of a part are infinitely far; it asks nothing of its neighbors.

    Args:
        joined: (part, part nearer to the root) of a tree, from its leaves to its roots.
        seam: what it costs that joined parts come from different references.
    """
    is_drawn = np.isfinite(distances).any(axis=1)
    drawn = np.flatnonzero(is_drawn).tolist()
    cost, nearest = distances.copy(), {}
    for part, root in joined:
        if part in drawn and root in drawn:
            nearest[part] = int(cost[part].argmin())
            cost[root] += np.minimum(cost[part], cost[part, nearest[part]] + seam)
    chosen = np.where(is_drawn, cost.argmin(axis=1), -1)
    for part, root in reversed(joined):
        if part in nearest:
            same = int(chosen[root])
            is_seamless = cost[part, same] <= cost[part, nearest[part]] + seam
            chosen[part] = same if is_seamless else nearest[part]
    return chosen
