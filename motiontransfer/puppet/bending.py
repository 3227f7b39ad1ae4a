"""Where the parts of references come to lie in a pose; around joints they bend, as skin does.

There a part passes into the one that it meets. A pixel's place in the reference is blended between
the maps of both (inverse skinning): the angle and the length around the joint, not the places,
whose mean narrows a limb that is bent by an angle to the cosine of its half.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Complex64, Float32, Float64

from motiontransfer.pose.time_series import Series
from motiontransfer.puppet.parts import BodyPart, BodyPoses, Map, part_map

Vector = Float64[np.ndarray, "2"]
_Places = Complex64[np.ndarray, "height width"]
"""x + iy."""

# Distance of a part's anchor from its place, % of the body's height, from which it is moved there,
# and at which it is there.
_ANCHORED = 1.0, 2.0
_CHIN = 0.4  # of the neck, from the ears downward: where it passes into the head
_FOLDED = 0.2  # least length of the sum of the directions to both sides of a joint
_TURNS = math.radians(70), math.radians(110)  # up to which a part bends fully, and at all
_REACH = 2.0, 4.0  # radii from the joint within which it bends fully, and at all
_LEAST = 0.05  # radii by which something must move
_CELLS = 2  # of the grid in which places are computed, in a radius
_BEYOND = 1.5  # radii by which a part may reach farther when it is bent


@dataclass(frozen=True, kw_only=True)
class Bend:
    """A joint of a part in an image. Maps lead from the image to the reference."""

    joint: complex
    across: complex
    """Unit vector towards the other part."""
    radius: float
    own: Map
    other: Map

    @property
    def turn(self) -> float:
        """Angle from the part's own map to the other's, -pi to pi."""
        own, other = (math.atan2(m[1, 0] - m[0, 1], m[0, 0] + m[1, 1]) for m in self._maps)
        return math.remainder(other - own, math.tau)

    @property
    def is_felt(self) -> bool:
        (a, b, _), (c, d, _) = self.own.tolist()
        size = max(math.sqrt(abs(a * d - b * c)), 1e-6)
        moves = float(np.abs(self.other - self.own)[:, :2].max()) + abs(self._apart) / self.radius
        return moves > _LEAST * size and abs(self.turn) < _TURNS[1]

    @property
    def _maps(self) -> tuple[Map, Map]:
        return self.own, self.other

    @property
    def _apart(self) -> complex:
        """From where the own map has the joint to where the other has it."""
        at = np.array([self.joint.real, self.joint.imag, 1])
        return complex(*((self.other - self.own) @ at))

    def shift(self, pixels: _Places) -> _Places:
        """What it adds to the places that the own map gives pixels."""
        offset, turn = pixels - np.complex64(self.joint), self.turn
        beyond = (offset * np.complex64(self.across.conjugate())).real / self.radius
        (whole, none), (straight, folded) = _REACH, _TURNS
        near = (none - np.abs(offset) / self.radius) / (none - whole)
        share = np.clip(beyond / 2 + 0.5, 0, 1) * np.clip(near, 0, 1)
        share *= min((folded - abs(turn)) / (folded - straight), 1)
        share = share * share * (3 - 2 * share)
        own, other = (_applied(m, offset) for m in self._maps)
        other *= np.exp(np.complex64(-1j * turn))  # in the own map's direction
        turned = np.exp(np.complex64(1j * turn) * share)
        return turned * (own + share * (other - own)) - own + share * self._apart


def _applied(matrix: Map, offset: _Places) -> _Places:
    """The linear part of a map, of x + iy."""
    (a, b, _), (c, d, _) = matrix.tolist()
    return offset.real * np.complex64(a + 1j * c) + offset.imag * np.complex64(b + 1j * d)


def bent_places(
    bends: Sequence[Bend], *, corner: Sequence[int], size: tuple[int, int]
) -> Float32[np.ndarray, "height width 2"]:
    """Places (x, y) in the reference of the pixels of a box; the bends are of one part.

    Args:
        corner: (x, y) of its first pixel.
        size: (width, height).
    """
    step = max(int(min(bend.radius for bend in bends) / _CELLS), 1)
    columns, rows = (math.ceil(side / step) + 2 for side in size)
    y, x = (np.indices((rows, columns), np.float32) - 0.5) * step - 0.5
    pixels = x + corner[0] + 1j * (y + corner[1])
    own = bends[0].own
    places = _applied(own, pixels) + np.complex64(complex(*own[:, 2]))
    for bend in bends:
        places += bend.shift(pixels)
    grid = places.view(np.float32).reshape(rows, columns, 2)
    enlarged = cv2.resize(grid, (step * columns, step * rows))
    return enlarged[step : step + size[1], step : step + size[0]]


class Placement:
    """Parts of references in one frame of a clip, as it is drawn."""

    def __init__(
        self,
        parts: Sequence[BodyPart],
        joints: Sequence[Sequence[tuple[int, str]]],
        references: BodyPoses,
        pose: BodyPoses,
        *,
        growth: Series,
        height_px: float,
        corner: Vector,
        rate: Vector,
    ) -> None:
        """Set what is drawn of the frame.

        Args:
            pose: that of the frame alone.
            joints: of each part that bends, see `joints_of`.
            growth: size of the body in the frame relative to each reference.
            height_px: of the upright body in the frame; it and the corner in pixels of references.
            corner: (x, y) of the first pixel drawn.
            rate: pixels drawn per pixel of the references, in x and in y.
        """
        self._parts, self._joints, self._references = parts, joints, references
        self._pose = pose
        self._growth, self._height_px, self._corner, self._rate = growth, height_px, corner, rate
        self._maps: dict[tuple[int, int], Map | None] = {}
        self._middles: dict[tuple[str, ...], complex | None] = {}

    def map_of(self, number: int, reference: int) -> Map | None:
        """Map by a part from what is drawn to a reference; None where they share few joints."""
        which = number, reference
        if which not in self._maps:
            matrix = self._map(self._parts[number], reference)
            self._maps[which] = None if matrix is None else self._inverse(matrix)
        return self._maps[which]

    def _map(self, part: BodyPart, reference: int) -> Map | None:
        a, b = self._shared(part.joints, reference)
        if len(a) < part.min_joints:
            return None
        matrix = part_map(part, a, b, scale=float(self._growth[reference]))
        if part.anchor is not None:
            a, b = self._shared((part.anchor,), reference)
            for off in b - a @ matrix[:, :2].T - matrix[:, 2]:
                low, high = _ANCHORED
                distance = 100 * math.hypot(*off) / self._height_px
                matrix[:, 2] += min(max((distance - low) / (high - low), 0), 1) * off
        return matrix

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
        return cv2.invertAffineTransform(np.column_stack([linear, self._drawn(matrix[:, 2])]))

    def bends(self, number: int, reference: int) -> list[Bend]:
        """Where a part passes into others, as its reference shows them."""
        part, own = self._parts[number], self.map_of(number, reference)
        bends = []
        for meeting, name in self._joints[number]:
            other = self.map_of(meeting, reference)
            where = self._joint(part, self._parts[meeting], name)
            if own is not None and other is not None and where is not None:
                joint, across = where
                radius = min(part.radius, self._parts[meeting].radius) * self._height_px
                radius *= float(self._rate.mean())
                bend = Bend(joint=joint, across=across, radius=radius, own=own, other=other)
                bends += [bend] if bend.is_felt else []
        return bends

    def _joint(self, part: BodyPart, other: BodyPart, name: str) -> tuple[complex, complex] | None:
        """Where a part meets another one, and the direction across."""
        joint, here, there = (self._middle(it) for it in ((name,), part.joints, other.joints))
        if joint is None or here is None or there is None or joint in (here, there):
            return None
        here -= joint
        # A rigid part lies straight ahead.
        there = -here if other.motion == "rigid" else there - joint
        across = there / abs(there) - here / abs(here)
        if abs(across) < _FOLDED:
            return None
        if other.anchor == name:
            joint += 2 * _CHIN * here  # to the middle of the neck are half of it
        return joint, across / abs(across)

    def _middle(self, names: tuple[str, ...]) -> complex | None:
        """Mean of the joints that were found."""
        if names not in self._middles:
            points, found = self._pose.joints(names, 0)
            mean = points[found].mean(axis=0, dtype=np.float64) if found.any() else None
            self._middles[names] = None if mean is None else complex(*self._drawn(mean))
        return self._middles[names]


def margin_px(bends: Sequence[Bend]) -> float:
    """How far beyond its own place a part may reach."""
    return _BEYOND * max((bend.radius for bend in bends), default=0.0)
