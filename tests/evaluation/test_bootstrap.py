import math
from fractions import Fraction

import numpy as np
import pytest

from motiontransfer.evaluation import measurements as module
from motiontransfer.evaluation.measurements import RatioMetric, block_length, bootstrap, rounded
from tests.evaluation.conftest import ratio_of


def test_the_mean_is_one_sum_over_the_other():
    metric = RatioMetric(total=np.array([6.0, 0.0, 4.0]), weight=np.array([3.0, 0.0, 1.0]))
    assert metric.mean() == 2.5  # not the mean of 2 and 4
    assert metric.per_frame()[[0, 2]].tolist() == [2, 4]
    assert np.isnan(metric.per_frame()[1])
    assert ratio_of([math.nan, math.nan]).mean() is None
    some = ratio_of([1.0, math.nan, 4.0])
    assert RatioMetric.concatenated([metric, some]).mean() == (10 + 5) / (4 + 2)


@pytest.mark.parametrize(
    ("values", "block_frames", "bounds"),
    [
        # the mean of a resample of (0, 1) is 0, 1/2 or 1 with probabilities 1/4, 1/2 and 1/4
        ([0, 1], 1, (0, 1)),
        # blocks of two are (0, 1), (1, 5) or (5, 9); four frames are two of them
        ([0, 1, 5, 9], 2, ((1 + 1) / 4, (14 + 14) / 4)),
        # two frames, (0, 0) or (0, 9), and the first one of such a block, which is 0
        ([0, 0, 9], 2, (0, 3)),
        ([3] * 50, 5, (3, 3)),
        (range(8), 8, (3.5, 3.5)),  # one block is the clip
        # resamples without a measurement do not count
        ([math.nan] * 3 + [7] + [math.nan] * 36, 2, (7, 7)),
    ],
)
def test_bounds_of_small_cases_by_hand(values, block_frames, bounds):
    found = bootstrap([ratio_of(np.array(values, float))], block_frames=block_frames)
    assert found.tolist() == [[*bounds]]


def test_the_same_seed_gives_the_same_and_metrics_do_not_disturb_each_other(monkeypatch):
    rng = np.random.default_rng(3)
    first, second = (ratio_of(rng.normal(size=60)) for _ in range(2))
    both = bootstrap([first, second], block_frames=15, seed=4)
    alone = bootstrap([second], block_frames=15, seed=4)
    np.testing.assert_allclose(both[1], alone[0])
    np.testing.assert_array_equal(both, bootstrap([first, second], block_frames=15, seed=4))
    assert bootstrap([second], block_frames=15, seed=5)[0, 0] != alone[0, 0]
    monkeypatch.setattr(module, "_COUNTS_AT_ONCE", 1000)
    np.testing.assert_allclose(bootstrap([second], block_frames=15, seed=4), alone)


def test_numbers_have_four_decimals_and_blocks_a_second_or_a_quarter_of_the_clip():
    values = (23.948512, 0.69231, 0.00019223, -0.00019227, 0.0)
    assert [*map(rounded, values)] == [23.9485, 0.6923, 0.0001922, -0.0001923, 0.0]
    clips = {(1000, 25): 25, (160, 25): 25, (60, 25): 15, (3, 25): 1, (1, 25): 1, (1000, 60): 60}
    assert {(n, rate): block_length(n, Fraction(rate)) for n, rate in clips} == clips
