"""Frames by reference: which file, which index; read one at a time.

Hides where a frame is. Methods to compare are lists of references, so that memory does not grow
with the length of a clip.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from motiontransfer.errors import VideoError
from motiontransfer.evaluation.pose_distance import concatenated, selected
from motiontransfer.keypoints import Keypoints
from motiontransfer.training.clips import TargetClip
from motiontransfer.video.frame_store import FrameStore

FrameReference = tuple[Path, int]
"""A video file and a frame_index in it."""


def training_poses(clips: Sequence[TargetClip]) -> tuple[Keypoints, list[FrameReference]]:
    """Keypoints of all training frames, and where each frame is."""
    keypoints = concatenated(
        [selected(clip.keypoints, np.array(clip.training, np.int64)) for clip in clips]
    )
    return keypoints, [(clip.frames, index) for clip in clips for index in clip.training]


def read_frames(
    references: Iterable[FrameReference], size: tuple[int, int]
) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
    """Yield the frames, one in memory at a time; each file is opened once.

    Videos made for players have even sides: where `size` is odd, their last row or column, a copy
    of the edge, is cut off again.

    Args:
        size: (height, width) of the working image.

    Raises:
        VideoError: a video has another size.
        MissingFileError: a video is not there.
    """
    with ExitStack() as stack:
        store_of: dict[Path, FrameStore] = {}
        for path, index in references:
            if path not in store_of:
                store_of[path] = stack.enter_context(FrameStore(path))
                check_size(store_of[path], size)
            yield store_of[path][index][: size[0], : size[1]]


def check_size(store: FrameStore, size: tuple[int, int]) -> None:
    """Accept a video of the working size, or of that size made even.

    Raises:
        VideoError: it has another size.
    """
    height, width = size
    if store.size not in {(height, width), (height + height % 2, width + width % 2)}:
        raise VideoError(
            f"{store.path}: expected the working size {height} x {width} (height x width), got "
            f"{store.size[0]} x {store.size[1]}; frames are compared pixel by pixel and never "
            "resized, so make this video in the working size"
        )
