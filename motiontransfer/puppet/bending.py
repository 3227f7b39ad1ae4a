"""Bending of body parts at joints: inverse skinning between the affine maps of parts that meet.

Near a joint, a pixel's place in the reference is blended between the maps of both parts: the angle
and the length around the joint. A mean of the places would narrow a limb that is bent by an angle
to the cosine of half of it.
"""

import cmath
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Complex64, Float32, Float64

from motiontransfer.pose.time_series import Series
from motiontransfer.puppet.parts import BodyPart, BodyPoses, Linear, Map, part_map

Vector = Float64[np.ndarray, "2"]
_Places = Complex64[np.ndarray, "height width"]
"""x + iy."""
_Weights = Float32[np.ndarray, "height width"]
_Factors = tuple[complex, complex, complex]
"""p, q and r of the affine map z -> p z + q conj(z) + r, of z = x + iy."""

# A part's anchor.
_ANCHOR_RANGE = 1.0, 2.0
"""Distance of the anchor from its place, % of the body's height, from which the part is moved, and
at which it is moved half of the way: a face is as wrong behind its place as ears before theirs."""

# Where a part bends.
_FULL_REACH, _REACH = 2.0, 4.0  # radii from the joint: it bends fully, and at all
_FULL_TURN, _LARGEST_TURN = math.radians(70), math.radians(110)  # farther, parts lie on each other
_SMALLEST_CHANGE = 0.05  # radii by which something must move; less is not seen
_LARGEST_SHIFT = 0.5  # radii by which torso and limb move to meet: in profile it is kept wide
_NEAR = 1.0  # radii from a joint within which its bend has most of what it shares with others
_SMALLEST_SUM = 0.2  # of the unit vectors from a joint to both parts; shorter: it is folded
_CHIN = 0.4  # share of the neck, from the ears downward, where it passes into the head

# Grid of places.
_CELLS_PER_RADIUS = 2  # between them places are interpolated
_LARGEST_EXTENT = 1.5  # radii by which a part may reach farther when it is bent


@dataclass(frozen=True, kw_only=True)
class Bend:
    """A joint of a part in an image, at which it passes into a neighbor.

    Maps lead from the image to the reference.
    """

    joint: complex
    across: complex
    """Unit vector towards the neighbor."""
    radius: float
    own: Map
    neighbor: Map

    @cached_property
    def _own(self) -> _Factors:
        return _factors(self.own)

    @cached_property
    def _difference(self) -> _Factors:
        """Difference between the neighbor's map and the part's own, as an affine map."""
        return _factors(self.neighbor - self.own)

    @cached_property
    def turn(self) -> float:
        """Angle from the part's own map to the neighbor's, -pi to pi."""
        own, difference = self._own[0], self._difference[0]
        return cmath.phase((own + difference) * own.conjugate())

    def of_own_size(self) -> "Bend":
        """The same bend into a neighbor of the part's own width and length."""
        cosine, sine = math.cos(self.turn), math.sin(self.turn)
        return self._into(np.array([(cosine, -sine), (sine, cosine)]) @ self.own[:, :2], 1.0)

    def held_together(self) -> "Bend":
        """The same bend into a neighbor that has the joint near to where the part has it."""
        apart = abs(self._joint_shift) / (self.radius * self._size)
        return self._into(self.neighbor[:, :2], min(_LARGEST_SHIFT / max(apart, 1e-6), 1.0))

    def _into(self, linear: Linear, share: float) -> "Bend":
        """The bend into another neighbor, with a share of the joint's shift."""
        joint = np.array([self.joint.real, self.joint.imag])
        shift = share * self._joint_shift
        moved = (self.own[:, :2] - linear) @ joint + self.own[:, 2] + (shift.real, shift.imag)
        return replace(self, neighbor=np.column_stack([linear, moved]))

    @cached_property
    def _size(self) -> float:
        """Pixels of the reference per pixel of the image."""
        p, q, _ = self._own
        return max(math.sqrt(abs(abs(p) ** 2 - abs(q) ** 2)), 1e-6)

    @property
    def is_seen(self) -> bool:
        """Whether the part moves enough, and not so far that it would not bend at all."""
        p, q, _ = self._difference
        moves = max(abs(p.real) + abs(q.real), abs(p.imag) + abs(q.imag))  # of its linear part
        moves += abs(self._joint_shift) / self.radius
        return moves > _SMALLEST_CHANGE * self._size and abs(self.turn) < _LARGEST_TURN

    @cached_property
    def _joint_shift(self) -> complex:
        """Where the neighbor's map has the joint, less where the own map has it."""
        p, q, moved = self._difference
        return p * self.joint + q * self.joint.conjugate() + moved

    def shift(self, pixels: _Places, weight: _Weights) -> _Places:
        """Shift of the pixels' places in the reference from those of the own map.

        Args:
            weight: of the neighbor's map.
        """
        offset = pixels - self.joint
        (p, q, _), (change_p, change_q, _) = self._own, self._difference
        back = cmath.exp(-1j * self.turn)  # to the own map's direction
        mirrored = offset.conj()
        own = p * offset + q * mirrored
        change = ((p + change_p) * back - p) * offset + ((q + change_q) * back - q) * mirrored
        turned = _directions(self.turn * weight)
        return turned * (own + weight * change) - own + weight * self._joint_shift

    def weight(self, pixels: _Places) -> _Weights:
        """Weight of the neighbor's map: 0 inside the part, 1/2 on the line through the joint."""
        offset = pixels - self.joint
        beyond = (offset * (self.across.conjugate() / (2 * self.radius))).real + 0.5
        near = (_REACH - np.abs(offset) / self.radius) / (_REACH - _FULL_REACH)
        weight = _clipped(beyond) * _clipped(near)
        weight *= min((_LARGEST_TURN - abs(self.turn)) / (_LARGEST_TURN - _FULL_TURN), 1)
        weight *= weight * (3 - 2 * weight)
        return weight


def _factors(matrix: Map) -> _Factors:
    (a, b, x), (c, d, y) = matrix.tolist()
    return complex(a + d, c - b) / 2, complex(a - d, c + b) / 2, complex(x, y)


def _directions(angles: _Weights) -> _Places:
    """Unit vectors."""
    vectors = np.empty(angles.shape, np.complex64)
    vectors.real, vectors.imag = np.cos(angles), np.sin(angles)
    return vectors


def _clipped(weight: _Weights) -> _Weights:
    return np.minimum(np.maximum(weight, 0), 1)


def sampling_grid(
    bends: Sequence[Bend],
    *,
    corner: Sequence[int],
    size: tuple[int, int],
    patch_size: tuple[int, int],
    origin: complex = 0j,
    shrink: float = 1.0,
) -> tuple[Float32[np.ndarray, "height width 2"], tuple[int, int]]:
    """Where (x, y) pixels of a box are sampled in the reference's patch.

    Rows and columns at the box's sides that lie beside the patch are left out.

    Args:
        bends: of one part.
        corner: (x, y) of the box's first pixel.
        size: (width, height).
        patch_size: (height, width).
        origin: x + iy in the reference from which places are counted.
        shrink: factor by which the reference was made smaller; below 1, larger.

    Returns:
        The places, and the (x, y) in the box of the first of them.
    """
    step = max(int(min(bend.radius for bend in bends) / _CELLS_PER_RADIUS), 1)
    columns, rows = (math.ceil(side / step) + 2 for side in size)
    x, y = (
        (np.arange(number, dtype=np.float32) - 0.5) * step + (first - 0.5)
        for number, first in zip((columns, rows), corner, strict=True)
    )
    pixels = x + 1j * y[:, None]
    p, q, moved = _factors(bends[0].own)
    places = p * pixels + q * pixels.conj() + (moved - origin)
    for bend, weight in zip(bends, _shared_weights(bends, pixels), strict=True):
        places += bend.shift(pixels, weight)
    places /= shrink
    grid = places.view(np.float32).reshape(rows, columns, 2)
    cells = _cells_in(grid, patch_size)
    around = grid[tuple(slice(along.start, along.stop + 1) for along in cells)]
    enlarged = cv2.resize(around, (step * around.shape[1], step * around.shape[0]))
    # The first pixel is the second cell's, half a cell behind its corner in the grid.
    starts = [max((along.start - 1) * step + step // 2, 0) for along in cells]
    stops = [
        min((along.stop - 1) * step + (step + 1) // 2, side)
        for along, side in zip(cells, reversed(size), strict=True)
    ]
    inner = tuple(
        slice(start + (1 - along.start) * step, stop + (1 - along.start) * step)
        for along, start, stop in zip(cells, starts, stops, strict=True)
    )
    return enlarged[inner], (starts[1], starts[0])


def _shared_weights(
    bends: Sequence[Bend], pixels: _Places
) -> Float32[np.ndarray, "bends height width"]:
    """Weight of each bend: where several overlap, each has a share that grows near its joint.

    In profile both hips are one place: the sum of two opposite turns would widen the body.
    """
    weights = np.stack([bend.weight(pixels) for bend in bends])
    distances = np.stack([np.abs(pixels - bend.joint) / bend.radius for bend in bends])
    shares = weights / (np.square(distances) + _NEAR**2)
    return weights * shares / np.maximum(shares.sum(axis=0), 1e-9)


def _cells_in(
    grid: Float32[np.ndarray, "rows columns 2"], patch_size: tuple[int, int]
) -> tuple[slice, slice]:
    """Rows and columns of a grid's cells of which some may lie in a patch; one at least."""
    pairs = np.stack([grid[:-1], grid[1:]])
    corners = np.concatenate([pairs[:, :, :-1], pairs[:, :, 1:]])
    low, high = corners.min(axis=0), corners.max(axis=0)
    is_in = np.all((high > -1) & (low < patch_size[::-1]), axis=2)
    if not is_in.any():
        return slice(0, 1), slice(0, 1)
    found = (np.flatnonzero(is_in.any(axis=axis)) for axis in (1, 0))
    rows, columns = (slice(int(along[0]), int(along[-1]) + 1) for along in found)
    return rows, columns


class DrawnBox(NamedTuple):
    """What is drawn of a frame."""

    corner: Vector
    """(x, y) of the first pixel drawn, in pixels of the references."""
    rate: Vector
    """Pixels drawn per pixel of the references, in x and in y."""


class Placement:
    """Parts of references in one frame of a clip, as it is drawn."""

    def __init__(
        self,
        parts: Sequence[BodyPart],
        joints: Sequence[Sequence[tuple[int, str]]],
        references: BodyPoses,
        pose: BodyPoses,
        *,
        chosen: Sequence[int],
        growth: Series,
        height_px: float,
        drawn: DrawnBox,
    ) -> None:
        """Set what is drawn of the frame.

        Args:
            pose: that of the frame alone.
            joints: of each part that bends, see `meeting_joints`.
            chosen: reference of each part; -1: none.
            growth: size of the body in the frame relative to each reference.
            height_px: of the upright body in the frame, in pixels of the references.
        """
        self._parts, self._joints, self._references = parts, joints, references
        self._pose, self._chosen = pose, chosen
        self._growth, self._height_px = growth, height_px
        self._corner, self._rate = drawn
        self._pixels_per_radius = height_px * float(drawn.rate.mean())
        """Pixels drawn, of a part whose radius is the body's height."""
        self._maps: dict[tuple[int, int], Map | None] = {}
        self._middles: dict[tuple[str, ...], complex | None] = {}

    def map_of(self, number: int, reference: int) -> Map | None:
        """Map by a part from what is drawn to a reference; None where they share few joints."""
        key = number, reference
        if key not in self._maps:
            matrix = self._map(self._parts[number], reference)
            self._maps[key] = None if matrix is None else self._inverse(matrix)
        return self._maps[key]

    def _map(self, part: BodyPart, reference: int) -> Map | None:
        a, b = self._shared(part.joints, reference)
        if len(a) < part.min_joints:
            return None
        matrix = part_map(part, a, b, scale=float(self._growth[reference]))
        if part.is_hand:
            return self._at_forearm(matrix, part, reference)
        return matrix if part.anchor is None else self._anchored(matrix, part.anchor, reference)

    def _at_forearm(self, matrix: Map, hand: BodyPart, reference: int) -> Map:
        """The map of a hand, moved until its wrist is at most a hand's width from its forearm's."""
        wrist = hand.joints[:1]
        for forearm, of_forearm in zip(self._parts, self._chosen, strict=True):
            if forearm.is_forearm and wrist[0] in forearm.ends and of_forearm >= 0:
                own, own_found = self._references.joints(wrist, reference)
                end, end_found = self._references.joints(wrist, of_forearm)
                arm = self._map(forearm, of_forearm)
                if arm is None or not (own_found & end_found).all():
                    continue
                away = arm[:, :2] @ end[0] + arm[:, 2] - matrix[:, :2] @ own[0] - matrix[:, 2]
                width = 2 * hand.radius * self._height_px
                share = max(1 - width / max(math.hypot(*away), 1e-6), 0.0)
                return np.column_stack([matrix[:, :2], matrix[:, 2] + share * away])
        return matrix

    def _anchored(self, matrix: Map, anchor: str, reference: int) -> Map:
        """The map of a head, moved towards the frame's ears."""
        a, b = self._shared((anchor,), reference)
        if not len(a):
            return matrix
        moved = b[0] - matrix[:, :2] @ a[0] - matrix[:, 2]
        low, high = _ANCHOR_RANGE
        away = 100 * math.hypot(*moved) / self._height_px
        share = min(max((away - low) / (high - low), 0.0), 1.0) / 2
        return np.column_stack([matrix[:, :2], matrix[:, 2] + share * moved])

    def _shared(
        self, names: tuple[str, ...], reference: int
    ) -> tuple[Float32[np.ndarray, "joints 2"], Float32[np.ndarray, "joints 2"]]:
        """Joints that were found both in a reference and in the frame."""
        a, has_a = self._references.joints(names, reference)
        b, has_b = self._pose.joints(names, 0)
        return a[has_a & has_b], b[has_a & has_b]

    def _drawn(self, point: Vector) -> Vector:
        return (point - self._corner + 0.5) * self._rate - 0.5

    def _inverse(self, matrix: Map) -> Map:
        linear = self._rate[:, None] * matrix[:, :2]
        moved = self._drawn(matrix[:, 2])[:, None]
        return cv2.invertAffineTransform(np.concatenate([linear, moved], axis=1))

    def bends(self, number: int, reference: int) -> list[Bend]:
        """Where a part passes into others, as its reference shows them."""
        part, own = self._parts[number], self.map_of(number, reference)
        bends = []
        for other, name in self._joints[number]:
            neighbor = self.map_of(other, reference)
            where = self._joint(part, self._parts[other], name)
            if own is not None and neighbor is not None and where is not None:
                joint, across = where
                radius = min(part.radius, self._parts[other].radius) * self._pixels_per_radius
                bend = Bend(joint=joint, across=across, radius=radius, own=own, neighbor=neighbor)
                bend = bend.held_together()
                if part.motion == "affine":  # in profile it is narrowed, and a limb is not
                    bend = bend.of_own_size()
                if bend.is_seen:
                    bends.append(bend)
        return bends

    def _joint(self, part: BodyPart, other: BodyPart, name: str) -> tuple[complex, complex] | None:
        """Where a part meets another one, and the direction across."""
        joint, middle, beyond = map(self._middle, ((name,), part.joints, other.joints))
        if joint is None or middle is None or beyond is None or joint in (middle, beyond):
            return None
        inward = middle - joint
        # A rigid part lies straight ahead.
        outward = -inward if other.motion == "rigid" else beyond - joint
        across = outward / abs(outward) - inward / abs(inward)
        if abs(across) < _SMALLEST_SUM:
            return None
        if other.anchor == name:
            joint += 2 * _CHIN * inward  # twice that vector is the whole neck
        return joint, across / abs(across)

    def _middle(self, names: tuple[str, ...]) -> complex | None:
        """Mean of the joints that were found."""
        if names not in self._middles:
            points, found = self._pose.joints(names, 0)
            number = np.count_nonzero(found)
            total = points[found].sum(axis=0, dtype=np.float64)
            self._middles[names] = complex(*self._drawn(total / number)) if number else None
        return self._middles[names]


def margin_px(bends: Sequence[Bend]) -> float:
    """Pixels by which a part may reach farther than its own map says."""
    return _LARGEST_EXTENT * max((bend.radius for bend in bends), default=0.0)
