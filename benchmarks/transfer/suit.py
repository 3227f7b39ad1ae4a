"""A suit with a color for each part of the body, and faults of structure that its colors show.

A part is known by its hue, which light does not change. Maps of parts are compared: the true one,
and a result's, moved by whole pixels so that their middles agree. A limb may be drawn from the
mirrored other one, as clothes mostly are alike on both sides: left and right are one but for
`mirrored`, which is no fault. Nothing here knows how a result was made.
"""

import colorsys
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Int8

from demo.actors.appearance import linear
from motiontransfer.video.color import Frame

THINGS = ("upper_arm", "forearm", "hand", "thigh", "shin", "foot", "trunk", "head")
"""Each is two parts, numbers 2 n and 2 n + 1 in a map of parts, where -1 is anything else: left and
right, the trunk's front and back, face and hair."""
FAULTS = ("missing", "doubled", "extra", "turned", "face", "apart")
"""Kinds of faults:

- missing: of a part less than _DRAWN is drawn near its place;
- doubled: a limb has more pieces than in truth;
- extra: a thing covers _EXTRA times what it covers in truth, or more;
- turned: the trunk's front for its back or the other way round, hair for the face;
- face: a face for the back of the head;
- apart: things that touch in truth do not.
"""

_NUM_LIMBS = THINGS.index("trunk")
_SIDES = (*[("left", "right")] * _NUM_LIMBS, ("front", "back"), ("face", "hair"))
PARTS = tuple(
    f"{thing} {side}" for thing, sides in zip(THINGS, _SIDES, strict=True) for side in sides
)
"""By number."""
_JOINED = (
    *(("upper_arm", "trunk"), ("upper_arm", "forearm"), ("forearm", "hand")),
    *(("thigh", "trunk"), ("thigh", "shin"), ("shin", "foot")),
)

# Hue of each part, sixteenths of the circle: far from one another where parts meet.
_HUES = (0, 8, 5, 13, 2, 10, 3, 11, 15, 7, 6, 14, 4, 12, 1, 9)
_SATURATION, _VALUE = 0.85, 186 / 255  # brighter, the display would change the hue in full light
_LEAST_SATURATION, _LEAST_VALUE, _HUE_STEPS = 0.55, 50, 6  # of the 16 steps to the next hue
_SHOWN = [colorsys.hsv_to_rgb(hue / 16, _SATURATION, _VALUE) for hue in _HUES]
COLORS = np.array([linear((round(255 * r), round(255 * g), round(255 * b))) for r, g, b in _SHOWN])
"""Albedo of each part, linear light."""

_LEAST = {"hand": 0.0008, "foot": 0.0008, "trunk": 0.012, "head": 0.003}
_LEAST_OF_LIMB = 0.002  # share of the image from which on a part counts as shown
_NEAR, _GAP = 0.02, 0.01  # of the person's height
_DRAWN, _EXTRA, _PIECE = 0.3, 2.0, 0.25
_TOUCHING_PX = 3
_OF_ROOM = 0.9  # of the frames

PartMap = Int8[np.ndarray, "height width"]
_Pixels = Bool[np.ndarray, "height width"]


class Fault(NamedTuple):
    """A fault of one frame."""

    kind: str
    part: str


class Compared(NamedTuple):
    """A result's frame against the truth."""

    faults: list[Fault]
    num_mirrored: int
    """Limbs that are drawn from the other side."""
    iou: dict[str, float]
    """Intersection over union of each thing that is shown; of trunk and head by part."""


def part_map(frame: Frame) -> PartMap:
    """The part that each pixel shows."""
    hsv = cv2.cvtColor(cv2.medianBlur(frame, 3), cv2.COLOR_RGB2HSV_FULL)
    hue, saturation, value = cv2.split(hsv)
    is_sure = (saturation > 255 * _LEAST_SATURATION) & (value > _LEAST_VALUE)
    return np.where(is_sure, _PART_OF_HUE[hue], np.int8(-1))


def _parts_of_hues() -> Int8[np.ndarray, " 256"]:
    hues = np.arange(256)
    nearest = np.round(hues / 16).astype(int)
    part = np.argsort(_HUES)[nearest % 16]
    return np.where(np.abs(hues - 16 * nearest) <= _HUE_STEPS, part, -1).astype(np.int8)


_PART_OF_HUE = _parts_of_hues()


def room_colors(maps: Sequence[PartMap]) -> _Pixels:
    """Pixels that have a part's color whoever stands there."""
    return np.mean([one >= 0 for one in maps], axis=0) > _OF_ROOM


def compare(want: PartMap, got: PartMap) -> Compared:
    """Compare a result's frame with the true one, which shows a person."""
    rows = np.flatnonzero((want >= 0).any(axis=1))
    height_px = int(rows[-1] - rows[0])
    reach_px = round(_NEAR * height_px)
    area = want.size
    want, got = _cropped(want, _moved_onto(want, got), margin_px=reach_px + _TOUCHING_PX)
    numbers = np.arange(len(PARTS), dtype=np.int8)[:, None, None]
    wanted, drawn = want == numbers, got == numbers
    near = np.stack([_grown(one, reach_px) for one in wanted])
    faults, num_mirrored, iou = [], 0, {}
    for number, thing in enumerate(THINGS):
        is_limb, least = number < _NUM_LIMBS, _least(thing) * area
        both = _both(number)
        for part in range(both.start, both.stop):
            shown = wanted[part].sum()
            if shown < least:
                continue
            at_own, at_other = (np.sum(drawn[n] & near[part]) for n in (part, part ^ 1))
            on_own, on_other = (np.sum(drawn[n] & wanted[part]) for n in (part, part ^ 1))
            if not is_limb:
                iou[PARTS[part]] = _iou(wanted[part], drawn[part])
            if at_own + at_other < _DRAWN * shown:
                faults.append(Fault("missing", PARTS[part]))
            elif is_limb:
                num_mirrored += int(at_other > at_own)
            elif on_other > max(on_own, _DRAWN * shown):
                kind = "face" if PARTS[part] == "head hair" else "turned"
                faults.append(Fault(kind, PARTS[part]))
        want_both, drawn_both = wanted[both].any(axis=0), drawn[both].any(axis=0)
        if is_limb and want_both.sum() >= least:
            iou[thing] = _iou(want_both, drawn_both)
            piece = _PIECE * want_both.sum() / 2
            if _num_pieces(drawn_both, piece) > _num_pieces(want_both, piece / 2):
                faults.append(Fault("doubled", thing))
        if drawn_both.sum() >= _EXTRA * max(want_both.sum(), least):
            faults.append(Fault("extra", thing))
    for thing, beside in _JOINED:
        limb, other = THINGS.index(thing), THINGS.index(beside)
        is_to_trunk, drawn_other = other >= _NUM_LIMBS, drawn[_both(other)].any(axis=0)
        for side in range(2):
            part = 2 * limb + side
            want_other = wanted[_both(other) if is_to_trunk else [2 * other + side]].any(axis=0)
            here = drawn[_both(limb)].any(axis=0) & near[part]
            if (
                wanted[part].sum() >= _least(thing) / 2 * area
                and want_other.sum() >= _least(beside) / 2 * area
                and _gap(wanted[part], want_other) <= _TOUCHING_PX
                and here.sum() > _DRAWN * wanted[part].sum()
                and drawn_other.any()
                and _gap(here, drawn_other) > max(_GAP * height_px, _TOUCHING_PX)
            ):
                faults.append(Fault("apart", PARTS[part]))
    return Compared(faults, num_mirrored, iou)


def _least(thing: str) -> float:
    return _LEAST.get(thing, _LEAST_OF_LIMB)


def _both(number: int) -> slice:
    """Parts of a thing."""
    return slice(2 * number, 2 * number + 2)


def _moved_onto(want: PartMap, got: PartMap) -> PartMap:
    """A map moved by whole pixels, so that the middle of its parts is the true one's."""
    if not (got >= 0).any():
        return got
    middles = [np.argwhere(one >= 0).mean(axis=0) for one in (want, got)]
    down, across = np.round(middles[0] - middles[1]).astype(int)
    return np.roll(got, (down, across), axis=(0, 1))


def _cropped(*maps: PartMap, margin_px: int) -> list[PartMap]:
    """The box that has all parts of all maps, with a margin."""
    shown = np.any([one >= 0 for one in maps], axis=0)
    box = tuple(
        slice(max(int(at[0]) - margin_px, 0), int(at[-1]) + margin_px + 1)
        for at in (np.flatnonzero(shown.any(axis=axis)) for axis in (1, 0))
    )
    return [one[box] for one in maps]


def _grown(pixels: _Pixels, reach_px: int) -> _Pixels:
    square = np.ones((2 * reach_px + 1, 2 * reach_px + 1), np.uint8)
    return cv2.dilate(pixels.astype(np.uint8), square) > 0


def _iou(one: _Pixels, other: _Pixels) -> float:
    return float(np.sum(one & other) / np.sum(one | other))


def _num_pieces(pixels: _Pixels, least_px: float) -> int:
    """Connected pieces of at least so many pixels; cracks of four are closed."""
    whole = cv2.morphologyEx(pixels.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    _, _, boxes, _ = cv2.connectedComponentsWithStats(whole)
    return int(np.sum(boxes[1:, cv2.CC_STAT_AREA] >= least_px))


def _gap(one: _Pixels, other: _Pixels) -> float:
    """Least distance between pixels of two sets, in pixels."""
    away = cv2.distanceTransform((~one).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    return float(away[other].min())
