"""A second of a video: what is scored, what the bootstrap draws, what is trained on.

Hides how consecutive frames are cut up: every pair of consecutive frames lies in exactly one
stretch, so two neighbours share a frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from motiontransfer.media.frame_store import FrameStore

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
