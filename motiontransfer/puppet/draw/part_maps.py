"""Maps of body parts: from one pose to another, and from a frame that is drawn to references.

A limb is mapped by the line between its two joints, with separate scales along and across it. The
torso and a skirt have an affine map of their four corners. Head, hands and feet turn by all their
joints, in the body's size.
"""

import cmath
import math
from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Complex128, Float, Float32, Float64

from motiontransfer.body.parts import BodyPart, BodyPoses, cosine_from_front
from motiontransfer.core.arrays import Affine, Joints, Series, Vector

_Points = Complex128[np.ndarray, "*maps joints"]
_OfPose = Complex128[np.ndarray, " joints"]
_Numbers = Complex128[np.ndarray, "*maps"] | np.complex128
_Reals = Float64[np.ndarray, "*maps"] | float

# Limits.
_LARGEST_STRETCH = 1.6  # of a limb's length, either way: what is seen nearly end on stays so
_MIN_LIMB_PX = 1  # length of a limb that is seen end on: it has no direction
_LEAST_WIDTH = 0.7  # of a torso, relative to the body: in profile its corners lie on a line
_END_ON = 0.05, 0.066
"""From heel to toes, body heights: so short, a foot is seen from its toes; longer, turning does."""
_STIFFNESS = 0.05  # weight, 0 to 1, of a turn in the torso's affine map


def part_map(
    part: BodyPart, reference: Float[np.ndarray, "*maps joints 2"], pose: Joints, *, scale: _Reals
) -> Float64[np.ndarray, "*maps 2 3"]:
    """Map from a part in one pose to the part in another, by the joints found in both.

    Points are x + iy, and a linear map of them is what two numbers tell: it takes z to
    turned * z + mirrored * z.conj().

    Args:
        reference: of one map, or of several to the same pose.
        scale: size of the body in `pose` relative to `reference`.
    """
    a, b = (points.astype(np.float64).view(np.complex128)[..., 0] for points in (reference, pose))
    middle_a, middle_b = (points.sum(axis=-1) / points.shape[-1] for points in (a, b))
    if part.motion == "limb":
        turned, mirrored = _limb_map(a[..., 1] - a[..., 0], b[1] - b[0], scale)
    else:
        has_all = part.motion == "affine" and len(b) == len(part.joints)
        fitted = _affine_map if has_all else _turn_map
        turned, mirrored = fitted(a - middle_a[..., None], b - middle_b, scale)
    moved = middle_b - turned * middle_a - mirrored * middle_a.conj()
    of_x, of_y = turned + mirrored, 1j * (turned - mirrored)
    return np.array([(column.real, column.imag) for column in (of_x, of_y, moved)]).T


def _limb_map(along_a: _Numbers, along_b: _Numbers, scale: _Reals) -> tuple[_Numbers, _Numbers]:
    """Another length along the line, and the body's size across."""
    length_a, length_b = np.abs(along_a), np.abs(along_b)
    has_direction = np.minimum(length_a, length_b) >= _MIN_LIMB_PX
    stretch = length_b / np.maximum(length_a, _MIN_LIMB_PX)
    stretch = np.clip(stretch, scale / _LARGEST_STRETCH, scale * _LARGEST_STRETCH)
    stretch = scale + has_direction * (stretch - scale)
    turned = (stretch + scale) / 2 * _direction(has_direction * along_b * along_a.conj())
    return turned, (stretch - scale) / 2 * _direction(along_b * along_a)


def _turn_map(x: _Points, y: _OfPose, scale: _Reals) -> tuple[_Numbers, float]:
    """The turn of centered points in least squares (Umeyama 1991), in the body's size."""
    return scale * _direction((x.conj() * y).sum(axis=-1)), 0.0


def _affine_map(x: _Points, y: _OfPose, scale: _Reals) -> tuple[_Numbers, _Numbers]:
    """The affine map of centered points in least squares, with a share of the turn."""
    square, twisted = _square(x), (x * x).sum(axis=-1)
    stiffness = 2 * _STIFFNESS * np.maximum(square, 1e-6)
    size = square + stiffness
    one = (x.conj() * y).sum(axis=-1) + stiffness * _turn_map(x, y, scale)[0]
    other = (x * y).sum(axis=-1)
    determinant = size**2 - np.abs(twisted) ** 2
    turned = (size * one - twisted.conj() * other) / determinant
    mirrored = (size * other - twisted * one) / determinant
    # Widths are those of the circle's image, the smaller one negative where that is mirrored.
    wide, narrow = np.abs(turned) + np.abs(mirrored), np.abs(turned) - np.abs(mirrored)
    least = _LEAST_WIDTH * scale
    wide, narrow = np.maximum(wide, least), np.copysign(np.maximum(np.abs(narrow), least), narrow)
    return (wide + narrow) / 2 * _direction(turned), (wide - narrow) / 2 * _direction(mirrored)


def _square(points: _Points) -> _Reals:
    return (points.real**2 + points.imag**2).sum(axis=-1)


def _direction(of: _Numbers) -> _Numbers:
    """Numbers of absolute value 1; of 0, 1."""
    return np.exp(1j * np.arctan2(of.imag, of.real))


def _mapped(matrix: Affine, point: Float[np.ndarray, " 2"]) -> Vector:
    return matrix[:, :2] @ point + matrix[:, 2]


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
        corner: Vector,
        rate: Vector,
    ) -> None:
        """Set what is drawn of the frame.

        Args:
            pose: that of the frame alone.
            chosen: reference of each part; -1: none.
            growth: size of the body in the frame relative to each reference.
            height_px: of the upright body in the frame, in pixels of the references.
            corner: (x, y) of the first pixel drawn, in pixels of the references.
            rate: pixels drawn per pixel of the references, in x and in y.
        """
        self.parts, self._references = parts, references
        self._pose, self._chosen = pose, chosen
        self._growth, self._height_px = growth, height_px
        self._corner, self._rate = corner, rate
        cosine = float(cosine_from_front(pose, np.array([height_px]))[0])
        self._frontal = 0.0 if math.isnan(cosine) else min(cosine**2, 1.0)
        self.pixels_per_radius = height_px * float(rate.mean())
        """Pixels drawn, of a part whose radius is the body's height."""
        self._maps: dict[tuple[int, int], Affine | None] = {}
        self._middles: dict[tuple[str, ...], complex | None] = {}

    def map_of(self, number: int, reference: int) -> Affine | None:
        """Map by a part from what is drawn to a reference; None where they share few joints."""
        key = number, reference
        if key not in self._maps:
            matrix = self._map(self.parts[number], reference)
            self._maps[key] = None if matrix is None else self._inverse(matrix)
        return self._maps[key]

    def _map(self, part: BodyPart, reference: int) -> Affine | None:
        a, b = self._shared(part.joints, reference)
        if len(a) < part.min_joints:
            return None
        if part.is_neck and (ears := self._drawn_ears()) is not None:
            b[part.joints.index("mid_ear")] = ears
        matrix = part_map(part, a, b, scale=float(self._growth[reference]))
        if part.is_hand:
            return self._at_forearm(matrix, part, reference)
        if part.is_foot:
            return self._with_shin(matrix, part, reference)
        return matrix

    def _at_forearm(self, matrix: Affine, hand: BodyPart, reference: int) -> Affine:
        """The map of a hand, moved until its wrist is at most a hand's width from its forearm's."""
        wrist = hand.joints[:1]
        for forearm, of_forearm in zip(self.parts, self._chosen, strict=True):
            if forearm.is_forearm and wrist[0] in forearm.ends and of_forearm >= 0:
                own, own_found = self._references.joints(wrist, reference)
                end, end_found = self._references.joints(wrist, of_forearm)
                arm = self._map(forearm, of_forearm)
                if arm is None or not (own_found & end_found).all():
                    continue
                away = _mapped(arm, end[0]) - _mapped(matrix, own[0])
                width = 2 * hand.radius * self._height_px
                share = max(1 - width / max(math.hypot(*away), 1e-6), 0.0)
                return np.column_stack([matrix[:, :2], matrix[:, 2] + share * away])
        return matrix

    def _with_shin(self, matrix: Affine, foot: BodyPart, reference: int) -> Affine:
        """The map of a foot at its ankle: from the front or behind it turns with its shin.

        There a foot bends in depth. Where it points elsewhere in the image, another side of it is
        seen, which no turn shows: turned, it would stand on its toes.
        """
        ((ankle, knee),) = foot.neighbors
        a, b = self._shared((ankle, knee, *foot.joints[1:]), reference)
        if len(a) < 4:
            return matrix
        own, of_a, of_b = complex(*matrix[:, 0]), a @ (1, 1j), b @ (1, 1j)
        stands, up = self._standing(of_a, of_b, reference)
        from_shin, from_sole = (
            cmath.phase(own * (of_a[1] - of_a[0]) * to.conjugate())
            for to in (of_b[1] - of_b[0], up)
        )
        turned = own * cmath.rect(1, -self._frontal * from_shin - stands * from_sole)
        linear = np.array([(turned.real, -turned.imag), (turned.imag, turned.real)])
        at = _mapped(matrix, a[0])
        at += (self._frontal + stands) * (b[0] - at)
        return np.column_stack([linear, at - linear @ a[0]])

    def _standing(self, of_a: _OfPose, of_b: _OfPose, reference: int) -> tuple[float, complex]:
        """How far a foot stands on its sole, and the way up from that.

        In profile, one that was filmed end on: turned, its cuff would have a brim.

        Args:
            of_a: ankle, knee, heel and toes in the reference, x + iy.
            of_b: the same in the frame.
        """
        sole = of_b[3] - of_b[2]
        lengths_px = np.array([abs(sole), abs(of_a[3] - of_a[2]) * self._growth[reference]])
        of_pose, of_reference = np.interp(lengths_px / self._height_px, _END_ON, (1, 0)).tolist()
        stands = (1 - self._frontal) * max(of_reference - of_pose, 0.0)
        is_below = ((of_b[0] - of_b[2]) * (1j * sole).conjugate()).real < 0
        return stands, complex(-1j * sole if is_below else 1j * sole)

    def _drawn_ears(self) -> Vector | None:
        """Middle of the ears of the head that is drawn: of another view, it lies elsewhere."""
        heads = zip(self.parts, self._chosen, strict=True)
        head, reference = next(one for one in heads if one[0].is_head)
        ears, found = self._references.joints(("mid_ear",), reference)
        if reference < 0 or not found.all() or (matrix := self._map(head, reference)) is None:
            return None
        return _mapped(matrix, ears[0])

    def _shared(
        self, names: tuple[str, ...], reference: int
    ) -> tuple[Float32[np.ndarray, "joints 2"], Float32[np.ndarray, "joints 2"]]:
        """Joints that were found both in a reference and in the frame."""
        a, has_a = self._references.joints(names, reference)
        b, has_b = self._pose.joints(names, 0)
        return a[has_a & has_b], b[has_a & has_b]

    def _drawn(self, point: Vector) -> Vector:
        return (point - self._corner + 0.5) * self._rate - 0.5

    def _inverse(self, matrix: Affine) -> Affine:
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
