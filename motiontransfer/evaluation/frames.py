"""Synchronised reading of several videos, and the regions in which metrics are computed.

Frames are references, a file and an index, and are read one at a time, so that memory does not grow
with the length of a clip. Regions are boxes around all of the person's, the face's or one hand's
joints. The face region is not the face generator's crop, so that it does not depend on the
method's settings.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int64, UInt8

from motiontransfer.errors import KeypointsError, VideoError
from motiontransfer.keypoints import Keypoints
from motiontransfer.pose.boxes import enclosing_box
from motiontransfer.training.clips import TargetClip
from motiontransfer.video.frame_store import FrameStore

Frame = UInt8[np.ndarray, "height width 3"]
Frames = Mapping[str, UInt8[np.ndarray, "_ _ 3"]]
"""Name of a video -> its frame, all at one point in time."""

FrameReference = tuple[Path, int]
"""A video file and a frame_index in it."""

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels, half-open."""

_SMALLEST_HAND_PX = 16
"""In an image of 256 pixels most hands are smaller than SSIM's window and a margin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Footage:
    """Real or generated frames, and the pose detected in each."""

    frames: Sequence[FrameReference]
    """File and index of each frame."""

    keypoints: Keypoints
    """Poses found in them, frame by frame."""

    def __post_init__(self) -> None:
        """Check that there is one pose a frame."""
        assert len(self.frames) == self.keypoints.num_frames

    def part(self, frames: range) -> "Footage":
        """Some of the frames, in their order."""
        return Footage(
            frames=self.frames[frames.start : frames.stop],
            keypoints=selected(self.keypoints, np.array(frames, np.int64)),
        )


def training_footage(clips: Sequence[TargetClip]) -> Footage:
    """All training frames of a target's clips."""
    return Footage(
        frames=[(clip.frames, index) for clip in clips for index in clip.training],
        keypoints=concatenated(
            [selected(clip.keypoints, np.array(clip.training, np.int64)) for clip in clips]
        ),
    )


def read_frames(references: Iterable[FrameReference], size: tuple[int, int]) -> Iterator[Frame]:
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


def concatenated(clips: Sequence[Keypoints]) -> Keypoints:
    """Concatenate the keypoints of several clips.

    Raises:
        KeypointsError: no clips, or they differ in skeleton or image size.
    """
    if not clips:
        raise KeypointsError("expected keypoints of at least one clip, got none")
    first = clips[0]
    for clip in clips[1:]:
        if (clip.skeleton, clip.image_size) != (first.skeleton, first.image_size):
            raise KeypointsError(
                f"expected clips of one subject to share skeleton and size, got {first.image_size} "
                f"by {first.detector} and {clip.image_size} by {clip.detector}; repeat both stages"
            )
    return replace(
        first,
        points=np.concatenate([clip.points for clip in clips]),
        score=np.concatenate([clip.score for clip in clips]),
        filled=np.concatenate(
            [np.zeros_like(c.score, bool) if c.filled is None else c.filled for c in clips]
        ),
    )


def selected(keypoints: Keypoints, frames: Int64[np.ndarray, " selected"]) -> Keypoints:
    """Keypoints of the given frames, in the given order."""
    return replace(
        keypoints,
        points=keypoints.points[frames],
        score=keypoints.score[frames],
        filled=None if keypoints.filled is None else keypoints.filled[frames],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Regions:
    """One box a frame, where there is one."""

    boxes: Int64[np.ndarray, "frames 4"]
    """x0, y0, x1, y1 in pixels, half-open, inside the image; zeros where nothing was found."""

    found: Bool[np.ndarray, " frames"]
    """True if the frame has a box."""

    def at(self, frame_index: int) -> Box | None:
        """The frame's box, or None where nothing was found."""
        if not self.found[frame_index]:
            return None
        x0, y0, x1, y1 = (int(edge) for edge in self.boxes[frame_index])
        return x0, y0, x1, y1


def all_regions(keypoints: Keypoints, *, margin: float) -> dict[str, Regions]:
    """The boxes of `person`, `face`, `left_hand` and `right_hand`.

    Hands smaller than 16 pixels grow to that, so that there is something to measure.
    """
    hands = {
        hand: _at_least(_group_regions(keypoints, hand, margin), keypoints.image_size)
        for hand in ("left_hand", "right_hand")
    }
    return {
        "person": person_regions(keypoints, margin=margin),
        "face": _group_regions(keypoints, "face", margin),
        **hands,
    }


def person_regions(keypoints: Keypoints, *, margin: float) -> Regions:
    """Boxes around every joint of the person, in the frames where the body was found.

    Args:
        margin: share of the box's longer side by which it grows on every side.
    """
    present = np.greater(keypoints.score, 0)
    with_body = np.any(present[:, keypoints.skeleton.slice("body")], axis=1)
    return _regions(keypoints, present, with_body, margin)


def _group_regions(keypoints: Keypoints, group: str, margin: float) -> Regions:
    present = np.zeros(keypoints.score.shape, bool)
    if group in dict(keypoints.skeleton.groups):
        part = keypoints.skeleton.slice(group)
        present[:, part] = keypoints.score[:, part] > 0
    return _regions(keypoints, present, np.any(present, axis=1), margin)


def _at_least(small: Regions, image_size: tuple[int, int]) -> Regions:
    """The boxes of hands, grown to 16 pixels inside the image."""
    low, high = small.boxes[:, :2], small.boxes[:, 2:]
    limit = np.array(image_size[::-1])
    side = np.minimum(np.maximum(high - low, _SMALLEST_HAND_PX), limit)
    corner = np.clip((low + high - side + 1) // 2, 0, limit - side)
    boxes = np.concatenate([corner, corner + side], axis=1)
    return Regions(boxes=np.where(small.found[:, None], boxes, 0), found=small.found)


def _regions(
    keypoints: Keypoints,
    present: Bool[np.ndarray, "frames joints"],
    wanted: Bool[np.ndarray, " frames"],
    margin: float,
) -> Regions:
    boxes = np.zeros((keypoints.num_frames, 4), np.int64)
    found = np.zeros(keypoints.num_frames, bool)
    for index in np.flatnonzero(wanted):
        points = keypoints.points[index][present[index]]
        box = enclosing_box(points, margin=margin, image_size=keypoints.image_size)
        if box is not None:
            boxes[index], found[index] = box, True
    return Regions(boxes=boxes, found=found)
