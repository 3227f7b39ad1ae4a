"""Intervals against cases whose distribution is known."""

from fractions import Fraction

import numpy as np
import pytest

from motiontransfer.evaluation import intervals as module
from motiontransfer.evaluation.intervals import block_length, bootstrap, intervals
from motiontransfer.evaluation.series import Series, series_of


def _bounds(values, block_frames, seed=0):
    low, high = bootstrap([series_of(values)], block_frames=block_frames, seed=seed)
    return float(low[0]), float(high[0])


def test_two_independent_frames_have_the_distribution_on_paper():
    # The mean of a resample of (0, 1) is 0, 1/2 or 1 with chances 1/4, 1/2 and 1/4.
    assert _bounds(np.array([0.0, 1.0]), 1) == (0, 1)


def test_blocks_are_stretches_of_the_clip():
    # Blocks of two are (0, 1), (1, 5) or (5, 9); four frames are two of them.
    values = np.array([0.0, 1.0, 5.0, 9.0])
    possible = {(a + b) / 4 for a in (1, 6, 14) for b in (1, 6, 14)}
    low, high = _bounds(values, 2)
    assert (low, high) == (min(possible), max(possible))


def test_the_last_block_is_cut_to_the_length_of_the_clip():
    # Two frames, (0, 0) or (0, 9), and the first one of such a block, which is 0.
    assert _bounds(np.array([0.0, 0.0, 9.0]), 2) == (0, 3)


def test_a_constant_has_no_spread_and_one_block_is_the_clip():
    assert _bounds(np.full(50, 3.0), 5) == (3, 3)
    assert _bounds(np.arange(8.0), 8) == (3.5, 3.5)


def test_independent_frames_spread_as_the_normal_distribution_says():
    values = np.random.default_rng(0).normal(10, 2, 400)
    low, high = _bounds(values, 1)
    expected = 2 * 1.96 * values.std() / np.sqrt(400)
    assert high - low == pytest.approx(expected, rel=0.1)
    assert (low + high) / 2 == pytest.approx(values.mean(), abs=0.03)


def _correlated(rng, num_frames, correlation):
    values = np.empty(num_frames)
    values[0] = rng.normal()
    for i in range(1, num_frames):
        step = rng.normal(0, np.sqrt(1 - correlation**2))
        values[i] = correlation * values[i - 1] + step
    return values


def test_blocks_see_that_neighbours_err_alike():
    # The mean of frames correlated by 0.8 has 9 times the variance, (1 + 0.8) / (1 - 0.8). Blocks
    # of 25 miss what reaches beyond them: 2 * 0.8 / 0.2**2 / 25 of the 9. Single frames miss all.
    rng = np.random.default_rng(1)
    clips = [_correlated(rng, 1000, 0.8) for _ in range(40)]
    in_blocks, single = (
        np.mean([np.subtract(*_bounds(values, block)[::-1]) for values in clips])
        / (2 * 1.96 * np.sqrt(9 / 1000))
        for block in (25, 1)
    )
    assert in_blocks == pytest.approx(np.sqrt(1 - 1.6 / 9), abs=0.06)
    assert single == pytest.approx(1 / 3, abs=0.03)


def test_intervals_hold_the_true_mean_about_as_often_as_they_say():
    rng = np.random.default_rng(2)
    held = 0
    for seed in range(100):
        low, high = _bounds(_correlated(rng, 500, 0.8), 25, seed)
        held += low <= 0 <= high
    assert 87 <= held <= 99


def test_a_ratio_is_resampled_as_a_whole():
    # Twice as much in every frame, however different the frames are.
    weight = np.array([1.0, 5.0, 0.0, 2.0])
    low, high = bootstrap([Series(total=2 * weight, weight=weight)], block_frames=1, seed=0)
    assert (low[0], high[0]) == (2, 2)


def test_the_tree_is_that_of_the_means_with_two_bounds_or_none():
    scores = {
        "a": {"b": series_of([0.0, 1.0]), "never": series_of([np.nan, np.nan])},
        "c": series_of([2.0, 2.0]),
    }
    assert intervals(scores, block_frames=1) == {
        "a": {"b": [0.0, 1.0], "never": None},
        "c": [2.0, 2.0],
    }
    assert intervals({}, block_frames=1) == {}


def test_the_same_seed_gives_the_same_and_metrics_do_not_disturb_each_other(monkeypatch):
    rng = np.random.default_rng(3)
    first, second = (series_of(rng.normal(size=60)) for _ in range(2))
    both = bootstrap([first, second], block_frames=15, seed=4)
    alone = bootstrap([second], block_frames=15, seed=4)
    assert both[0][1] == pytest.approx(alone[0][0])
    assert both[1][1] == pytest.approx(alone[1][0])
    again = bootstrap([first, second], block_frames=15, seed=4)
    assert all((one == other).all() for one, other in zip(both, again, strict=True))
    assert bootstrap([second], block_frames=15, seed=5)[0][0] != alone[0][0]
    monkeypatch.setattr(module, "_COUNTS_AT_ONCE", 1000)
    in_parts = bootstrap([second], block_frames=15, seed=4)
    assert (in_parts[0][0], in_parts[1][0]) == pytest.approx((alone[0][0], alone[1][0]))


def test_draws_without_anything_measured_do_not_count():
    values = np.full(40, np.nan)
    values[3] = 7
    assert _bounds(values, 2) == (7, 7)


@pytest.mark.parametrize(
    ("num_frames", "rate", "expected"),
    [(1000, 25, 25), (160, 25, 25), (60, 25, 15), (3, 25, 1), (1, 25, 1), (1000, 60, 60)],
)
def test_a_block_is_a_second_or_a_quarter_of_the_clip(num_frames, rate, expected):
    assert block_length(num_frames, Fraction(rate)) == expected
