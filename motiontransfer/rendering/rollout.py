"""Autoregressive rollout: each frame from its pose map and the previous frame.

The arithmetic is written once, on arrays: those of NumPy or PyTorch, as the networks take them.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32

from motiontransfer.core.arrays import Box, Boxes, Frame
from motiontransfer.core.errors import KeypointsError
from motiontransfer.pose.boxes import Viewport, ViewportFollower
from motiontransfer.pose.drawing import Array, NumpyDrawer, PoseMaps, PoseMapStyle
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.skeleton import Skeleton
from motiontransfer.puppet.draw.warping import Puppet

Image = Float[Array, "1 3 height width"]
"""In [-1, 1]."""
PoseMap = Float[Array, "1 _ height width"]
ReadFrames = Callable[[], list[Frame]]
"""Waits for the frames of images; their values are clipped and rounded to 256 levels."""

BATCH_FRAMES = 8
"""Frames whose pose maps are drawn at once."""


class GeneratedFrame(NamedTuple):
    """A generated frame."""

    image: Image
    mask: Float[Array, "1 1 _ _"] | None
    """The person's share of the viewport's pixels; None where the networks do not tell it."""


@runtime_checkable
class Networks(Protocol):
    """A target's networks, and the operations that depend on the library behind them."""

    size: tuple[int, int]
    """(height, width) of the frames, pixels."""
    style: PoseMapStyle
    conditioning_poses: int = 1
    """Pose maps that the generator reads: the frame's and the preceding ones."""
    viewport: Viewport | None = None
    puppet: Puppet | None = None
    """Drawn over the scene; None where the main generator paints the person."""
    background_image: Image | None = None
    is_asynchronous: bool = False
    """True if a call returns before its result is computed, as on a GPU."""

    def background(self) -> Frame:
        """The background image; black without one."""
        if self.background_image is None:
            return np.zeros((*self.size, 3), np.uint8)
        return self.start_reading(self.background_image)()[0]

    def computing(self) -> AbstractContextManager:
        """Context of all operations on arrays."""
        return nullcontext()

    def drawer(self, skeleton: Skeleton) -> NumpyDrawer: ...

    def upload(self, arrays: Sequence[Float32[np.ndarray, "..."]]) -> list[Float[Array, "..."]]:
        """Copy small arrays to the device, together."""
        ...

    def concatenate(self, arrays: Sequence[PoseMaps]) -> PoseMaps: ...

    def zeros(self, shape: Sequence[int]) -> Float[Array, "..."]: ...

    def resize(self, image: Image, size: tuple[int, int]) -> Float[Array, "1 3 _ _"]:
        """Interpolate bilinearly, with antialiasing."""
        ...

    def generate(
        self, pose_map: PoseMap, previous: Image, background: Image | None
    ) -> GeneratedFrame:
        """The next frame, or its part in a viewport; see `FrameGenerator.forward`."""
        ...

    def scene(self, coarse_pose: Float[Array, "1 _ rows columns"]) -> Image:
        """The background image with the shadows of people in these poses; a new array."""
        ...

    def face_residual(self, pose_map: PoseMap, face: Image) -> Image: ...

    def start_reading(self, images: Float[Array, "batch 3 height width"]) -> ReadFrames:
        """Begin to copy images to the CPU."""
        ...


def view_of(box: Box) -> tuple[slice, ...]:
    """Index of a box in images."""
    x0, y0, x1, y1 = box
    return np.s_[:, :, y0:y1, x0:x1]


@dataclass(frozen=True, slots=True, kw_only=True)
class FramePose:
    """One frame's pose as the generator reads it; all arrays are batches of one."""

    box: Box
    """Viewport in the frame: x0, y0, x1, y1; pixels."""
    pose_map: PoseMap
    """Viewport's pose map, after those of the preceding frames that it is conditioned on."""
    coarse_pose: Float[Array, "1 _ rows columns"] | None
    """Whole frame's pose map, from `draw_coarse`; None without a viewport."""


class Rollout:
    """State of a rollout: preceding poses and viewport.

    With `conditioning_poses` above 1, empty maps stand for the poses before the first.
    """

    def __init__(self, networks: Networks) -> None:
        self._networks = networks
        self._viewport = self._past = None
        if networks.viewport is not None:
            self._viewport = ViewportFollower(networks.viewport, image_size=networks.size)

    def draw(self, keypoints: Keypoints) -> Iterator[FramePose]:
        """Draw the next poses, one at a time as they are asked for, their maps in batches.

        Raises:
            KeypointsError: the poses are for images of another size.
        """
        networks, num_frames = self._networks, keypoints.num_frames
        check_size(networks, keypoints)
        boxes = np.tile([0, 0, *networks.size[::-1]], (num_frames, 1))
        if self._viewport is not None:
            boxes = self._viewport.place(keypoints.points, keypoints.score)
        for batch in batches(num_frames):
            yield from self._draw_batch(keypoints.part(batch), boxes[batch])

    def step(self, pose: FramePose, previous: Image | None) -> GeneratedFrame:
        """Generate one frame.

        Outside a viewport, it is the background image with shadows. The previous frame may have
        been corrected.
        """
        networks, view = self._networks, view_of(pose.box)
        with networks.computing():
            if previous is None:
                previous = networks.zeros((1, 3, *networks.size))
            previous = previous[view]
            if pose.coarse_pose is None:
                return networks.generate(pose.pose_map, previous, None)
            frame = networks.scene(pose.coarse_pose)
            step = networks.generate(pose.pose_map, previous, frame[view])
            frame[view] = step.image
            return GeneratedFrame(frame, step.mask)

    def _draw_batch(self, keypoints: Keypoints, boxes: Boxes) -> Iterator[FramePose]:
        networks, points, score = self._networks, keypoints.points, keypoints.score
        past_points, past_score = self._past or (points[:0], score[:0])
        start, num_preceding = len(past_points), networks.conditioning_poses - 1
        points, score = np.concatenate([past_points, points]), np.concatenate([past_score, score])
        last = slice(max(len(points) - num_preceding, 0), None)
        self._past = points[last], score[last]
        drawer = networks.drawer(keypoints.skeleton)
        for (x0, y0, x1, y1), run in groupby(map(tuple, boxes.tolist())):
            length = len([*run])
            own = slice(start, start + length)
            start = own.stop
            shown = slice(max(own.start - num_preceding, 0), own.stop)
            coarse = None
            # No context is held across a yield: it would leak into the caller's code.
            with networks.computing():
                in_box = points[shown] - np.array([x0, y0], np.float32)
                pose_maps = drawer.draw(in_box, score[shown], size=(y1 - y0, x1 - x0))
                if num_empty := num_preceding - (own.start - shown.start):
                    empty = networks.zeros((num_empty, *pose_maps.shape[1:]))
                    pose_maps = networks.concatenate([empty, pose_maps])
                if self._viewport is not None:
                    coarse = drawer.draw_coarse(points[own], score[own], size=networks.size)
            for index in range(length):
                conditioning = pose_maps[index : index + num_preceding + 1]
                yield FramePose(
                    box=(x0, y0, x1, y1),
                    pose_map=conditioning.reshape(1, -1, *conditioning.shape[2:]),
                    coarse_pose=None if coarse is None else coarse[index : index + 1],
                )


def batches(num_frames: int) -> list[range]:
    """Frames whose pose maps are drawn at once."""
    starts = range(0, num_frames, BATCH_FRAMES)
    return [range(start, min(start + BATCH_FRAMES, num_frames)) for start in starts]


def check_size(networks: Networks, keypoints: Keypoints) -> None:
    """Check that poses are for the networks' images.

    Raises:
        KeypointsError: they are for images of another size.
    """
    if keypoints.image_size != networks.size:
        raise KeypointsError(
            f"expected poses for images of {networks.size} (height, width) pixels, as the "
            f"generator was trained, got {keypoints.image_size}; normalize them first"
        )


def rooms(networks: Networks, keypoints: Keypoints) -> Iterator[Frame]:
    """The target's room with the shadows of each pose, as frames.

    Raises:
        KeypointsError: the poses are for images of another size.
    """
    check_size(networks, keypoints)
    drawer = networks.drawer(keypoints.skeleton)
    for batch in batches(keypoints.num_frames):
        poses = keypoints.part(batch)
        with networks.computing():
            maps = drawer.draw_coarse(poses.points, poses.score, size=networks.size)
            scenes = [networks.scene(maps[index : index + 1]) for index in range(len(batch))]
            read = [networks.start_reading(scene) for scene in scenes]
        for frames in read:
            yield from frames()
