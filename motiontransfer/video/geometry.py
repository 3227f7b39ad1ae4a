"""Crop, scale and padding from a video frame to the working image; display matrices."""

import math
from dataclasses import dataclass, replace

import av
import cv2
import numpy as np
from av.buffer import Buffer
from av.sidedata.sidedata import SideDataContainer
from av.sidedata.sidedata import Type as SideDataType
from jaxtyping import Float, Float32, UInt8

from motiontransfer.core.arrays import AnyFrame, Box
from motiontransfer.core.errors import VideoError
from motiontransfer.video.filters import filter_graph

_MOST_SIDE_DATA = 64  # kinds that FFmpeg may have; it has 32
Pixels = UInt8[np.ndarray, "_ _ channels"]
"""RGB, with or without a mask, or a mask alone."""
WorkingSize = int | tuple[int, int]
"""Height in pixels, the width follows from what is shown; or (height, width), letterboxed."""


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


def as_high(frame: AnyFrame, height: int) -> AnyFrame:
    """Colors of a frame in so many rows."""
    return resize(frame[..., :3], (height, width_at(frame.shape[:2], height)))


def width_at(size: tuple[int, ...], height: int) -> int:
    """Width of an image of a (height, width) that is resized to another height."""
    return max(round(size[1] * height / size[0]), 1)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Orientation:
    """Mirroring, then rotation by quarter turns, that turns a stored frame upright."""

    quarter_turns: int = 0
    """Quarter turns clockwise, 0 to 3."""
    mirrored: bool = False
    """Left and right are exchanged before the rotation."""

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
        image = np.ascontiguousarray(image)
        upright = cv2.flip(image, 1) if self.mirrored else image
        if self.quarter_turns:  # in a fifth of NumPy's time
            upright = cv2.rotate(upright, self.quarter_turns - 1)  # OpenCV's numbers begin at 90
        return upright.reshape(*upright.shape[:2], *image.shape[2:])


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
    known = {kind.value for kind in SideDataType if kind != SideDataType.ICC_PROFILE}
    unknown = {*range(_MOST_SIDE_DATA)} - known
    deletions = (("sidedata", f"mode=delete:type={kind}") for kind in sorted(unknown))
    graph = filter_graph(frame, *deletions)
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
