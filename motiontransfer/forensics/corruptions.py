"""Corruptions of video: H.264 compression, downscaling; random crops of them for training."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import av
import numpy as np
from jaxtyping import UInt8

from motiontransfer.video.color import to_srgb
from motiontransfer.video.geometry import Box, resize
from motiontransfer.video.writer import set_up_x264, to_yuv

Frames = UInt8[np.ndarray, "_ _ _ 3"]
"""Time, height, width, RGB."""

_FRAME_RATE = Fraction(25)  # matters only to how x264 spends bits over time
_MIN_SCALE = 0.5
_CRFS = range(14, 37)
_UNCOMPRESSED_SHARE = 0.25
_NOISE_LEVELS = 4  # smaller differences of both videos together are not motion


@dataclass(frozen=True, slots=True, kw_only=True)
class Corruption:
    """Downscaling, then compression; by default neither."""

    scale: float = 1.0
    """Factor of height and width."""
    crf: int | None = None
    """x264's quality, 0 (lossless) to 51; None: not compressed."""
    preset: str = "medium"
    """x264's speed; `medium` is its default and this project's."""


EXACT = "exact"
CORRUPTIONS = {
    EXACT: Corruption(),
    "crf_18": Corruption(crf=18),
    "crf_28": Corruption(crf=28),
    "crf_35": Corruption(crf=35),
    "half_size": Corruption(scale=0.5, crf=18),
}
"""Those of calibration and evaluation, by their names in the metrics."""


def corrupt(frames: Frames, corruption: Corruption) -> Frames:
    """Return the frames as a player shows them after downscaling and compression."""
    height, width = (round(side * corruption.scale) for side in frames.shape[1:3])
    resized = np.stack([resize(frame, (height, width)) for frame in frames])
    if corruption.crf is None:
        return resized
    decoder = _codec("h264", "r")
    packets = [*_encode(resized, crf=corruption.crf, preset=corruption.preset), None]
    decoded = [frame for packet in packets for frame in decoder.decode(packet)]
    assert len(decoded) == len(frames)
    return np.stack([to_srgb(frame)[:height, :width] for frame in decoded])


def _encode(frames: Frames, *, crf: int, preset: str) -> Iterator[av.Packet]:
    encoder = _codec("libx264", "w")
    set_up_x264(encoder, frames.shape[1:], crf=crf, preset=preset)
    encoder.framerate, encoder.time_base = _FRAME_RATE, 1 / _FRAME_RATE
    for index, frame in enumerate(frames):
        yield from encoder.encode(to_yuv(frame, index, _FRAME_RATE, threads=1))
    yield from encoder.encode(None)


def _codec(name: str, mode: Literal["r", "w"]) -> av.VideoCodecContext:
    context = av.CodecContext.create(name, mode)
    assert isinstance(context, av.VideoCodecContext)
    context.thread_count = 1  # x264's output depends on it, and clips are read in parallel
    return context


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """A square crop, resized, perhaps mirrored, and corrupted."""

    box: Box
    """The square, pixels of the frames."""
    size: int
    """Height and width to which it is resized."""
    corruption: Corruption
    mirrored: bool

    def apply(self, frames: Frames) -> Frames:
        """Return the augmented frames."""
        x0, y0, x1, y1 = self.box
        size = (self.size, self.size)
        crop = np.stack([resize(frame, size) for frame in frames[:, y0:y1, x0:x1]])
        return corrupt(crop[:, :, ::-1] if self.mirrored else crop, self.corruption)


def draw_augmentation(
    real: Frames, fake: Frames, *, crop_size: int, rng: np.random.Generator
) -> Augmentation:
    """Draw one augmentation for both of a real/fake pair, centred where something moves.

    Args:
        crop_size: height and width of the result, pixels.
    """
    height, width = real.shape[1:3]
    scale = float(rng.choice([1.0, rng.uniform(_MIN_SCALE, 1.0)]))
    side = min(round(crop_size / scale), height, width)
    y, x = _draw_moving_pixel(real, fake, rng)
    x0 = min(max(x - side // 2, 0), width - side)
    y0 = min(max(y - side // 2, 0), height - side)
    is_compressed = rng.random() >= _UNCOMPRESSED_SHARE
    crf = int(rng.integers(_CRFS.start, _CRFS.stop))
    return Augmentation(
        box=(x0, y0, x0 + side, y0 + side),
        size=crop_size,
        corruption=Corruption(crf=crf if is_compressed else None, preset="veryfast"),
        mirrored=bool(rng.random() < 0.5),
    )


def _draw_moving_pixel(real: Frames, fake: Frames, rng: np.random.Generator) -> tuple[int, int]:
    """Draw a pixel (y, x) in proportion to its change in both; uniformly where none changes."""
    # Green alone: nearest to brightness, and this runs for every item.
    first, last = (
        np.stack([frames[time, :, :, 1] for frames in (real, fake)]).astype(np.int16)
        for time in (0, -1)
    )
    change = np.abs(last - first).sum(axis=0)
    cumulative = np.cumsum(np.maximum(change - _NOISE_LEVELS, 0), dtype=np.float64)
    if cumulative[-1] == 0:
        cumulative = np.arange(1, cumulative.size + 1, dtype=np.float64)
    index = int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right"))
    y, x = divmod(index, real.shape[2])
    return y, x
