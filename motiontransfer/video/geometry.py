"""Crop, scale and padding from a video frame to the working image; display matrices."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import av
import av.filter
import cv2
import numpy as np
from av.buffer import Buffer
from av.sidedata.sidedata import SideDataContainer
from av.sidedata.sidedata import Type as SideDataType
from jaxtyping import Float, Float32, UInt8

from motiontransfer.core.errors import VideoError

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels, half-open."""
_MOST_SIDE_DATA = 64  # kinds that FFmpeg may have; it has 32
Pixels = UInt8[np.ndarray, "_ _ channels"]
"""RGB, with or without a mask, or a mask alone."""
WorkingSize = int | tuple[int, int]
"""Height in pixels, the width follows from what is shown; or (height, width), letterboxed."""

# Black bars.
_BLACK = 24  # level of 255, up to which pixels are black: compression blurs the edge
_BAR_BLUR_PX = 2  # that a bar's edge is blurred by
_BAR_EDGE_PX = 4  # rows at a bar's edge, of which ...
_LIT_EDGE = 0.8  # ... this share is lit somewhere in the film

# The same person in two frames.
_REACH = 0.5  # sizes: gap to where they were
_MOST_GROWTH = 1.6  # ratio of sizes: of who squats, the area is .6
_MAY_BE_SAME = 0.3  # overlap of boxes in two frames, of what both cover: two who cross have more


@dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    """Crop, scale and letterbox between the upright input and the working image."""

    source_size: tuple[int, int]
    """(height, width) of the upright input."""
    crop: Box
    """Kept part of the input."""
    size: tuple[int, int]
    """(height, width) of the working image."""
    content: Box
    """The crop's box in the working image; the rest is black."""

    def __post_init__(self) -> None:
        boxes = (("crop", self.crop, self.source_size), ("content", self.content, self.size))
        for name, (x0, y0, x1, y1), (height, width) in boxes:
            if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
                raise VideoError(
                    f"{name}: expected x0 < x1 and y0 < y1 inside an image of"
                    f" {width}x{height} pixels, got {[x0, y0, x1, y1]}"
                )

    @property
    def scale(self) -> tuple[float, float]:
        """Working pixels per input pixel, in x and in y; equal but for rounding."""
        (x0, y0, x1, y1), (u0, v0, u1, v1) = self.crop, self.content
        return (u1 - u0) / (x1 - x0), (v1 - v0) / (y1 - y0)

    @property
    def offset(self) -> tuple[float, float]:
        """Image of the input's (0, 0): working = input · scale + offset."""
        scale_x, scale_y = self.scale
        return self.content[0] - self.crop[0] * scale_x, self.content[1] - self.crop[1] * scale_y

    def enlarged(self, most: float = math.inf) -> "Framing | None":
        """The same image with more of the input's pixels; None where there are no more.

        Args:
            most: factor by which height and width grow, as far as the input has the pixels.
        """
        if max(self.scale) >= 1 or most <= 1:
            return None
        factor_x, factor_y = (min(most, 1 / scale) for scale in self.scale)
        u0, v0, u1, v1 = self.content
        left, top = round(u0 * factor_x), round(v0 * factor_y)
        right, bottom = left + round((u1 - u0) * factor_x), top + round((v1 - v0) * factor_y)
        height = max(round(self.size[0] * factor_y), bottom)
        width = max(round(self.size[1] * factor_x), right)
        return replace(self, size=(height, width), content=(left, top, right, bottom))

    def to_working(self, points: Float[np.ndarray, "*points 2"]) -> Float[np.ndarray, "*points 2"]:
        return points * np.array(self.scale) + np.array(self.offset)

    def apply(self, image: Pixels) -> Pixels:
        assert image.shape[:2] == self.source_size
        x0, y0, x1, y1 = self.crop
        return self.letterbox(image[y0:y1, x0:x1])

    def letterbox(self, content: Pixels) -> Pixels:
        """Scale an image of the crop, of any size, and letterbox it."""
        u0, v0, u1, v1 = self.content
        working = np.zeros((*self.size, content.shape[2]), dtype=np.uint8)
        working[v0:v1, u0:u1] = resize(content, (v1 - v0, u1 - u0))
        return working


def fit_framing(source_size: tuple[int, int], crop: Box, *, size: WorkingSize) -> Framing:
    """The whole crop, as large as possible; centered in a letterbox where the size has a width."""
    width, height = max(crop[2] - crop[0], 1), max(crop[3] - crop[1], 1)
    if isinstance(size, int):
        size = size, 2 * max(round(size * width / height / 2), 1)
        content = (0, 0, size[1], size[0])
        return Framing(source_size=source_size, crop=crop, size=size, content=content)
    scale = min(size[0] / height, size[1] / width)
    content_height = min(max(round(height * scale), 1), size[0])
    content_width = min(max(round(width * scale), 1), size[1])
    left, top = (size[1] - content_width) // 2, (size[0] - content_height) // 2
    content = (left, top, left + content_width, top + content_height)
    return Framing(source_size=source_size, crop=crop, size=size, content=content)


def resize(image: Pixels, size: tuple[int, int]) -> Pixels:
    """Resize without aliasing: areas are averaged when shrinking, cubic when enlarging."""
    if image.shape[:2] == size:
        return image
    shrinks = size[0] * size[1] < image.shape[0] * image.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return cv2.resize(np.ascontiguousarray(image), size[::-1], interpolation=method)


def enclosing_box(
    points: Float32[np.ndarray, "joints 2"], *, margin: float, image_size: tuple[int, int]
) -> Box | None:
    """Box around points with a margin, a share of their extent, in the image; None outside it."""
    if len(points) == 0:
        return None
    height, width = image_size
    low, high = points.min(axis=0), points.max(axis=0)
    padding = margin * float((high - low).max())
    x0, y0 = (max(0, math.floor(float(edge) - padding)) for edge in low)
    x1 = min(width, math.floor(float(high[0]) + padding) + 1)
    y1 = min(height, math.floor(float(high[1]) + padding) + 1)
    if x0 >= x1 or y0 >= y1:
        return None
    return x0, y0, x1, y1


def film_box(brightest: UInt8[np.ndarray, "height width 3"]) -> Box:
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
        has_first = first > 0 and rows[:_BAR_EDGE_PX].mean() > _LIT_EDGE
        has_last = last < length and rows[-_BAR_EDGE_PX:].mean() > _LIT_EDGE
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Orientation:
    """Mirroring, then rotation by quarter turns, that turns a stored frame upright."""

    quarter_turns: int = 0
    """Quarter turns clockwise, 0 to 3."""
    mirrored: bool = False
    """Left and right are swapped before the rotation."""

    def __post_init__(self) -> None:
        assert 0 <= self.quarter_turns < 4

    @property
    def filters(self) -> list[str]:
        return [*(["hflip"] if self.mirrored else []), *["transpose=clock"] * self.quarter_turns]

    def turned(self, degrees: int) -> "Orientation":
        """With a clockwise rotation by quarter turns after it."""
        return replace(self, quarter_turns=(self.quarter_turns + degrees // 90) % 4)

    def upright_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """(height, width) of a stored frame once upright."""
        return size if self.quarter_turns % 2 == 0 else size[::-1]

    def stored_box(self, box: Box, size: tuple[int, int]) -> Box:
        """Box in the stored frame of one in the upright frame, which has this (height, width)."""
        for _ in range(self.quarter_turns):
            (x0, y0, x1, y1), (_, width) = box, size
            box, size = (y0, width - x1, y1, width - x0), size[::-1]
        x0, y0, x1, y1 = box
        return (size[1] - x1, y0, size[1] - x0, y1) if self.mirrored else box

    def upright(self, image: Pixels) -> Pixels:
        flipped = image[:, ::-1] if self.mirrored else image
        return np.ascontiguousarray(np.rot90(flipped, k=-self.quarter_turns))


def orientation_of(frame: av.VideoFrame) -> Orientation:
    """Orientation in a decoded frame's display matrix; upright without one."""
    if not frame.pts:  # it may be a picture, whose color profile PyAV would free twice
        frame = _with_known_side_data(frame)
    try:
        data = _display_matrix(frame)
    except ValueError:  # PyAV knows less of it than FFmpeg
        data = _display_matrix(_with_known_side_data(frame))
    if data is None:
        return Orientation()
    return parse_display_matrix(tuple(np.frombuffer(bytes(data), dtype=np.int32).tolist()))


def _display_matrix(frame: av.VideoFrame) -> Buffer | None:
    # frame.side_data and the frame would hold each other, and its picture, until Python looks.
    return SideDataContainer(frame).get("DISPLAYMATRIX")  # ty: ignore[too-many-positional-arguments]


def _with_known_side_data(frame: av.VideoFrame) -> av.VideoFrame:
    graph = av.filter.Graph()
    known = {kind.value for kind in SideDataType if kind != SideDataType.ICC_PROFILE}
    unknown = {*range(_MOST_SIDE_DATA)} - known
    graph.link_nodes(
        graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1)
        ),
        *(graph.add("sidedata", f"mode=delete:type={kind}") for kind in sorted(unknown)),
        graph.add("buffersink"),
    ).configure()
    graph.push(frame)
    return graph.vpull()


def parse_display_matrix(matrix: tuple[int, ...]) -> Orientation:
    """The orientation nearest to a display matrix of nine fixed-point numbers."""
    a, b, _, c, d, *_ = matrix
    if a * d == b * c:  # no transformation at all: some files leave it zero
        return Orientation()
    # A mirror negates the first column only, so the second one tells the turn in both cases.
    turns = round(math.atan2(-c, d) / (math.pi / 2)) % 4
    return Orientation(quarter_turns=turns, mirrored=a * d - b * c < 0)
