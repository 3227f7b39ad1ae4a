"""Silhouette of a person in one frame: a mask, and distances from the bones of body parts.

Masks and distances are smooth: they are of a coarse image, each in a box of its own, and coverage
is interpolated.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Complex128, Float, Float32, Float64, Int32

from motiontransfer.body.parts import SKIRT, BodyPart, BodyPoses
from motiontransfer.core.arrays import Box, Frame, Mask

# The person.
_PADDING = 0.25  # of the box around the joints, share of the body's height: hair on a child's head
_MASK_EDGE = 0.3  # probability of the person up to which a pixel is not theirs, or of the room
_BESIDE_PART = 2.0  # radii from a part's bones, within which others are told how far it is
LONG_HAIR = 5.0  # the same of a head: down to a chest
SURE = 0.4  # radii from a part's bones, up to which a pixel is surely the part's
JAW = 0.85  # of a head, from the hull of its face: there the neck begins, a beard has ended

# Skirt.
_ENDS = 0.3  # of the thighs, share of their length: trousers too are between the upper ones
_BESIDE = 1.5  # from the thighs, beyond which what is between them is cloth
_SKIRT_SHARE = 0.8  # of what is between them, from which there is a skirt

FAR = 1e6  # radii, and pixels: beyond every frame
NOTHING_HELD = 0.0, 0.0  # by the left and the right hand

Field = Float32[np.ndarray, "height width"]
Place = tuple[slice, slice]
"""Rows and columns of the frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Silhouette:
    """The person in a reference frame: a coarse mask of the box around them."""

    pose: BodyPoses
    """The one of this frame, in the coarse image."""
    box: Box
    """x0, y0, x1, y1 in the coarse image."""
    height_px: float
    """Height of the upright body in the coarse image."""
    zoom: Float64[np.ndarray, "2"]
    """Pixels of the frame per pixel of the coarse image, in x and in y."""
    coverage: Field
    """Share of each coarse pixel that the person covers."""
    held: Sequence[float] = NOTHING_HELD
    """How surely each hand holds something, see `held_by_hands`."""

    def joints(
        self, names: tuple[str, ...]
    ) -> tuple[Float64[np.ndarray, "names 2"], Bool[np.ndarray, " names"]]:
        """Points of these joints in the box, and where they were found."""
        points, found = self.pose.joints(names, 0)
        return points - np.array(self.box[:2]), found

    def place(self, box: Box | None = None) -> Place:
        """Where the box, or one within it, lies in the frame."""
        x0, y0, x1, y1 = self.box
        if box is not None:
            x0, y0, x1, y1 = x0 + box[0], y0 + box[1], x0 + box[2], y0 + box[3]
        left, top, right, bottom = np.rint(np.array([x0, y0, x1, y1]) * np.tile(self.zoom, 2))
        return np.s_[int(top) : int(bottom), int(left) : int(right)]

    def enlarged(self, box: Box, field: Field) -> Float32[np.ndarray, "rows columns"]:
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
    pose: BodyPoses,
    mask: Mask,
    *,
    height_px: float,
    coarse_size: tuple[int, int],
    frame_size: tuple[int, int],
    held: Sequence[float] = NOTHING_HELD,
) -> Silhouette:
    """The person with some margin.

    Args:
        pose: one, in the coarse image.
        mask: probability of the person, of 255, in any size.
        height_px: of the upright body in the coarse image.
    """
    joints = pose.points[0][pose.found[0]]
    padding = _PADDING * height_px
    limit = np.array(coarse_size[::-1])
    low = np.clip(np.floor(joints.min(axis=0) - padding), 0, limit - 1).astype(int)
    high = np.clip(np.ceil(joints.max(axis=0) + padding), low + 1, limit).astype(int)
    (x0, y0), (x1, y1) = low.tolist(), high.tolist()
    probability = cv2.resize(mask, coarse_size[::-1])[y0:y1, x0:x1] / np.float32(255)
    return Silhouette(
        pose=pose,
        box=(x0, y0, x1, y1),
        height_px=height_px,
        zoom=np.array(frame_size[::-1]) / limit,
        coverage=np.clip((probability - _MASK_EDGE) / (1 - 2 * _MASK_EDGE), 0, 1),
        held=held,
    )


class Distance(NamedTuple):
    """Distance of each pixel from a part's bones, in radii, in the box where it matters."""

    box: Box
    """x0, y0, x1, y1 in the silhouette's box."""
    radii: Field

    def overlaps(self, box: Box) -> bool:
        (x0, y0, x1, y1), (u0, v0, u1, v1) = box, self.box
        return max(x0, u0) < min(x1, u1) and max(y0, v0) < min(y1, v1)

    def within(self, box: Box) -> Field:
        """In another box; very large beyond its own."""
        (x0, y0, x1, y1), (u0, v0, u1, v1) = box, self.box
        distance = np.full((y1 - y0, x1 - x0), FAR, np.float32)
        left, top, right, bottom = max(x0, u0), max(y0, v0), min(x1, u1), min(y1, v1)
        if left < right and top < bottom:
            own = self.radii[top - v0 : bottom - v0, left - u0 : right - u0]
            distance[top - y0 : bottom - y0, left - x0 : right - x0] = own
        return distance


@dataclass(frozen=True, slots=True)
class Around:
    """A part in the box around it, and the parts that reach into the box."""

    parts: Sequence[BodyPart]
    number: int
    person: Silhouette
    box: Box
    """In the silhouette's box."""
    distances: Mapping[int, Field]
    """From these parts, by number."""
    frame: Frame
    """In the box."""

    @property
    def part(self) -> BodyPart:
        return self.parts[self.number]

    @property
    def own(self) -> Field:
        """Distance from the part itself."""
        return self.distances[self.number]

    @property
    def is_person(self) -> Bool[np.ndarray, "height width"]:
        x0, y0, x1, y1 = self.box
        return self.person.coverage[y0:y1, x0:x1] >= 1

    @property
    def pixels(self) -> Complex128[np.ndarray, "height width"]:
        """Their places x + iy."""
        rows, columns = np.ogrid[self.box[1] : self.box[3], self.box[0] : self.box[2]]
        return columns + 1j * rows

    def joints(
        self, *names: str
    ) -> tuple[Complex128[np.ndarray, " names"], Bool[np.ndarray, " names"]]:
        """Places x + iy of joints, and where they were found."""
        points, found = self.person.joints(names)
        return points @ (1, 1j), found

    def below_mouth(self) -> Float64[np.ndarray, "height width"] | None:
        """Above 0 below the mouth, as the face sees it; None where no face was found."""
        (eye, mouth), found = self.joints("mid_eye", "mid_mouth")
        return ((self.pixels - mouth) * (mouth - eye).conj()).real if found.all() else None

    def away(self, place: complex, length: float) -> Field:
        """Distance of the pixels from a place, in lengths that are a share of the height."""
        away = np.abs(self.pixels - place) / (length * self.person.height_px)
        return away.astype(np.float32)

    def nearest(self, numbers: Iterable[int]) -> Field:
        """Distance from the nearest of some parts; cloth ends where it reaches."""
        reached = {n: self.parts[n].reach if self.parts[n].is_cloth else FAR for n in numbers}
        found = (np.where(self.distances[n] < reached[n], self.distances[n], FAR) for n in reached)
        return reduce(np.minimum, found, np.full_like(self.own, FAR))

    def nearest_that(self, is_asked: Callable[[BodyPart], bool]) -> Field:
        return self.nearest(n for n in self.distances if is_asked(self.parts[n]))


def around_part(
    parts: Sequence[BodyPart],
    number: int,
    distances: Sequence[Distance],
    person: Silhouette,
    frame: Frame,
) -> Around:
    """One of the parts, whose distance was told.

    Args:
        frame: the person's box in the size of the coverage.
    """
    x0, y0, x1, y1 = box = distances[number].box
    near = {n: other.within(box) for n, other in enumerate(distances) if other.overlaps(box)}
    return Around(parts, number, person, box, near, frame[y0:y1, x0:x1])


def shows_skirt(parts: Sequence[BodyPart], silhouettes: Iterable[Silhouette]) -> bool:
    """Whether masks show the person between the middles of the thighs, wherever these are apart."""
    beside = [part for part in parts if part.meets(SKIRT)]
    covered = total = 0.0
    for person in silhouettes:
        points, found = person.joints(SKIRT.joints)
        if not found.all():
            continue
        hips, knees = points[:2], points[2:]
        middle = np.concatenate([hips + share * (knees - hips) for share in (_ENDS, 1 - _ENDS)])
        between = np.zeros_like(person.coverage)
        cv2.fillConvexPoly(between, cv2.convexHull(_pixels(middle)), 1)
        for (x0, y0, x1, y1), radii in part_distances(beside, person):
            between[y0:y1, x0:x1][radii <= _BESIDE] = 0
        covered += float((between * person.coverage).sum())
        total += float(between.sum())
    return covered > _SKIRT_SHARE * total


def part_distances(parts: Sequence[BodyPart], person: Silhouette) -> list[Distance]:
    """Distances from each part; of one that was not found, in an empty box."""
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
            reach = LONG_HAIR if part.is_head else max(part.reach, _BESIDE_PART)
            reach_px = math.ceil(reach * radius_px) + 1
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
    return np.clip(points.round(), -FAR, FAR).astype(np.int32)
