"""Pairs of twins, drawn from their index alone."""

from dataclasses import replace

import pytest
import torch

from motiontransfer.forensics.data import TwinDataset, Twins
from motiontransfer.training.data import Order, batches_ahead
from tests.forensics.planted import store, twins, walk


@pytest.fixture
def people(tmp_path):
    return [each for seed in range(2) for each in twins(tmp_path, f"p{seed}", seed=seed)]


def dataset(people, **changes):
    return TwinDataset(people, **{"crop_size": 32, "seed": 5, **changes})


def test_an_item_is_pairs_of_both_kinds(people):
    batch = dataset(people).batch([0, 3, 7])
    assert batch.real.shape == batch.fake.shape == (6, 2, 3, 32, 32)
    assert not torch.equal(batch.real, batch.fake)


def test_same_frames_come_out_the_same_whatever_kind_they_are(people):
    """Both kinds go through one and the same encoding: there is no codec to be learnt."""
    same = [Twins(real=each.real, fake=each.real) for each in people]
    batch = dataset(same).batch(range(30))
    assert torch.equal(batch.real, batch.fake)


def test_who_reads_and_in_which_order_changes_nothing(people):
    whole = dataset(people).batch([2, 9, 4])
    turned = dataset(people).batch([4, 9, 2])
    for place, other in ((0, 2), (1, 1), (2, 0)):
        kept, moved = slice(2 * place, 2 * place + 2), slice(2 * other, 2 * other + 2)
        assert torch.equal(whole.real[kept], turned.real[moved])
        assert torch.equal(whole.fake[kept], turned.fake[moved])
    order = Order(seed=1, batch_size=2)
    few, many = (
        list(
            batches_ahead(
                dataset(people), order, steps=range(4), indices=range(2), num_readers=readers
            )
        )
        for readers in (1, 4)
    )
    for one, other in zip(few, many, strict=True):
        assert torch.equal(one.batch.real, other.batch.real)


def test_a_second_is_seen_differently_each_time(people):
    items = dataset(people)
    first, again = items.batch([1]), items.batch([1 + len(people)])
    assert not torch.equal(first.real, again.real)
    assert len(items) >= 100 * len(people)
    assert not torch.equal(first.real, dataset(people, seed=6).batch([1]).real)


@pytest.mark.parametrize("length", [2, 3])
def test_a_stretch_of_one_pair_gives_as_many_pairs_as_any(tmp_path, length):
    path = store(tmp_path / "a.mkv", walk(length, seed=1))
    (known,) = twins(tmp_path, "b", seed=1, seconds=1)
    short = replace(known.real, path=path, frames=range(length))
    batch = dataset([Twins(real=short, fake=short)]).batch([0])
    assert batch.real.shape == (2, 2, 3, 32, 32)
