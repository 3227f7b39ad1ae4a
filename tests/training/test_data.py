import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch

from motiontransfer.core.errors import MissingFileError
from motiontransfer.training import data
from motiontransfer.video.frame_store import FrameStore
from tests.films import film
from tests.people import dance
from tests.training.small import Numbers, runtime


@pytest.mark.parametrize("batch_size", [1, 3, 7, 16])
def test_each_epoch_shows_every_item_once(batch_size):
    sampler = data.BatchSampler(num_items=7, batch_size=batch_size, seed=2)
    order = [item for step in range(28) for item in sampler.items(step)][:28]
    epochs = [order[i : i + 7] for i in range(0, 28, 7)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_the_order_depends_on_step_and_seed_and_nothing_else():
    def order(seed, steps=range(20)):
        sampler = data.BatchSampler(num_items=9, batch_size=2, seed=seed)
        return [sampler.items(step) for step in steps]

    assert order(1) == order(1, reversed(range(20)))[::-1]
    assert order(1) != order(2)


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_ranks_share_a_batch_evenly_without_gaps(world_size):
    whole = data.BatchSampler(num_items=9, batch_size=4, seed=1)
    ranks = [
        data.BatchSampler(num_items=9, batch_size=4, seed=1, rank=rank, world_size=world_size)
        for rank in range(world_size)
    ]
    runtimes = [replace(runtime(), rank=rank, world_size=world_size) for rank in range(world_size)]
    indices = [index for each in runtimes for index in each.indices(4 // world_size)]
    assert indices == list(range(4))
    for step in range(5):
        assert [item for rank in ranks for item in rank.items(step)] == whole.items(step)


def test_random_numbers_of_an_index_do_not_depend_on_the_rank():
    whole = data.draw_uniform(range(40), seed=3, step=7)
    parts = [data.draw_uniform(range(i, i + 5), seed=3, step=7) for i in range(0, 40, 5)]
    assert torch.equal(torch.cat(parts), whole)
    assert len(set(whole.tolist())) == 40
    assert whole.min() >= 0
    assert whole.max() < 1


class Recorded:
    """A data set whose batches are the indices; remembers which were read."""

    def __init__(self):
        self.read, self.two = [], threading.Event()

    def __len__(self):
        return 5

    def batch(self, indices):
        self.read.append(list(indices))
        if len(self.read) == 2:
            self.two.set()
        return Numbers(numbers=torch.tensor(self.read[-1]))


def ahead(dataset, *, steps=range(11), num_readers=1, **share):
    sampler = data.BatchSampler(num_items=5, batch_size=2, seed=3, **share)
    return data.prefetch(dataset, sampler, steps=steps, num_readers=num_readers)


@pytest.mark.parametrize("num_readers", [1, 3])
def test_batches_come_in_the_order_of_their_steps(num_readers):
    def read(steps):
        batches = ahead(Recorded(), steps=steps, num_readers=num_readers)
        return [batch.numbers.tolist() for batch in batches]

    sampler = data.BatchSampler(num_items=5, batch_size=2, seed=3)
    wanted = [sampler.items(step) for step in range(11)]
    assert read(range(11)) == wanted
    assert read(range(4, 11)) == wanted[4:]
    assert read(range(11, 11)) == []


@pytest.fixture
def stores(tmp_path):
    clips = [dance(9), dance(5, seed=3)]
    return [film(tmp_path / f"{index}.mkv", clip) for index, clip in enumerate(clips)]


def test_each_thread_reads_in_a_file_of_its_own(stores, monkeypatch):
    """A store has one position in its file: two threads would move it under each other."""
    cache, decode = data.FrameCache(stores), FrameStore.__getitem__
    both, users = threading.Barrier(2, timeout=10), []

    def watched(store, index):
        both.wait()
        users.append((threading.get_ident(), id(store)))
        return decode(store, index)

    monkeypatch.setattr(FrameStore, "__getitem__", watched)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(cache.__getitem__, [(0, 1), (0, 2)]))
    (first_thread, first_store), (second_thread, second_store) = users
    assert first_thread != second_thread
    assert first_store != second_store


def test_a_missing_store_is_refused_at_once(tmp_path, stores):
    with pytest.raises(MissingFileError, match=r"absent\.mkv"):
        data.FrameCache([*stores, tmp_path / "absent.mkv"])
