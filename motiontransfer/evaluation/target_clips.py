"""The target's clips as evaluation sees them: the held-out tail of each, and all training frames.

Hides where a frame is: methods to compare are lists of (file, index), read one at a time, so that
memory does not grow with the length of a clip.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from motiontransfer.errors import KeypointsError, MissingFileError, VideoError
from motiontransfer.evaluation.pose_distance import concatenated, selected
from motiontransfer.keypoints import Keypoints, read_keypoints
from motiontransfer.media.frame_store import FrameStore
from motiontransfer.training.split import HeldOut, split_clip

FrameReference = tuple[Path, int]
"""A video file and a frame_index in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetClip:
    """One clip of the target, split as training split it."""

    name: str
    """The video's name in params.yaml."""

    frames: Path
    """The clip's frame store."""

    keypoints: Keypoints
    """Poses of every frame."""

    training: range
    """Frames that the networks may have seen."""

    held_out: range
    """Frames that they have never seen."""


def read_target_clips(
    frames_folder: Path, keypoints_folder: Path, held_out: HeldOut
) -> list[TargetClip]:
    """Find a subject's clips, in the order of their names, and split each one.

    Args:
        held_out: how the trained networks' weights say that the clips were split.

    Raises:
        MissingFileError: the subject has no clips.
        KeypointsError: clips differ in size or in the joints they have.
        TrainingError: a clip is too short.
    """
    clips: list[TargetClip] = []
    # A name with a dot before it is what a killed writer left behind.
    for path in sorted(keypoints_folder.glob("[!.]*.parquet")):
        keypoints = read_keypoints(path)
        training, tail = split_clip(
            keypoints.num_frames,
            held_out_fraction=held_out.held_out_fraction,
            gap_frames=held_out.gap_frames,
        )
        clips.append(
            TargetClip(
                name=path.stem,
                frames=frames_folder / path.stem / "frames.mkv",
                keypoints=keypoints,
                training=training,
                held_out=tail,
            )
        )
    if not clips:
        raise MissingFileError(f"{keypoints_folder}: no keypoints files; `dvc repro` makes them")
    if len({(clip.keypoints.image_size, clip.keypoints.skeleton) for clip in clips}) > 1:
        found = ", ".join(f"{clip.name} {clip.keypoints.image_size}" for clip in clips)
        raise KeypointsError(
            f"{keypoints_folder}: expected clips of one size with the same joints, got {found}; "
            "decode and detect this subject's videos with the same settings"
        )
    return clips


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
