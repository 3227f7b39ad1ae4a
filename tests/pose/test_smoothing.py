"""Smoothing neither delays nor moves what is smooth already."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motiontransfer.pose.time_series import fill_gaps, running_mean, running_median, window_frames

windows = st.integers(0, 12).map(lambda half: 2 * half + 1)
signals = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=30).map(np.array)


@pytest.mark.parametrize(
    ("seconds", "rate", "frames"),
    [(1.0, 25, 25), (1.0, 30, 31), (0.1, 25, 3), (0.0, 25, 1), (1.0, 5, 5)],
)
def test_a_window_is_an_odd_number_of_frames(seconds, rate, frames):
    assert window_frames(seconds, Fraction(rate)) == frames


@given(st.floats(-1e3, 1e3), st.integers(1, 20), windows)
def test_a_constant_stays(value, length, window):
    values = np.full(length, value)
    np.testing.assert_allclose(running_median(values, window=window), values)
    np.testing.assert_allclose(running_mean(values, window=window), values, atol=1e-9)


@given(signals, windows)
def test_time_reversed_is_the_same_reversed(values, window):
    for smooth in (running_median, running_mean):
        there, back = smooth(values, window=window), smooth(values[::-1], window=window)[::-1]
        np.testing.assert_allclose(there, back, atol=1e-9)


@given(signals, windows)
def test_results_stay_within_the_range(values, window):
    for smooth in (running_median, running_mean):
        result = smooth(values, window=window)
        assert len(result) == len(values)
        assert values.min() - 1e-9 <= result.min()
        assert result.max() <= values.max() + 1e-9


def test_the_median_forgets_what_is_shorter_than_half_a_window():
    values = np.zeros(20)
    values[8:10] = 5
    assert not running_median(values, window=5).any()
    values[8:11] = 5
    assert running_median(values, window=5).max() == 5


def test_the_mean_is_of_the_frames_around():
    values = np.array([0.0, 0, 3, 0, 6])
    np.testing.assert_allclose(running_mean(values, window=3), [0, 1, 1, 3, 4])


def test_even_windows_are_refused():
    with pytest.raises(ValueError, match="odd window of at least 1 frame, got 4"):
        running_mean(np.zeros(3), window=4)


def test_gaps_are_bridged_straight_and_ends_held():
    values = np.array([9.0, 2, 9, 9, 8, 9])
    valid = np.array([False, True, False, False, True, False])
    np.testing.assert_allclose(fill_gaps(values, valid), [2, 2, 4, 6, 8, 8])


def test_nothing_valid_is_an_error():
    with pytest.raises(ValueError, match="at least one valid frame"):
        fill_gaps(np.zeros(2), np.array([False, False]))
