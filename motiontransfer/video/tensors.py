"""Conversion between frames (HWC uint8) and image tensors (CHW float in [-1, 1])."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from motiontransfer.core.arrays import Frame

Images = Float[Tensor, "batch 3 height width"]

CPU = torch.device("cpu")
_ALIGNMENT = 16  # bytes, of every dtype


def frames_to_tensor(frames: Sequence[Frame]) -> Images:
    """Stack frames of one size; 0 becomes -1 and 255 becomes 1."""
    return levels_to_images(torch.from_numpy(np.stack(frames)))


def levels_to_images(
    levels: UInt8[Tensor, "*batch height width 3"],
) -> Float[Tensor, "*batch 3 height width"]:
    """Convert frames on whatever device they are; 0 becomes -1 and 255 becomes 1."""
    return levels.movedim(-1, -3).float().div(127.5).sub(1).contiguous()


def upload(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy from the CPU to a device without waiting for it, through pinned memory."""
    if tensor.device == device:
        return tensor
    pinned = tensor if tensor.is_pinned() else tensor.pin_memory()
    return pinned.to(device, non_blocking=True)


def upload_together(tensors: Sequence[Tensor], device: torch.device) -> list[Tensor]:
    """Copy small tensors as `upload` does, but all at once: a copy's cost is not its bytes'."""
    if device == CPU:
        return list(tensors)
    # As copies: strides of what is empty may be 0, which no view as bytes takes.
    copies = [tensor.clone(memory_format=torch.contiguous_format) for tensor in tensors]
    parts = [copy.view(-1).view(torch.uint8) for copy in copies]
    ends = np.cumsum([-(-len(part) // _ALIGNMENT) * _ALIGNMENT for part in parts]).tolist()
    together = torch.zeros(ends[-1], dtype=torch.uint8)
    for part, start in zip(parts, [0, *ends], strict=False):
        together[start : start + len(part)] = part
    together = upload(together, device)
    return [
        together[start : start + len(part)].view(tensor.dtype).view(tensor.shape)
        for tensor, part, start in zip(tensors, parts, [0, *ends], strict=False)
    ]


def tensor_to_frames(images: Images) -> list[Frame]:
    """Clamp to [-1, 1] and round to the nearest of 256 levels."""
    return start_reading(images)()


def start_reading(images: Images) -> Callable[[], list[Frame]]:
    """Begin to copy images to the CPU; the function that is returned waits for their frames.

    On CUDA, kernels run after the call that launches them: those that are launched after this are
    not waited for.
    """
    levels = images.detach().float().clamp(-1, 1).add(1).mul(127.5).round().byte()
    copy = levels.permute(0, 2, 3, 1).contiguous().to("cpu", non_blocking=True)
    copied = None
    if images.is_cuda:
        copied = torch.cuda.current_stream(images.device).record_event()

    def wait() -> list[Frame]:
        if copied is not None:
            copied.synchronize()
        return list(copy.numpy())

    return wait


def image_grid(rows: Iterable[Images]) -> UInt8[np.ndarray, "grid_height grid_width 3"]:
    return np.concatenate([np.concatenate(tensor_to_frames(row), axis=1) for row in rows])
