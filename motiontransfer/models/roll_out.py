"""Autoregressive generation of a clip: each frame from its poses and the frame before."""

import itertools
import math
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from motiontransfer.models.generators import FrameGenerator, HalfResolutionGenerator
from motiontransfer.pose.drawing import PoseMapStyle
from motiontransfer.pose.rendering import draw_poses
from motiontransfer.pose.viewport import ViewportFollower
from motiontransfer.puppet.puppet import PuppetFollower
from motiontransfer.skeleton import Skeleton
from motiontransfer.video.tensors import Images, levels_to_textures, upload

_CHUNK_FRAMES = 8
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
    width_px = style.line_width_px * rows / size[0]
    return draw_poses(
        (points + 0.5) * scale - 0.5,
        score,
        skeleton=skeleton,
        size=(rows, columns),
        style=replace(style, line_width_px=width_px),
        device=device,
    )


class StreamingRollOut:
    """Generates frames autoregressively from poses as they arrive.

    With `conditioning_poses` above 1, empty maps stand for the poses before the first. Outside a
    viewport, a frame is the background image with shadows.
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
        self._frame = torch.zeros((1, 3, *size), device=device)

    def extend(
        self,
        points: Float[np.ndarray, "frames joints 2"],
        score: Float[np.ndarray, "frames joints"],
        *,
        excluded: Bool[np.ndarray, "frames references"] | None = None,
    ) -> Generator[Float[Tensor, "3 height width"], Images | None]:
        """Yield the next frames in [-1, 1], one for every pose.

        What is sent back for a frame, as a batch of one, is the previous frame of the next in its
        place.

        Args:
            excluded: references that the puppet may not use for a frame.
        """
        generator, device = self._generator, self._device
        num_before, (past_points, past_score) = generator.conditioning_poses - 1, self._past
        boxes = np.tile([0, 0, *self._size[::-1]], (len(points), 1))
        if self._viewport is not None:
            boxes = self._viewport.place(points, score)
        puppet = texture = None
        if self._puppet is not None:
            puppet = self._puppet.follow(points, score, excluded=excluded)
        num_past = len(past_points)
        points, score = np.concatenate([past_points, points]), np.concatenate([past_score, score])
        kept = slice(max(len(points) - num_before, 0), None)
        self._past = points[kept], score[kept]
        for run, (x0, y0, x1, y1) in _same_box(boxes):
            own = slice(num_past + run.start, num_past + run.stop)
            first = max(own.start - num_before, 0)
            in_box = points[first : own.stop] - np.array([x0, y0], np.float32)
            # No context is held across a yield: it would leak into the caller's code.
            with torch.inference_mode():
                drawn = self._draw(
                    torch.from_numpy(in_box),
                    torch.from_numpy(score[first : own.stop]),
                    size=(y1 - y0, x1 - x0),
                )
                lacking = num_before - (own.start - first)
                pose_maps = torch.cat([drawn.new_zeros((lacking, *drawn.shape[1:])), drawn])
                if self._viewport is not None:
                    coarse = self._draw_coarse(
                        torch.from_numpy(points[own]), torch.from_numpy(score[own]), size=self._size
                    )
            for index in range(len(run)):
                if puppet is not None:
                    drawn = puppet.draw(run[index], box=(x0, y0, x1, y1))
                    texture = levels_to_textures(upload(torch.from_numpy(drawn)[None], device))
                with torch.inference_mode(), self._autocast():
                    conditioning = pose_maps[index : index + num_before + 1].flatten(0, 1)[None]
                    previous = self._frame[:, :, y0:y1, x0:x1]
                    if self._viewport is None:
                        frame, _ = generator(conditioning, previous, None, texture)
                    else:
                        frame = generator.scene(coarse[index : index + 1])
                        box = frame[:, :, y0:y1, x0:x1]
                        box.copy_(generator(conditioning, previous, box.clone(), texture).frame)
                self._frame = frame
                sent = yield frame[0]
                if sent is not None:
                    self._frame = sent


def roll_out(
    generator: FrameGenerator | HalfResolutionGenerator,
    points: Float[np.ndarray, "frames joints 2"],
    score: Float[np.ndarray, "frames joints"],
    *,
    skeleton: Skeleton,
    size: tuple[int, int],
    style: PoseMapStyle,
    autocast: Callable[[], AbstractContextManager] = nullcontext,
    excluded: Bool[np.ndarray, "frames references"] | None = None,
) -> Generator[Float[Tensor, "3 height width"], Images | None]:
    """Generate the frames of a clip; see `StreamingRollOut`."""
    stream = StreamingRollOut(
        generator, skeleton=skeleton, size=size, style=style, autocast=autocast
    )
    for start in range(0, len(points), _CHUNK_FRAMES):
        chunk = slice(start, start + _CHUNK_FRAMES)
        out = None if excluded is None else excluded[chunk]
        yield from stream.extend(points[chunk], score[chunk], excluded=out)


def _same_box(
    boxes: Int64[np.ndarray, "frames 4"],
) -> Iterator[tuple[range, tuple[int, int, int, int]]]:
    """Yield runs of frames in which the box stays."""
    changes = np.flatnonzero(np.any(np.diff(boxes, axis=0), axis=1)) + 1
    for start, stop in itertools.pairwise([0, *changes.tolist(), len(boxes)]):
        if stop > start:
            yield range(start, stop), tuple(boxes[start].tolist())
