"""Masks of body parts: a person's silhouette in one frame, divided into its parts.

A pixel belongs to the part whose bones are nearest, in radii of the parts, unless a part in front
hides it. Parts that meet at a joint overlap there. Where two parts that do not meet look different,
their colors decide.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial, reduce
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from motiontransfer.body.parts import BodyPart
from motiontransfer.core.arrays import Box, Frame, Mask
from motiontransfer.plate.masks import disc_of, opened
from motiontransfer.puppet.fit.held import HANDS, NOTHING_HELD, REACH
from motiontransfer.puppet.fit.matting import grab_cut, share_by_color
from motiontransfer.puppet.fit.silhouette import FAR, Distance, Field, Place, Silhouette

# All that follows is in radii of a part, from its bones: how far something reaches, with a smooth
# edge. A solid part's bones join joints that lie at its outline, not along its middle: its limits
# are smaller.
_EDGE = 0.3  # width of these edges, before what is told here; from .2 to .6 they look alike

# Coverage near the bones. Larger: background enters where the mask rightly ends. Smaller: limbs
# break where the mask, which is coarse, misses them.
_CORE, _SOLID_CORE = 0.8, 0.35

# The place of a part between others.
_OVERLAP = 1.25  # by which it reaches to where another one is nearer: no gap when a joint bends
_SLEEVE_OVERLAP = 0.45  # the same of a trunk with an upper arm, whose sleeve would hang at it
_ELBOW = 0.036  # of the body's height, around it: within that the halves of an arm overlap
_HINGE_EDGE = 0.9  # of its overlap with a limb behind, which lies under it
_CAP = 1.15  # of an upper arm, around a shoulder: as far a trunk reaches beyond it
_BROAD = 1.0  # of the same, half of the shoulders' width up to which this is not told: profiles
_ABOVE_SHOULDERS = 1.5  # of a trunk: farther up is hair, which turns with the head
_CLOSE = 1.35  # to a part's bones: it may be that part
_REACH_AT_OTHERS = 1.15
"""Its reach where no silhouette ends it: in front of another part, and of a trunk behind an arm.
Farther, the arm's rim would count as the trunk's."""
_BESIDE_ALL = 1.5  # from the nearest part, near a hand: what it holds, and no jacket's tail
_LOOSE = 0.3  # of its reach, by which it is longer where a pixel is unlike the room: loose sleeves

# Head.
_JAW = 0.85  # below the hull of its face: there the neck begins
_SHOULDERS = 2.0  # from the trunk; with 1 a strip of a blurred rim stays
_HAIR = 1.5  # above the mouth, up to which there is hair around that hull

# What a part hides of those behind. Larger: less is shown of them, and filled from other frames.
# Smaller: they show the edge of the part before them.
_HIDES, _SOLID_HIDES = 1.0, 0.5
_HAND_HIDES = 2.4  # of a hand before trunk, neck or head: it blurs as it moves
_JOINT_DISC = 1.55  # around a joint, within which a part does not hide one that it meets

# The rim of a part between the cut along another one in front and the person's outline.
THIN = 0.35  # thinner than twice that it goes: elsewhere it would be a string or a wedge
_MIDDLE_OF_PART = 0.3  # up to which nothing goes; farther, the rim of a hand stays at a thigh

# Parts by color.
_SURE = 0.4  # up to which a pixel is surely the part's; beyond, colors decide
_PROBABLY = 0.7
"""Up to which it probably is: a hand's, whose joints may lie beside its fingers. Or it is that of a
part behind, beyond the reach of the one in front."""
_GRAB_CUT_PX = 34  # longer side of a hand's box, from which it is cut out: not of thin fingers


def certain_coverage(
    parts: Sequence[BodyPart], distances: Sequence[Distance], person: Silhouette
) -> Field:
    """Coverage near the bones, where the person is even if the mask misses them."""
    covered = np.zeros_like(person.coverage)
    for part, (box, distance) in zip(parts, distances, strict=True):
        if part.is_cloth:
            continue
        x0, y0, x1, y1 = box
        under = covered[y0:y1, x0:x1]
        np.maximum(under, _within(distance, _SOLID_CORE if part.is_solid else _CORE), out=under)
    return covered


class PartMask(NamedTuple):
    """A body part in a frame, within the box around it."""

    place: Place
    """Where the box lies in the frame."""
    shown: Mask
    """Share of each pixel that shows the part, of 255."""
    hidden: Mask
    """Share of each pixel in which another part hides it, of 255."""


def part_masks(
    parts: Sequence[BodyPart],
    distances: Sequence[Distance],
    person: Silhouette,
    frame: Frame,
    *,
    not_room: Field | None = None,
    is_photo: bool = False,
    held: Sequence[float] = NOTHING_HELD,
) -> Iterator[PartMask | None]:
    """Divide the person: yield the mask of each part, None where it was not found.

    Args:
        frame: the person's box in the size of the coverage.
        not_room: share of each of its pixels that surely is not the room's; None: not known.
        is_photo: forearms too are told by edges: no other frame shows what they take with them.
        held: how surely each hand holds something, see `held_by_hands`.
    """
    for number, (part, (box, distance)) in enumerate(zip(parts, distances, strict=True)):
        if not distance.size:
            yield None
            continue
        x0, y0, x1, y1 = box
        around = {n: other.within(box) for n, other in enumerate(distances) if other.overlaps(box)}
        reach = part.reach * (1.0 if not_room is None else 1 + _LOOSE * not_room[y0:y1, x0:x1])
        mask = _mask_by_distance(parts, around, number, reach)
        is_person, image = person.coverage[y0:y1, x0:x1] >= 1, frame[y0:y1, x0:x1]
        not_behind, shown = _shares_by_color(
            parts, around, number, is_person, image, is_photo=is_photo
        )
        mask = mask * not_behind * _share_by_jaw(parts, around, number, person, box, image)
        mask = mask * _share_below_shoulders(part, person, box)
        mask = mask * _share_at_elbow(parts, around, number, person, box)
        mask = mask * _share_at_shoulders(parts, number, person, box)
        mask = mask * _share_not_held(parts, around, number, person, box, held)
        for in_front in (n for n in around if n > number):
            shown = shown * (1 - _hidden_by(part, parts[in_front], around[in_front], person, box))
        seen, hidden = mask * shown, mask * (1 - shown)
        if not part.changes_fast:
            if part.is_solid or part.is_neck or is_photo:  # beyond is what is in front
                hidden *= _within(distance, _REACH_AT_OTHERS)
            disc = disc_of(THIN * part.radius * person.height_px)
            kept = np.maximum(_not_thin(seen * is_person, disc), distance < _MIDDLE_OF_PART)
            beside_hidden = cv2.dilate(hidden, disc)
            seen, hidden = kept * seen, np.maximum(hidden, (1 - kept) * seen * beside_hidden)
        seen, hidden = (person.enlarged(box, 255 * share) for share in (seen, hidden))
        yield PartMask(person.place(box), cv2.convertScaleAbs(seen), cv2.convertScaleAbs(hidden))


def _not_thin(seen: Field, disc: UInt8[np.ndarray, "side side"]) -> Field:
    """Share of each pixel's coverage that is left by an opening with a disc."""
    return np.minimum(opened(seen, disc) / np.maximum(seen, np.float32(1e-3)), 1)


def _mask_by_distance(
    parts: Sequence[BodyPart], distances: Mapping[int, Field], number: int, reach: Field | float
) -> Field:
    """Share of each pixel that is a part's: the nearest of those in front and of those it meets."""
    part, own = parts[number], distances[number]
    mask, before_others = np.ones_like(own), np.zeros_like(own)
    for other, distance in distances.items():
        if other < number and not part.meets(parts[other]):
            before_others = np.maximum(before_others, _within(distance, np.maximum(own, _CLOSE)))
        else:
            is_under = other < number and parts[other].is_limb
            edge = _HINGE_EDGE if is_under else _EDGE
            has_sleeve = part.is_trunk and parts[other].is_arm and part.meets(parts[other])
            overlap = _SLEEVE_OVERLAP if has_sleeve else _OVERLAP
            mask = np.minimum(mask, _within(own - distance, overlap, edge=edge))
    return mask * _within(own, reach + (_REACH_AT_OTHERS - reach) * before_others)


def _share_at_elbow(
    parts: Sequence[BodyPart],
    distances: Mapping[int, Field],
    number: int,
    person: Silhouette,
    box: Box,
) -> Field | float:
    """Share of each pixel of a box that is not beside an elbow, where the other half is nearer.

    It would stand off once the arm is straight. The halves of a folded arm lie on each other.
    """
    part, own = parts[number], distances[number]
    meets = (n for n in distances if n != number and parts[n].is_arm and part.meets(parts[n]))
    if not part.is_arm or (other := next(meets, None)) is None:
        return 1.0
    elbow = part.meets(parts[other])
    names = (*elbow, *part.ends - elbow, *parts[other].ends - elbow)
    joint, *ends = person.joints(names)[0] @ (1, 1j)
    one, two = ((end - joint) / max(abs(end - joint), 1) for end in ends)
    is_folded = np.float32(np.clip(2 - 2 * abs(one - two), 0, 1))  # from 60 degrees, from 29 wholly
    rows, columns = np.ogrid[box[1] : box[3], box[0] : box[2]]
    away = np.abs(columns + 1j * rows - joint).astype(np.float32) / (_ELBOW * person.height_px)
    is_beside = 1 - np.maximum(_within(away, 1.0), is_folded)
    return 1 - is_beside * (1 - _within(own - distances[other], _EDGE))


def _share_at_shoulders(
    parts: Sequence[BodyPart], number: int, person: Silhouette, box: Box
) -> Field | float:
    """Share of each pixel of a box that is not beyond a disc around a shoulder, of a trunk.

    That is aside, from straight above to 60 degrees below. What is there goes with the arm: of
    a trunk, it would stand off an arm that hangs otherwise.
    """
    part = parts[number]
    names = "left_shoulder", "right_shoulder", "left_hip", "right_hip"
    points, found = person.joints(names)
    if not part.is_trunk or not found.all():
        return 1.0
    radius = next(p.radius for p in parts if p.is_arm and part.meets(p)) * person.height_px
    rows, columns = np.ogrid[box[1] : box[3], box[0] : box[2]]
    places = (columns + 1j * rows) / radius
    left, right, left_hip, right_hip = points @ (1, 1j) / radius
    is_broad = np.clip(abs(left - right) / 2 - _BROAD, 0, 1)
    share = np.ones(places.shape, np.float32)
    for shoulder, other, hip in ((left, right, right_hip), (right, left, left_hip)):
        away = places - shoulder
        aside, upward = (way / max(abs(way), 1e-6) for way in (shoulder - other, shoulder - hip))
        limits = [(away * way.conjugate()).real for way in (aside, (aside + upward) / 2)]
        is_aside = 1 - _within(np.minimum(*limits), _EDGE)
        is_beyond = 1 - _within(np.abs(away), _CAP)
        share *= 1 - is_broad * is_aside * is_beyond
    return share


def _share_not_held(
    parts: Sequence[BodyPart],
    distances: Mapping[int, Field],
    number: int,
    person: Silhouette,
    box: Box,
    held: Sequence[float],
) -> Field | float:
    """Share of each pixel of a box that is not what a hand holds beside all parts, of a trunk."""
    if not parts[number].is_trunk or not any(held):
        return 1.0
    points, found = person.joints(HANDS)
    rows, columns = np.ogrid[box[1] : box[3], box[0] : box[2]]
    near = np.zeros((rows.size, columns.size))
    for (x, y), sure in zip(points.tolist(), found * np.array(held), strict=True):
        away = np.hypot(columns - x, rows - y) / (REACH * person.height_px)
        near = np.maximum(near, sure * _within(away, 1.0))
    beside = 1 - _within(_nearest(parts, distances, distances), _BESIDE_ALL)
    return 1 - beside * near.astype(np.float32)


def _share_below_shoulders(part: BodyPart, person: Silhouette, box: Box) -> Field | float:
    """Share of each pixel of a box that is not far above both shoulders, of a trunk."""
    if not part.is_trunk:
        return 1.0
    ends = "left_shoulder", "right_shoulder", "mid_hip", "mid_shoulder"
    (left, right, hip, middle), found = person.joints(ends)
    length = math.dist(hip, middle)
    if not found.all() or not length:
        return 1.0
    up = (middle - hip) / length
    rows, columns = np.ogrid[box[1] : box[3], box[0] : box[2]]
    highest = max(float(up @ left), float(up @ right))
    above = (columns * up[0] + rows * up[1] - highest) / (part.radius * person.height_px)
    return _within(above.astype(np.float32), _ABOVE_SHOULDERS)


def _hidden_by(
    part: BodyPart, other: BodyPart, distance: Field, person: Silhouette, box: Box
) -> Field:
    """Share of each pixel of a box in which another part lies in front of a part.

    Args:
        distance: from the other part.
    """
    limits = _SOLID_HIDES if other.is_solid else _HIDES
    if not part.is_limb and other.is_hand:
        limits = _HAND_HIDES
    hidden = _within(distance, limits)
    if hidden.any():
        for joint in part.meets(other) - {other.anchor}:
            ((x, y),), _ = person.joints((joint,))
            rows, columns = np.ogrid[box[1] : box[3], box[0] : box[2]]
            away = np.hypot(columns - x, rows - y) / (other.radius * person.height_px)
            hidden = hidden * (1 - _within(away, _JOINT_DISC).astype(np.float32))
    return hidden


def _share_by_jaw(
    parts: Sequence[BodyPart],
    distances: Mapping[int, Field],
    number: int,
    person: Silhouette,
    box: Box,
    frame: Frame,
) -> Field | float:
    """Share of each pixel of a box that is a head's: below its jaw, what has the color of its hair.

    Above, also at the shoulders of a bowed head, what has not the color of the trunk. 1 for other
    parts, and where no face was found.
    """
    own = distances[number]
    if not parts[number].face:
        return 1.0
    (eye, mouth), found = person.joints(("mid_eye", "mid_mouth"))
    if not found.all():
        return 1.0
    rows, columns = np.ogrid[box[1] : box[3], box[0] : box[2]]
    x, y = mouth - eye
    is_below = (columns - mouth[0]) * x + (rows - mouth[1]) * y > 0
    neck = next((distances[n] for n in distances if parts[n].is_neck), own)
    trunk = next((distances[n] for n in distances if parts[n].is_trunk), own)
    is_outside = own > _JAW - _EDGE
    is_beside = (person.coverage[box[1] : box[3], box[0] : box[2]] >= 1) & (own > _JAW)
    at_shoulders = ~is_below & (trunk < _SHOULDERS) & is_outside
    skin, cloth = is_beside & is_below & (neck < _SURE), is_beside & (trunk < _SURE)
    hair = is_beside & ~is_below & ~at_shoulders & (own < _HAIR)
    has_skin = share_by_color(frame, is_below & is_outside, one=skin, other=hair)
    has_hair = np.clip(1 - 2 * has_skin, 0, 1)
    no_cloth = share_by_color(frame, at_shoulders, one=hair, other=cloth)
    return np.where(is_below, np.maximum(_within(own, _JAW), has_hair), no_cloth)


def _nearest(
    parts: Sequence[BodyPart], distances: Mapping[int, Field], numbers: Iterable[int]
) -> Field:
    """Distance from the nearest of some parts; cloth ends where it reaches."""
    reached = {n: parts[n].reach if parts[n].is_cloth else FAR for n in numbers}
    found = (np.where(distances[n] < reached[n], distances[n], FAR) for n in reached)
    return reduce(np.minimum, found, np.full_like(next(iter(distances.values())), FAR))


def _shares_by_color(
    parts: Sequence[BodyPart],
    distances: Mapping[int, Field],
    number: int,
    is_person: Bool[np.ndarray, "height width"],
    frame: Frame,
    *,
    is_photo: bool,
) -> tuple[Field, Field]:
    """Share of each pixel that shows a part rather than one behind it, and than one before it.

    1 where they look alike.
    """
    part, own = parts[number], distances[number]
    nearest = partial(_nearest, parts, distances)
    in_front = [n for n in distances if n > number]
    apart = {n for n in distances if not part.meets(parts[n]) or parts[n].is_solid or part.is_solid}
    behind = nearest(n for n in distances if n in apart and n < number)
    before = nearest(n for n in in_front if n in apart)
    is_shown = is_person & (nearest(in_front) > _CLOSE)
    inside = own < part.reach  # beyond, it has nothing

    sure, close = is_shown & (own < _SURE), _within(behind, _CLOSE)
    if part.is_head:
        sure |= is_shown & inside & (close == 0)  # its hair
    if (part.is_hand or (is_photo and part.is_forearm)) and max(own.shape) >= _GRAB_CUT_PX:
        arm = nearest(n for n in distances if part.meets(parts[n]))
        probably, at_edge = (own < _PROBABLY) | (arm < _SURE), np.ones_like(own)
        not_behind = grab_cut(frame, surely=sure, probably=probably, possibly=inside)
        if not part.is_hand:
            not_behind = np.maximum(not_behind, _within(own, _SURE + _EDGE))
    else:
        at_edge = (1 - _within(own, _SURE + _EDGE)) * close
        beyond = is_shown & ~inside & (behind < _PROBABLY)
        not_behind = share_by_color(frame, inside & (at_edge > 0), one=sure, other=beyond)
    near = _within(before, _CLOSE)
    shown = is_shown & (own < _SURE)
    if part.is_arm and not shown.any():  # then no color tells it from the hair before it
        not_before = 1 - _within(nearest(n for n in in_front if parts[n].is_head), _HIDES)
    else:
        not_before = share_by_color(
            frame, inside & (near > 0), one=shown, other=is_person & (before < _SURE)
        )
    return 1 - at_edge * (1 - not_behind), 1 - near * (1 - not_before)


def _within(
    distance: Float[np.ndarray, "height width"],
    reach: Float[np.ndarray, "height width"] | float,
    *,
    edge: float = _EDGE,
) -> Float[np.ndarray, "height width"]:
    """1 up to an edge's width before the reach, falling to 0 there."""
    return np.clip((reach - distance) / edge, 0, 1)
