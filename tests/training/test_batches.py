"""Batches and random numbers are functions of seed, step and index."""

import threading
from collections import Counter
from dataclasses import dataclass

import pytest
import torch

from motiontransfer.errors import TrainingError
from motiontransfer.training.data import (
    Order,
    PinnedDataset,
    batch_indices,
    batches_ahead,
    draw_uniform,
    make_generator,
    rank_indices,
)


@pytest.mark.parametrize("batch_size", [1, 3, 7, 16])
def test_each_epoch_shows_every_item_once(batch_size):
    num_items, num_epochs = 7, 4
    order = [
        index
        for step in range(num_items * num_epochs)
        for index in batch_indices(
            step, num_items=num_items, order=Order(seed=2, batch_size=batch_size)
        )
    ]
    epochs = [order[i : i + num_items] for i in range(0, num_items * num_epochs, num_items)]
    assert all(sorted(epoch) == list(range(num_items)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == num_epochs


def test_the_order_depends_on_step_and_seed_and_nothing_else():
    def order(seed, steps=range(20)):
        return [
            batch_indices(step, num_items=9, order=Order(seed=seed, batch_size=2)) for step in steps
        ]

    assert order(1) == order(1, reversed(range(20)))[::-1]
    assert order(1) != order(2)


def test_ranks_share_a_batch_evenly_without_gaps():
    assert [rank_indices(12, rank=r, world_size=2) for r in range(2)] == [range(6), range(6, 12)]
    assert rank_indices(5, rank=0, world_size=1) == range(5)


def test_random_generators_depend_on_seed_and_step():
    drawn = {
        torch.rand(1, generator=make_generator(seed, step, "limb_dropout")).item()
        for seed in range(5)
        for step in range(20)
    }
    assert len(drawn) == 100
    again = torch.rand(3, generator=make_generator(1, 2, "limb_dropout"))
    assert torch.equal(torch.rand(3, generator=make_generator(1, 2, "limb_dropout")), again)


def test_the_random_stream_of_a_purpose_never_changes():
    numbers = torch.rand(2, generator=make_generator(3, 7, "limb_dropout"))
    assert numbers.tolist() == pytest.approx([0.63591701, 0.02692521], abs=1e-7)


def test_what_is_drawn_for_an_index_does_not_depend_on_the_rank():
    whole = draw_uniform(range(40), seed=3, step=7)
    parts = [draw_uniform(range(i, i + 5), seed=3, step=7) for i in range(0, 40, 5)]
    assert torch.equal(torch.cat(parts), whole)
    assert len(set(whole.tolist())) == 40
    assert whole.min() >= 0
    assert whole.max() < 1


def test_what_is_drawn_depends_on_seed_and_step():
    drawn = {
        draw_uniform(range(1), seed=seed, step=step).item()
        for seed in range(5)
        for step in range(20)
    }
    assert len(drawn) == 100
    assert draw_uniform(range(1), seed=2, step=5) == draw_uniform(range(1), seed=2, step=5)


class Recorded:
    """A data set whose batches are the indices; remembers which were read."""

    def __init__(self, num_items=5):
        self.num_items, self.read, self.two = num_items, [], threading.Event()

    def __len__(self):
        return self.num_items

    def batch(self, indices):
        chosen = list(indices)
        self.read.append(chosen)
        if len(self.read) == 2:
            self.two.set()
        return chosen


ORDER = Order(seed=3, batch_size=2)


def ahead(dataset, *, steps=range(11), indices=range(2), num_readers=1):
    return batches_ahead(dataset, ORDER, steps=steps, indices=indices, num_readers=num_readers)


@pytest.mark.parametrize("num_readers", [1, 3])
def test_batches_come_in_the_order_of_their_steps(num_readers):
    def read(steps):
        shares = list(ahead(Recorded(), steps=steps, num_readers=num_readers))
        assert all(share.indices == range(2) for share in shares)
        return [share.batch for share in shares]

    wanted = [batch_indices(step, num_items=5, order=ORDER) for step in range(11)]
    assert read(range(11)) == wanted
    assert read(range(4, 11)) == wanted[4:]
    assert read(range(11, 11)) == []
    counts = Counter(index for batch in wanted[:5] for index in batch)
    assert set(counts.values()) == {2}


def test_a_share_has_the_items_at_its_indices():
    items = batch_indices(0, num_items=5, order=ORDER)
    for indices in (range(1), range(1, 2)):
        share = next(ahead(Recorded(), indices=indices))
        assert (share.batch, share.indices) == ([items[indices.start]], indices)


def test_the_next_batch_is_read_while_this_one_is_used():
    dataset = Recorded()
    batches = ahead(dataset)
    next(batches)
    assert dataset.two.wait(timeout=10)
    assert len(dataset.read) == 2
    batches.close()


def test_several_readers_read_at_the_same_time():
    """Each waits for the other: one alone would never be done."""
    both = threading.Barrier(2, timeout=10)

    class Meeting(Recorded):
        def batch(self, indices):
            both.wait()
            return super().batch(indices)

    assert len(list(ahead(Meeting(), steps=range(4), num_readers=2))) == 4


def test_an_error_while_reading_reaches_the_training():
    class Damaged(Recorded):
        def batch(self, indices):
            if self.read:
                raise TrainingError("a damaged frame")
            return super().batch(indices)

    batches = ahead(Damaged())
    next(batches)
    with pytest.raises(TrainingError, match="a damaged frame"):
        next(batches)


@dataclass(frozen=True, kw_only=True)
class Pair:
    points: torch.Tensor
    frames: torch.Tensor


def test_batches_for_a_gpu_are_pinned_whole(monkeypatch):
    """Without a GPU there is nothing to pin for: the stand-in marks what would have been."""
    pinned = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: pinned.append(self) or self + 0)

    class Pairs(Recorded):
        def batch(self, indices):
            numbers = torch.tensor(list(indices))
            return Pair(points=numbers, frames=10 * numbers)

    dataset = PinnedDataset(Pairs())
    batch = dataset.batch([3, 1])
    assert len(dataset) == 5
    assert (batch.points.tolist(), batch.frames.tolist()) == ([3, 1], [30, 10])
    assert [tensor.tolist() for tensor in pinned] == [[3, 1], [30, 10]]
