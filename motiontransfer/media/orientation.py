"""Orientation: the display matrix of phone videos as a turn and a mirror, applied to pixels.

The matrix (FFmpeg: libavutil/display.h) is nine 32-bit numbers `a b u c d v x y w`; a stored pixel
(p, q) is shown at (a·p + c·q, b·p + d·q), y downwards. PyAV reports the angle alone, so mirrors
would be lost.
"""

import math
from dataclasses import dataclass

import av
import numpy as np
from jaxtyping import UInt8


@dataclass(frozen=True, slots=True, kw_only=True)
class Orientation:
    """One of the eight ways to put a picture upright: mirror left and right first, then turn."""

    quarter_turns: int = 0
    """Quarter turns clockwise, 0 to 3."""
    mirrored: bool = False
    """Whether left and right are swapped before the turn."""

    def __post_init__(self) -> None:
        assert 0 <= self.quarter_turns < 4

    def upright_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the (height, width) of a stored picture once upright."""
        return size if self.quarter_turns % 2 == 0 else size[::-1]

    def upright(
        self, picture: UInt8[np.ndarray, "height width 3"]
    ) -> UInt8[np.ndarray, "upright_height upright_width 3"]:
        """Return the picture upright."""
        flipped = picture[:, ::-1] if self.mirrored else picture
        return np.ascontiguousarray(np.rot90(flipped, k=-self.quarter_turns))


def orientation_of(frame: av.VideoFrame) -> Orientation:
    """Read the orientation from a decoded frame's side data; without any, it is upright."""
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return Orientation()
    return parse_display_matrix(tuple(np.frombuffer(bytes(data), dtype=np.int32).tolist()))


def parse_display_matrix(matrix: tuple[int, ...]) -> Orientation:
    """Return the orientation nearest to a display matrix of nine fixed-point numbers."""
    a, b, _, c, d, *_ = matrix
    if a * d == b * c:  # no transformation at all: some files leave it zero
        return Orientation()
    # A mirror negates the first column only, so the second one tells the turn in both cases.
    turns = round(math.atan2(-c, d) / (math.pi / 2)) % 4
    return Orientation(quarter_turns=turns, mirrored=a * d - b * c < 0)
