"""What happens to a video on its way through the world: it is made smaller and encoded anew.

Hides the codec: H.264 by x264, in memory, with the colours of `motiontransfer.media.writing`. Real
and fake frames go through the same call, or a detector would learn who was encoded and who not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import av
import numpy as np
from av.codec.context import Flags
from av.video.reformatter import (
    ColorPrimaries,
    ColorRange,
    Colorspace,
    ColorTrc,
    Interpolation,
)

from motiontransfer.forensics.stretches import Frames
from motiontransfer.media.colour import to_srgb
from motiontransfer.media.framing import resize

_SCALING = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
_FRAME_RATE = Fraction(25)  # decides nothing but how x264 spends bits over time


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """Size and compression; the default leaves frames as they are."""

    scale: float = 1.0
    """By how much height and width are multiplied, before encoding."""

    crf: int | None = None
    """x264's quality, 0 (lossless) to 51; None: not encoded."""

    preset: str = "medium"
    """How much time x264 takes; `medium` is its default and this project's."""


def recompressed(frames: Frames, encoding: Encoding) -> Frames:
    """Return the frames as a player shows them after resizing and encoding."""
    height, width = (round(side * encoding.scale) for side in frames.shape[1:3])
    resized = np.stack([resize(frame, (height, width)) for frame in frames])
    if encoding.crf is None:
        return resized
    decoder = _context("h264", "r")
    packets = [*_encode(resized, encoding), None]
    pictures = [picture for packet in packets for picture in decoder.decode(packet)]
    assert len(pictures) == len(frames)
    return np.stack([to_srgb(picture)[:height, :width] for picture in pictures])


def _encode(frames: Frames, encoding: Encoding) -> Iterator[av.Packet]:
    height, width = frames.shape[1:3]
    sides = ((0, 0), (0, height % 2), (0, width % 2), (0, 0))
    even = np.pad(frames, sides, mode="edge")  # 4:2:0 has one colour for 2x2 pixels
    encoder = _context("libx264", "w")
    encoder.height, encoder.width = even.shape[1:3]
    encoder.pix_fmt, encoder.framerate = "yuv420p", _FRAME_RATE
    encoder.time_base = 1 / _FRAME_RATE
    # mbtree reads memory that it never wrote: with it, one run in twenty gives other bytes.
    encoder.options = {
        **{"crf": str(encoding.crf), "preset": encoding.preset},
        **{"x264-params": "mbtree=0:log=-1"},
    }
    encoder.flags |= Flags.bitexact
    encoder.color_primaries, encoder.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
    encoder.colorspace, encoder.color_range = Colorspace.ITU709, ColorRange.MPEG
    for index, frame in enumerate(even):
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24").reformat(
            format="yuv420p",
            interpolation=_SCALING,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            threads=1,
        )
        picture.pts, picture.time_base = index, 1 / _FRAME_RATE
        yield from encoder.encode(picture)
    yield from encoder.encode(None)


def _context(codec: str, mode: Literal["r", "w"]) -> av.VideoCodecContext:
    context = av.CodecContext.create(codec, mode)
    assert isinstance(context, av.VideoCodecContext)
    context.thread_count = 1  # x264's output depends on it, and readers are many already
    return context
