"""One-second clips and their corruptions: recompression, scaling, crops."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
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
from jaxtyping import UInt8

from motiontransfer.video.color import to_srgb
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.geometry import Box, resize

Frames = UInt8[np.ndarray, "_ _ _ 3"]
"""Time, height, width, RGB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """About a second of consecutive frames of one video."""

    subject: str
    """Whose appearance they show."""

    clip: str
    """What the video is called; with the subject it tells videos apart."""

    path: Path
    """The video file or frame store."""

    frames: range
    """Which of its frames; at least two."""

    def read(self) -> Frames:
        """Read the frames.

        Raises:
            MissingFileError: the video is not there.
            VideoError: a frame is missing or damaged.
        """
        with FrameStore(self.path) as store:
            return np.stack(list(store.frames(self.frames.start, self.frames.stop)))


def cut(frames: range, *, frame_rate: Fraction) -> list[range]:
    """Cut consecutive frames into stretches of a second and, at the end, of what is left."""
    step = max(1, round(frame_rate))
    starts = range(frames.start, frames.stop - 1, step)
    return [range(start, min(start + step + 1, frames.stop)) for start in starts]


def spread(stretches: Sequence[range], *, max_frames: int) -> list[range]:
    """Evenly chosen stretches with about so many frames; all of them where they have no more."""
    total = sum(len(frames) for frames in stretches)
    count = max(1, len(stretches) * max_frames // max(total, 1))
    if count >= len(stretches):
        return list(stretches)
    places = np.linspace(0, len(stretches) - 1, count).round().astype(int)
    return [stretches[int(place)] for place in places]


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


EXACT = "exact"
CONDITIONS = {
    EXACT: Encoding(),
    "crf_18": Encoding(crf=18),
    "crf_28": Encoding(crf=28),
    "crf_35": Encoding(crf=35),
    "half_size": Encoding(scale=0.5, crf=18),
}
"""Frames as they were rendered or filmed; encoded as H.264; made smaller first."""


_SMALLEST_SCALE = 0.5
_CRFS = range(14, 37)
_UNENCODED_SHARE = 0.25
_STILL_LEVELS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A square of some frames, and what is done to it."""

    box: Box
    """The square, pixels of the frames."""

    size: int
    """Height and width to which it is resized."""

    encoding: Encoding
    """What it then goes through."""

    mirrored: bool
    """Whether left and right are exchanged."""

    def of(self, frames: Frames) -> Frames:
        """Return the view of these frames."""
        x0, y0, x1, y1 = self.box
        size = (self.size, self.size)
        seen = np.stack([resize(frame, size) for frame in frames[:, y0:y1, x0:x1]])
        return recompressed(seen[:, :, ::-1] if self.mirrored else seen, self.encoding)


def draw_view(real: Frames, fake: Frames, *, crop_size: int, draws: np.random.Generator) -> View:
    """Draw a view of frames and of their twins.

    Args:
        crop_size: height and width of the view, pixels.
    """
    height, width = real.shape[1:3]
    scale = float(draws.choice([1.0, draws.uniform(_SMALLEST_SCALE, 1.0)]))
    side = min(round(crop_size / scale), height, width)
    y, x = _moving_place(real, fake, draws)
    x0 = min(max(x - side // 2, 0), width - side)
    y0 = min(max(y - side // 2, 0), height - side)
    encoded = draws.random() >= _UNENCODED_SHARE
    crf = int(draws.integers(_CRFS.start, _CRFS.stop))
    return View(
        box=(x0, y0, x0 + side, y0 + side),
        size=crop_size,
        encoding=Encoding(crf=crf if encoded else None, preset="veryfast"),
        mirrored=bool(draws.random() < 0.5),
    )


def _moving_place(real: Frames, fake: Frames, draws: np.random.Generator) -> tuple[int, int]:
    """Draw a pixel (y, x), the likelier the more it changes in either; any where none does."""
    # Green alone: nearest to brightness, and this is done for every item.
    first, last = (
        np.stack([frames[time, :, :, 1] for frames in (real, fake)]).astype(np.int16)
        for time in (0, -1)
    )
    change = np.abs(last - first).sum(axis=0)
    chance = np.cumsum(np.maximum(change - _STILL_LEVELS, 0), dtype=np.float64)
    if chance[-1] == 0:
        chance = np.arange(1, chance.size + 1, dtype=np.float64)
    place = int(np.searchsorted(chance, draws.random() * chance[-1], side="right"))
    y, x = divmod(place, real.shape[2])
    return y, x
