"""Pictures of how training goes: the same few frames every time, pose | real | generated."""

import numpy as np
import torch
from jaxtyping import UInt8
from torch import nn

from motiontransfer.nets.rollout import roll_out
from motiontransfer.pose.rendering import PoseMapStyle, draw_rgb
from motiontransfer.training.target_clips import TargetClip
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.tensors import tensor_to_frames

Picture = UInt8[np.ndarray, "height width 3"]


def sample_grid(
    generator: nn.Module,
    clip: TargetClip,
    *,
    frame_indices: list[int],
    style: PoseMapStyle,
    device: torch.device,
) -> Picture:
    """One column a frame: its pose, the real frame, what is generated after one of lead-in."""
    keypoints = clip.keypoints
    columns = []
    with FrameStore(clip.frames) as store:
        for index in frame_indices:
            lead_in = slice(max(index - 1, 0), index + 1)
            *_, generated = roll_out(
                generator,
                keypoints.points[lead_in],
                keypoints.score[lead_in],
                skeleton=keypoints.skeleton,
                size=keypoints.image_size,
                style=style,
                device=device,
            )
            pose = draw_rgb(
                keypoints.points[index],
                keypoints.score[index],
                skeleton=keypoints.skeleton,
                size=keypoints.image_size,
                line_width_px=style.line_width_px,
            )
            columns.append(np.concatenate([pose, store[index], *tensor_to_frames(generated[None])]))
    return np.concatenate(columns, axis=1)


def spread(frames: range, *, count: int) -> list[int]:
    """At most `count` frame indices, evenly spread, first and last among them."""
    positions = np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)
    return [frames[int(position)] for position in positions]
