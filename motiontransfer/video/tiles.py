"""Pictures in tiles, as phones store HEIC and AVIF (ISO/IEC 23008-12, `grid`), put together.

FFmpeg decodes each tile as a stream of its own, in the order of rows, and PyAV does not tell how
they lie. That follows from the largest size (`ispe`) among the picture's properties, which is the
whole one's.
"""

import math
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition

from motiontransfer.core.errors import VideoError
from motiontransfer.video.color import to_srgb
from motiontransfer.video.geometry import Orientation

_MOST_BYTES = 2**24  # of a file, in which its description begins: before the pixels


def tiles_of(container: av.container.InputContainer) -> list[av.VideoStream]:
    """Streams of a picture's tiles; none of a film, or of a picture in one piece."""
    tiles = [each for each in container.streams.video if each.disposition & Disposition.dependent]
    return [] if any(each.frames > 1 for each in tiles) else tiles


def whole_picture(container: av.container.InputContainer, path: Path) -> av.VideoFrame:
    """Decode all tiles and put them together, upright.

    Raises:
        VideoError: the tiles are not those of one picture.
    """
    tiles = tiles_of(container)
    height, width, turns = _size_and_turns(path)
    rows, columns = -(-height // tiles[0].height), -(-width // tiles[0].width)
    if len(tiles) < rows * columns:
        raise VideoError(
            f"{path}: expected {rows} x {columns} tiles of a picture of {width}x{height} pixels, "
            f"got {len(tiles)}; save it as JPEG or PNG"
        )
    pixels = np.zeros((rows * tiles[0].height, columns * tiles[0].width, 3), np.uint8)
    places = {tile.index: divmod(number, columns) for number, tile in enumerate(tiles)}
    for packet in container.demux(tiles[: rows * columns]):
        for frame in packet.decode():
            assert isinstance(frame, av.VideoFrame)
            row, column = places[packet.stream.index]
            top, left = row * frame.height, column * frame.width
            shown = to_srgb(frame)[: len(pixels) - top, : pixels.shape[1] - left]
            pixels[top : top + len(shown), left : left + shown.shape[1]] = shown
    upright = Orientation(quarter_turns=turns).upright(pixels[:height, :width])
    made = av.VideoFrame.from_ndarray(upright, format="rgb24")
    made.pts, made.time_base = 0, tiles[0].time_base
    return made


def _size_and_turns(path: Path) -> tuple[int, int, int]:
    """(height, width) as stored, and quarter turns clockwise, of the whole picture."""
    sizes, turns = [(0, 0)], 0
    with path.open("rb") as file:
        meta = _content(file.read(_MOST_BYTES), b"meta")[4:]  # behind its version and flags
    for kind, content in _boxes(_content(_content(meta, b"iprp"), b"ipco")):
        if kind == b"ispe":
            width, height = (int.from_bytes(content[at : at + 4]) for at in (4, 8))
            sizes.append((height, width))
        elif kind == b"irot":
            turns = -int.from_bytes(content) % 4
    return *max(sizes, key=math.prod), turns


def _content(data: bytes, wanted: bytes) -> bytes:
    return next((content for kind, content in _boxes(data) if kind == wanted), b"")


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and content of each box."""
    at = 0
    while at + 8 <= len(data):
        size, head = int.from_bytes(data[at : at + 4]), 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16]), 16
        if size < head:  # to the end of the file
            return
        yield data[at + 4 : at + 8], data[at + head : at + size]
        at += size
