"""Batches as a function of seed and step, read ahead, shared among processes."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Generic, Literal, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.tensors import Frame

_CACHED_BYTES = 1 << 30


class FrameCache:
    """Frames by (store, frame_index)."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Open the stores, which should hold frames of one size.

        Raises:
            MissingFileError: a file is not there.
            VideoError: a file holds no frames.
        """
        self._paths = list(paths)
        self._own = threading.local()
        height, width = self._stores()[0].size
        self._frame = lru_cache(_CACHED_BYTES // (height * width * 3))(self._decode)

    def __getitem__(self, index: tuple[int, int]) -> Frame:
        store, frame_index = index
        return self._frame(store, frame_index)

    def _decode(self, store: int, frame_index: int) -> Frame:
        return self._stores()[store][frame_index]

    def _stores(self) -> list[FrameStore]:
        if not hasattr(self._own, "stores"):
            self._own.stores = [FrameStore(path) for path in self._paths]
        return self._own.stores


Batch = TypeVar("Batch", covariant=True)
Purpose = Literal["limb_dropout"]

# A purpose keeps its stream, so that a seed keeps its result.
_STREAMS: dict[Purpose, tuple[int, int]] = {"limb_dropout": (0, 1)}


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
class RankBatch(Generic[Batch]):
    """One rank's share of a step's batch."""

    batch: Batch
    """The items."""

    indices: range
    """Their indices in the step's batch; random numbers for an item depend on its index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What determines the items of a step."""

    seed: int
    batch_size: int
    """Items a step, of all ranks together."""


def rank_indices(batch_size: int, *, rank: int, world_size: int) -> range:
    """Indices in a step's batch of one rank's share; `world_size` divides `batch_size`."""
    size = batch_size // world_size
    return range(rank * size, (rank + 1) * size)


def batches_ahead(
    dataset: Dataset[Batch],
    order: Order,
    *,
    steps: range,
    indices: range,
    num_readers: int,
) -> Iterator[RankBatch[Batch]]:
    """Yield a rank's share of each step, prefetching as many steps as there are readers.

    Args:
        indices: the rank's, as from `rank_indices`.
    """

    def read(step: int) -> RankBatch[Batch]:
        items = batch_indices(step, num_items=len(dataset), order=order)
        return RankBatch(batch=dataset.batch(items[i] for i in indices), indices=indices)

    with ThreadPoolExecutor(num_readers) as readers:
        pending: deque[Future[RankBatch[Batch]]] = deque()
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
        int(_permutation(num_items, order.seed, position // num_items)[position % num_items])
        for position in range(first, first + order.batch_size)
    ]


def make_generator(seed: int, step: int, purpose: Purpose) -> torch.Generator:
    """Return a reproducible CPU random generator for one purpose in one training step."""
    entropy = np.random.SeedSequence([seed, step, *_STREAMS[purpose]])
    return torch.Generator().manual_seed(int(entropy.generate_state(1, np.uint64)[0] >> 1))


def draw_uniform(indices: range, *, seed: int, step: int) -> Float[Tensor, " items"]:
    """One number in [0, 1) for each index in a step's batch, whichever rank asks for it."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
    # All from index 0 on: how many of them are drawn does not change any.
    return torch.rand(indices.stop, generator=generator)[indices.start :]


@lru_cache(maxsize=4)
def _permutation(num_items: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(num_items)
