"""The automatic crop: around the dancer, within a film's black bars."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float

from motiontransfer.core.arrays import AnyFrame, Box, Frame
from motiontransfer.video.geometry import WorkingSize
from motiontransfer.video.reader import VideoMetadata, read_metadata, sample_frames

_NUM_SAMPLES = 24  # frames in which people are looked for
_MARGIN_OF_FILM, _MARGIN_OF_PHOTO = 0.05, 0.2  # shares of the person
_LEAST_SECONDS = 5e-4  # of a part: times in a file are rounded to milliseconds

# Black bars.
_BLACK = 24  # level of 255, up to which pixels are black: compression blurs the edge
_BAR_BLUR_PX = 2  # that a bar's edge is blurred by
_BAR_EDGE_PX = 4  # rows beyond that blur, of which ...
_LIT_EDGE = 0.8  # ... this share is lit somewhere in the film

# The same person in two frames.
_REACH = 0.5  # sizes: gap to where they were
_MOST_GROWTH = 1.6  # ratio of sizes: of who squats, the area is .6
_MAY_BE_SAME = 0.3  # overlap of boxes in two frames, of what both cover: two who cross have more


FindPeople = Callable[[Iterable[AnyFrame]], Sequence[Sequence[Box]]]
"""Person detector: the boxes around people in each frame."""
PersonPlace = tuple[float, float, float]
"""Where and when somebody is in a film: shares of its width and height, seconds."""


def crop_box(
    video: VideoMetadata,
    crop: Literal["none"] | Box | FindPeople,
    size: WorkingSize,
    *,
    person: PersonPlace | None,
) -> Box:
    """The part of a film that is decoded; all of it where a detector finds nobody.

    Args:
        person: whom to follow; None: the largest in each frame.
    """
    if isinstance(crop, tuple):
        return crop
    height, width = video.size
    if not callable(crop):
        return (0, 0, width, height)
    brightest = np.zeros((*video.size, 3), np.uint8)

    def watched() -> Iterator[Frame]:
        for frame in sample_frames(video, num_samples=_NUM_SAMPLES):
            np.maximum(brightest, frame, out=brightest)
            yield frame

    people = crop(watched())
    box = crop_around(people, video, size, brightest=brightest, person=person)
    return box or (0, 0, width, height)  # drawn, perhaps: the detector of joints finds some


def crop_around(
    people: Sequence[Sequence[Box]],
    video: VideoMetadata,
    size: WorkingSize,
    *,
    brightest: Frame,
    person: PersonPlace | None,
) -> Box | None:
    """The automatic crop of a film; None without people.

    Args:
        people: boxes in some frames, which are evenly spread over the film's part.
        brightest: highest levels of each pixel over these frames.
        person: whom to follow; None: the largest in each frame.
    """
    if person is None:
        areas = ({box: (box[2] - box[0]) * (box[3] - box[1]) for box in each} for each in people)
        boxes = [max(area, key=area.__getitem__, default=None) for area in areas]
    else:
        (x, y, seconds), (height, width) = person, video.size
        inside, _ = video.part_times
        share = 0.0
        if inside.size:
            shown = video.packet_times.starts_seconds[0] + seconds - inside[0]
            share = shown / max(np.ptp(inside), _LEAST_SECONDS)
        index = round(share * (len(people) - 1))
        boxes = boxes_of_one(people, place=(x * width, y * height), index=index)
    margin = _MARGIN_OF_PHOTO if video.is_picture else _MARGIN_OF_FILM  # arms and hops are to come
    return auto_crop(boxes, video.size, size, film=film_box(brightest), margin=margin)


def picture_box(path: Path, *, rotate: int = 0) -> Box:
    """Box of a film's picture, without black bars."""
    video = read_metadata(path, rotate=rotate)
    return film_box(reduce(np.maximum, sample_frames(video, num_samples=_NUM_SAMPLES)))


def film_box(brightest: Frame) -> Box:
    """The film between black bars that it may have; its corner has even places.

    Bars end in straight edges: a dark stage is none.

    Args:
        brightest: highest levels of each pixel over some frames.
    """
    is_lit = brightest.max(axis=2) > _BLACK
    (height, width), box = is_lit.shape, []
    y, x = (np.flatnonzero(is_lit.any(axis=axis)) for axis in (1, 0))
    if not len(y):
        return 0, 0, width, height
    lit = is_lit[y[0] : y[-1] + 1, x[0] : x[-1] + 1]
    for rows, places, length in ((lit.T, x, width), (lit, y, height)):
        first, last = int(places[0]), int(places[-1]) + 1
        edge = slice(_BAR_BLUR_PX, _BAR_BLUR_PX + _BAR_EDGE_PX)
        has_first = first > 0 and rows[edge].mean() > _LIT_EDGE
        has_last = last < length and rows[::-1][edge].mean() > _LIT_EDGE
        first = first + first % 2 + _BAR_BLUR_PX if has_first else 0
        box.append((first, last - _BAR_BLUR_PX if has_last else length))
    (x0, x1), (y0, y1) = box
    return x0, y0, x1, y1


def boxes_of_one(
    frames: Sequence[Sequence[Box]], *, place: tuple[float, float], index: int
) -> list[Box | None]:
    """Box around whoever may be the person at a place in one of some frames, in each of them.

    From frame to frame that is who is nearest, and who is mostly where they were. After two people
    crossed it is both. None where nobody is near.

    Args:
        place: x, y, pixels.
        index: of that frame; where nobody is found there, the nearest in which somebody is counts.
    """
    from scipy.optimize import linear_sum_assignment  # here: workers do without SciPy

    found: list[Box | None] = [None] * len(frames)
    seen = [number for number, boxes in enumerate(frames) if boxes]
    if not seen:
        return found
    point = np.array([[*place, *place]], float)
    gaps = {number: _apart(np.array(frames[number], float), point)[0] for number in seen}
    first = min(seen, key=lambda number: (gaps[number].min() > 0, abs(number - index)))
    one = np.array(frames[first], float)[[gaps[first].argmin()]]
    for numbers in ([n for n in seen if n >= first], [n for n in reversed(seen) if n <= first]):
        who = one
        for number in numbers:
            boxes = np.array(frames[number], float)
            gap, overlap = _apart(boxes, who)
            nearest, of = linear_sum_assignment(gap)
            size, was = _size(boxes[nearest]), _size(who[of])
            is_near = gap[nearest, of] <= _REACH * was
            is_near &= np.maximum(size / was, was / size) <= _MOST_GROWTH
            may_be = np.isin(np.arange(len(boxes)), nearest[is_near])
            may_be |= (overlap > _MAY_BE_SAME).any(axis=1)
            if may_be.any():
                edges = boxes[may_be, :2].min(axis=0), boxes[may_be, 2:].max(axis=0)
                x0, y0, x1, y1 = np.concatenate(edges).astype(int).tolist()
                found[number] = x0, y0, x1, y1
            who = np.concatenate([boxes[may_be], np.delete(who, of[is_near], axis=0)])
    return found


def _size(boxes: Float[np.ndarray, "*boxes 4"]) -> Float[np.ndarray, "*boxes"]:
    """Side of a square with a box's area."""
    return np.sqrt((boxes[..., 2:] - boxes[..., :2]).prod(axis=-1))


def _apart(
    boxes: Float[np.ndarray, "boxes 4"], others: Float[np.ndarray, "others 4"]
) -> tuple[Float[np.ndarray, "boxes others"], Float[np.ndarray, "boxes others"]]:
    """Gap between boxes, less where middles are near, and what both cover of what either does.

    Without a gap it is negative.
    """
    boxes = boxes[:, None]
    low = np.maximum(boxes[..., :2], others[..., :2])
    high = np.minimum(boxes[..., 2:], others[..., 2:])
    middles = (boxes[..., :2] + boxes[..., 2:] - others[..., :2] - others[..., 2:]) / 2
    gap = np.linalg.norm(np.maximum(low - high, 0), axis=-1)
    nearness = 1 / (1 + np.linalg.norm(middles, axis=-1))
    shared = np.maximum(high - low, 0).prod(axis=-1)
    covered = _size(boxes) ** 2 + _size(others) ** 2 - shared
    return gap - nearness, shared / covered


def auto_crop(
    person_boxes: Sequence[Box | None],
    image_size: tuple[int, int],
    size: WorkingSize,
    *,
    margin: float = 0.05,
    film: Box | None = None,
) -> Box | None:
    """The union of all boxes with a margin, in the working image's aspect; None without boxes.

    Where the working image has none of its own, in that of the input: the person needs room.

    Args:
        person_boxes: one per sampled frame, in input pixels; None without a detection.
        image_size: (height, width) of the upright input.
        size: of the working image. The aspect is kept as far as the input allows.
        margin: added on each side, as a share of the union's extent.
        film: the part of the input within which it lies, see `film_box`; None: all of it.
    """
    if film is not None:
        corner = np.tile(film[:2], 2)
        shifted = np.array([box for box in person_boxes if box]).reshape(-1, 4) - corner
        shape = film[3] - film[1], film[2] - film[0]
        inside = [*map(tuple, np.clip(shifted, 0, np.tile(shape[::-1], 2)).tolist())]
        box = auto_crop(inside, shape, size, margin=margin) if len(shifted) else None
        return box and tuple((box + corner).tolist())
    boxes = np.array([box for box in person_boxes if box is not None], dtype=float)
    if boxes.size == 0:
        return None
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    extent = np.maximum((high - low) * (1 + 2 * margin), 1)
    height, width = image_size if isinstance(size, int) else size
    extent = np.maximum(extent, (extent[1] * width / height, extent[0] * height / width))
    limit = np.array(image_size[::-1], dtype=float)
    extent = np.minimum(extent, limit)
    start = np.clip((low + high) / 2 - extent / 2, 0, limit - extent)
    # Outwards to even edges, for whole samples of color: then one pass converts and shrinks.
    first = 2 * np.floor(start / 2)
    grown = ((2 * np.ceil((start + extent) / 2) - first) / extent).max()
    extent = np.minimum(2 * np.ceil((grown * extent / 2).round(6)), limit)
    x0, y0 = np.minimum(first, 2 * np.floor((limit - extent) / 2)).astype(int)
    x1, y1 = np.array([x0, y0]) + extent.astype(int)
    return int(x0), int(y0), int(x1), int(y1)
