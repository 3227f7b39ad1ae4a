"""What frames show around the person: fog at the outline, and traces in the room.

The person's outline and the room are the film's. Rim: share of the pixels around the outline that
show neither the person, a little aside at most, nor the room. Most pixels around them must do so,
too: a line of such pixels is a sharp outline. Trace: share of the room beside the person that
differs from the film's usual room, and from the film's own frame with its shadows.
"""

import math
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import NamedTuple

import cv2
import numpy as np

from motiontransfer.core.arrays import Frame, Gray, PixelMask, Plane
from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.evaluation.frames import FrameSet, clip_frames, read_frames
from motiontransfer.evaluation.measurements import OF_VIDEOS, FrameScores, Metric, MetricKey
from motiontransfer.plate.masks import LEAST_MASK, read_masks
from motiontransfer.plate.target_clips import TargetClip
from motiontransfer.pose.boxes import body_height_px

METRICS = {
    "foggy_rim": Metric("Foggy rim, share", "", "lower", OF_VIDEOS),
    "trace": Metric("Traces, share of the room", "", "lower", OF_VIDEOS),
}

# Shares of the body's height.
_RIM = 0.06  # of pixels outside the outline; beyond, there is the room
_ASIDE = 0.03  # by which the person may be off

_NUM_STEPS = 4  # of the search to each side
_FOGGY = 12  # levels from all that the film shows nearby, and from the room
_TRACE = 3.0  # levels from the room; of an area, as noise has more
_AREA_PX = 5
_STEADY = 8.0  # levels between the film's quartiles; captions and other people change more
_MOST_FRAMES = 40  # of a clip, to see its room
_FEWEST_FRAMES = 3  # that show a pixel of it


class FilmedRoom(NamedTuple):
    """A film's room, in the size of the working image."""

    image: Frame
    is_steady: PixelMask
    """Seen without the person, and always the same."""
    persons: Mapping[int, PixelMask]
    """frame_index -> the person, in the frames that have a mask."""
    height_px: float
    """Height of the upright body."""


def film_room(clip: TargetClip) -> FilmedRoom:
    """The median of a clip's frames, held-out ones too, each where the person is not."""
    height, width = clip.keypoints.image_size
    masks, height_px = read_masks(clip.masks_file), body_height_px(clip.keypoints)
    likely = {
        index: cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA)
        for index, mask in zip(masks.frame_index.tolist(), masks.masks, strict=True)
    }
    chosen = evenly_spaced(list(likely), count=_MOST_FRAMES)
    frames = read_frames(clip_frames(clip, chosen).frames, (height, width))
    levels = np.stack([*frames]).astype(np.float32)
    for of_frame, index in zip(levels, chosen, strict=True):
        of_frame[_away(likely[index] >= LEAST_MASK) <= _ASIDE * height_px] = np.inf
    levels.sort(axis=0)
    last = np.isfinite(levels).sum(axis=0, keepdims=True) - 1
    low, median, high = (
        np.take_along_axis(levels, np.maximum(last * share // 4, 0), axis=0)[0]
        for share in (1, 2, 3)
    )
    is_seen = last[0] >= _FEWEST_FRAMES - 1
    low, median, high = (np.where(is_seen, of_quarter, 0) for of_quarter in (low, median, high))
    return FilmedRoom(
        image=median.astype(np.uint8),
        is_steady=(is_seen & (high - low < _STEADY)).all(axis=2),
        persons={index: mask >= 128 for index, mask in likely.items()},
        height_px=height_px,
    )


def surroundings_scores(
    frame_set: FrameSet,
    *,
    room: FilmedRoom,
    indices: Sequence[int],
    real: str,
    systems: Sequence[str],
) -> FrameScores:
    """Each system's foggy rim and traces, in the frames of the film that have a mask.

    Args:
        indices: frame_index in the film of each frame.
    """
    scores: dict[MetricKey, tuple[float, float]] = {}
    person = room.persons.get(indices[frame_set.index])
    for system in systems:
        frames = frame_set.frames[system], frame_set.frames[real]
        for metric, measure in (("foggy_rim", foggy_rim), ("trace", trace)):
            found = (0.0, 0.0) if person is None else measure(*frames, room, person)
            scores[MetricKey(metric, "", system)] = found
    return scores


def foggy_rim(fake: Frame, real: Frame, room: FilmedRoom, person: PixelMask) -> tuple[float, float]:
    """Number of foggy pixels, and of all around the outline where the room is known."""
    away = _away(person)
    rim = (away > 0) & (away <= _RIM * room.height_px) & room.is_steady
    if not rim.any():
        return 0.0, 0.0
    x, y, width, height = cv2.boundingRect(rim.astype(np.uint8))
    reach = max(round(_ASIDE * room.height_px), 1)
    wider = cv2.copyMakeBorder(real, reach, reach, reach, reach, cv2.BORDER_REPLICATE)
    fake_box, room_box = (
        cv2.split(image[y : y + height, x : x + width]) for image in (fake, room.image)
    )
    around = cv2.split(wider[y : y + height + 2 * reach, x : x + width + 2 * reach])
    fog = _difference(fake_box, room_box)
    steps = range(0, 2 * reach + 1, math.ceil(reach / _NUM_STEPS))
    for top in steps:
        for left in steps:
            there = [plane[top : top + height, left : left + width] for plane in around]
            np.minimum(fog, _difference(fake_box, there), out=fog)
    is_foggy = (fog > _FOGGY) & rim[y : y + height, x : x + width]
    is_foggy &= cv2.blur(is_foggy.astype(np.float32), (3, 3)) > 0.5
    return float(is_foggy.sum()), float(rim.sum())


def trace(fake: Frame, real: Frame, room: FilmedRoom, person: PixelMask) -> tuple[float, float]:
    """Number of pixels of the room with a trace, and of all that are known."""
    known = room.is_steady & (_away(person) > _RIM * room.height_px)
    differs = np.minimum(*(_of_areas(fake, other, known) for other in (room.image, real)))
    return float((differs[known] > _TRACE).sum()), float(known.sum())


def _of_areas(first: Frame, second: Frame, known: PixelMask) -> Plane:
    """Difference of the means around each pixel, over those that are known; the largest channel."""
    weight = known.astype(np.float32)
    difference = (first.astype(np.float32) - second) * weight[..., None]
    area = (_AREA_PX, _AREA_PX)
    share = np.maximum(cv2.blur(weight, area), 1 / _AREA_PX**2)
    return np.abs(cv2.blur(difference, area)).max(axis=2) / share


def _difference(first: Sequence[Gray], second: Sequence[Gray]) -> Gray:
    """The largest of the color channels."""
    return reduce(np.maximum, map(cv2.absdiff, first, second))


def _away(person: PixelMask) -> Plane:
    """Distance from the person, pixels."""
    return cv2.distanceTransform((~person).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
