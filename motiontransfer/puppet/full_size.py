"""Frames of a target at full size, and images that wait on disk."""

import math
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, TypeVar

import numpy as np
from jaxtyping import Int64, UInt8

from motiontransfer.puppet.target_clips import TargetClip
from motiontransfer.video.clip import full_size_frames
from motiontransfer.video.color import Frame, MaskedFrame
from motiontransfer.video.frame_store import FrameStore

_Image = TypeVar("_Image", bound=np.ndarray)


def full_size(clips: Iterable[TargetClip]) -> tuple[int, int]:
    """(height, width) of the largest of the clips' full-size frames, or of the first photo."""
    clips = [*clips]
    if clips[0].is_photo:
        clips = clips[:1]
    stores = [full_size_frames(clip.frames, clip.keypoints.frame_rate)[0] for clip in clips]
    sizes = []
    for path in stores:
        with FrameStore(path) as store:
            sizes.append(store.size)
    return max(sizes, key=math.prod)


def resampled(image: _Image, size: tuple[int, ...]) -> _Image:
    """An image in another size, by the pixel under the center of each."""
    return image[np.ix_(*map(nearest, size, image.shape))]


def nearest(length: int, of_length: int) -> Int64[np.ndarray, " length"]:
    """Index of the pixel under the center of each, along an axis of another length."""
    return ((np.arange(length) + 0.5) * of_length / length).astype(np.int64)


class MappedImage(NamedTuple):
    """An image in a file, which any process reads."""

    path: Path
    offset: int
    """Bytes before it."""
    shape: tuple[int, ...]

    def read(self) -> UInt8[np.ndarray, "..."]:
        """Map it into memory."""
        return np.memmap(self.path, np.uint8, "r", self.offset, self.shape)


class ImagesOnDisk:
    """Images in a file, mapped into memory one by one: together they take gigabytes."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb")
        self._path = path
        self._images: list[MappedImage] = []

    def append(self, image: UInt8[np.ndarray, "..."]) -> MappedImage:
        stored = MappedImage(self._path, self._file.tell(), image.shape)
        self._file.write(np.ascontiguousarray(image).data)
        self._file.flush()
        self._images.append(stored)
        return stored

    def __getitem__(self, index: int) -> UInt8[np.ndarray, "..."]:
        return self._images[index].read()

    def close(self) -> None:
        self._file.close()


class FullSizeFrames:
    """Frames of a target in the size of its largest, for several threads.

    Those that are kept are decoded once.
    """

    def __init__(self, clips: Sequence[TargetClip]) -> None:
        self.clips, self.size = clips, full_size(clips)
        self._stack = ExitStack()
        found = [full_size_frames(clip.frames, clip.keypoints.frame_rate) for clip in clips]
        self._paths = [path for path, _ in found]
        self._own = threading.local()  # a place in each file for each thread
        self.steps = [step for _, step in found]
        """Each so many-th frame of a clip is there at full size."""
        folder = self._stack.enter_context(TemporaryDirectory(prefix="motiontransfer-"))
        self.kept = self._stack.enter_context(closing(ImagesOnDisk(Path(folder) / "frames")))
        self._stored: dict[tuple[int, int], MappedImage] = {}

    def __enter__(self) -> "FullSizeFrames":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def __getitem__(self, key: tuple[int, int]) -> Frame | MaskedFrame:
        """A frame by clip and frame_index."""
        if key in self._stored:
            return self._stored[key].read()
        clip, index = key
        stores = vars(self._own)
        path = str(self._paths[clip])
        if path not in stores:
            stores[path] = self._stack.enter_context(FrameStore(self._paths[clip]))
        return self.clips[clip].framed(stores[path][index // self.steps[clip]], self.size)

    def masked(self, key: tuple[int, int]) -> MaskedFrame | None:
        """A frame with the mask that it came with; None without one."""
        with FrameStore(self._paths[key[0]]) as store:
            if not store.has_masks:
                return None
            (frame,) = islice(store.masked_frames(), key[1], key[1] + 1)
        return self.clips[key[0]].framed(frame, self.size)

    def keep(self, key: tuple[int, int], frame: Frame | MaskedFrame) -> None:
        """Keep a frame that was read."""
        self._stored[key] = self.kept.append(frame)

    def reader(self, key: tuple[int, int]) -> Callable[[], Frame | MaskedFrame]:
        """A function that reads a frame in any process; it is kept for that."""
        if key not in self._stored:
            self.keep(key, self[key])
        return self._stored[key].read
