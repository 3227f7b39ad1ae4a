"""Retrieval: for each part of a pose, the reference that shows it most alike.

In the nearest reference the part's joints lie alike around their middle, the neighboring bone
points the same way, and nothing hides the part. Neighboring parts prefer one reference.

A reference that hides a part, shows it blurred, or unlike others in similar poses, is avoided. This
is a penalty of the choice; the distance stays.

Stand-ins are less alike. A limb may come from the other side, mirrored: a right arm in a pose in
which only the left one was filmed. So may a head in profile. A side that was never filmed comes
from the other one: left and right are exchanged by name. The front then replaces the back, with
hair over its face (`back_of_head`).
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Complex128, Float64, Int64

from motiontransfer.body.parts import (
    SIDES,
    BodyPart,
    BodyPoses,
    body_scales,
    bone_vectors,
    cosine_from_front,
    distance_to_bone,
    head_yaws,
    part_shapes,
)
from motiontransfer.core.arrays import Series
from motiontransfer.plate.masks import HALF
from motiontransfer.pose.skeleton import Limb, mirrored
from motiontransfer.puppet.appearance import Appearance, Patch
from motiontransfer.puppet.draw.choice import ChoiceConfig
from motiontransfer.puppet.sharpness import SHARP

Distances = Float64[np.ndarray, "frames references"]

_EDGE_PX = 3  # along a frame's edge: a mask may end beside it


class References:
    """Poses and patches of an appearance: as filmed, then exchanged, then mirrored."""

    def __init__(self, appearance: Appearance, costs: ChoiceConfig) -> None:
        """Prepare the comparison with poses."""
        self._costs = costs
        self._appearance, self.parts = appearance, appearance.parts
        self.num_filmed = len(appearance.frames)
        number_of = {part.name: number for number, part in enumerate(self.parts)}
        others = self._others = [number_of[mirrored(part.name)] for part in self.parts]
        width, joints = appearance.background.shape[1], appearance.skeleton.other_sides()
        points, score = appearance.points[:, joints], appearance.score[:, joints]
        in_mirror = np.array((width - 1, 0)) + np.array((-1, 1)) * points
        self.poses = BodyPoses(
            appearance.skeleton,
            np.concatenate([appearance.points, points, in_mirror]),
            np.concatenate([appearance.score, score, score]),
        )
        self.scales = body_scales(self.poses, appearance.full_lengths)
        exchanged = [[row[other] for other in others] for row in appearance.patches]
        in_mirror = [[patch and patch.mirrored(width) for patch in row] for row in exchanged]
        self.patches = [*appearance.patches, *exchanged, *in_mirror]
        is_there = [[patch is not None for patch in row] for row in self.patches]
        kinds, exchanged = [part.kind for part in self.parts], dict(costs.exchanged)
        yaws = head_yaws(self.poses[: self.num_filmed])
        if np.any(np.abs(yaws) > costs.hair[1]):  # a filmed back is better
            exchanged["head"] = costs.exchanged["other"]
        of_views = [[0.0, exchanged[kind], costs.mirrored[kind]] for kind in kinds]
        distance = np.repeat(of_views, self.num_filmed, axis=1).T
        self._shown_yaws = np.concatenate([yaws, yaws, -yaws])  # of what an image shows
        is_front = ~(np.abs(self._shown_yaws) >= costs.shows_face)  # no such head is mirrored
        is_front[: 2 * self.num_filmed] = False
        distance[is_front, kinds.index("head")] = np.inf
        self._distance = np.where(is_there, distance, np.inf)
        # Those mirrored are the last, so that those of trunk and skirt are left out.
        may_be_mirrored = [part.is_limb or part.is_head or part.is_neck for part in self.parts]
        self._rows = [slice(None if may else 2 * self.num_filmed) for may in may_be_mirrored]
        self._shapes = [
            part_shapes(part, self.poses[rows], self.scales[rows])
            for part, rows in zip(self.parts, self._rows, strict=True)
        ]
        heights_px = appearance.height_px * self.scales
        self._before_head = {
            part.name: share_before_head(part, self.parts, self.poses, heights_px)
            for part in self.parts
            if part.is_hand
        }
        bones = {bone for part in self.parts for bone in part.neighbors}
        self._bones = {bone: bone_vectors(bone, self.poses, self.scales) for bone in bones}
        self._cosine = cosine_from_front(self.poses, heights_px)
        not_shown = self._hidden() + self._cut_off() + self._unlike()
        own = costs.hidden * not_shown + self._blurred()
        self.penalties = np.concatenate([own, own[:, others], own[:, others]])
        """Of each reference and part: what was hidden or is blurred, % of the body's height."""

    def hair(self, poses: BodyPoses, heads: Int64[np.ndarray, " frames"]) -> Series:
        """Share of hair over faces, in steps; see `with_hair`.

        It grows as a head turns away whose reference shows a face, from the side that a reference
        shows more of.

        Args:
            heads: reference of each head.
        """
        costs, shown, yaws = self._costs, self._shown_yaws[heads], np.nan_to_num(head_yaws(poses))
        share = (np.abs(yaws) - costs.hair[0]) / (costs.hair[1] - costs.hair[0])
        steps = np.round(costs.steps_of_hair * np.clip(share, 0, 1))
        steps *= np.sign(np.where(np.abs(shown) < costs.shows_side, yaws, shown))
        return np.where(np.abs(shown) < costs.shows_face, steps / costs.steps_of_hair, 0)

    def _of_patches(
        self, measure: Callable[[Patch], float], *, unseen: float
    ) -> Float64[np.ndarray, "filmed_references parts"]:
        rows = self._appearance.patches
        return np.array([[measure(one) if one else unseen for one in row] for row in rows], float)

    def _hidden(self) -> Float64[np.ndarray, "filmed_references parts"]:
        """Share of a part that a reference did not show, compared with other references."""
        shown = self._of_patches(lambda patch: patch.shown, unseen=0.0)
        whole = np.quantile(shown, self._costs.shown_quantile, axis=0)
        other = whole[self._others]  # of someone in profile one side is never whole
        whole = np.where(whole < self._costs.one_sided * other, other, whole)
        # What is shown of a trunk is a share of itself.
        is_trunk = [part.is_trunk for part in self.parts]
        whole = np.where(is_trunk, 1, self._costs.whole * whole)
        return np.clip(1 - shown / np.maximum(whole, 1e-6), 0, 1)

    def _cut_off(self) -> Float64[np.ndarray, "filmed_references parts"]:
        """Share of a part along which the frame's edge cuts it, more than in most references."""
        size = self._appearance.background.shape[:2]
        shares = self._of_patches(lambda patch: _share_at_edge(patch, size), unseen=1.0)
        return np.maximum(shares - np.median(shares, axis=0), 0)

    def _unlike(self) -> Float64[np.ndarray, "filmed_references parts"]:
        """How much more than others a limb differs from those in similar poses; at most 1.

        A hand that was detected on its forearm shows a piece of that.
        """
        unlike = np.zeros((self.num_filmed, len(self.parts)))
        filmed = slice(self.num_filmed)
        side = np.digitize(self._cosine[filmed], SIDES)
        is_other = (side[:, None] == side) & ~np.eye(self.num_filmed, dtype=np.bool_)
        own = self.poses[filmed], self.scales[filmed]
        aside = self._facing_distance(*own)
        for number in (number for number, part in enumerate(self.parts) if part.is_limb):
            apart = self._distances(number, *own, aside, rows=filmed)[:, filmed]
            levels = self._appearance.differences[number]
            known = is_other & (levels < 255) & np.isfinite(apart)
            rows = known.sum(axis=1) >= self._costs.num_similar
            if not rows.any():
                continue
            order = np.argsort(np.where(known, apart, np.inf)[rows], axis=1)
            similar = np.take_along_axis(levels[rows], order[:, : self._costs.num_similar], axis=1)
            typical = np.median(similar, axis=1)
            usual = max(float(np.quantile(typical, self._costs.shown_quantile)), 1.0)
            unlike[rows, number] = np.clip(typical / usual - 1, 0, 1)
        return unlike

    def _blurred(self) -> Float64[np.ndarray, "filmed_references parts"]:
        """Penalties of what a reference shows blurred."""
        sharp = self._of_patches(lambda patch: patch.sharpness, unseen=0.0)
        blurred = np.clip(1 - sharp / SHARP, 0, 1)
        return blurred * [self._costs.blurred[part.kind] for part in self.parts]

    def distances(
        self, poses: BodyPoses, scales: Series
    ) -> Float64[np.ndarray, "frames parts references"]:
        """How unlike each part looks, % of the body's height; infinite where no map can be fitted.

        Memory grows with frames times references times joints.
        """
        aside = self._facing_distance(poses, scales)
        found = [self._distances(number, poses, scales, aside) for number in range(len(self.parts))]
        return np.stack(found, axis=1)

    def _distances(
        self,
        number: int,
        poses: BodyPoses,
        scales: Series,
        aside: Distances,
        *,
        rows: slice | None = None,
    ) -> Distances:
        """Those of one part; infinite but for some references, by default all that may show it."""
        part, rows = self.parts[number], rows or self._rows[number]
        shape, found = part_shapes(part, poses, scales)
        reference_shape, reference_found = (of_all[rows] for of_all in self._shapes[number])
        # Joints are the first axis, so that their sum is the same for any number of frames.
        both = found.T[:, :, None] & reference_found.T[:, None]
        shared = both.sum(axis=0)
        square = _square_distance(
            shape.T[:, :, None], reference_shape.T[:, None], both, fitted_share=part.fitted_share
        )
        square /= np.maximum(shared, 1)
        for bone in part.neighbors:
            square += part.neighbor_weight * self._bone_distance(bone, poses, scales, rows)
        distance = np.sqrt(square) / self._appearance.height_px * 100
        missing = 1 - shared / np.maximum(found.sum(axis=1)[:, None], 1)
        distance += self._costs.missing[part.kind] * missing
        growth = np.log(scales[:, None] / self.scales[rows])
        distance += self._costs.enlarging * np.maximum(growth, 0)
        distance += self._distance[rows, number]
        is_drawn = (shared >= part.min_joints) & np.isfinite(distance)
        if not part.changes_fast:
            distance += aside[:, rows]
        if part.is_head:
            distance += self._costs.other_side * np.maximum(aside[:, rows] - self._costs.facing, 0)
        if part.is_hand:
            heights_px = self._appearance.height_px * scales
            own = share_before_head(part, self.parts, poses, heights_px)[:, None]
            more = np.maximum(self._before_head[part.name][rows] - own, 0)
            distance += self._costs.before_head * more
        if part.is_arm:
            apart = np.abs(_half_length(shape)[:, None] - _half_length(reference_shape))
            apart *= self._costs.foreshortened * 100 / self._appearance.height_px
            distance = np.hypot(distance, apart)
        distances = np.full((len(distance), len(self.poses)), np.inf)
        distances[:, rows] = np.where(is_drawn, distance, np.inf)
        return distances

    def _bone_distance(
        self, bone: Limb, poses: BodyPoses, scales: Series, rows: slice
    ) -> Distances:
        """Squared distance between the directions of a neighboring bone, pixels².

        Of half of the bone, which counts like the joints of a limb, measured from its middle.
        """
        own = bone_vectors(bone, poses, scales)
        distance = np.abs(own[:, None] - self._bones[bone][rows]) / 2
        missing = self._costs.missing["other"] / 100 * self._appearance.height_px
        return np.square(np.where(np.isnan(distance), missing, distance))

    def _facing_distance(self, poses: BodyPoses, scales: Series) -> Distances:
        """Distance between the sides from which the body is seen; 0 where one is not known."""
        cosine = cosine_from_front(poses, self._appearance.height_px * scales)
        return self._costs.facing * np.nan_to_num(np.abs(cosine[:, None] - self._cosine))


def _share_at_edge(patch: Patch, size: tuple[int, int]) -> float:
    """Share of a patch's width or height that it has at the frame's edge."""
    (x, y), (height, width) = patch.corner, size
    right, bottom = x + patch.size[1], y + patch.size[0]
    if min(x, y, width - right, height - bottom) >= _EDGE_PX:
        return 0.0
    is_covered = patch.pixels[..., 3] > HALF
    rows, columns = is_covered.mean(axis=1), is_covered.mean(axis=0)
    at_edge = (
        *rows[: max(_EDGE_PX - y, 0)],
        *rows[max(height - _EDGE_PX - y, 0) :],
        *columns[: max(_EDGE_PX - x, 0)],
        *columns[max(width - _EDGE_PX - x, 0) :],
    )
    return max(at_edge, default=0.0)


def share_before_head(
    hand: BodyPart, parts: Sequence[BodyPart], poses: BodyPoses, heights_px: Series
) -> Series:
    """Share of a hand's joints that lie before head or neck.

    Args:
        heights_px: of the upright body in each pose.
    """
    joints = poses.places(hand.joints)
    is_before = np.zeros(joints.shape, np.bool_)
    for part in (part for part in parts if part.is_head or part.is_neck):
        for bone in part.bones:
            away = distance_to_bone(joints, *poses.places(bone).T[..., None])
            is_before |= away < part.radius * heights_px[:, None]
    return is_before.sum(axis=1) / np.maximum(np.isfinite(joints).sum(axis=1), 1)


def _half_length(shape: Complex128[np.ndarray, "frames joints"]) -> Float64[np.ndarray, " frames"]:
    """Distance of a limb's ends from its middle."""
    return np.abs(shape[:, 1] - shape[:, 0]) / 2


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
