import math

import numpy as np
import pytest

from motiontransfer.evaluation.series import (
    Series,
    flattened,
    joined,
    means,
    rounded,
    series_of,
)


def _series(total, weight):
    return Series(total=np.array(total, float), weight=np.array(weight, float))


def test_the_mean_is_one_sum_over_the_other():
    series = _series([6, 0, 4], [3, 0, 1])
    assert series.mean() == 2.5  # not the mean of 2 and 4
    assert series.per_frame()[[0, 2]].tolist() == [2, 4]
    assert np.isnan(series.per_frame()[1])


def test_nothing_measured_has_no_mean():
    assert _series([0, 0], [0, 0]).mean() is None
    assert _series([], []).mean() is None


def test_values_of_which_some_are_missing():
    series = series_of([1.0, math.nan, 4.0])
    assert series.mean() == 2.5
    assert series.weight.tolist() == [1, 0, 1]


def test_trees_keep_their_names():
    scores = {"ours": {"person": {"l1": series_of([2.0, 4.0])}, "lost": series_of([math.nan] * 2)}}
    assert means(scores) == {"ours": {"person": {"l1": 3}, "lost": None}}
    assert list(flattened(scores)) == ["ours_person_l1", "ours_lost"]


def test_clips_follow_each_other():
    parts = [{"a": {"b": series_of([1.0])}}, {"a": {"b": series_of([2.0, 6.0])}}]
    assert joined(parts)["a"]["b"].per_frame().tolist() == [1, 2, 6]
    assert means(joined(parts)) == {"a": {"b": 3}}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (23.948512, 23.9485),
        (0.69231, 0.6923),
        (0.00019223, 0.0001922),
        (-0.00019227, -0.0001923),
        (0.0, 0.0),
        (None, None),
    ],
)
def test_small_numbers_keep_four_digits(value, expected):
    assert rounded(value) == expected
