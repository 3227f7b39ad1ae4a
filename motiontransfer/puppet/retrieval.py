"""Retrieval: for each part of a pose, the reference that shows it most alike.

In the nearest reference the part's joints lie alike around their middle, the neighboring bone
points the same way, and nothing hides the part. Neighboring parts prefer one reference.

A limb may come from the other side, mirrored: a right arm in a pose in which only the left one was
filmed. Light and folds are on the wrong side then, so it counts as less alike. Trunk, neck and head
are never mirrored.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Complex128, Float, Float64, Int64, UInt8

from motiontransfer.pose.skeleton import mirrored
from motiontransfer.pose.time_series import Series
from motiontransfer.puppet.appearance import Appearance, Patch
from motiontransfer.puppet.parts import (
    BodyPart,
    BodyPoses,
    body_scales,
    half_neighbors,
    part_shapes,
)

Excluded = Bool[np.ndarray, "frames filmed_references"]
"""References that may not be used for a frame, as filmed or mirrored."""
Distances = Float64[np.ndarray, "frames references"]
Chosen = Int64[np.ndarray, " parts"]
"""Reference of each part, by its index; -1: the part is not drawn."""

# Penalties, % of the body's height, as the distance of the joints. Larger: a reference in another
# pose is taken instead.
_HIDDEN_PENALTY = 2.0  # of a reference that does not show the part at all: it would leave a hole
_MIRRORED_PENALTY = 2.0  # of a mirrored limb: light and folds are on the wrong side
_ENLARGING_PENALTY, _SHRINKING_PENALTY = 1.5, 0.5  # per factor e of size: enlarged it is blurred
_MISSING_PENALTY = 3.0  # of a reference without the part's joints: its pose is not known

# Share of a part that a reference shows.
_SHOWN_QUANTILE = 0.8  # over references: so much of its outline is shown of a part that none hides
_WHOLE_SHARE = 0.9  # of it, from which nothing is hidden: masks differ by a few percent
_DRAWN_RADIUS_PX = 8  # of an outline, to measure its area


@dataclass(frozen=True, slots=True)
class MirroredPatch:
    """A limb cut out of a reference frame, mirrored: the limb of the other side."""

    filmed: Patch
    frame_width: int

    @property
    def corner(self) -> tuple[int, int]:
        (x, y), (_, width) = self.filmed.corner, self.filmed.size
        return self.frame_width - x - width, y

    @property
    def pixels(self) -> UInt8[np.ndarray, "height width 4"]:
        return np.ascontiguousarray(self.filmed.pixels[:, ::-1])


class References:
    """Poses and patches of an appearance: as filmed, then mirrored."""

    def __init__(self, appearance: Appearance) -> None:
        """Prepare the comparison with poses."""
        self._appearance, self.parts = appearance, appearance.parts
        self._num_filmed = len(appearance.frames)
        number_of = {part.name: number for number, part in enumerate(self.parts)}
        others = [number_of[mirrored(part.name)] for part in self.parts]  # on the other side
        points, score, patches = _mirrored(appearance, others)
        self.poses = BodyPoses(
            appearance.skeleton,
            np.concatenate([appearance.points, points]),
            np.concatenate([appearance.score, score]),
        )
        self.scales = body_scales(self.poses, appearance.full_lengths)
        self.patches = [*appearance.patches, *patches]
        self._rows = [slice(None if part.is_limb else self._num_filmed) for part in self.parts]
        self._shapes = [
            part_shapes(part, self.poses[rows], self.scales[rows])
            for part, rows in zip(self.parts, self._rows, strict=True)
        ]
        self._neighbors = {
            part.name: half_neighbors(part, self.poses, self.scales)
            for part in self.parts
            if part.neighbor is not None
        }
        hidden = self._hidden() * _HIDDEN_PENALTY
        self._penalties = np.concatenate([hidden, hidden[:, others] + _MIRRORED_PENALTY])

    def excluded(self, clip: int, num_frames: int, *, within: int) -> Excluded:
        """The references that are less than so many frames away from each frame of a clip."""
        clips, frames = self._appearance.frames.T
        return (clips == clip) & (np.abs(np.arange(num_frames)[:, None] - frames) < within)

    def _hidden(self) -> Float64[np.ndarray, "filmed_references parts"]:
        """Share of each part that a reference does not show, compared with other references.

        A part is compared with its outline in the same pose: a fist shows less than an open hand,
        and hides nothing.
        """
        shown = [
            [0 if patch is None else patch.area for patch in patches]
            for patches in self._appearance.patches
        ]
        radii_px = self._appearance.height_px * self.scales[: self._num_filmed]
        outlines = [
            [
                _outline_area(part, self.poses, index, radius_px=part.radius * radius_px)
                for part in self.parts
            ]
            for index, radius_px in enumerate(radii_px.tolist())
        ]
        share = np.array(shown) / np.maximum(outlines, 1)
        whole = _WHOLE_SHARE * np.quantile(share, _SHOWN_QUANTILE, axis=0)
        return np.clip(1 - share / np.maximum(whole, 1e-6), 0, 1)

    def distances(
        self, poses: BodyPoses, scales: Series
    ) -> Float64[np.ndarray, "frames parts references"]:
        """How unlike each part looks, % of the body's height; infinite where no map can be fitted.

        Memory grows with frames times references times joints.
        """
        found = [self._distances(number, poses, scales) for number in range(len(self.parts))]
        return np.stack(found, axis=1)

    def _distances(self, number: int, poses: BodyPoses, scales: Series) -> Distances:
        part, rows = self.parts[number], self._rows[number]
        shape, found = part_shapes(part, poses, scales)
        reference_shape, reference_found = self._shapes[number]
        # Joints are the first axis, so that their sum is the same for any number of frames.
        both = found.T[:, :, None] & reference_found.T[:, None]
        shared = both.sum(axis=0)
        square = _square_distance(
            shape.T[:, :, None], reference_shape.T[:, None], both, fitted_share=part.fitted_share
        ) / np.maximum(shared, 1)
        if part.neighbor is not None:
            square += self._axial_rotation(part, poses, scales)
        distance = np.sqrt(square) / self._appearance.height_px * 100
        distance += _MISSING_PENALTY * (1 - shared / np.maximum(found.sum(axis=1)[:, None], 1))
        growth = np.log(scales[:, None] / self.scales[rows])
        distance += np.maximum(_ENLARGING_PENALTY * growth, -_SHRINKING_PENALTY * growth)
        distance += self._penalties[rows, number]
        distances = np.full((len(distance), len(self.poses)), np.inf)
        is_drawn = (shared >= part.min_joints) & np.isfinite(distance)
        distances[:, rows] = np.where(is_drawn, distance, np.inf)
        return distances

    def _axial_rotation(self, part: BodyPart, poses: BodyPoses, scales: Series) -> Distances:
        """Squared distance between the neighboring bones, by which the part is turned, pixels²."""
        halves = half_neighbors(part, poses, scales)
        distance = np.abs(halves[:, None] - self._neighbors[part.name])
        missing = _MISSING_PENALTY / 100 * self._appearance.height_px
        return np.square(np.where(np.isnan(distance), missing, distance))


def _mirrored(
    appearance: Appearance, others: Sequence[int]
) -> tuple[
    Float[np.ndarray, "references joints 2"],
    Float[np.ndarray, "references joints"],
    list[list[MirroredPatch | None]],
]:
    """Points, scores and patches of the references, mirrored.

    Args:
        others: number of each part's counterpart on the other side.
    """
    skeleton, width = appearance.skeleton, appearance.background.shape[1]
    joints = [skeleton.index(mirrored(joint)) for joint in skeleton.joints]
    points = np.array((width - 1, 0)) + np.array((-1, 1)) * appearance.points[:, joints]
    patches = [
        [None if (patch := row[other]) is None else MirroredPatch(patch, width) for other in others]
        for row in appearance.patches
    ]
    return points, appearance.score[:, joints], patches


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
    fitted_share: float,
) -> Distances:
    """Sum of the joints' squared distances, each pose around the middle of the shared joints.

    Args:
        fitted_share: weight of the distance after the similarity that fits best (Umeyama 1991),
            a complex factor of points x + iy.
    """
    count = np.maximum(both.sum(axis=0), 1)
    a, b = reference * both, pose * both
    a, b = a - a.sum(axis=0) / count * both, b - b.sum(axis=0) / count * both
    aa, bb = (np.square(np.abs(points)).sum(axis=0) for points in (a, b))
    ab = (b * a.conj()).sum(axis=0)
    square = aa + bb - 2 * ab.real
    if fitted_share:
        residual = bb - np.square(np.abs(ab)) / np.maximum(aa, 1e-9)
        square += fitted_share * (residual - square)
    return np.maximum(square, 0)


def choose_jointly(
    distances: Float64[np.ndarray, "parts references"],
    *,
    joined: Sequence[tuple[int, int]],
    seam: float,
) -> Chosen:
    """References of all parts of a frame with the least sum of distances and seams (min-sum).

    -1 where all references of a part are infinitely far; it has no seams.

    Args:
        joined: (part, parent) of a tree, from its leaves to its roots.
        seam: cost of joined parts from different references.
    """
    is_drawn = np.isfinite(distances).any(axis=1)
    drawn = np.flatnonzero(is_drawn).tolist()
    cost, nearest = distances.copy(), {}
    for part, parent in joined:
        if part in drawn and parent in drawn:
            nearest[part] = int(cost[part].argmin())
            cost[parent] += np.minimum(cost[part], cost[part, nearest[part]] + seam)
    chosen = np.where(is_drawn, cost.argmin(axis=1), -1)
    for part, parent in reversed(joined):
        if part in nearest:
            same = int(chosen[parent])
            is_seamless = cost[part, same] <= cost[part, nearest[part]] + seam
            chosen[part] = same if is_seamless else nearest[part]
    return chosen
