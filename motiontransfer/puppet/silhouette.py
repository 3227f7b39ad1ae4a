"""Person masks of some frames of a clip, and the silhouette in one, divided into body parts.

Each pixel belongs to the part whose bones are nearest, in radii of the parts, unless a part in
front hides it; parts that meet at a joint overlap there. A part's radius is where masks mostly end.

Masks and distances from bones are smooth: parts are cut in their own boxes of a coarse image, and
the coverage is interpolated.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int32, UInt8

from motiontransfer.core.errors import MissingFileError
from motiontransfer.core.storage import read_table, write_table
from motiontransfer.puppet.matting import share_by_color
from motiontransfer.puppet.parts import SKIRT, BodyPart, BodyPoses
from motiontransfer.video.color import Frame

MOST_MASKS = 400
"""Masks of a clip, about: twice what its background is made of."""

_METADATA_KEY = "motiontransfer.masks"

Mask = UInt8[np.ndarray, "height width"]
"""Probability that a pixel shows the person, of 255; in the size of the detector's picture."""
LEAST_MASK = 26
"""Of 255: no person below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonMasks:
    frame_index: Int32[np.ndarray, " masks"]
    """In order."""
    masks: UInt8[np.ndarray, "masks height width"]
    is_drawn: Bool[np.ndarray, " masks"]
    """Drawn around the joints: the network found nobody."""

    def __getitem__(self, frame_index: int) -> Mask:
        """The mask of a frame that has one."""
        return self.masks[np.searchsorted(self.frame_index, frame_index)]

    def frames_of(self, frames: range) -> list[int]:
        return [index for index in self.frame_index.tolist() if index in frames]


def write_masks(path: Path, masks: PersonMasks) -> None:
    """Write masks as Parquet; the same masks are the same bytes."""
    columns = {
        "frame_index": masks.frame_index,
        "is_drawn": masks.is_drawn,
        "mask": masks.masks.reshape(len(masks.masks), math.prod(masks.masks.shape[1:])),
    }
    description = {"image_size": masks.masks.shape[1:]}
    write_table(path, columns, key=_METADATA_KEY, description=description)


def read_masks(path: Path) -> PersonMasks:
    """Read masks.

    Raises:
        MissingFileError: no such file.
        DamagedFileError: it is not as it was written.
    """
    if not path.exists():
        raise MissingFileError(f"{path}: no such file of masks; `dvc repro` makes it")
    columns, description = read_table(path, key=_METADATA_KEY)
    image_size: Any = description["image_size"]
    return PersonMasks(
        frame_index=columns["frame_index"],
        is_drawn=columns["is_drawn"],
        masks=columns["mask"].reshape(-1, *image_size),
    )


_PADDING = 0.12  # around the joints: hair and shoes, as a share of the body's height
_MASK_EDGE = (0.3, 0.7)  # probability of the person: none of the pixel, all of it
# Radii around bones, and around joints that lie at the outline: all of it, and none of it.
_CORE, _SOLID_CORE = (0.55, 0.8), (0.1, 0.3)  # covered whatever the mask says
_BEFORE, _SOLID_BEFORE = (0.6, 1.1), (0.2, 0.5)  # hides what lies behind
_HAND_BEFORE = 2.0, 3.0  # the same of a hand before trunk, neck or head: it blurs as it moves
_OVERLAP = 1.2  # radii by which a part reaches beyond where another one is nearer
_RADIUS_RANGE = (0.7, 1.6)  # of fitted radii, relative to the usual ones
_RADIUS_BINS = 40
_ALONE = 2.0  # radii of the others, beyond which a pixel near a part is that part's alone
_FAR_PX = 1e6  # beyond every frame
_MIDDLE = 0.3, 0.7  # of the thighs; above, trousers too are between them
_BESIDE = 1.5  # radii of the thighs, beyond which what is between them is cloth
_SKIRT_SHARE = 0.8  # of what is between them, from which there is a skirt
_SURE, _SURE_BEHIND, _APART = 0.4, 0.7, 1.6  # radii
_REACH_BEFORE_OTHERS = 1.0  # radii; there the silhouette does not show the outline


Box = tuple[int, int, int, int]
_Field = Float32[np.ndarray, "height width"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Silhouette:
    """The person in a reference frame: a coarse mask of the box around them."""

    poses: BodyPoses
    """In the coarse image."""
    index: int
    """The pose that the frame shows."""
    box: Box
    """x0, y0, x1, y1 in the coarse image."""
    height_px: float
    """Height of the upright body in the coarse image."""
    zoom: Float64[np.ndarray, "2"]
    """Pixels of the frame per pixel of the coarse image, in x and in y."""
    coverage: _Field
    """Share of each coarse pixel that the person covers."""

    def joints(
        self, names: tuple[str, ...]
    ) -> tuple[Float64[np.ndarray, "names 2"], Bool[np.ndarray, " names"]]:
        """Points of these joints in the box, and where they were found."""
        points, found = self.poses.joints(names, self.index)
        return points - np.array(self.box[:2]), found

    def place(self, box: Box | None = None) -> tuple[slice, slice]:
        """Where the box, or one within it, lies in the frame."""
        x0, y0, x1, y1 = self.box
        if box is not None:
            x0, y0, x1, y1 = (n + of for n, of in zip(box, (x0, y0, x0, y0), strict=True))
        left, top, right, bottom = np.rint(np.array([x0, y0, x1, y1]) * np.tile(self.zoom, 2))
        return np.s_[int(top) : int(bottom), int(left) : int(right)]

    def enlarged(self, box: Box, field: _Field) -> Float32[np.ndarray, "rows columns"]:
        """A field of a box within the box, interpolated at its place in the frame."""
        if (self.zoom == 1).all():
            return field
        rows, columns = self.place(box)
        corner = np.array(self.box[:2]) + box[:2]
        first = (np.array([columns.start, rows.start]) + 0.5) / self.zoom - 0.5 - corner
        matrix = np.column_stack([np.diag(1 / self.zoom), first])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        size = columns.stop - columns.start, rows.stop - rows.start
        return cv2.warpAffine(field, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)


def silhouette(
    poses: BodyPoses,
    index: int,
    mask: Mask,
    *,
    height_px: float,
    coarse_size: tuple[int, int],
    frame_size: tuple[int, int],
) -> Silhouette:
    """The person with some margin.

    Args:
        poses: in the coarse image.
        mask: probability of the person, of 255, in any size.
        height_px: of the upright body in the coarse image.
    """
    joints = poses.points[index][poses.found[index]]
    padding = _PADDING * height_px
    limit = np.array(coarse_size[::-1])
    low = np.clip(np.floor(joints.min(axis=0) - padding), 0, limit - 1).astype(int)
    high = np.clip(np.ceil(joints.max(axis=0) + padding), low + 1, limit).astype(int)
    (x0, y0), (x1, y1) = low.tolist(), high.tolist()
    probability = cv2.resize(mask, coarse_size[::-1])[y0:y1, x0:x1] / np.float32(255)
    background, person = _MASK_EDGE
    return Silhouette(
        poses=poses,
        index=index,
        box=(x0, y0, x1, y1),
        height_px=height_px,
        zoom=np.array(frame_size[::-1]) / limit,
        coverage=np.clip((probability - background) / (person - background), 0, 1),
    )


class Distance(NamedTuple):
    """Distance of each pixel from a part's bones, in radii, in the box where it matters."""

    box: Box
    """x0, y0, x1, y1 in the silhouette's box."""
    radii: _Field

    def overlaps(self, box: Box) -> bool:
        (x0, y0, x1, y1), (u0, v0, u1, v1) = box, self.box
        return max(x0, u0) < min(x1, u1) and max(y0, v0) < min(y1, v1)

    def within(self, box: Box) -> _Field:
        """In another box; very large beyond its own."""
        (x0, y0, x1, y1), (u0, v0, u1, v1) = box, self.box
        distance = np.full((y1 - y0, x1 - x0), _FAR_PX, np.float32)
        left, top, right, bottom = max(x0, u0), max(y0, v0), min(x1, u1), min(y1, v1)
        if left < right and top < bottom:
            own = self.radii[top - v0 : bottom - v0, left - u0 : right - u0]
            distance[top - y0 : bottom - y0, left - x0 : right - x0] = own
        return distance


def fit_radii(parts: Sequence[BodyPart], silhouettes: Iterable[Silhouette]) -> tuple[BodyPart, ...]:
    """The parts with the largest radii within which masks are mostly the person."""
    low, high = _RADIUS_RANGE
    edges = np.linspace(0, high, _RADIUS_BINS + 1)
    covered, total = np.zeros((2, len(parts), _RADIUS_BINS))
    for person in silhouettes:
        height, width = person.coverage.shape
        whole = (0, 0, width, height)
        distances = np.stack([it.within(whole) for it in part_distances(parts, person)])
        second = np.partition(distances, 1, axis=0)[1]
        for number in range(len(parts)):
            # Within `high` of one part and far from all others: it is the nearest.
            own = (distances[number] < high) & (second > _ALONE)
            values = distances[number][own]
            total[number] += np.histogram(values, edges)[0]
            covered[number] += np.histogram(values, edges, weights=person.coverage[own])[0]
    is_person = covered >= 0.5 * np.maximum(total, 1)
    fitted = []
    for part, inside in zip(parts, is_person, strict=True):
        factor = float(edges[np.flatnonzero(inside)[-1] + 1]) if inside.any() else 1.0
        factor = min(max(factor, low), high)
        fitted.append(replace(part, radius=factor * part.radius, reach=part.reach / factor))
    return tuple(fitted)


def shows_skirt(parts: Sequence[BodyPart], silhouettes: Iterable[Silhouette]) -> bool:
    """Whether masks show the person between the middles of the thighs, wherever these are apart."""
    beside = [part for part in parts if part.meets(SKIRT)]
    covered = total = 0.0
    for person in silhouettes:
        points, found = person.joints(SKIRT.joints)
        if not found.all():
            continue
        hips, knees = points[:2], points[2:]
        middle = np.concatenate([hips + share * (knees - hips) for share in _MIDDLE])
        between = np.zeros_like(person.coverage)
        cv2.fillConvexPoly(between, cv2.convexHull(_pixels(middle)), 1)
        for (x0, y0, x1, y1), radii in part_distances(beside, person):
            between[y0:y1, x0:x1][radii <= _BESIDE] = 0
        covered += float((between * person.coverage).sum())
        total += float(between.sum())
    return covered > _SKIRT_SHARE * total


def cores(parts: Sequence[BodyPart], distances: Sequence[Distance], person: Silhouette) -> _Field:
    """Coverage of the person's box that follows from the joints, whatever the mask says."""
    covered = np.zeros_like(person.coverage)
    for part, (box, distance) in zip(parts, distances, strict=True):
        if part.is_cloth:
            continue
        x0, y0, x1, y1 = box
        under = covered[y0:y1, x0:x1]
        np.maximum(under, _inside(distance, _SOLID_CORE if part.is_solid else _CORE), out=under)
    return covered


def part_masks(
    parts: Sequence[BodyPart], distances: Sequence[Distance], person: Silhouette, frame: Frame
) -> Iterator[tuple[tuple[slice, slice], Mask, Mask]]:
    """Share of each part in the person: all where it is nearest and nothing is before it.

    After the place of its own box in the frame, beyond which there is none; last, where it would be
    covered, were it not hidden. Distances are in radii of the parts. Parts that meet at a joint
    overlap there. What lies behind a part without meeting it takes nothing from it.
    """
    for number, part in enumerate(parts):
        box, distance = distances[number]
        if not distance.size:
            yield np.s_[:0, :0], np.zeros((0, 0), np.uint8), np.zeros((0, 0), np.uint8)
            continue
        around = {n: it.within(box) for n, it in enumerate(distances) if it.overlaps(box)}
        rivals = (it for n, it in around.items() if n >= number or part.meets(parts[n]))
        rival = reduce(np.minimum, rivals)
        mask = np.clip((rival + _OVERLAP - distance) / 0.25, 0, 1)
        # Before another part its outline is not that of the silhouette: it reaches less far.
        reach = part.reach + (_REACH_BEFORE_OTHERS - part.reach) * _cover(parts, around, number)
        mask = mask * np.clip((reach - distance) / 0.2, 0, 1)
        x0, y0, x1, y1 = box
        is_person, image = person.coverage[y0:y1, x0:x1] >= 1, frame[y0:y1, x0:x1]
        of_behind, shown = _by_color(parts, around, number, is_person, image)
        mask = mask * of_behind
        for in_front in (n for n in around if n > number):
            other = parts[in_front]
            limits = _SOLID_BEFORE if other.is_solid else _BEFORE
            if not part.is_limb and other.changes_fast and not other.is_solid:
                limits = _HAND_BEFORE
            hides = _inside(around[in_front], limits)
            if not hides.any():
                continue
            for joint in part.meets(other):
                (point,), _ = person.joints((joint,))
                hides = hides * (1 - _disc(point, other.radius * person.height_px, box))
            shown = shown * (1 - hides)
        seen, hidden = (person.enlarged(box, 255 * mask * of) for of in (shown, 1 - shown))
        yield person.place(box), cv2.convertScaleAbs(seen), cv2.convertScaleAbs(hidden)


def _by_color(
    parts: Sequence[BodyPart],
    distances: Mapping[int, _Field],
    number: int,
    is_person: Bool[np.ndarray, "height width"],
    frame: Frame,
) -> tuple[_Field, _Field]:
    """Share of each pixel that shows a part: not others behind it, not others before it.

    Where they look different; elsewhere 1.
    """
    part, own = parts[number], distances[number]
    nothing = np.full_like(own, _FAR_PX)
    apart = {
        n: it
        for n, it in distances.items()
        if not part.meets(parts[n]) or parts[n].is_solid or part.is_solid
    }
    behind = reduce(np.minimum, (it for n, it in apart.items() if n < number), nothing)
    before = reduce(np.minimum, (it for n, it in apart.items() if n > number), nothing)
    nearest = reduce(np.minimum, (it for n, it in distances.items() if n > number), nothing)
    is_seen = is_person & (nearest > _APART)
    sure = is_seen & (own < _SURE)
    at_edge = np.clip((own - _SURE) / 0.2, 0, 1) * np.clip(2.4 - 1.6 * behind, 0, 1)
    near = np.clip(2.4 - 1.6 * before, 0, 1)
    inside = own < part.reach  # beyond, it has nothing
    surely_behind = is_seen & ~inside & (behind < _SURE_BEHIND)
    of_behind = share_by_color(frame, inside & (at_edge > 0), one=sure, other=surely_behind)
    surely_before = is_person & (before < _SURE)
    of_before = share_by_color(frame, inside & (near > 0), one=sure, other=surely_before)
    return 1 - at_edge * (1 - of_behind), 1 - near * (1 - of_before)


def _inside(distance: _Field, limits: tuple[float, float]) -> _Field:
    """1 up to the first limit, falling to 0 at the second."""
    whole, none = limits
    return np.clip((none - distance) / np.float32(none - whole), 0, 1)


def _cover(parts: Sequence[BodyPart], distances: Mapping[int, _Field], number: int) -> _Field:
    """Share to which a part lies before others that it does not meet."""
    behind = np.zeros_like(distances[number])
    for other, distance in distances.items():
        if other < number and not parts[number].meets(parts[other]):
            behind = np.maximum(behind, np.clip(2.4 - 1.6 * distance, 0, 1))
    return behind


def part_distances(parts: Sequence[BodyPart], person: Silhouette) -> list[Distance]:
    """Distances from each part; of one that was not found, in an empty box."""
    margin = max(_ALONE, *(part.reach for part in parts))
    limit = np.array(person.coverage.shape[::-1])
    distances = []
    for part in parts:
        radius_px = part.radius * person.height_px
        points, found = person.joints(part.joints)
        hull = points[found & (part.is_solid and found.sum() >= part.min_joints)]
        bones = [points for points, found in map(person.joints, part.bones) if found.all()]
        drawn = _pixels(np.concatenate([hull, *bones]))
        low = high = np.zeros(2, np.int32)
        if len(drawn):
            reach_px = math.ceil(margin * radius_px) + 1
            low = np.clip(drawn.min(axis=0) - reach_px, 0, limit).astype(np.int32)
            high = np.clip(drawn.max(axis=0) + reach_px + 1, low, limit)
        away = np.ones((high - low)[::-1], np.uint8)
        if away.size:
            if len(hull):
                cv2.fillConvexPoly(away, cv2.convexHull(_pixels(hull) - low), 0)
            for bone in bones:
                start, end = (_pixels(bone) - low).tolist()
                cv2.line(away, start, end, 0)
        if away.all():  # it was not found, or all of it is beyond the frame's edge
            distances.append(Distance((0, 0, 0, 0), np.zeros((0, 0), np.float32)))
            continue
        distance = cv2.distanceTransform(away, cv2.DIST_L2, cv2.DIST_MASK_5)
        box = (*low.tolist(), *high.tolist())
        distances.append(Distance(box, distance / np.float32(radius_px)))
    return distances


def _pixels(points: Float[np.ndarray, "points 2"]) -> Int32[np.ndarray, "points 2"]:
    """Rounded to integers that OpenCV takes, also from points that are far away."""
    return np.clip(points.round(), -_FAR_PX, _FAR_PX).astype(np.int32)


def _disc(center: Float64[np.ndarray, "2"], radius_px: float, box: Box) -> _Field:
    """1 within 1.2 radii of a joint, 0 beyond 1.6."""
    x0, y0, x1, y1 = box
    y, x = np.ogrid[y0:y1, x0:x1]
    away = np.hypot(x - center[0], y - center[1])
    return np.clip(4 - 2.5 * away / radius_px, 0, 1).astype(np.float32)
