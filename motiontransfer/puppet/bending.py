"""Where the parts of references come to lie in a pose; around joints they bend, as skin does.

There a part passes into the one that it meets. A pixel's place in the reference is blended between
the maps of both (inverse skinning): the angle and the length around the joint, not the places,
whose mean narrows a limb that is bent by an angle to the cosine of its half.
"""

import cmath
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from jaxtyping import Complex64, Float32, Float64

from motiontransfer.pose.time_series import Series
from motiontransfer.puppet.parts import BodyPart, BodyPoses, Map, part_map

Vector = Float64[np.ndarray, "2"]
_Places = Complex64[np.ndarray, "height width"]
"""x + iy."""
_Shares = Float32[np.ndarray, "height width"]
_Factors = tuple[complex, complex, complex]
"""p, q and r of the affine map z -> p z + q conj(z) + r, of z = x + iy."""

# Distance of a part's anchor from its place, % of the body's height, from which it is moved, and
# at which it is moved half of the way: a face is as wrong behind its place as ears before theirs.
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

    @cached_property
    def _own(self) -> _Factors:
        return _factors(self.own)

    @cached_property
    def _change(self) -> _Factors:
        """What is added to the own map to have the other."""
        return _factors(self.other - self.own)

    @cached_property
    def turn(self) -> float:
        """Angle from the part's own map to the other's, -pi to pi."""
        own, change = self._own[0], self._change[0]
        return cmath.phase((own + change) * own.conjugate())

    @property
    def is_felt(self) -> bool:
        p, q, _ = self._own
        size = max(math.sqrt(abs(abs(p) ** 2 - abs(q) ** 2)), 1e-6)
        p, q, _ = self._change
        moves = max(abs(p.real) + abs(q.real), abs(p.imag) + abs(q.imag))  # of its linear part
        moves += abs(self._apart) / self.radius
        return moves > _LEAST * size and abs(self.turn) < _TURNS[1]

    @cached_property
    def _apart(self) -> complex:
        """From where the own map has the joint to where the other has it."""
        p, q, moved = self._change
        return p * self.joint + q * self.joint.conjugate() + moved

    def shift(self, pixels: _Places) -> _Places:
        """What it adds to the places that the own map gives pixels."""
        offset, turn = pixels - self.joint, self.turn
        (whole, none), (straight, folded) = _REACH, _TURNS
        beyond = (offset * (self.across.conjugate() / (2 * self.radius))).real + 0.5
        near = (none - np.abs(offset) / self.radius) / (none - whole)
        share = _clipped(beyond) * _clipped(near)
        share *= min((folded - abs(turn)) / (folded - straight), 1)
        share *= share * (3 - 2 * share)
        (p, q, _), (of_p, of_q, _) = self._own, self._change
        back = cmath.exp(-1j * turn)  # to the own map's direction
        mirrored = offset.conj()
        own = p * offset + q * mirrored
        change = ((p + of_p) * back - p) * offset + ((q + of_q) * back - q) * mirrored
        turned = _directions(turn * share)
        return turned * (own + share * change) - own + share * self._apart


def _factors(matrix: Map) -> _Factors:
    (a, b, x), (c, d, y) = matrix.tolist()
    return complex(a + d, c - b) / 2, complex(a - d, c + b) / 2, complex(x, y)


def _directions(angles: _Shares) -> _Places:
    """Unit vectors; their sines and cosines are computed faster than a complex exponential."""
    vectors = np.empty(angles.shape, np.complex64)
    vectors.real, vectors.imag = np.cos(angles), np.sin(angles)
    return vectors


def _clipped(share: _Shares) -> _Shares:
    return np.minimum(np.maximum(share, 0), 1)


def bent_places(
    bends: Sequence[Bend],
    *,
    corner: Sequence[int],
    size: tuple[int, int],
    origin: complex = 0j,
    shrink: int = 1,
) -> Float32[np.ndarray, "height width 2"]:
    """Places (x, y) in the reference of the pixels of a box; the bends are of one part.

    Args:
        corner: (x, y) of its first pixel.
        size: (width, height).
        origin: x + iy in the reference from which places are counted.
        shrink: factor by which the reference was made smaller.
    """
    step = max(int(min(bend.radius for bend in bends) / _CELLS), 1)
    columns, rows = (math.ceil(side / step) + 2 for side in size)
    x, y = (
        (np.arange(number, dtype=np.float32) - 0.5) * step + (first - 0.5)
        for number, first in zip((columns, rows), corner, strict=True)
    )
    pixels = x + 1j * y[:, None]
    p, q, moved = _factors(bends[0].own)
    places = p * pixels + q * pixels.conj() + (moved - origin)
    for bend in bends:
        places += bend.shift(pixels)
    places /= shrink
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
        self._radius_px = height_px * float(rate.mean())
        """Of a part whose radius is the body's height."""
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
                matrix[:, 2] += min(max((distance - low) / (high - low), 0), 1) * off / 2
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
        moved = self._drawn(matrix[:, 2])[:, None]
        return cv2.invertAffineTransform(np.concatenate([linear, moved], axis=1))

    def bends(self, number: int, reference: int) -> list[Bend]:
        """Where a part passes into others, as its reference shows them."""
        part, own = self._parts[number], self.map_of(number, reference)
        bends = []
        for meeting, name in self._joints[number]:
            other = self.map_of(meeting, reference)
            where = self._joint(part, self._parts[meeting], name)
            if own is not None and other is not None and where is not None:
                joint, across = where
                radius = min(part.radius, self._parts[meeting].radius) * self._radius_px
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
            number = np.count_nonzero(found)
            total = points[found].sum(axis=0, dtype=np.float64)
            self._middles[names] = complex(*self._drawn(total / number)) if number else None
        return self._middles[names]


def margin_px(bends: Sequence[Bend]) -> float:
    """How far beyond its own place a part may reach."""
    return _BEYOND * max((bend.radius for bend in bends), default=0.0)
