"""Autoregressive roll-out of a frame generator (Chan et al. 2019, sec. 3.2).

Each frame is conditioned on the previous generated one, the first on zeros. Pose maps are drawn in
chunks, so memory does not grow with the clip.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from motiontransfer.nets.frame_generator import (
    ForegroundGenerator,
    FrameGenerator,
    HalfSizeGenerator,
)
from motiontransfer.pose.rendering import PoseMapStyle, draw_poses
from motiontransfer.skeleton import Skeleton

_CHUNK_FRAMES = 8


def roll_out(
    generator: nn.Module,
    points: Float[np.ndarray, "frames joints 2"],
    score: Float[np.ndarray, "frames joints"],
    *,
    skeleton: Skeleton,
    size: tuple[int, int],
    style: PoseMapStyle,
    device: torch.device,
    autocast: Callable[[], AbstractContextManager] = nullcontext,
) -> Iterator[Float[Tensor, "3 height width"]]:
    """Yield one generated frame in [-1, 1] for every pose, in order.

    With `conditioning_poses` above 1, empty maps stand for the poses before the first.
    """
    previous = torch.zeros((1, 3, *size), device=device)
    known = isinstance(generator, FrameGenerator | ForegroundGenerator | HalfSizeGenerator)
    conditioning_poses = generator.conditioning_poses if known else 1
    before = torch.zeros((conditioning_poses - 1, style.num_channels, *size), device=device)
    for start in range(0, len(points), _CHUNK_FRAMES):
        chunk = slice(start, start + _CHUNK_FRAMES)
        # No context is held across a yield: it would leak into the caller's code.
        with torch.inference_mode():
            drawn = draw_poses(
                torch.from_numpy(points[chunk]).to(device),
                torch.from_numpy(score[chunk]).to(device),
                skeleton=skeleton,
                size=size,
                style=style,
            )
            pose_maps = torch.cat([before, drawn])
            before = pose_maps[len(drawn) :]
        for index in range(len(drawn)):
            with torch.inference_mode(), autocast():
                shown = pose_maps[index : index + conditioning_poses].flatten(0, 1)
                previous = generator(shown[None], previous)
            yield previous[0]
