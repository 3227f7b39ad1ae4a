"""Masks of body parts: a person's silhouette in one frame, divided into its parts.

A pixel belongs to the part whose bones are nearest, in radii of the parts, unless a part in front
hides it. Parts that meet at a joint overlap there. Where two parts that do not meet look different,
their colors decide.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from motiontransfer.body.parts import BodyPart
from motiontransfer.core.arrays import Frame, Mask
from motiontransfer.plate.masks import disc_of, opened
from motiontransfer.puppet.fit.hair import hair_and_collar
from motiontransfer.puppet.fit.held import HANDS, REACH
from motiontransfer.puppet.fit.matting import grab_cut, share_by_color
from motiontransfer.puppet.fit.silhouette import (
    JAW,
    SURE,
    Around,
    Distance,
    Field,
    Place,
    Silhouette,
    around_part,
)

# All that follows is in radii of a part, from its bones: how far something reaches, with a smooth
# edge. A solid part's bones join joints that lie at its outline, not along its middle: its limits
# are smaller.
_EDGE = 0.3  # width of these edges, before what is told here; from .2 to .6 they look alike

# Coverage near the bones. Larger: background enters where the mask rightly ends. Smaller: limbs
# break where the mask, which is coarse, misses them.
_CORE, _SOLID_CORE = 0.8, 0.35

# The place of a part between others.
_OVERLAP = 1.25  # by which it reaches to where another one is nearer: no gap when a joint bends
_HINGE_EDGE = 0.9  # of its overlap with an arm behind, which lies under it
_ELBOW = 0.036  # of the body's height, around it: within that the halves of an arm overlap
_BROAD = 1.0  # of an upper arm, half of the shoulders' width up to which this is not told: profiles
_ABOVE_SHOULDERS = 1.5  # of a trunk: farther up is hair, which turns with the head
_CLOSE = 1.35  # to a part's bones: it may be that part
_REACH_AT_OTHERS = 1.15
"""Its reach where no silhouette ends it: in front of another part, and of a trunk behind an arm.
Farther, the arm's rim would count as the trunk's. At a shoulder it is in radii of the arm."""
_BESIDE_ALL = 1.5  # from the nearest part, near a hand: what it holds, and no jacket's tail
_LOOSE = 0.3  # of its reach, by which it is longer where a pixel is unlike the room: loose sleeves

# Head.
_SHOULDERS = 2.0  # from the trunk; with 1 a strip of a blurred rim stays
_GOES_ON = 1.0  # by which hair goes on behind a hand
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
    not_room: Field | None,
) -> Iterator[PartMask | None]:
    """Divide the person: yield the mask of each part, None where it was not found.

    Args:
        frame: the person's box in the size of the coverage.
        not_room: share of each of its pixels that surely is not the room's; None: it is a photo.
            Of that forearms too are told by edges: no other frame shows what they take with them.
    """
    is_photo = not_room is None
    hair, collar, is_bare = hair_and_collar(parts, distances, person, frame)
    for number, (part, (box, distance)) in enumerate(zip(parts, distances, strict=True)):
        if not distance.size:
            yield None
            continue
        x0, y0, x1, y1 = box
        around = around_part(parts, number, distances, person, frame)
        reach = part.reach * (1.0 if not_room is None else 1 + _LOOSE * not_room[y0:y1, x0:x1])
        mask = _mask_by_distance(around, reach)
        not_behind, shown = _shares_by_color(around, is_photo=is_photo)
        mask = mask * not_behind * _share_by_jaw(around) * _share_below_shoulders(around)
        mask = mask * _share_at_elbow(around) * _share_at_shoulders(around)
        mask = mask * _share_not_held(around)
        for in_front in (n for n in around.distances if n > number):
            shown = shown * (1 - _hidden_by(around, in_front))
        hair_here = hair[y0:y1, x0:x1]
        of_head = hair_here * _share_of_head(around)
        if part.is_head:
            mask = mask * (1 - collar[y0:y1, x0:x1])
            mask, shown = np.maximum(mask, of_head), np.maximum(shown, of_head)
        elif part.is_trunk and not is_photo:  # of which a photo shows nothing below
            shown = shown * np.clip(2 - 2 * of_head, 0, 1)  # they overlap
        elif part.is_limb and not is_photo:
            shown = shown * (1 - hair_here)
        elif part.is_neck and is_bare:
            shown = shown * (1 - collar[y0:y1, x0:x1])
        seen, hidden = mask * shown, mask * (1 - shown)
        if part.is_head:
            hidden = np.maximum(hidden, _hidden_hair(around, hair_here))
        if not part.changes_fast:
            if part.is_solid or part.is_neck or is_photo:  # beyond is what is in front
                hidden *= _within(distance, _REACH_AT_OTHERS)
            disc = disc_of(THIN * part.radius * person.height_px)
            kept = _not_thin(seen * around.is_person, disc)
            kept = np.maximum(kept, distance < _MIDDLE_OF_PART)
            beside_hidden = cv2.dilate(hidden, disc)
            seen, hidden = kept * seen, np.maximum(hidden, (1 - kept) * seen * beside_hidden)
        seen, hidden = (person.enlarged(box, 255 * share) for share in (seen, hidden))
        yield PartMask(person.place(box), cv2.convertScaleAbs(seen), cv2.convertScaleAbs(hidden))


def _not_thin(seen: Field, disc: UInt8[np.ndarray, "side side"]) -> Field:
    """Share of each pixel's coverage that is left by an opening with a disc."""
    return np.minimum(opened(seen, disc) / np.maximum(seen, np.float32(1e-3)), 1)


def _mask_by_distance(around: Around, reach: Field | float) -> Field:
    """Share of each pixel that is a part's: the nearest of those in front and of those it meets."""
    part, own = around.part, around.own
    mask, before_others = np.ones_like(own), np.zeros_like(own)
    for number, distance in around.distances.items():
        other = around.parts[number]
        if number < around.number and not part.meets(other):
            before_others = np.maximum(before_others, _within(distance, np.maximum(own, _CLOSE)))
        else:
            is_under = number < around.number and other.is_arm
            edge = _HINGE_EDGE if is_under else _EDGE
            mask = np.minimum(mask, _within(own - distance, _OVERLAP, edge=edge))
    return mask * _within(own, reach + (_REACH_AT_OTHERS - reach) * before_others)


def _share_at_elbow(around: Around) -> Field | float:
    """Share of each pixel that is not beside an elbow, where the other half of the arm is nearer.

    It would stand off once the arm is straight. The halves of a folded arm lie on each other.
    """
    part, parts = around.part, around.parts
    others = (n for n in around.distances if n != around.number and parts[n].is_arm)
    other = next((n for n in others if part.meets(parts[n])), None)
    if not part.is_arm or other is None:
        return 1.0
    elbow = part.meets(parts[other])
    (joint, *ends), _ = around.joints(*elbow, *part.ends - elbow, *parts[other].ends - elbow)
    one, two = ((end - joint) / max(abs(end - joint), 1) for end in ends)
    is_folded = np.float32(np.clip(2 - 2 * abs(one - two), 0, 1))  # from 60 degrees, from 29 wholly
    is_beside = 1 - np.maximum(_within(around.away(joint, _ELBOW), 1.0), is_folded)
    return 1 - is_beside * (1 - _within(around.own - around.distances[other], _EDGE))


def _share_at_shoulders(around: Around) -> Field | float:
    """Share of each pixel that is not beyond a disc around a shoulder, of a trunk.

    That is aside, from straight above to 60 degrees below. What is there goes with the arm: of
    a trunk, it would stand off an arm that hangs otherwise.
    """
    names = "left_shoulder", "right_shoulder", "left_hip", "right_hip"
    (left, right, left_hip, right_hip), found = around.joints(*names)
    if not around.part.is_trunk or not found.all():
        return 1.0
    arm = next(part for part in around.parts if part.is_arm and around.part.meets(part))
    radius_px = arm.radius * around.person.height_px
    is_broad = np.clip(abs(left - right) / radius_px / 2 - _BROAD, 0, 1)
    share = np.ones_like(around.own)
    for shoulder, other, hip in ((left, right, right_hip), (right, left, left_hip)):
        away = (around.pixels - shoulder) / radius_px
        aside, upward = (way / max(abs(way), 1) for way in (shoulder - other, shoulder - hip))
        limits = [(away * way.conjugate()).real for way in (aside, (aside + upward) / 2)]
        is_aside = 1 - _within(np.minimum(*limits), _EDGE)
        is_beyond = 1 - _within(np.abs(away), _REACH_AT_OTHERS)
        share *= 1 - is_broad * is_aside * is_beyond
    return share


def _share_not_held(around: Around) -> Field | float:
    """Share of each pixel that is not what a hand holds beside all parts, of a trunk."""
    if not around.part.is_trunk or not any(around.person.held):
        return 1.0
    near, (hands, found) = np.zeros_like(around.own), around.joints(*HANDS)
    for hand, sure in zip(hands, found * np.array(around.person.held, np.float32), strict=True):
        near = np.maximum(near, sure * _within(around.away(hand, REACH), 1.0))
    return 1 - (1 - _within(around.nearest(around.distances), _BESIDE_ALL)) * near


def _hidden_hair(around: Around, hair: Field) -> Field:
    """Share of each pixel in which a hand or a forearm hides a head's hair, which goes on there."""
    arms = around.nearest_that(lambda part: part.is_forearm or part.is_hand)
    side = 1 + 2 * round(_GOES_ON * around.part.radius * around.person.height_px)
    return _within(arms, _HIDES) * cv2.dilate(hair, np.ones((side, side), np.uint8))


def _share_of_head(around: Around) -> Field:
    """Share of the hair in each pixel that is a head's: near it, or beside the trunk."""
    trunk = around.nearest_that(lambda part: part.is_trunk)
    (reach,) = (part.reach for part in around.parts if part.is_head)
    near = _within(around.nearest_that(lambda part: part.is_head), reach)
    return np.maximum(1 - _within(trunk, SURE + _EDGE), near)


def _share_below_shoulders(around: Around) -> Field | float:
    """Share of each pixel that is not far above both shoulders, of a trunk."""
    if not around.part.is_trunk:
        return 1.0
    ends = "left_shoulder", "right_shoulder", "mid_hip", "mid_shoulder"
    (left, right, hip, middle), found = around.joints(*ends)
    if not found.all() or hip == middle:
        return 1.0
    up = ((middle - hip) / abs(middle - hip)).conj()
    above = (around.pixels * up).real - max((left * up).real, (right * up).real)
    radius_px = around.part.radius * around.person.height_px
    return _within((above / radius_px).astype(np.float32), _ABOVE_SHOULDERS)


def _hidden_by(around: Around, number: int) -> Field:
    """Share of each pixel in which another part lies in front of the part."""
    part, other = around.part, around.parts[number]
    limits = _SOLID_HIDES if other.is_solid else _HIDES
    if not part.is_limb and other.is_hand:
        limits = _HAND_HIDES
    hidden = _within(around.distances[number], limits)
    if hidden.any() and not other.is_head:  # which hides its neck
        for joint in part.meets(other):
            (place,), _ = around.joints(joint)
            hidden = hidden * (1 - _within(around.away(place, other.radius), _JOINT_DISC))
    return hidden


def _share_by_jaw(around: Around) -> Field | float:
    """Share of each pixel that is a head's: above its jaw, but for hair.

    There, also at the shoulders of a bowed head, what has not the color of the trunk. 1 for other
    parts, and where no face was found.
    """
    below = around.below_mouth() if around.part.face else None
    if below is None:
        return 1.0
    own, frame, is_below = around.own, around.frame, below > 0
    trunk = around.nearest_that(lambda part: part.is_trunk)
    is_outside = own > JAW - _EDGE
    is_beside = around.is_person & (own > JAW)
    at_shoulders = ~is_below & (trunk < _SHOULDERS) & is_outside
    cloth = is_beside & (trunk < SURE)
    hair = is_beside & ~is_below & ~at_shoulders & (own < _HAIR)
    no_cloth = share_by_color(frame, at_shoulders, one=hair, other=cloth)
    return np.where(is_below, _within(own, JAW), no_cloth)


def _shares_by_color(around: Around, *, is_photo: bool) -> tuple[Field, Field]:
    """Share of each pixel that shows a part rather than one behind it, and than one before it.

    1 where they look alike.
    """
    part, own, parts, distances = around.part, around.own, around.parts, around.distances
    nearest, is_person, frame = around.nearest, around.is_person, around.frame
    in_front = [n for n in distances if n > around.number]
    apart = {n for n in distances if not part.meets(parts[n]) or parts[n].is_solid or part.is_solid}
    behind = nearest(n for n in distances if n in apart and n < around.number)
    before = nearest(n for n in in_front if n in apart)
    is_shown = is_person & (nearest(in_front) > _CLOSE)
    inside = own < part.reach  # beyond, it has nothing

    sure, close = is_shown & (own < SURE), _within(behind, _CLOSE)
    if part.is_head:
        sure |= is_shown & inside & (close == 0)  # its hair
    if (part.is_hand or (is_photo and part.is_forearm)) and max(own.shape) >= _GRAB_CUT_PX:
        arm = nearest(n for n in distances if part.meets(parts[n]))
        probably, at_edge = (own < _PROBABLY) | (arm < SURE), np.ones_like(own)
        not_behind = grab_cut(frame, surely=sure, probably=probably, possibly=inside)
        if not part.is_hand:
            not_behind = np.maximum(not_behind, _within(own, SURE + _EDGE))
    else:
        at_edge = (1 - _within(own, SURE + _EDGE)) * close
        beyond = is_shown & ~inside & (behind < _PROBABLY)
        not_behind = share_by_color(frame, inside & (at_edge > 0), one=sure, other=beyond)
    near = _within(before, _CLOSE)
    shown = is_shown & (own < SURE)
    if part.is_arm and not shown.any():  # then no color tells it from the hair before it
        not_before = 1 - _within(nearest(n for n in in_front if parts[n].is_head), _HIDES)
    else:
        not_before = share_by_color(
            frame, inside & (near > 0), one=shown, other=is_person & (before < SURE)
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
