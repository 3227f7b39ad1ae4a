"""Conversion between frames (HWC uint8) and image tensors (CHW float in [-1, 1])."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from motiontransfer.video.color import Frame

Images = Float[Tensor, "batch 3 height width"]
Levels = UInt8[Tensor, "batch height width 3"]

_Item = TypeVar("_Item")

CPU = torch.device("cpu")


def frames_to_tensor(frames: Sequence[Frame]) -> Images:
    """Stack frames of one size; 0 becomes -1 and 255 becomes 1."""
    return levels_to_images(torch.from_numpy(np.stack(frames)))


def levels_to_images(
    levels: UInt8[Tensor, "*batch height width 3"],
) -> Float[Tensor, "*batch 3 height width"]:
    """Convert frames on whatever device they are; 0 becomes -1 and 255 becomes 1."""
    return levels.movedim(-1, -3).float().div(127.5).sub(1).contiguous()


def levels_to_textures(
    levels: UInt8[Tensor, "*batch height width 6"],
) -> Float[Tensor, "*batch 6 height width"]:
    """Convert a puppet's texture; colour times coverage becomes 0 where nothing is covered."""
    shares = levels.movedim(-1, -3).float().div(255)
    coverage = shares[..., 3:4, :, :]
    return torch.cat([2 * shares[..., :3, :, :] - coverage, shares[..., 3:, :, :]], dim=-3)


def upload(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy from the CPU to a device without waiting for it, through pinned memory."""
    if tensor.device == device:
        return tensor
    pinned = tensor if tensor.is_pinned() else tensor.pin_memory()
    return pinned.to(device, non_blocking=True)


def tensor_to_frames(images: Images) -> list[Frame]:
    """Clamp to [-1, 1] and round to the nearest of 256 levels."""
    return list(_levels(images).cpu().numpy())


def read_back(images: Iterable[Images]) -> Iterator[Frame]:
    """Yield the only frame of each batch, once the next batch has been asked for.

    On CUDA, kernels run after the call that launches them: the next image is computed while one
    is copied, into pinned memory, and used.
    """
    for levels, copied in one_behind(map(_start_copy, images)):
        if copied:
            copied.synchronize()
        yield levels.numpy()[0]


def one_behind(items: Iterable[_Item]) -> Iterator[_Item]:
    waiting: list[_Item] = []
    for item in items:
        yield from waiting
        waiting = [item]
    yield from waiting


def _start_copy(image: Images) -> tuple[Levels, torch.cuda.Event | None]:
    levels = _levels(image).to("cpu", non_blocking=True)
    return levels, torch.cuda.current_stream(image.device).record_event() if image.is_cuda else None


def _levels(images: Images) -> Levels:
    levels = images.detach().float().clamp(-1, 1).add(1).mul(127.5).round().byte()
    return levels.permute(0, 2, 3, 1).contiguous()


def image_grid(rows: Iterable[Images]) -> UInt8[np.ndarray, "grid_height grid_width 3"]:
    return np.concatenate([np.concatenate(tensor_to_frames(row), axis=1) for row in rows])
