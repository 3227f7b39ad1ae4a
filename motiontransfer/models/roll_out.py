"""Autoregressive generation of a clip: each frame from its poses and the frame before."""

import itertools
import math
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from motiontransfer.models.generators import FrameGenerator, HalfResolutionGenerator
from motiontransfer.pose.drawing import PoseMapStyle
from motiontransfer.pose.rendering import draw_poses
from motiontransfer.pose.viewport import place_viewport
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
    """Generate frames autoregressively: yield one in [-1, 1] for every pose, in order.

    With `conditioning_poses` above 1, empty maps stand for the poses before the first. Outside a
    viewport, a frame is the background image with shadows. What is sent back for a frame, as a
    batch of one, is the previous frame of the next in its place.

    Args:
        excluded: references that the puppet may not use for a frame.
    """
    device = next(generator.parameters()).device
    viewport, num_before = generator.viewport, generator.conditioning_poses - 1
    if viewport is None:
        boxes = np.tile([0, 0, *size[::-1]], (len(points), 1))
    else:
        boxes = place_viewport(viewport, points, score, image_size=size)
    puppet = None
    if generator.puppet is not None:
        puppet = generator.puppet.follow(points, score, skeleton=skeleton, excluded=excluded)
    texture = None
    frame = torch.zeros((1, 3, *size), device=device)
    for chunk, (x0, y0, x1, y1) in _same_box(boxes):
        first = max(chunk.start - num_before, 0)
        in_box = points[first : chunk.stop] - np.array([x0, y0], np.float32)
        # No context is held across a yield: it would leak into the caller's code.
        with torch.inference_mode():
            drawn = draw_poses(
                torch.from_numpy(in_box),
                torch.from_numpy(score[first : chunk.stop]),
                skeleton=skeleton,
                size=(y1 - y0, x1 - x0),
                style=style,
                device=device,
            )
            lacking = num_before - (chunk.start - first)
            pose_maps = torch.cat([drawn.new_zeros((lacking, *drawn.shape[1:])), drawn])
            if viewport is not None:
                coarse = draw_coarse(
                    torch.from_numpy(points[chunk.start : chunk.stop]),
                    torch.from_numpy(score[chunk.start : chunk.stop]),
                    skeleton=skeleton,
                    size=size,
                    style=style,
                    device=device,
                )
        for index in range(len(chunk)):
            if puppet is not None:
                drawn = puppet.draw(chunk[index], box=(x0, y0, x1, y1))
                texture = levels_to_textures(upload(torch.from_numpy(drawn)[None], device))
            with torch.inference_mode(), autocast():
                conditioning = pose_maps[index : index + num_before + 1].flatten(0, 1)[None]
                previous = frame[:, :, y0:y1, x0:x1]
                if viewport is None:
                    frame, _ = generator(conditioning, previous, None, texture)
                else:
                    frame = generator.scene(coarse[index : index + 1])
                    box = frame[:, :, y0:y1, x0:x1]
                    box.copy_(generator(conditioning, previous, box.clone(), texture).frame)
            sent = yield frame[0]
            frame = frame if sent is None else sent


def _same_box(
    boxes: Int64[np.ndarray, "frames 4"],
) -> Iterator[tuple[range, tuple[int, int, int, int]]]:
    """Yield runs of frames, not too long, in which the box stays."""
    changes = np.flatnonzero(np.any(np.diff(boxes, axis=0), axis=1)) + 1
    for start, stop in itertools.pairwise([0, *changes.tolist(), len(boxes)]):
        for first in range(start, stop, _CHUNK_FRAMES):
            yield range(first, min(first + _CHUNK_FRAMES, stop)), tuple(boxes[start].tolist())
