"""Training batches: frame cache, seeded batch sampler, prefetching threads, random numbers.

Threads share one frame cache; each worker process of `torch.utils.data.DataLoader` would decode
every frame for itself.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from motiontransfer.core.arrays import Frame
from motiontransfer.core.parallel import map_ahead
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.tensors import upload

Batch = TypeVar("Batch", bound="TensorBatch", covariant=True)
_Self = TypeVar("_Self", bound="TensorBatch")

_CACHED_BYTES = 1 << 30  # of decoded frames: about 5000 of 256x256


class FrameCache:
    """Decoded frames by (store, frame_index), shared by threads."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = list(paths)
        self._of_thread = threading.local()
        height, width = self._stores()[0].size
        self._frame = lru_cache(_CACHED_BYTES // (height * width * 3))(
            lambda store, frame_index: self._stores()[store][frame_index]
        )

    def __getitem__(self, index: tuple[int, int]) -> Frame:
        return self._frame(*index)

    def _stores(self) -> list[FrameStore]:
        if not hasattr(self._of_thread, "stores"):  # a store has one position in its file
            self._of_thread.stores = [FrameStore(path) for path in self._paths]
        return self._of_thread.stores


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorBatch:
    """Base of batches of tensors."""

    def to(self: _Self, device: torch.device) -> _Self:
        return self._map(lambda tensor: upload(tensor, device))

    def pin_memory(self: _Self) -> _Self:
        return self._map(Tensor.pin_memory)

    def _map(self: _Self, function: Callable[[Tensor], Tensor]) -> _Self:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        tensors = {name: function(v) for name, v in values.items() if isinstance(v, Tensor)}
        return replace(self, **tensors)


@runtime_checkable
class Dataset(Protocol[Batch]):
    """Items that can be read in batches, by several threads at once."""

    def __len__(self) -> int: ...

    def batch(self, indices: Iterable[int]) -> Batch:
        """Read the items with these indices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSampler:
    """Items of each step, as a function of seed and step: each epoch is one permutation."""

    num_items: int
    batch_size: int
    """Items a step, of all ranks together."""
    seed: int
    rank: int = 0
    world_size: int = 1

    def items(self, step: int) -> list[int]:
        size = self.batch_size // self.world_size
        first = step * self.batch_size + self.rank * size
        epochs = [divmod(index, self.num_items) for index in range(first, first + size)]
        return [int(_permutation(self.num_items, self.seed, epoch)[i]) for epoch, i in epochs]


def prefetch(
    dataset: Dataset[Batch],
    sampler: BatchSampler,
    *,
    steps: range,
    num_readers: int,
    pin_memory: bool = False,
) -> Iterator[Batch]:
    """Yield the batches of the steps in order, reading as many ahead as there are readers.

    Each reader computes with one thread.
    """

    def read(step: int) -> Batch:
        batch = dataset.batch(sampler.items(step))
        return batch.pin_memory() if pin_memory else batch

    one_thread = partial(torch.set_num_threads, 1)
    return map_ahead(read, steps, num_threads=num_readers, initializer=one_thread)


def draw_uniform(indices: range, *, seed: int, step: int) -> Float[Tensor, " items"]:
    """One number in [0, 1) for each index in a step's batch, whichever rank asks for it."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
    # All from index 0 on: how many of them are drawn does not change any.
    return torch.rand(indices.stop, generator=generator)[indices.start :]


@lru_cache(maxsize=4)
def _permutation(num_items: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(num_items)
