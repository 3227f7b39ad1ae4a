"""Several processes that train the same networks: how their gradients and their news meet.

Hides the collectives. Each process differentiates its share of a step's batch; gradients are
averaged once a step, a bucket at a time. What the hosts tell each other (losses, clocks, signals)
goes past the devices, so that none of them is waited for. A process alone has nothing to do here.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float64
from lightning_fabric import Fabric
from torch import Tensor, distributed

_BUCKET_NUMBERS = 1 << 24
"""64 MiB of gradients: few messages, and little memory beside the gradients themselves."""


def average_over_processes(fabric: Fabric, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return each tensor's mean over the processes, all of which bring the same shapes."""
    if fabric.world_size == 1:
        return list(tensors)
    averaged: list[Tensor] = []
    for bucket in _buckets(tensors):
        flat = torch.cat([tensor.flatten() for tensor in bucket])
        distributed.all_reduce(flat)
        flat /= fabric.world_size
        parts = flat.split([tensor.numel() for tensor in bucket])
        averaged += [part.view_as(tensor) for part, tensor in zip(parts, bucket, strict=True)]
    return averaged


def tell_all(fabric: Fabric, numbers: Sequence[float]) -> Float64[np.ndarray, "processes numbers"]:
    """Return what every process said, in the order of the processes."""
    said = torch.tensor(numbers, dtype=torch.float64)
    if fabric.world_size == 1:
        return said[None].numpy()
    heard = [torch.empty_like(said) for _ in range(fabric.world_size)]
    distributed.all_gather(heard, said)
    return torch.stack(heard).numpy()


def wait_for_all(fabric: Fabric) -> None:
    """Go on when every process has come here."""
    tell_all(fabric, [0.0])


def _buckets(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    bucket: list[Tensor] = []
    numbers = 0
    for tensor in tensors:
        if bucket and numbers + tensor.numel() > _BUCKET_NUMBERS:
            yield bucket
            bucket, numbers = [], 0
        bucket.append(tensor)
        numbers += tensor.numel()
    if bucket:
        yield bucket
