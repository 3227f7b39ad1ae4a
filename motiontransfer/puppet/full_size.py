"""Frames of a target at full size, and images that wait on disk."""

import math
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from io import SEEK_END
from tempfile import TemporaryFile
from typing import TypeVar

import numpy as np
from jaxtyping import Int64, UInt8

from motiontransfer.puppet.target_clips import TargetClip
from motiontransfer.video.clip import full_size_frames
from motiontransfer.video.color import Frame
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.geometry import resize

_Image = TypeVar("_Image", bound=np.ndarray)


def full_size(clips: Iterable[TargetClip]) -> tuple[int, int]:
    """(height, width) of the largest of the clips' full-size frames."""
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


class ImagesOnDisk:
    """Images in a temporary file, mapped into memory one by one: together they take gigabytes."""

    def __init__(self) -> None:
        self._file = TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._places: list[tuple[int, tuple[int, ...]]] = []
        """Offset, bytes, and shape."""

    def append(self, image: UInt8[np.ndarray, "..."]) -> int:
        """Return the image's index."""
        self._places.append((self._file.seek(0, SEEK_END), image.shape))
        self._file.write(np.ascontiguousarray(image).data)
        self._file.flush()
        return len(self._places) - 1

    def __getitem__(self, index: int) -> UInt8[np.ndarray, "..."]:
        offset, shape = self._places[index]
        return np.memmap(self._file, np.uint8, "r", offset, shape)

    def close(self) -> None:
        self._file.close()


class FullSizeFrames:
    """Frames of a target in the size of its largest; those that are kept are decoded once."""

    def __init__(self, clips: Sequence[TargetClip]) -> None:
        self.clips, self.size = clips, full_size(clips)
        self._stack = ExitStack()
        found = [full_size_frames(clip.frames, clip.keypoints.frame_rate) for clip in clips]
        self._stores = [self._stack.enter_context(FrameStore(path)) for path, _ in found]
        self.steps = [step for _, step in found]
        """Each so many-th frame of a clip is there at full size."""
        self.kept = ImagesOnDisk()
        self._stack.callback(self.kept.close)
        self._index_of: dict[tuple[int, int], int] = {}

    def __enter__(self) -> "FullSizeFrames":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def __getitem__(self, key: tuple[int, int]) -> Frame:
        """A frame by clip and frame_index."""
        if key in self._index_of:
            return self.kept[self._index_of[key]]
        clip, index = key
        return resize(self._stores[clip][index // self.steps[clip]], self.size)

    def keep(self, key: tuple[int, int]) -> Frame:
        """A frame, which is from now on among those kept."""
        frame = self[key]
        self._index_of[key] = self.kept.append(frame)
        return frame
