import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from motiontransfer.training import data
from motiontransfer.video.frame_store import FrameStore
from tests.films import film
from tests.people import dance
from tests.training.small import runtime


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
    ranks = [{"rank": rank, "world_size": world_size} for rank in range(world_size)]
    indices = [replace(runtime(), **rank).indices(4 // world_size) for rank in ranks]
    assert [index for own in indices for index in own] == list(range(4))
    samplers = [data.BatchSampler(num_items=9, batch_size=4, seed=1, **rank) for rank in ranks]
    for step in range(5):
        assert [item for own in samplers for item in own.items(step)] == whole.items(step)


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
