"""A suit with a color for each part of the body, and faults of structure that its colors show.

A part is known by its hue, which light does not change. Maps of parts are compared, the true one
and a result's. A limb may be drawn from the mirrored other one, as clothes mostly are alike on both
sides: left and right are one, but that what is mirrored is counted, too, and is no fault. Nothing
here knows how a result was made.
"""

import colorsys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float64, Int8

from demo.actors.appearance import linear
from motiontransfer.core.arrays import Frame
from motiontransfer.plate.masks import touching

THINGS = ("upper_arm", "forearm", "hand", "thigh", "shin", "foot", "trunk", "head")
"""Each is two parts: left and right, the trunk's front and back, face and hair. In a map of parts
they are numbers 2 n and 2 n + 1; -1 is anything else."""
FAULTS = ("missing", "doubled", "extra", "turned", "face behind", "apart")
"""Kinds of faults:

- missing: of a part less than _DRAWN is drawn near its place;
- doubled: a limb has more pieces than in truth;
- extra: a thing covers _EXTRA times what it covers in truth, or more;
- turned: the trunk's front for its back or the other way round, hair for the face;
- face behind: a face for the back of the head;
- apart: things that touch in truth, and are drawn near, do not. Whole pieces are compared, as a
  joint may lie elsewhere.
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
_NEAR, _GAP = 0.02, 0.015  # of the person's height
_DRAWN, _EXTRA, _PIECE = 0.3, 2.0, 0.25
_TOUCHING_PX = 3
_AROUND_PX = 2  # of what is colored in a room, as far as encoding carries it

PartMap = Int8[np.ndarray, "height width"]
_Pixels = Bool[np.ndarray, "height width"]
_Parts = Bool[np.ndarray, "parts height width"]


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


def shown_parts(parts: PartMap) -> set[str]:
    """Parts that a map shows well."""
    numbers, counts = np.unique(parts[parts >= 0], return_counts=True)
    shown = zip(numbers, counts, strict=True)
    return {PARTS[n] for n, count in shown if count >= _least(THINGS[n // 2]) * parts.size}


def room_colors(room: Frame) -> _Pixels:
    """Pixels of an empty room that have a part's color, or nearly."""
    return _grown(part_map(room) >= 0, _AROUND_PX)


def shift_onto(want: PartMap, got: PartMap) -> Float64[np.ndarray, " 2"]:
    """Whole pixels, x and y, by which a result is moved onto the truth: as most of its things are.

    Not as the middle of all: that moves with a limb that is missing.
    """
    apart, maps = [], _cropped(want, got, margin_px=0)
    for number in range(len(THINGS)):
        places = [np.argwhere(one >> 1 == number) for one in maps]
        if all(map(len, places)):
            apart.append(np.subtract(*(place.mean(axis=0) for place in places))[::-1])
    return np.round(np.median(apart or [(0.0, 0.0)], axis=0))


def moved_map(parts: PartMap, shift: Float64[np.ndarray, " 2"]) -> PartMap:
    """A map moved by whole pixels, x and y."""
    return np.roll(parts, shift[::-1].astype(int), axis=(0, 1))


def compare(want: PartMap, got: PartMap) -> Compared:
    """Compare a result's frame, moved onto it, with the true one, which shows a person."""
    frame = _Frame.of(want, got)
    faults = [*frame.misplaced(), *frame.repeated(), *frame.torn()]
    return Compared(faults, frame.num_mirrored(), frame.iou())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """Pixels of each part in both maps."""

    wanted: _Parts
    drawn: _Parts
    near: _Parts
    """Pixels near those wanted."""
    area_px: int
    """Of the image."""
    height_px: int
    """Of the person."""

    @classmethod
    def of(cls, want: PartMap, got: PartMap) -> "_Frame":
        rows = np.flatnonzero((want >= 0).any(axis=1))
        height_px = int(rows[-1] - rows[0])
        reach_px = round(_NEAR * height_px)
        maps = _cropped(want, got, margin_px=reach_px + _TOUCHING_PX)
        numbers = np.arange(len(PARTS), dtype=np.int8)[:, None, None]
        wanted, drawn = (one == numbers for one in maps)
        near = np.stack([_grown(part, reach_px) for part in wanted])
        return cls(wanted=wanted, drawn=drawn, near=near, area_px=want.size, height_px=height_px)

    def misplaced(self) -> Iterator[Fault]:
        """What is missing, or shows its other side."""
        for part, shown in self._shown():
            at_own, at_other = self._drawn_at(part, self.near[part])
            on_own, on_other = self._drawn_at(part, self.wanted[part])
            if at_own + at_other < _DRAWN * shown:
                yield Fault("missing", PARTS[part])
            elif not _is_limb(part) and on_other > max(on_own, _DRAWN * shown):
                kind = "face behind" if PARTS[part] == "head hair" else "turned"
                yield Fault(kind, PARTS[part])

    def repeated(self) -> Iterator[Fault]:
        """What is doubled, or too large."""
        for number, thing in enumerate(THINGS):
            own, (wanted, drawn) = slice(2 * number, 2 * number + 2), self._both(number)
            least, piece = _least(thing) * self.area_px, _PIECE * wanted.sum() / 2
            if (
                _is_limb(2 * number)
                and wanted.sum() >= least
                and _is_doubled(self.wanted[own], self.drawn[own], piece)
            ):
                yield Fault("doubled", thing)
            if drawn.sum() >= _EXTRA * max(wanted.sum(), least):
                yield Fault("extra", thing)

    def torn(self) -> Iterator[Fault]:
        """What is apart."""
        for thing, beside in _JOINED:
            limb, other = THINGS.index(thing), THINGS.index(beside)
            for part in (2 * limb, 2 * limb + 1):
                neighbors = (2 * other + part % 2,)
                if not _is_limb(2 * other):
                    neighbors = (2 * other, 2 * other + 1)
                wanted, drawn = self._ends(part)
                next_to, drawn_next = self._ends(*neighbors)
                if drawn is None or drawn_next is None:
                    continue
                gap_px = _gap_px(wanted, next_to)
                wider_px = _gap_px(drawn, drawn_next) - gap_px
                if gap_px <= _TOUCHING_PX and wider_px > _GAP * self.height_px:
                    yield Fault("apart", PARTS[part])

    def _ends(self, *parts: int) -> tuple[_Pixels, _Pixels | None]:
        """Pixels wanted of a part, or of several as one, and pieces drawn near; None: too few."""
        thing = parts[0] // 2
        wanted, near = (of[list(parts)].any(axis=0) for of in (self.wanted, self.near))
        drawn = self._both(thing)[1]
        is_there = wanted.sum() >= _least(THINGS[thing]) / 2 * self.area_px
        is_drawn = is_there and (drawn & near).sum() > _DRAWN * wanted.sum()
        return wanted, touching(drawn, drawn & near) if is_drawn else None

    def num_mirrored(self) -> int:
        drawn = [self._drawn_at(part, self.near[part]) for part, _ in self._shown(_is_limb)]
        return sum(other > own for own, other in drawn)

    def iou(self) -> dict[str, float]:
        found = {
            THINGS[part // 2]: _iou(*self._both(part // 2)) for part, _ in self._shown(_is_limb)
        }
        rest = (part for part, _ in self._shown() if not _is_limb(part))
        return found | {PARTS[part]: _iou(self.wanted[part], self.drawn[part]) for part in rest}

    def _shown(self, among: Callable[[int], bool] = lambda _: True) -> Iterator[tuple[int, int]]:
        """Parts that the truth shows well, with their pixels' number."""
        for part, wanted in enumerate(self.wanted):
            shown = int(wanted.sum())
            if among(part) and shown >= _least(THINGS[part // 2]) * self.area_px:
                yield part, shown

    def _drawn_at(self, part: int, place: _Pixels) -> tuple[int, int]:
        """Pixels of a part, and of the other one of that thing, that are drawn at a place."""
        own, other = (int((self.drawn[one] & place).sum()) for one in (part, part ^ 1))
        return own, other

    def _both(self, number: int) -> tuple[_Pixels, _Pixels]:
        """Pixels of a thing, wanted and drawn."""
        parts = slice(2 * number, 2 * number + 2)
        return self.wanted[parts].any(axis=0), self.drawn[parts].any(axis=0)


def _is_limb(part: int) -> bool:
    return part < 2 * _NUM_LIMBS


def _least(thing: str) -> float:
    return _LEAST.get(thing, _LEAST_OF_LIMB)


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


def _is_doubled(wanted: _Parts, drawn: _Parts, least_px: float) -> bool:
    """Whether a limb has more pieces, both as one thing and by its sides.

    As one thing alone, sides that touch in truth would count as doubled where they do not touch.
    By sides alone, a far one that shows a little more would.
    """
    as_one = [one.any(axis=0)[None] for one in (wanted, drawn)]
    return all(
        sum(_num_pieces(each, least_px) for each in more)
        > sum(_num_pieces(each, least_px / 4) for each in fewer)
        for fewer, more in (as_one, (wanted, drawn))
    )


def _num_pieces(pixels: _Pixels, least_px: float) -> int:
    """Connected pieces of at least so many pixels; cracks of four are closed."""
    whole = cv2.morphologyEx(pixels.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    _, _, boxes, _ = cv2.connectedComponentsWithStats(whole)
    return int(np.sum(boxes[1:, cv2.CC_STAT_AREA] >= least_px))


def _gap_px(one: _Pixels, other: _Pixels) -> float:
    """Least distance between pixels of two sets, in pixels."""
    away = cv2.distanceTransform((~one).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    return float(away[other].min())
