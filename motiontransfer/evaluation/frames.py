"""Synchronized reading of several videos, and the regions in which metrics are computed.

Frames are references, a file and an index, and are read one at a time: memory does not grow with
the clip. Regions are boxes around all of the person's, the face's or one hand's joints. The face
region is not the face generator's crop, so that it does not depend on the method's settings.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float64

from motiontransfer.core.arrays import AnyFrame, Box, Frame, JointMask, Places, Vector
from motiontransfer.core.errors import VideoError
from motiontransfer.plate.target_clips import TargetClip
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.geometry import enclosing_box, resize

SyncedFrames = Mapping[str, AnyFrame]
"""Name of a video -> its frame, all at one point in time."""


class FrameSet(NamedTuple):
    """The frames of all videos at one point in time, and those before."""

    index: int
    frames: SyncedFrames
    previous: SyncedFrames | None
    """None at the first frame."""


FrameReference = tuple[Path, int]
"""A video file and a frame_index in it."""

Regions = Sequence[Box | None]
"""The box in each frame; None where nothing was found."""

HALF_PIXEL = np.array([[0.5, 0.5]])
"""A shift: the most that is left of a person's place where frames are moved by whole pixels."""
_MARGIN = 0.1  # of boxes, share of their longer side; one for all, so that runs can be compared
_SMALLEST_HAND_PX = 16
"""In an image of 256 pixels most hands are smaller than SSIM's window and a margin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PosedFrames:
    """Real or generated frames, and the pose detected in each."""

    frames: Sequence[FrameReference]
    keypoints: Keypoints
    shifts: Places | None = None
    """(x, y) pixels by which frames are moved as they are read; the keypoints are moved already."""
    moved_size: tuple[int, int] | None = None
    """(height, width) in which they are moved, to be reduced to the keypoints' image size."""

    def __post_init__(self) -> None:
        assert len(self.frames) == self.keypoints.num_frames

    def part(self, indices: Sequence[int]) -> "PosedFrames":
        return replace(
            self,
            frames=[self.frames[index] for index in indices],
            keypoints=self.keypoints.part(indices),
            shifts=None if self.shifts is None else self.shifts[list(indices)],
        )

    def at(self, size: tuple[int, int]) -> "PosedFrames":
        """The same in another (height, width), still moved in the former one."""
        moved_size = self.keypoints.image_size if self.shifts is not None else None
        return replace(self, keypoints=self.keypoints.resized(size), moved_size=moved_size)

    def moved(self, shifts: Float64[np.ndarray, "#frames 2"]) -> "PosedFrames":
        """Moved by (x, y) pixels, with the keypoints."""
        points = self.keypoints.points + shifts[:, None].astype(np.float32)
        points = np.where(self.keypoints.score[..., None] > 0, points, 0)
        shifts = np.broadcast_to(shifts, (len(self.frames), 2))
        return replace(self, keypoints=replace(self.keypoints, points=points), shifts=shifts)

    def read(self) -> Iterator[Frame]:
        """Yield the frames, one in memory at a time."""
        size = self.keypoints.image_size
        frames = read_frames(self.frames, self.moved_size or size)
        if self.shifts is None:
            return frames
        return (resize(moved(*each), size) for each in zip(frames, self.shifts, strict=True))


def moved(frame: Frame, shift: Vector) -> Frame:
    """A frame by (x, y) pixels to the right and down, between pixels as sharp as before."""
    matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]])
    are_whole = (shift == np.rint(shift)).all()  # the same then, in a fortieth of the time
    return cv2.warpAffine(
        *(frame, matrix, frame.shape[1::-1]),
        flags=cv2.INTER_NEAREST if are_whole else cv2.INTER_LANCZOS4,
        borderMode=cv2.BORDER_REPLICATE,
    )


def concatenated(parts: Sequence[PosedFrames]) -> PosedFrames:
    """Concatenate posed frames of several clips, which share skeleton and image size."""
    keypoints = Keypoints.concatenated([part.keypoints for part in parts])
    frames = [frame for part in parts for frame in part.frames]
    return PosedFrames(frames=frames, keypoints=keypoints)


def clip_frames(clip: TargetClip, indices: Sequence[int]) -> PosedFrames:
    return PosedFrames(
        frames=[(clip.frames, index) for index in indices], keypoints=clip.keypoints.part(indices)
    )


def training_frames(clips: Sequence[TargetClip]) -> PosedFrames:
    return concatenated([clip_frames(clip, clip.training) for clip in clips])


def read_frames(references: Iterable[FrameReference], size: tuple[int, int]) -> Iterator[Frame]:
    """Yield the frames, one in memory at a time; each file is opened once.

    Videos made for players have even sides: where `size` is odd, their last row or column, a copy
    of the edge, is cut off again. Larger videos of the same shape are reduced to `size`.

    Raises:
        VideoError: a video has another shape, or is smaller.
    """
    with ExitStack() as stack:
        store_of: dict[Path, FrameStore] = {}
        for path, index in references:
            if path not in store_of:
                store_of[path] = stack.enter_context(FrameStore(path))
                _check_size(store_of[path], size)
            store = store_of[path]
            is_larger = has_more_pixels(store.size, size)
            yield store.reduced(index, size) if is_larger else store[index][: size[0], : size[1]]


def has_more_pixels(size: tuple[int, int], working: tuple[int, int]) -> bool:
    """True for a video larger than the working image, beyond the pixel that makes sides even."""
    return size[0] > working[0] + 1


def check_frames(path: Path, num_frames: int, size: tuple[int, int], advice: str) -> None:
    """Check that a video has as many frames, and that `read_frames` can read them in this size.

    Raises:
        VideoError: another number of frames or another size.
    """
    with FrameStore(path) as store:
        _check_size(store, size)
        store.check_length(num_frames, advice)


def _check_size(store: FrameStore, size: tuple[int, int]) -> None:
    """Accept the working image's size, that made even, and larger ones of the same shape."""
    height, width = size
    is_size = store.size in {(height, width), (height + height % 2, width + width % 2)}
    scale = store.size[0] / height
    # A pixel of the working image, of which the size may be twice as many.
    has_its_shape = abs(width * scale - store.size[1]) <= 2 * scale + 1
    if not is_size and not (has_more_pixels(store.size, size) and has_its_shape):
        raise VideoError(
            f"{store.path}: expected height x width {height} x {width}, or more pixels in that "
            f"shape, got {store.size[0]} x {store.size[1]}; make this video in that shape"
        )


def all_regions(keypoints: Keypoints, *, margin: float = _MARGIN) -> dict[str, Regions]:
    """The boxes of `person`, `face`, `left_hand` and `right_hand`.

    Hands smaller than 16 pixels grow to that, so that there is something to measure.
    """
    regions = {"person": person_regions(keypoints, margin=margin)}
    for group in ("face", "left_hand", "right_hand"):
        present = np.zeros(keypoints.score.shape, bool)
        if group in dict(keypoints.skeleton.groups):
            part = keypoints.skeleton.slice(group)
            present[:, part] = keypoints.score[:, part] > 0
        regions[group] = _regions(keypoints, present, margin)
    for hand in ("left_hand", "right_hand"):
        regions[hand] = [box and _grown(box, keypoints.image_size) for box in regions[hand]]
    return regions


def person_regions(keypoints: Keypoints, *, margin: float = _MARGIN) -> Regions:
    """Boxes around every joint of the person, in the frames where the body was found."""
    present = np.greater(keypoints.score, 0)
    has_body = np.any(present[:, keypoints.skeleton.slice("body")], axis=1)
    return _regions(keypoints, present & has_body[:, None], margin)


def _regions(keypoints: Keypoints, present: JointMask, margin: float) -> Regions:
    return [
        enclosing_box(points[joints], margin=margin, image_size=keypoints.image_size)
        for points, joints in zip(keypoints.points, present, strict=True)
    ]


def _grown(box: Box, image_size: tuple[int, int]) -> Box:
    """The box, grown to 16 pixels inside the image."""
    low, high = np.array(box[:2]), np.array(box[2:])
    limit = np.array(image_size[::-1])
    side = np.minimum(np.maximum(high - low, _SMALLEST_HAND_PX), limit)
    x, y = np.clip((low + high - side + 1) // 2, 0, limit - side).tolist()
    return x, y, x + int(side[0]), y + int(side[1])
