"""What a detector in training is shown of a second of video.

Hides where is looked and what the frames went through: a square where something moves, made
smaller, encoded and flipped by chance. One view is drawn for a real second and its rendered twin
together and applied to both, so that neither place nor codec tells them apart.
"""

from dataclasses import dataclass

import numpy as np

from motiontransfer.forensics.recompression import Encoding, recompressed
from motiontransfer.forensics.stretches import Frames
from motiontransfer.media.framing import Box, resize

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
