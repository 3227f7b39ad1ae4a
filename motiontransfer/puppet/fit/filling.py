"""Filling: hidden pixels of body parts from other references, which are compared with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Complex128, Float, Float32, Float64, Int64, UInt8

from motiontransfer.body.parts import SIDES, BodyPart, BodyPoses, cosine_from_front, part_shapes
from motiontransfer.core.arrays import Mask
from motiontransfer.core.parallel import run_parallel
from motiontransfer.core.progress import track
from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.plate.masks import GRAY
from motiontransfer.pose.skeleton import mirrored
from motiontransfer.puppet.appearance import Patch
from motiontransfer.puppet.draw.part_maps import part_map
from motiontransfer.puppet.fit.cutting import CutPart, StoredPart
from motiontransfer.puppet.fit.occluders import (
    SmallCopy,
    occluder_mask,
    small_copy,
    unusual_mask,
    usual_colors,
)
from motiontransfer.puppet.fit.part_masks import THIN
from motiontransfer.puppet.fit.visibility import joined_share, shown_share
from motiontransfer.puppet.sharpness import SHARP, SIDE_PX, relative_sharpness, sharpness

_NUM_COMPARED = 16  # references with which a part is compared, for the time it takes

# Differences.
_COMPARED_PX = 16  # side of the copies
_MOST_LEVELS = 254  # 255: not known

# Filling.
_NUM_SOURCES = 3  # references from which one part is filled
_NUM_CANDIDATES = 40  # among which they are looked for, the most alike
_BESIDE_LIMB, _BESIDE_HULL = 0.8, 0.35  # of a photo's parts, where it is made up, radii
_LEAST_FILLED = 0.25  # of the largest piece: of a head, and of a photo's part once it is filled
_LEAST_OF_HAND = 0.4  # of its outline; without fingers, what shows less is a scrap of skin
_LEAST_SHOWN = 0.2  # share of the hidden places which a source must show; some no frame shows
_NEAR_EDGE = 0.1  # radii: a limb's edges are told by steps of that, and are exact within it
_RIM = 0.25  # radii of a trunk, beside what an arm hides, in which its cut has a rim of the arm
_ARM = 0.05  # of the body's height, around the lines of an arm: what is hidden there, it hides
_ARM_JOINTS = "shoulder", "elbow", "wrist", "index"


@dataclass(frozen=True, kw_only=True)
class _PartViews:
    """One part in all references."""

    part: BodyPart
    poses: BodyPoses
    scales: Float64[np.ndarray, " references"]
    height_px: float
    """Of the upright body at scale 1."""
    cut: Mapping[int, CutPart]
    """The part in the references that show it."""
    other_side: Mapping[int, CutPart] | None = None
    """Its counterpart, as photos show it; None: what no frame shows of a limb stays unknown."""

    @cached_property
    def _shapes(
        self,
    ) -> tuple[Complex128[np.ndarray, "references joints"], Bool[np.ndarray, "references joints"]]:
        return part_shapes(self.part, self.poses, self.scales)

    @cached_property
    def _side(self) -> Int64[np.ndarray, " references"]:
        """Which side of the body each shows; the front where it is not known."""
        return np.digitize(cosine_from_front(self.poses, self.height_px * self.scales), SIDES)

    def of_same_side(self, reference: int) -> list[int]:
        """Those of `alike` that show the same side of the body.

        With these a part is compared: the back of a head has no edges, of a shirt no print.
        """
        side = self._side
        return [other for other in self.alike(reference) if side[other] == side[reference]]

    def alike(self, reference: int) -> list[int]:
        """The other references that show the part: of the same side first, the most alike first."""
        shapes, found = self._shapes
        both = found & found[reference]
        shared = both.sum(axis=1)
        square = (np.square(np.abs(shapes - shapes[reference])) * both).sum(axis=1)
        unlike = np.where(shared < self.part.min_joints, np.inf, square / np.maximum(shared, 1))
        order = np.lexsort((unlike, self._side != self._side[reference]))
        order = order[np.isfinite(unlike[order])].tolist()
        return [other for other in order if other in self.cut and other != reference]

    def maps(self, others: Sequence[int], reference: int) -> Float64[np.ndarray, "others 2 3"]:
        """Maps from other references' parts to that of a reference."""
        (points, _), (_, found) = self.poses.joints(self.part.joints), self._shapes
        both = found[others] & found[reference]
        maps = np.zeros((len(others), 2, 3))
        corners = np.array([self.cut[other].corner for other in others]).reshape(-1, 1, 2)
        a, b = points[others] - corners, points[reference] - self.cut[reference].corner
        scales = self.scales[reference] / self.scales[others]
        for shared in np.unique(both, axis=0):
            alike = (both == shared).all(axis=1)
            maps[alike] = part_map(self.part, a[alike][:, shared], b[shared], scale=scales[alike])
        return maps

    def without_occluders(self) -> "_PartViews":
        """The same with occluders moved from what is covered to what is hidden.

        Those of arms and hands, which move with them, and what shows between fingers, are told by
        color. A head turns: it has none.
        """
        if self.part.is_head:
            return self
        cut = dict(self.cut)
        for reference, own in self.cut.items():
            usual = self._usual.get(int(self._side[reference]))
            mask = self._contradicted(reference) if usual is None else unusual_mask(own, usual)
            if mask.any():
                mask = cv2.resize(mask, own.coverage.shape[::-1])
                cut[reference] = own.behind(cv2.convertScaleAbs(mask, alpha=255))
        return replace(self, cut=cut)

    @cached_property
    def _usual(self) -> dict[int, Bool[np.ndarray, "brightnesses chromas"]]:
        """Colors of an arm or a hand, by the side of the body; none of other parts."""
        of_sides: dict[int, list[CutPart]] = {}
        if self.part.is_hand or self.part.is_arm:
            for reference, cut in self.cut.items():
                of_sides.setdefault(int(self._side[reference]), []).append(cut)
        return {side: usual_colors(of_side) for side, of_side in of_sides.items()}

    def _contradicted(self, reference: int) -> Float32[np.ndarray, "rows columns"]:
        """Pixels whose color most other references contradict, as `occluder_mask`.

        With references of the same side, a trunk with the third of them that is most alike.
        """
        alike = self.of_same_side(reference)
        alike = alike[: len(alike) // 3] if self.part.is_solid else alike
        compared = evenly_spaced(alike, count=_NUM_COMPARED)
        others = (self._small[other] for other in compared)
        maps = self.maps(compared, reference)
        shown = zip(others, maps, strict=True)
        return occluder_mask(self._small[reference], shown, has_sides=self.part.is_solid)

    @cached_property
    def _small(self) -> dict[int, SmallCopy]:
        return {n: small_copy(part.colors, part.coverage) for n, part in self.cut.items()}

    @cached_property
    def shown(self) -> dict[int, float]:
        """Share of the part that each reference shows."""
        return {
            one: shown_share(
                self.part,
                cut,
                self.poses,
                one,
                height_px=float(self.height_px * self.scales[one]),
                usual=self._usual.get(int(self._side[one])),
            )
            for one, cut in self.cut.items()
        }

    def _radius_px(self, reference: int) -> float:
        return float(self.part.radius * self.height_px * self.scales[reference])

    def lacks_fingers(self, reference: int) -> bool:
        """Whether it is a hand of which most joints were not found."""
        return self.part.is_hand and 2 * len(self._joints(reference)) < len(self.part.joints)

    @cached_property
    def sharpness(self) -> dict[int, float]:
        """Sharpness of the part in each reference, of a head that of its face."""
        faces = {one: self._joints(one) for one in self.cut} if self.part.is_head else {}
        sides = [
            max(np.ptp(faces[one], axis=0) if len(faces.get(one, ())) else cut.coverage.shape)
            / self.scales[one]
            for one, cut in self.cut.items()
        ]
        measured = {}
        for reference, cut in self.cut.items():
            zoom = SIDE_PX / (np.median(sides) * self.scales[reference])
            face = faces.get(reference)
            measured[reference] = sharpness(cut.colors, cut.coverage, face, zoom=float(zoom))
        # A face has as much detail in most poses, and in some no reference is sharp.
        least_share = 0.5 if self.part.is_head else 0.0
        return relative_sharpness(measured, self.of_same_side, least_share=least_share)

    def _inside(self, reference: int) -> Mask:
        """Of a patch, what lies in the hull of the part's joints, of a photo's also near to it.

        No other frame tells where that ends.
        """
        joints = self._joints(reference)
        inside = np.zeros_like(self.cut[reference].coverage)
        if len(joints):
            hull = cv2.convexHull(joints.round().astype(np.int32))
            cv2.fillConvexPoly(inside, hull, 255)
            if self.other_side is not None:
                beside = _BESIDE_LIMB if self.part.is_limb else _BESIDE_HULL
                wider_px = min(int(beside * self._radius_px(reference)), max(inside.shape))
                cv2.polylines(inside, [hull], True, 255, 1 + 2 * wider_px)
        return inside

    def _joints(self, reference: int) -> Float[np.ndarray, "joints 2"]:
        """The part's joints that were found, (x, y) in its patch."""
        points, found = self.poses.joints(self.part.joints, reference)
        return points[found] - self.cut[reference].corner

    def differences(self) -> UInt8[np.ndarray, "references references"]:
        """Levels by which the part looks different in any two references, in the same pose.

        255 where one of them does not show it.
        """
        apart = np.full((len(self.scales),) * 2, 255, np.uint8)
        if not self.cut:
            return apart
        small = self._small
        base = max(small, key=lambda one: int(small[one].coverage.sum()))
        size = small[base].coverage.shape[::-1]
        images = np.zeros((len(small), _COMPARED_PX, _COMPARED_PX, 3), np.int16)
        maps = self.maps([*small], base)
        for image, copy, matrix in zip(images, small.values(), maps, strict=True):
            matrix = small[base].zoom * matrix / (copy.zoom, copy.zoom, 1)
            colors, coverage = (cv2.warpAffine(of, matrix, size) for of in copy[:2])
            share = coverage[..., None] / np.float32(255)
            over_gray = colors * share + GRAY * (1 - share)
            image[:] = cv2.resize(over_gray, image.shape[1::-1], interpolation=cv2.INTER_AREA)
        rows, covered = np.array([*small]), small[base].coverage.mean() / 255
        for one, image in zip(rows, images, strict=True):
            levels = np.abs(images - image).mean(axis=(1, 2, 3)) / max(covered, 1e-6)
            apart[one, rows] = np.minimum(levels, _MOST_LEVELS).round()
        return apart

    def filled(self, reference: int) -> CutPart:
        """The part with its hidden pixels from sharp references that show them, the most alike.

        What no frame shows of a neck goes on behind the head, and of a trunk between its joints.
        Heads and hands stay as they are: beside an arm before a face, other references show hair.
        Rims of arms in a trunk are not copied, and its own only stay where no source shows it.
        """
        own, filled = self.cut[reference], self._without_rims[reference]
        if self.part.changes_fast:
            return filled.without_scraps(least=_LEAST_FILLED)
        num_sources, places = 0, filled.hidden_places()
        sharp = [other for other in self.alike(reference) if self.sharpness[other] >= SHARP]
        sharp = sharp[:_NUM_CANDIDATES] if len(places) else []
        for other, matrix in zip(sharp, self.maps(sharp, reference), strict=True):
            source = self._without_rims[other]
            if source.covered_share(matrix, places) >= _LEAST_SHOWN:
                filled = filled.filled_from(source, matrix)
                num_sources, places = num_sources + 1, filled.hidden_places()
            if not len(places) or num_sources == _NUM_SOURCES:
                break
        rims = cv2.subtract(own.coverage, self._without_rims[reference].coverage)
        filled = filled.covered(rims)
        if self.other_side is not None and not self.part.is_neck:
            filled = self._completed(filled, reference).without_scraps(least=_LEAST_FILLED)
        if self.part.is_neck:
            filled = filled.extended(filled.hidden)
        elif not self.part.is_limb and not self.part.is_cloth:
            filled = filled.extended(cv2.bitwise_and(filled.hidden, self._inside(reference)))
        radius_px = self._radius_px(reference)
        joints = self._joints(reference)
        if num_sources and self.part.motion == "limb" and len(joints) > 1:
            filled = filled.within_edges(own, joints, _NEAR_EDGE * radius_px)
        return filled.without_scraps().without_thin(THIN * radius_px, own.coverage)

    @cached_property
    def _without_rims(self) -> Mapping[int, CutPart]:
        """The cuts, hidden also beside an arm in front, where a film's trunks have a rim of it."""
        if not self.part.is_trunk or self.other_side is not None:
            return self.cut
        found = {}
        for reference, cut in self.cut.items():
            by_arm = cv2.min(cut.hidden, self._near_arms(reference))
            side = 2 * max(round(_RIM * self._radius_px(reference)), 1) + 1
            found[reference] = cut.behind(cv2.dilate(by_arm, np.ones((side, side), np.uint8)))
        return found

    def _near_arms(self, reference: int) -> Mask:
        """Of a patch, what lies near to the lines of an arm or a hand."""
        near = np.zeros_like(self.cut[reference].coverage)
        width_px = max(round(2 * _ARM * self.height_px * self.scales[reference]), 1)
        for arm in ([f"{side}_{joint}" for joint in _ARM_JOINTS] for side in ("left", "right")):
            points, found = self.poses.joints(tuple(arm), reference)
            line = (points[found] - self.cut[reference].corner).round().astype(np.int32)
            cv2.polylines(near, [line], False, 255, width_px)
        return near

    def _completed(self, cut: CutPart, reference: int) -> CutPart:
        """A part of a photo by its other side, as a mirror shows it, then by its own texture."""
        if (other := (self.other_side or {}).get(reference)) is not None:
            own = self.poses.joints(self.part.joints, reference)
            names = tuple(mirrored(joint) for joint in self.part.joints)
            points, found = self.poses.joints(names, reference)
            both = own[1] & found
            if both.sum() >= self.part.min_joints:
                right = other.colors.shape[1] - 1
                points = (right, 0) + (points[both] - other.corner) * (-1, 1)
                matrix = part_map(self.part, points, own[0][both] - cut.corner, scale=1.0)
                cut = cut.completed_from(other.flipped(), matrix)
        return cut.synthesized(cv2.bitwise_and(cut.hidden, self._inside(reference)))


class _Stored(NamedTuple):
    """One part in all references, which one worker fills."""

    views: _PartViews
    """Without what was cut out."""
    cut: Mapping[int, StoredPart]
    other_side: Mapping[int, StoredPart] | None

    def __str__(self) -> str:
        return self.views.part.name


def fill_hidden(
    parts: Sequence[BodyPart],
    poses: BodyPoses,
    scales: Float64[np.ndarray, " references"],
    stored: Sequence[Sequence[StoredPart | None]],
    *,
    height_px: float,
    num_workers: int | None,
    of_photos: bool,
) -> tuple[list[list[Patch | None]], UInt8[np.ndarray, "parts references references"]]:
    """Patches of all parts by reference, without occluders, and with hidden pixels filled.

    Returns:
        The patches, and the levels by which each part looks different in two references.

    Args:
        poses: of the references.
        height_px: of the upright body at scale 1.
        num_workers: see `run_parallel`.
        of_photos: what none of them shows is made up, by a part's other side and its texture.
    """
    number_of = {part.name: number for number, part in enumerate(parts)}

    def views(name: str) -> dict[int, StoredPart]:
        column = number_of[name]
        return {n: part for n, row in enumerate(stored) if (part := row[column]) is not None}

    work = (
        _Stored(
            _PartViews(part=one, poses=poses, scales=scales, height_px=height_px, cut={}),
            views(one.name),
            views(mirrored(one.name)) if of_photos else None,
        )
        for one in parts
    )
    filled = run_parallel(_filled, work, num_workers=num_workers)
    patches, differences = zip(
        *track(filled, "filling what is hidden", total=len(parts)), strict=True
    )
    rows = [[of_part.get(reference) for of_part in patches] for reference in range(len(stored))]
    return rows, np.stack(differences)


def _filled(work: _Stored) -> tuple[dict[int, Patch], UInt8[np.ndarray, "references references"]]:
    """Patches by reference, and differences. What hardly shows a hand without fingers is none."""
    cut, other_side = (
        of and {reference: part.read() for reference, part in of.items()}
        for of in (work.cut, work.other_side)
    )
    views = replace(work.views, cut=cut, other_side=other_side).without_occluders()
    patches = {}
    for reference in views.cut:
        filled = views.filled(reference)
        shown = views.shown[reference] * joined_share(views.part, filled, views.poses, reference)
        if shown < _LEAST_OF_HAND and views.lacks_fingers(reference):
            continue
        patches[reference] = filled.patch(shown=shown, sharpness=views.sharpness[reference])
    return patches, views.differences()
