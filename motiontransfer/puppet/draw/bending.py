"""Bending of body parts at joints: inverse skinning between the turns of parts that meet.

Near a joint, a part's own map is turned about it by a share of the angle to its neighbor's.
Angles are blended, not places: the mean of places would narrow a limb bent by an angle to the
cosine of half of it. Sizes are the part's own, as a narrowed trunk would flare at the hips.
"""

import cmath
import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Complex, Complex64, Float32

from motiontransfer.body.parts import BodyPart
from motiontransfer.core.arrays import Affine
from motiontransfer.puppet.draw.part_maps import Placement

_Places = Complex64[np.ndarray, "height width"]
"""x + iy."""
_Points = Complex[np.ndarray, "*points"]
_Weights = Float32[np.ndarray, "height width"]

_REACH = 4.0  # radii from the joint, within which a part bends; up to half of that fully
_LARGEST_TURN = math.radians(110)  # farther, parts lie on each other; up to 2/3 it bends fully
_SMALLEST_TURN = 0.05  # radians; less is not seen

# Grid of places.
_CELLS_PER_RADIUS = 2  # between them places are interpolated
_LARGEST_EXTENT = 1.5  # radii by which a part may reach farther when it is bent


class Bend(NamedTuple):
    """A joint of a part in an image, at which it passes into a neighbor."""

    joint: complex
    across: complex
    """Unit vector towards the neighbor."""
    radius: float
    turn: float
    """Angle from the part's own map to the neighbor's, both from the image to the reference."""
    most: float = 1.0  # share of the turn

    def weight(self, pixels: _Places) -> _Weights:
        """Share of the turn: 0 inside the part, 1/2 on the line through the joint."""
        offset = pixels - self.joint
        beyond = (offset * (self.across.conjugate() / (2 * self.radius))).real + 0.5
        near = 2 - np.abs(offset) * np.float32(2 / (_REACH * self.radius))
        weight = np.clip(beyond, 0, 1) * np.clip(near, 0, 1)
        weight *= min(3 - 3 * abs(self.turn) / _LARGEST_TURN, self.most)
        weight *= weight * (3 - 2 * weight)
        return weight


def bends_of(
    placement: Placement, meets: Sequence[tuple[int, str]], number: int, reference: int
) -> list[Bend]:
    """Where a part passes into others, as its reference shows them.

    Args:
        meets: other parts and joints, see `meeting_joints`.
    """
    part, own = placement.parts[number], placement.map_of(number, reference)
    bends = []
    for other, name in meets:
        neighbor, beside = placement.map_of(other, reference), placement.parts[other]
        where = _joint(placement, part, beside, name)
        if own is None or neighbor is None or where is None:
            continue
        radius = min(part.radius, beside.radius) * placement.pixels_per_radius
        turn = cmath.phase(_factors(neighbor)[0] * _factors(own)[0].conjugate())
        joint, across = where
        # At less than 60 degrees, down to 29, the line between limbs runs along both: they curl.
        most = min(2 * abs(across) - 1, 1.0) if part.is_limb and beside.is_limb else 1.0
        if _SMALLEST_TURN < abs(turn) < _LARGEST_TURN and most > 0:
            bends.append(Bend(joint, across / abs(across), radius, turn, most))
    return bends


def _joint(
    placement: Placement, part: BodyPart, other: BodyPart, name: str
) -> tuple[complex, complex] | None:
    """Where a part meets another one, and the way across: 2 long if straight, 0 if folded."""
    joint, middle, beyond = map(placement.middle, ((name,), part.joints, other.joints))
    if joint is None or middle is None or beyond is None or joint in (middle, beyond):
        return None
    inward = middle - joint
    # A rigid part lies straight ahead.
    outward = -inward if other.motion == "rigid" else beyond - joint
    across = outward / abs(outward) - inward / abs(inward)
    return (joint, across) if across else None


def _factors(matrix: Affine) -> tuple[complex, complex, complex]:
    """p, q and r of the affine map z -> p z + q conj(z) + r, of z = x + iy."""
    (a, b, x), (c, d, y) = matrix.tolist()
    return complex(a + d, c - b) / 2, complex(a - d, c + b) / 2, complex(x, y)


def _mapped(matrix: Affine, places: _Points) -> _Points:
    p, q, moved = _factors(matrix)
    return p * places + q * places.conj() + moved


def places_in_reference(own: Affine, bends: Sequence[Bend], pixels: _Places) -> _Places:
    """Where the reference shows pixels of a part.

    Overlapping turns are averaged where they add up to more than one. In profile both hips are one
    place, where the sum of two opposite turns would widen the body.
    """
    places = _mapped(own, pixels)
    weights = np.stack([bend.weight(pixels) for bend in bends])
    weights /= np.maximum(weights.sum(axis=0), 1)
    bent = places.copy()
    for bend, weight in zip(bends, weights, strict=True):
        turned = np.empty_like(places)
        turned.real, turned.imag = np.cos(bend.turn * weight) - 1, np.sin(bend.turn * weight)
        joint = _mapped(own, np.array([bend.joint], np.complex64))
        bent += turned * (places - joint)
    return bent


def sampling_grid(
    own: Affine,
    bends: Sequence[Bend],
    *,
    corner: tuple[int, int],
    size: tuple[int, int],
    patch: tuple[int, int],
) -> tuple[Float32[np.ndarray, "rows columns 2"], tuple[int, int]]:
    """Where (x, y) pixels of a box are sampled in the reference's patch.

    Args:
        own: map of the part from the image to the patch.
        corner: (x, y) of the box's first pixel.
        size: (width, height) of the box.
        patch: (width, height); a bent part is within a wide margin, most of which shows nothing.

    Returns:
        The grid where it is near the patch, and the (x, y) of its first pixel in the image.
    """
    step = max(int(min(bend.radius for bend in bends) / _CELLS_PER_RADIUS), 1)
    columns, rows = (math.ceil(side / step) + 2 for side in size)
    # The first cell is before the box: its pixels are interpolated between the middles of cells.
    x, y = (
        (np.arange(number, dtype=np.float32) - 0.5) * step + (first - 0.5)
        for number, first in zip((columns, rows), corner, strict=True)
    )
    places = places_in_reference(own, bends, (x + 1j * y[:, None]).astype(np.complex64))
    grid = places.view(np.float32).reshape(rows, columns, 2)
    enlarged = cv2.resize(grid, (step * columns, step * rows))
    # What is interpolated lies between a cell's corners.
    corners = np.stack([grid[:-1, :-1], grid[1:, :-1], grid[:-1, 1:], grid[1:, 1:]])
    is_near = ((corners.max(axis=0) > -1) & (corners.min(axis=0) < patch)).all(axis=2)
    column, row, width, height = cv2.boundingRect(is_near.view(np.uint8))
    first, last = (column, row), (column + width, row + height)
    left, top = (max(step * cell - step // 2 - 1, 0) for cell in first)
    right, bottom = (
        min(step * cell - step // 2 + 1, side) for cell, side in zip(last, size, strict=True)
    )
    near = enlarged[step + top : step + bottom, step + left : step + right]
    return near, (corner[0] + left, corner[1] + top)


def margin_px(bends: Sequence[Bend]) -> float:
    """Pixels by which a part may reach farther than its own map says."""
    return _LARGEST_EXTENT * max((bend.radius for bend in bends), default=0.0)
