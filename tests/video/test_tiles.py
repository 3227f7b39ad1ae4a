"""Pictures in tiles, as phones store HEIC and AVIF: written here box by box."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from motiontransfer.core.errors import VideoError
from motiontransfer.video.reader import decode_at, read_metadata, upright

SIDE = 64
COLORS = [(200, 40, 40), (40, 200, 40), (40, 40, 200), (200, 200, 40)]


def box(kind, *content):
    payload = b"".join(content)
    return struct.pack(">I4s", 8 + len(payload), kind) + payload


def full_box(kind, version, flags, *content):
    return box(kind, struct.pack(">I", (version << 24) | flags), *content)


def content_of(data, kind):
    """Content of the first box of a kind, wherever in a small file."""
    at = data.index(kind)
    (size,) = struct.unpack(">I", data[at - 4 : at])
    return data[at + 4 : at - 4 + size]


def write_tiled(path, colors, *, height, width, turns):
    """An AVIF of tiles of one color each, in rows, which may reach over the edge."""
    tiles = []
    for color in colors:
        file = io.BytesIO()
        Image.new("RGB", (SIDE, SIDE), color).save(file, "avif", quality=100, subsampling="4:4:4")
        tiles.append(file.getvalue())
    columns = -(-width // SIDE)
    grid = struct.pack(">BBBBHH", 0, 0, len(colors) // columns - 1, columns - 1, width, height)
    numbers = range(2, 2 + len(tiles))
    items = [(1, b"grid"), *((number, b"av01") for number in numbers)]
    names = [full_box(b"infe", 2, 0, struct.pack(">HH4sB", n, 0, k, 0)) for n, k in items]
    links = box(b"dimg", struct.pack(f">HH{len(tiles)}H", 1, len(tiles), *numbers))
    sizes = [
        full_box(b"ispe", 0, 0, struct.pack(">II", *s)) for s in ((width, height), (SIDE,) * 2)
    ]
    properties = [*sizes, box(b"av1C", content_of(tiles[0], b"av1C")), box(b"irot", bytes([turns]))]
    own = [struct.pack(">HBBB", 1, 2, 1, 4), *(struct.pack(">HBBB", n, 2, 2, 3) for n in numbers)]
    associated = full_box(b"ipma", 0, 0, struct.pack(">I", len(items)), *own)
    coded = [content_of(tile, b"mdat") for tile in tiles]

    def described(start):
        places = [struct.pack(">HHHHII", 1, 1, 0, 1, 0, len(grid))]
        for number, data in zip(numbers, coded, strict=True):
            places.append(struct.pack(">HHHHII", number, 0, 0, 1, start, len(data)))
            start += len(data)
        head = struct.pack(">BBH", 0x44, 0, len(items))
        return box(b"ftyp", b"avif", bytes(4), b"avifmif1") + full_box(
            b"meta", 0, 0,
            full_box(b"hdlr", 0, 0, bytes(4), b"pict", bytes(13)),
            full_box(b"pitm", 0, 0, struct.pack(">H", 1)),
            full_box(b"iloc", 1, 0, head, *places),
            full_box(b"iinf", 0, 0, struct.pack(">H", len(items)), *names),
            full_box(b"iref", 0, 0, links),
            box(b"iprp", box(b"ipco", *properties), associated),
            box(b"idat", grid),
        )  # fmt: skip

    path.write_bytes(described(len(described(0)) + 8) + box(b"mdat", *coded))


def test_tiles_are_put_together_as_large_as_the_picture_says_and_turned(tmp_path):
    path = tmp_path / "phone.avif"
    write_tiled(path, COLORS, height=100, width=120, turns=3)  # anticlockwise
    video = read_metadata(path)
    assert (video.size, video.is_picture) == ((120, 100), True)
    (shown,) = decode_at(video, np.zeros(1))
    corners = upright(shown.item, video)[[0, 0, -1, -1], [-1, 0, -1, 0]]
    first, below, beside, last = COLORS[0], COLORS[2], COLORS[1], COLORS[3]
    assert np.abs(corners - np.array([first, below, beside, last])).max() < 6


def test_a_picture_without_all_its_tiles_is_refused(tmp_path):
    path = tmp_path / "phone.avif"
    write_tiled(path, COLORS[:2], height=100, width=120, turns=0)
    with pytest.raises(VideoError, match=r"phone\.avif: expected 2 x 2 tiles .* 120x100 .* got 2"):
        read_metadata(path)
