"""Which items a step sees, in which order, shared among whom, and read ahead of their use.

Hides order and chance: both are functions of seed, step and an item's place in its step's batch
alone. So a resumed run sees exactly what an uninterrupted one would have, and processes that share
a batch see together what one would have seen.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

Batch = TypeVar("Batch", covariant=True)


@runtime_checkable
class Dataset(Protocol[Batch]):
    """Items that can be read in batches, by several threads at once."""

    def __len__(self) -> int: ...

    def batch(self, indices: Iterable[int]) -> Batch:
        """Read the items with these indices."""
        ...


class PinnedDataset(Generic[Batch]):
    """Batches, dataclasses of tensors, in memory from which they travel to a GPU as it works."""

    def __init__(self, dataset: Dataset[Batch]) -> None:
        self._dataset = dataset

    def __len__(self) -> int:
        return len(self._dataset)

    def batch(self, indices: Iterable[int]) -> Batch:
        """Read the items with these indices."""
        batch = self._dataset.batch(indices)
        names = [field.name for field in fields(batch)]  # ty: ignore[invalid-argument-type] - a dataclass
        return replace(batch, **{name: getattr(batch, name).pin_memory() for name in names})  # ty: ignore[invalid-argument-type]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part(Generic[Batch]):
    """Some of the items of one step's batch, to be worked off together."""

    batch: Batch
    """The items."""

    places: range
    """Their places in the step's batch; whatever is drawn for an item is drawn by its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What decides the items of a step."""

    seed: int
    batch_size: int
    """Items a step, of all processes together."""


def share_of(batch_size: int, *, process: int, num_processes: int, accumulate: int) -> list[range]:
    """Places in a step's batch that one process works off, part by part.

    Args:
        accumulate: number of parts; times the number of processes it divides `batch_size`.
    """
    size = batch_size // (num_processes * accumulate)
    first = process * accumulate * size
    return [range(start, start + size) for start in range(first, first + accumulate * size, size)]


def batches_ahead(
    dataset: Dataset[Batch],
    order: Order,
    *,
    steps: range,
    share: Sequence[range],
    num_readers: int,
) -> Iterator[list[Part[Batch]]]:
    """Yield the parts of each step, with as many steps being read ahead as there are readers."""

    def read(step: int) -> list[Part[Batch]]:
        indices = batch_indices(step, num_items=len(dataset), order=order)
        return [
            Part(batch=dataset.batch([indices[place] for place in places]), places=places)
            for places in share
        ]

    with ThreadPoolExecutor(num_readers) as readers:
        pending: deque[Future[list[Part[Batch]]]] = deque()
        for step in steps:
            pending.append(readers.submit(read, step))
            if len(pending) > num_readers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def batch_indices(step: int, *, num_items: int, order: Order) -> list[int]:
    """Items of one step: epoch after epoch, each a permutation drawn from (seed, epoch)."""
    first = step * order.batch_size
    return [
        int(_permutation(num_items, order.seed, place // num_items)[place % num_items])
        for place in range(first, first + order.batch_size)
    ]


def draw_uniform(places: range, *, seed: int, step: int) -> Float[Tensor, " items"]:
    """One number in [0, 1) for each place of a step's batch, whoever asks for which of them."""
    draws = torch.Generator().manual_seed(seed * 1_000_003 + step)
    # All from the first place on: how many of them are drawn does not change any.
    return torch.rand(places.stop, generator=draws)[places.start :]


@lru_cache(maxsize=4)
def _permutation(num_items: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(num_items)
