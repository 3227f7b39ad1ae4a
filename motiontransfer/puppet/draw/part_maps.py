"""Maps of body parts: from one pose to another, and from a frame that is drawn to references.

A limb is mapped by the line between its two joints, with separate scales along and across it; the
torso, and a skirt, by an affine map of its four corners; head, hands and feet by a similarity of
all their joints.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, Float32, Float64

from motiontransfer.pose.time_series import Series
from motiontransfer.puppet.parts import BodyPart, BodyPoses

Map = Float64[np.ndarray, "2 3"]
"""Affine map of (x, y), pixels."""
Joints = Float[np.ndarray, "joints 2"]
Linear = Float64[np.ndarray, "2 2"]
Vector = Float64[np.ndarray, "2"]

# Limits.
_LENGTH_RANGE = (0.6, 1.6)  # of a limb, relative to its width: what is seen nearly end on stays so
_SIZE_RANGE = (0.75, 1.33)  # of a rigid part, relative to the body
_MIN_LIMB_PX = 1  # length of a limb that is seen end on: it has no direction
_LEAST_WIDTH = 0.7  # of a torso, relative to the body: in profile its corners lie on a line
_STIFFNESS = 0.05  # weight, 0 to 1, of a similarity in the torso's affine map

# A part's anchor.
_ANCHOR_RANGE = 1.0, 2.0
"""Distance of the anchor from its place, % of the body's height, from which the part is moved, and
at which it is moved half of the way: a face is as wrong behind its place as ears before theirs."""


def part_map(part: BodyPart, reference: Joints, pose: Joints, *, scale: float) -> Map:
    """Map from a part in one pose to the part in another, by the joints found in both.

    Args:
        scale: size of the body in `pose` relative to `reference`.
    """
    a, b = reference.astype(np.float64), pose.astype(np.float64)
    middle_a, middle_b = (points.sum(axis=0) / len(points) for points in (a, b))
    if part.motion == "limb":
        linear = _limb_map(a, b, scale)
    else:
        x, y = a - middle_a, b - middle_b
        linear = _rotation(x, y, scale)
        if part.motion == "affine" and len(a) == len(part.joints):
            stiffness = _STIFFNESS * max(float(np.square(x).sum()), 1e-6)
            normal = x.T @ x + stiffness * np.eye(2)
            linear = (y.T @ x + stiffness * linear) @ np.linalg.inv(normal)
            u, widths, v = np.linalg.svd(linear)
            linear = u * np.maximum(widths, _LEAST_WIDTH * scale) @ v
    moved = (middle_b - linear @ middle_a)[:, None]
    return np.concatenate([linear, moved], axis=1)


def _limb_map(a: Linear, b: Linear, scale: float) -> Linear:
    lengths = [math.dist(*ends) for ends in (a.tolist(), b.tolist())]
    if min(lengths) < _MIN_LIMB_PX:
        return scale * np.eye(2)
    low, high = _LENGTH_RANGE
    stretch = min(max(lengths[1] / lengths[0], low * scale), high * scale)
    along_a, along_b = (_direction(ends) for ends in (a, b))
    return along_b * (stretch, scale) @ along_a.T


def _direction(ends: Linear) -> Linear:
    """Unit vectors along and across, as columns."""
    (x0, y0), (x1, y1) = ends.tolist()
    along = complex(x1 - x0, y1 - y0)
    along /= abs(along)
    return np.array([(along.real, -along.imag), (along.imag, along.real)])


def _rotation(x: Joints, y: Joints, scale: float) -> Linear:
    """Linear part of the least-squares similarity of centered points (Umeyama 1991)."""
    cosine = float((x * y).sum())
    sine = float((x[:, 0] * y[:, 1] - x[:, 1] * y[:, 0]).sum())
    low, high = _SIZE_RANGE
    size = math.hypot(cosine, sine) / max(float(np.square(x).sum()), 1e-6)
    size = min(max(size, low * scale), high * scale)
    angle = math.atan2(sine, cosine)
    return size * np.array(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    )


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
            chosen: reference of each part; -1: none.
            growth: size of the body in the frame relative to each reference.
            height_px: of the upright body in the frame, in pixels of the references.
        """
        self.parts, self._references = parts, references
        self._pose, self._chosen = pose, chosen
        self._growth, self._height_px = growth, height_px
        self._corner, self._rate = drawn
        self.pixels_per_radius = height_px * float(drawn.rate.mean())
        """Pixels drawn, of a part whose radius is the body's height."""
        self._maps: dict[tuple[int, int], Map | None] = {}
        self._middles: dict[tuple[str, ...], complex | None] = {}

    def map_of(self, number: int, reference: int) -> Map | None:
        """Map by a part from what is drawn to a reference; None where they share few joints."""
        key = number, reference
        if key not in self._maps:
            matrix = self._map(self.parts[number], reference)
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
        for forearm, of_forearm in zip(self.parts, self._chosen, strict=True):
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

    def middle(self, names: tuple[str, ...]) -> complex | None:
        """Mean of the joints that were found, x + iy of what is drawn."""
        if names not in self._middles:
            points, found = self._pose.joints(names, 0)
            number = np.count_nonzero(found)
            total = points[found].sum(axis=0, dtype=np.float64)
            self._middles[names] = complex(*self._drawn(total / number)) if number else None
        return self._middles[names]
