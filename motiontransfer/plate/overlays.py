"""Overlays: stickers, captions and logos, which lie over a film and stay at their place.

A moving part moves its colors and corners. Pixels in front of moving parts that keep theirs,
repeatedly, are an overlay: they are hidden of the parts, and stay in front. Cloth may slide along
an edge without corners, and its folds may return after minutes. Most windows that show a corner
must therefore keep it. A caption in front of a resting part is found by its changes: all at once,
beside the person too.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, UInt8, UInt16

from motiontransfer.body.parts import BodyPoses, body_parts
from motiontransfer.core.arrays import Frame, Mask, PixelMask
from motiontransfer.plate.masks import (
    CORE,
    LEAST_MASK,
    NOISE,
    and_beside,
    covered_box,
    disc_of,
    touching,
)
from motiontransfer.pose.boxes import body_height_px
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.video.geometry import resize

_WINDOW_SECONDS, _FEWEST = 1.0, 5  # in which an overlay stays; and samples
_MOVED = 0.02  # of the body's height, by all joints of a part; planted feet do not count
_PASSING = 0.2  # of the samples of a window, in which the part is there
_KEPT = 0.5  # of the windows that show it before a moving part, in which a corner stays
_STILL = 0.9  # of the samples that show it, in which a pixel keeps its color
_CORNER = 5.0  # least eigenvalue of the squared slopes; cloth stays below
_BESIDE, _WITHIN = 0.012, 0.03  # of the height, between edges that belong together; between parts
_LEAST = 0.05  # side of the square that its corners would fill, of the height
_REST_SECONDS = 0.5  # before and after a caption changes
_FEWEST_AT_REST = 10  # samples in these; with fewer, a body's changes are taken for captions
_LARGEST_CHANGE = 0.3  # of the picture; more is another scene, or its light
_TALLEST = 0.5  # of the picture's rows, between letters that change at once; lines of text are low
_STAYS = 0.5  # share of the samples from which it is drawn in results


class Overlay(NamedTuple):
    place: PixelMask
    colors: Frame
    """In the place."""
    is_there: Bool[np.ndarray, " samples"]
    is_changed: bool = False
    """It follows another, or another follows it, at the same place."""

    @property
    def stays(self) -> bool:
        return bool(self.is_there.mean() > _STAYS) and not self.is_changed

    def is_in(self, frame: Frame) -> bool:
        """True if a frame shows most of it."""
        box = covered_box(self.place.view(np.uint8))
        place = self.place[box]
        alike = place & alike_pixels(frame[box], self.colors[box])
        return bool(np.count_nonzero(alike) > np.count_nonzero(place) / 2)

    def resized(self, size: tuple[int, int]) -> "Overlay":
        place = cv2.resize(self.place.astype(np.uint8), size[::-1]) > 0
        return self._replace(place=place, colors=resize(self.colors, size))

    def over(self, box: tuple[slice, slice]) -> UInt8[np.ndarray, "rows columns"]:
        """255 in its place."""
        return 255 * self.place[box].astype(np.uint8)


def behind_overlays(
    overlays: Iterable[Overlay], frame: UInt8[np.ndarray, "rows columns 3"], mask: Mask
) -> Mask:
    """A person's mask that goes on behind what a frame shows in front, from beside it."""
    for overlay in (one for one in overlays if one.is_in(frame)):
        height, width = mask.shape
        place = cv2.resize(overlay.over(np.s_[:, :]), (width, height))
        kind, by_pixel = (cv2.DIST_L2, cv2.DIST_MASK_5), cv2.DIST_LABEL_PIXEL
        nearest = cv2.distanceTransformWithLabels(place, *kind, labelType=by_pixel)[1].astype(int)
        beside = np.zeros(nearest.max() + 1, np.uint8)
        beside[nearest[place == 0]] = mask[place == 0]
        mask = beside[nearest]
    return mask


def find_overlays(
    frames: Sequence[Frame], poses: BodyPoses, *, frame_rate: float, height_px: float
) -> list[Overlay]:
    """What lies over samples of a film.

    Args:
        frames: samples, small: whole pixels of the places are compared.
        poses: one for each.
    """
    length, size = max(round(_WINDOW_SECONDS * frame_rate), _FEWEST), frames[0].shape[:2]
    colors = np.zeros((*size, 3), np.uint8)  # of the window since which each pixel is kept
    since, kept, shown = (np.full(size, value, np.int32) for value in (-1, 0, 0))
    twice = np.zeros(size, bool)
    for start in range(0, len(frames) - length + 1, length // 2):
        window, middle = frames[start : start + length], frames[start + length // 2]
        passing = _passing(poses[start : start + length], size, height_px)
        is_behind = passing >= max(_PASSING * length, 3)
        place = is_behind & corners(middle)
        place &= np.all([alike_pixels(frame, middle) for frame in window], axis=0)
        again = alike_pixels(colors, middle) & (since >= 0)
        begins = place & ~again & ~twice
        colors[begins], since[begins] = middle[begins], start
        kept[begins] = shown[begins] = 0
        again |= begins
        kept += place & again
        shown += is_behind & again
        twice |= place & again & (since + length <= start)
    twice &= kept > _KEPT * shown
    together = _closed(twice, _BESIDE * height_px)
    num_pieces, pieces = cv2.connectedComponents(together.astype(np.uint8))
    corners_of = (twice & (pieces == piece) for piece in range(1, num_pieces))
    return [
        _grown(frames, corners, colors, height_px)
        for corners in corners_of
        if corners.sum() >= (_LEAST * height_px) ** 2
    ]


def find_captions(
    frames: Sequence[Frame], masks: Mapping[int, Mask], keypoints: Keypoints
) -> list[Overlay]:
    """Captions that change at once, each from one change to the next; none of sparse samples.

    Args:
        frames: all of a clip, small.
        masks: of the person, in any size; in other frames it is not known who is where.
        keypoints: of the person, in any size.
    """
    size = frames[0].shape[:2]
    rest = round(_REST_SECONDS * float(keypoints.frame_rate))
    height_px = body_height_px(keypoints) * size[0] / keypoints.image_size[0]
    is_beside = np.zeros((len(frames), *size), bool)
    for index, mask in masks.items():
        is_beside[index] = cv2.resize(mask, size[::-1]) < LEAST_MASK
    alike = [alike_pixels(*pair) for pair in pairwise(frames)] if rest >= _FEWEST_AT_REST else []
    none = np.zeros(size, bool)
    changes = {0: none, len(frames): none}
    for at in range(rest + 1, len(alike) + 1 - rest):
        still = np.all([*alike[at - 1 - rest : at - 1], *alike[at : at + rest]], axis=0)
        beside = is_beside[at - 1] & is_beside[at]
        changed = ~alike[at - 1] & (still | beside)
        sure = changed & still & beside
        if sure.any() and changed.mean() < _LARGEST_CHANGE:
            sure &= corners(frames[at - 1]) | corners(frames[at])
            if sure.sum() >= (_LEAST * height_px) ** 2:
                top, bottom = np.quantile(np.nonzero(sure)[0], (0.02, 0.98))
                if bottom - top > _TALLEST * size[0]:
                    continue
                changed[: max(round(top - _WITHIN * height_px), 0)] = False
                changed[round(bottom + _WITHIN * height_px) :] = False
                changes[at] = changed
    captions = []
    for start, end in pairwise(sorted(changes)) if len(changes) > 2 else ():
        place = and_beside(changes[start] | changes[end]) > 0
        is_there = np.isin(np.arange(len(frames)), range(start, end))
        captions.append(Overlay(place, frames[(start + end) // 2], is_there, is_changed=True))
    return captions


def corners(frame: Frame) -> PixelMask:
    """Where letters and drawings are, and hardly any cloth.

    Colors around them differ by more than noise: what moves there changes the pixel's.
    """
    gray = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32)
    around = np.ones((5, 5), np.uint8)
    contrast = difference(cv2.dilate(frame, around), cv2.erode(frame, around))
    return (cv2.cornerMinEigenVal(gray, 3, ksize=3) > _CORNER) & (contrast > 2 * NOISE)


def alike_pixels(frame: Frame, other: Frame) -> PixelMask:
    """Which pixels keep their color."""
    return difference(frame, other) <= NOISE


def difference(frame: Frame, other: Frame) -> UInt8[np.ndarray, "height width"]:
    """Levels by which the most different channel of each pixel differs."""
    return np.maximum.reduce(cv2.split(cv2.absdiff(frame, other)))  # an axis of 3 takes 30 times


def _passing(
    poses: BodyPoses, size: tuple[int, ...], height_px: float
) -> UInt16[np.ndarray, "height width"]:
    """In how many frames a part that moves surely is at each pixel; those of all parts together."""
    passing = np.zeros(size, np.uint16)
    for part in (one for one in body_parts(poses.skeleton) if not one.is_cloth):
        points, found = poses.joints(part.joints)
        points = points[:, found.all(axis=0)]
        ranges = np.linalg.norm(np.ptp(points, axis=0), axis=1)
        if len(ranges) < part.min_joints or ranges.min() < _MOVED * height_px:
            continue
        width = 1 if part.is_solid else max(round(2 * CORE * part.radius * height_px), 1)
        for corners in points.round().astype(np.int32, order="C"):
            mask, hull = np.zeros(size, np.uint8), cv2.convexHull(corners)
            cv2.fillConvexPoly(mask, hull, 1)
            cv2.polylines(mask, [hull], isClosed=True, color=1, thickness=width)
            passing += mask
    return passing


def _grown(frames: Sequence[Frame], corners: PixelMask, colors: Frame, height_px: float) -> Overlay:
    """An overlay of which corners are known: what is among them, or comes and goes with them."""
    is_there = np.array([Overlay(corners, colors, np.ones(1, bool)).is_in(it) for it in frames])
    shown = [frame for frame, there in zip(frames, is_there, strict=True) if there]
    colors = np.median(shown, axis=0).astype(np.uint8)
    alike = np.array([alike_pixels(frame, colors) for frame in frames])
    still = alike[is_there].mean(axis=0) > _STILL
    place = still & _closed(corners, _WITHIN * height_px)
    if not is_there.all():
        goes = still & (alike[~is_there].mean(axis=0) < 1 - _STILL)
        place = touching(goes, place)
    soft_edge = and_beside(place) > 0
    return Overlay(soft_edge, colors, is_there)


def _closed(place: PixelMask, radius_px: float) -> PixelMask:
    return cv2.morphologyEx(place.astype(np.uint8), cv2.MORPH_CLOSE, disc_of(radius_px)) > 0
