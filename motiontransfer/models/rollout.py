"""Autoregressive rollout: each frame is generated from its pose and the previous frame."""

import itertools
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from motiontransfer.models.generators import FrameGenerator, HalfResolutionGenerator, Textures
from motiontransfer.pose.boxes import ViewportFollower
from motiontransfer.pose.drawing import PoseMapStyle
from motiontransfer.pose.rendering import draw_poses
from motiontransfer.puppet.warping import PuppetClip, PuppetFollower
from motiontransfer.skeleton import Skeleton
from motiontransfer.video.tensors import Images, levels_to_textures, upload

_BATCH_FRAMES = 8  # whose pose maps are drawn at once
_COARSE_PX = 64


def coarse_size(size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of `draw_coarse`'s pose maps for frames of a size: at most 64 pixels."""
    scale = min(1.0, _COARSE_PX / max(size))
    return math.ceil(size[0] * scale), math.ceil(size[1] * scale)


def draw_coarse(
    points: Float[Tensor, "batch joints 2"],
    score: Float[Tensor, "batch joints"],
    *,
    skeleton: Skeleton,
    size: tuple[int, int],
    style: PoseMapStyle,
    device: torch.device,
) -> Float[Tensor, "batch channels rows columns"]:
    """Draw pose maps of whole frames of a size, in pixels, at low resolution."""
    rows, columns = coarse_size(size)
    scale = torch.tensor([columns / size[1], rows / size[0]])
    return draw_poses(
        (points + 0.5) * scale - 0.5,
        score,
        skeleton=skeleton,
        size=(rows, columns),
        style=style.resized(rows, original=size[0]),
        device=device,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FramePose:
    """One frame's pose as the generator reads it; all tensors are batches of one."""

    box: tuple[int, int, int, int]
    """Viewport in the frame: x0, y0, x1, y1; pixels."""
    pose_map: Float[Tensor, "1 channels height width"]
    """Viewport's pose map, after those of the preceding frames that it is conditioned on."""
    coarse_pose: Float[Tensor, "1 _ rows columns"] | None
    """Whole frame's pose map, from `draw_coarse`; None without a viewport."""
    texture: Textures | None
    """Puppet in the viewport; None without a puppet."""


class Rollout:
    """State of a rollout: preceding poses, viewport and puppet.

    With `conditioning_poses` above 1, empty maps stand for the poses before the first.
    """

    def __init__(
        self,
        generator: FrameGenerator | HalfResolutionGenerator,
        *,
        skeleton: Skeleton,
        size: tuple[int, int],
        style: PoseMapStyle,
        autocast: Callable[[], AbstractContextManager] = nullcontext,
    ) -> None:
        """Start without history."""
        device = next(generator.parameters()).device
        self._generator, self._size, self._autocast = generator, size, autocast
        self._device, look = device, {"skeleton": skeleton, "style": style, "device": device}
        self._draw, self._draw_coarse = partial(draw_poses, **look), partial(draw_coarse, **look)
        self._viewport = self._puppet = None
        if generator.viewport is not None:
            self._viewport = ViewportFollower(generator.viewport, image_size=size)
        if generator.puppet is not None:
            self._puppet = PuppetFollower(generator.puppet, skeleton)
        num_joints = len(skeleton.joints)
        self._past = np.zeros((0, num_joints, 2), np.float32), np.zeros((0, num_joints), np.float32)

    def draw(
        self,
        points: Float[np.ndarray, "frames joints 2"],
        score: Float[np.ndarray, "frames joints"],
        *,
        excluded: Bool[np.ndarray, "frames references"] | None = None,
    ) -> Iterator[FramePose]:
        """Draw the next poses, one at a time as they are asked for, their maps in batches.

        Args:
            excluded: references that the puppet may not use for a frame.
        """
        for start in range(0, len(points), _BATCH_FRAMES):
            batch = slice(start, start + _BATCH_FRAMES)
            out = None if excluded is None else excluded[batch]
            yield from self._draw_batch(points[batch], score[batch], out)

    def step(self, pose: FramePose, previous: Images | None) -> Images:
        """Generate one frame in [-1, 1], as a batch of one.

        Outside a viewport, it is the background image with shadows.

        Args:
            previous: the frame before, which may have been corrected; None: this is the first.
        """
        if previous is None:
            previous = torch.zeros((1, 3, *self._size), device=self._device)
        x0, y0, x1, y1 = pose.box
        with torch.inference_mode(), self._autocast():
            seen = previous[:, :, y0:y1, x0:x1]
            if pose.coarse_pose is None:
                return self._generator(pose.pose_map, seen, None, pose.texture).frame
            frame = self._generator.scene(pose.coarse_pose)
            background = frame[:, :, y0:y1, x0:x1].clone()
            person = self._generator(pose.pose_map, seen, background, pose.texture).frame
            frame[:, :, y0:y1, x0:x1] = person
            return frame

    def _draw_batch(
        self,
        points: Float[np.ndarray, "frames joints 2"],
        score: Float[np.ndarray, "frames joints"],
        excluded: Bool[np.ndarray, "frames references"] | None,
    ) -> Iterator[FramePose]:
        puppet = None
        if self._puppet is not None:
            puppet = self._puppet.follow(points, score, excluded=excluded)
        boxes = np.tile([0, 0, *self._size[::-1]], (len(points), 1))
        if self._viewport is not None:
            boxes = self._viewport.place(points, score)
        past_points, past_score = self._past
        num_past, num_preceding = len(past_points), self._generator.conditioning_poses - 1
        points, score = np.concatenate([past_points, points]), np.concatenate([past_score, score])
        last = slice(max(len(points) - num_preceding, 0), None)
        self._past = points[last], score[last]
        for run, box in _same_box(boxes):
            own = slice(num_past + run.start, num_past + run.stop)
            shown = slice(max(own.start - num_preceding, 0), own.stop)
            # No context is held across a yield: it would leak into the caller's code.
            with torch.inference_mode():
                drawn = self._pose_maps(points[shown], score[shown], box)
                num_empty = num_preceding - (own.start - shown.start)
                pose_maps = torch.cat([drawn.new_zeros((num_empty, *drawn.shape[1:])), drawn])
                coarse = [None] * len(run)
                if self._viewport is not None:
                    pair = torch.from_numpy(points[own]), torch.from_numpy(score[own])
                    coarse = self._draw_coarse(*pair, size=self._size).split(1)
            for index, frame_index in enumerate(run):
                conditioning = pose_maps[index : index + num_preceding + 1]
                yield FramePose(
                    box=box,
                    pose_map=conditioning.flatten(0, 1)[None],
                    coarse_pose=coarse[index],
                    texture=None if puppet is None else self._texture(puppet, frame_index, box),
                )

    def _pose_maps(
        self,
        points: Float[np.ndarray, "frames joints 2"],
        score: Float[np.ndarray, "frames joints"],
        box: tuple[int, int, int, int],
    ) -> Float[Tensor, "frames channels height width"]:
        x0, y0, x1, y1 = box
        in_box = torch.from_numpy(points - np.array([x0, y0], np.float32))
        return self._draw(in_box, torch.from_numpy(score), size=(y1 - y0, x1 - x0))

    def _texture(self, puppet: PuppetClip, index: int, box: tuple[int, int, int, int]) -> Textures:
        levels = torch.from_numpy(puppet.draw(index, box=box))[None]
        return levels_to_textures(upload(levels, self._device))


def generate_clip(
    generator: FrameGenerator | HalfResolutionGenerator,
    points: Float[np.ndarray, "frames joints 2"],
    score: Float[np.ndarray, "frames joints"],
    *,
    skeleton: Skeleton,
    size: tuple[int, int],
    style: PoseMapStyle,
    autocast: Callable[[], AbstractContextManager] = nullcontext,
    excluded: Bool[np.ndarray, "frames references"] | None = None,
) -> Iterator[Images]:
    """Yield the frames of a clip in [-1, 1], each as a batch of one; see `Rollout`."""
    rollout = Rollout(generator, skeleton=skeleton, size=size, style=style, autocast=autocast)
    frame = None
    for pose in rollout.draw(points, score, excluded=excluded):
        frame = rollout.step(pose, frame)
        yield frame


def _same_box(
    boxes: Int64[np.ndarray, "frames 4"],
) -> Iterator[tuple[range, tuple[int, int, int, int]]]:
    """Yield runs of frames in which the box stays."""
    changes = np.flatnonzero(np.any(np.diff(boxes, axis=0), axis=1)) + 1
    for start, stop in itertools.pairwise([0, *changes.tolist(), len(boxes)]):
        if stop > start:
            yield range(start, stop), tuple(boxes[start].tolist())
