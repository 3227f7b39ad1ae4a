"""Collectives of data-parallel training: gradient all-reduce, all-gather, barrier.

Each rank differentiates its share of a step's batch; gradients are averaged once a step, in
buckets. Losses, clocks and signals are gathered on the CPU, so that no device is synchronised.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float64
from lightning_fabric import Fabric
from torch import Tensor, distributed

_BUCKET_NUMBERS = 1 << 24
"""64 MiB of gradients: few messages, and little memory beside the gradients themselves."""


def all_reduce_mean(fabric: Fabric, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return each tensor's mean over the ranks, which all have the same shapes."""
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


def all_gather(fabric: Fabric, numbers: Sequence[float]) -> Float64[np.ndarray, "ranks numbers"]:
    """Return the numbers of every rank, in the order of the ranks."""
    own = torch.tensor(numbers, dtype=torch.float64)
    if fabric.world_size == 1:
        return own[None].numpy()
    gathered = [torch.empty_like(own) for _ in range(fabric.world_size)]
    distributed.all_gather(gathered, own)
    return torch.stack(gathered).numpy()


def barrier(fabric: Fabric) -> None:
    """Return when every rank has called this."""
    all_gather(fabric, [0.0])


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
