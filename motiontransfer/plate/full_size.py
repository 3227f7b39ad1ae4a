"""Frames of a target at full size, and images that wait on disk."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import numpy as np
from jaxtyping import Int64, UInt8

from motiontransfer.core.arrays import Frame, MaskedFrame
from motiontransfer.core.parallel import map_ahead
from motiontransfer.plate.masks import PersonMasks, read_masks
from motiontransfer.plate.target_clips import TargetClip
from motiontransfer.video.film import Film
from motiontransfer.video.frame_store import FrameStore

_ROWS_AT_ONCE = 32  # of all frames, whose levels are in memory
_NUM_THREADS = 2  # each with as many

_Image = TypeVar("_Image", bound=np.ndarray)


def full_size(clips: Iterable[TargetClip]) -> tuple[int, int]:
    """(height, width) of the largest of the clips' full-size frames, or of the first photo."""
    clips = [*clips]
    if clips[0].is_photo:
        clips = clips[:1]
    return max((Film(clip.frames.parent).size for clip in clips), key=math.prod)


def resampled(image: _Image, size: tuple[int, ...]) -> _Image:
    """An image in another size, by the pixel under the center of each."""
    return image[np.ix_(*map(nearest, size, image.shape))]


def nearest(length: int, of_length: int) -> Int64[np.ndarray, " length"]:
    """Index of the pixel under the center of each, along an axis of another length."""
    return ((np.arange(length) + 0.5) * of_length / length).astype(np.int64)


def for_bands(fill: Callable[[slice], None], num_rows: int) -> None:
    """Call a function with the rows of each band of an image, in threads."""
    tops = range(0, num_rows, _ROWS_AT_ONCE)
    bands = (slice(top, min(top + _ROWS_AT_ONCE, num_rows)) for top in tops)
    deque(map_ahead(fill, bands, num_threads=_NUM_THREADS), maxlen=0)


@dataclass(frozen=True, slots=True)
class ImageOnDisk:
    """An image in a file, which any process reads."""

    path: Path
    offset: int
    """Bytes before it."""
    shape: tuple[int, ...]

    def __getitem__(self, rows: slice) -> UInt8[np.ndarray, "..."]:
        """Read some rows."""
        start, stop, _ = rows.indices(self.shape[0])
        per_row = math.prod(self.shape[1:])
        first, count = self.offset + start * per_row, (stop - start) * per_row
        return np.fromfile(self.path, np.uint8, count, offset=first).reshape(-1, *self.shape[1:])

    def mapped(self) -> UInt8[np.ndarray, "..."]:
        """Map it into memory."""
        return np.memmap(self.path, np.uint8, "r", self.offset, self.shape)


class ImagesOnDisk:
    """Images in a file, read in part: together they take gigabytes."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb")
        self._path = path
        self._images: list[ImageOnDisk] = []

    def append(self, image: UInt8[np.ndarray, "..."]) -> ImageOnDisk:
        stored = ImageOnDisk(self._path, self._file.tell(), image.shape)
        self._file.write(np.ascontiguousarray(image).data)
        self._file.flush()
        self._images.append(stored)
        return stored

    def __getitem__(self, index: int) -> ImageOnDisk:
        return self._images[index]

    def close(self) -> None:
        self._file.close()


class FullSizeFrames:
    """Frames of a target in the size of its largest; those that were read are kept on disk."""

    def __init__(self, clips: Sequence[TargetClip], *, most_rows: int | None = None) -> None:
        """Set up.

        Args:
            most_rows: height of the frames, pixels, at most; None: that of the largest.
        """
        self.clips, size = clips, full_size(clips)
        scale = min((most_rows or size[0]) / size[0], 1)
        self.size = round(scale * size[0]), max(round(scale * size[1]), 1)
        self._films = [Film(clip.frames.parent) for clip in clips]
        self._stack = ExitStack()
        folder = self._stack.enter_context(TemporaryDirectory(prefix="motiontransfer-"))
        self.kept = self._stack.enter_context(closing(ImagesOnDisk(Path(folder) / "frames")))
        self._stored: dict[tuple[int, int], ImageOnDisk] = {}

    def __enter__(self) -> "FullSizeFrames":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @cached_property
    def masks(self) -> list[PersonMasks]:
        """Of the person, in some frames of each clip."""
        return [read_masks(clip.masks_file) for clip in self.clips]

    def read(self, keys: Sequence[tuple[int, int]]) -> Iterator[Frame | MaskedFrame]:
        """Yield frames by clip and frame_index, in this order; each is decoded once."""
        for number, of_clip in groupby(keys, key=itemgetter(0)):
            of_clip = [*of_clip]
            missing = [index for key in of_clip if key not in self._stored for index in key[1:]]
            decoded = self._films[number].read(missing)
            for key in of_clip:
                if key in self._stored:
                    yield self._stored[key].mapped()
                else:
                    self.keep(key, frame := self._placed(key, next(decoded)))
                    yield frame

    def __getitem__(self, key: tuple[int, int]) -> Frame | MaskedFrame:
        """A frame by clip and frame_index."""
        (frame,) = self.read([key])
        return frame

    def _placed(
        self, key: tuple[int, int], frame: Frame | MaskedFrame
    ) -> UInt8[np.ndarray, "_ _ channels"]:
        return self.clips[key[0]].framed(frame, self.size)

    def masked(self, key: tuple[int, int]) -> MaskedFrame | None:
        """A photo with the mask that it came with; None without one."""
        with FrameStore(self._films[key[0]].store) as store:
            if not store.has_masks:
                return None
            (frame,) = islice(store.masked_frames(), key[1], key[1] + 1)
        return self.clips[key[0]].framed(frame, self.size)

    def keep(self, key: tuple[int, int], frame: Frame | MaskedFrame) -> None:
        """Keep a frame that was read."""
        self._stored[key] = self.kept.append(frame)

    def reader(self, key: tuple[int, int]) -> Callable[[], Frame | MaskedFrame]:
        """A function that reads a frame that is kept, in any process."""
        return self._stored[key].mapped
