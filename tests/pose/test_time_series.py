"""Segments, interpolation and filters of time series with gaps."""

from fractions import Fraction
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motiontransfer.pose.time_series import (
    OneEuroFilter,
    fill_gaps,
    inner_gaps,
    joints_by_presence,
    longest_segment,
    median,
    one_euro,
    running_mean,
    running_median,
    savitzky_golay,
    segments,
    smooth,
    window_frames,
)
from motiontransfer.skeleton import HOLISTIC
from tests.people import HEIGHT_PX, joints_of, lost, moved, person, standing


def flags(text):
    return np.array([letter == "x" for letter in text], np.bool_)


@pytest.mark.parametrize(
    ("text", "runs"),
    [("", []), ("...", []), ("xxx", [(0, 3)]), ("x..xx.", [(0, 1), (3, 5)]), (".x", [(1, 2)])],
)
def test_runs_are_found_in_order(text, runs):
    assert segments(flags(text)) == runs
    assert longest_segment(flags(text)) == max((stop - start for start, stop in runs), default=0)


def test_gaps_lie_between_what_is_seen_and_are_short():
    seen = flags("..x.xx..x...x.")
    assert inner_gaps(seen, longest=2) == [(3, 4), (6, 8)]
    assert inner_gaps(seen, longest=3) == [(3, 4), (6, 8), (9, 12)]


@given(st.integers(1, 5), st.integers(0, 6), st.integers(0, 2**32 - 1))
def test_each_joint_is_with_those_seen_in_the_same_frames(frames, joints, seed):
    seen = np.random.default_rng(seed).uniform(size=(frames, joints)) < 0.5
    found = [joint for some, _ in joints_by_presence(seen) for joint in some.tolist()]
    assert sorted(found) == list(range(joints))
    for some, pattern in joints_by_presence(seen):
        assert (seen[:, some] == pattern[:, None]).all()
    patterns = [tuple(pattern) for _, pattern in joints_by_presence(seen)]
    assert len(set(patterns)) == len(patterns)


paths = st.integers(1, 15).flatmap(
    lambda frames: st.lists(
        st.tuples(st.floats(-500, 500), st.floats(-500, 500)), min_size=frames, max_size=frames
    ).map(lambda path: np.array(path)[:, None])
)
windows = st.integers(0, 12).map(lambda half: 2 * half + 1)
signals = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=30).map(np.array)


@pytest.mark.parametrize(
    ("seconds", "rate", "frames"),
    [(1.0, 25, 25), (1.0, 30, 31), (0.1, 25, 3), (0.0, 25, 1), (1.0, 5, 5)],
)
def test_a_window_is_an_odd_number_of_frames(seconds, rate, frames):
    assert window_frames(seconds, Fraction(rate)) == frames


@settings(deadline=None, max_examples=15)
@given(signals, windows)
def test_running_filters_are_symmetric_in_time_and_stay_within_the_range(values, window):
    for running in (running_median, running_mean):
        result = running(values, window=window)
        reverse = running(values[::-1], window=window)[::-1]
        np.testing.assert_allclose(result, reverse, atol=1e-9)
        assert values.min() - 1e-9 <= result.min() <= result.max() <= values.max() + 1e-9


@settings(deadline=None, max_examples=15)
@given(paths, windows)
def test_zero_phase_filters_are_symmetric_in_time(points, window):
    for apply in (savitzky_golay, median):
        there, back = apply(points, window=window), apply(points[::-1], window=window)[::-1]
        assert there.shape == points.shape
        np.testing.assert_allclose(there, back, atol=1e-6)


def test_the_median_forgets_what_is_shorter_than_half_a_window():
    values = np.zeros(20)
    values[8:10] = 5
    assert not running_median(values, window=5).any()
    values[8:11] = 5
    assert running_median(values, window=5).max() == 5


def test_gaps_are_bridged_straight_and_ends_held():
    values = np.array([9.0, 2, 9, 9, 8, 9])
    valid = np.array([False, True, False, False, True, False])
    np.testing.assert_allclose(fill_gaps(values, valid), [2, 2, 4, 6, 8, 8])


GROUPS = [group for group, _ in HOLISTIC.groups]
FILTERS = ("savitzky_golay", "median", "one_euro", "none")


@pytest.mark.parametrize("time_filter", FILTERS)
@given(place=st.tuples(st.floats(50, 200), st.floats(80, 180)), frames=st.integers(1, 12))
@settings(max_examples=8, deadline=None)
def test_a_still_pose_stays(time_filter, place, frames):
    keypoints = person([place] * frames)
    smoothed = smooth(keypoints, time_filter, seconds=0.25, groups=GROUPS, unit_px=HEIGHT_PX)
    np.testing.assert_array_equal(smoothed.points, keypoints.points)


def test_a_parabola_passes_unchanged_and_noise_does_not():
    seconds = np.arange(20.0)[:, None, None] * (1, -0.5)
    parabola = 3 + 2 * seconds - 0.1 * seconds**2
    np.testing.assert_allclose(savitzky_golay(parabola, window=7), parabola, atol=1e-9)
    noise = np.random.default_rng(0).normal(size=(200, 4, 2))
    # Savitzky and Golay's table: the middle weight of the parabola over seven points is 7/21.
    assert savitzky_golay(noise, window=7)[5:-5].var() == pytest.approx(7 / 21, rel=0.1)


def test_the_median_forgets_a_single_frame_and_keeps_a_step():
    path = np.array([0.0, 0, 9, 0, 0, 5, 5, 5, 5])[:, None, None] * np.ones(2)
    expected = np.array([0.0, 0, 0, 0, 0, 5, 5, 5, 5])
    np.testing.assert_array_equal(median(path, window=3)[:, 0, 0], expected)


@pytest.mark.parametrize("time_filter", FILTERS)
def test_nothing_reaches_across_a_gap(time_filter):
    """Positions before the gap make no difference after it."""
    path = [(100.0 + 3 * frame % 7, 128.0) for frame in range(16)]
    elsewhere = [(x + 60, y) for x, y in path[:8]] + path[8:]
    smoothed = []
    for hips in (path, elsewhere):
        keypoints = person(hips)
        for group in GROUPS:
            keypoints = lost(keypoints, group, [8])
        smoothed.append(
            smooth(keypoints, time_filter, seconds=0.25, groups=GROUPS, unit_px=HEIGHT_PX).points
        )
    np.testing.assert_array_equal(smoothed[0][8:], smoothed[1][8:])
    assert (smoothed[0][:8] != smoothed[1][:8]).any()


@pytest.mark.parametrize("time_filter", FILTERS[:3])
def test_only_the_groups_asked_for_change_and_no_score_does(time_filter):
    rng = np.random.default_rng(0)
    keypoints = person(rng.uniform(100, 150, (20, 2)))
    keypoints = lost(keypoints, "left_wrist", [4, 5, 11])
    smoothed = smooth(keypoints, time_filter, seconds=0.25, groups=["body"], unit_px=HEIGHT_PX)
    changed = (smoothed.points != keypoints.points).any(axis=(0, 2))
    assert changed[joints_of("body")].all()
    assert not changed[joints_of("body").stop :].any()
    np.testing.assert_array_equal(smoothed.score, keypoints.score)
    wrist, _ = smoothed.joint("left_wrist")
    assert not wrist[[4, 5, 11]].any()


@pytest.mark.parametrize("time_filter", ["savitzky_golay", "median"])
def test_zero_phase_filters_do_not_lag(time_filter):
    swing = {frame: (30 * np.sin(frame / 4), 0) for frame in range(60)}
    keypoints = moved(standing(60), "left_wrist", swing)
    smoothed = smooth(keypoints, time_filter, seconds=0.25, groups=["body"], unit_px=HEIGHT_PX)
    before, after = (k.joint("left_wrist")[0][5:-5, 0] for k in (keypoints, smoothed))
    lags = range(-3, 4)
    errors = [np.abs(after[3:-3] - np.roll(before, lag)[3:-3]).mean() for lag in lags]
    assert lags[int(np.argmin(errors))] == 0


def one_euro_filter(**how):
    return partial(OneEuroFilter().next, **how)


def test_at_rest_the_one_euro_filter_is_a_low_pass_of_its_lowest_cutoff(monkeypatch):
    rate, cutoff = 25, 1.5
    monkeypatch.setattr("motiontransfer.pose.time_series._SPEED_FACTOR", 0.0)
    live = one_euro_filter(rate_hz=float(rate), unit_px=100.0)
    everywhere = np.array([True])
    live(np.zeros((1, 2)), everywhere)
    share = 1 / (1 + rate / (2 * np.pi * cutoff))  # Casiez et al. 2012, equation 5
    np.testing.assert_allclose(live(np.ones((1, 2)), everywhere), share)
    np.testing.assert_allclose(live(np.ones((1, 2)), everywhere), share + share * (1 - share))


def test_the_one_euro_filter_lags_less_in_fast_motion():
    def lag(speed_px):
        path = np.arange(40.0)[:, None, None] * (speed_px, 0)
        smoothed = one_euro(path, frame_rate=Fraction(25), unit_px=150.0)
        return ((path - smoothed)[-1, 0, 0]) / speed_px

    assert lag(6.0) < 0.3 < 0.6 < lag(0.1)


def test_a_joint_that_was_missing_begins_anew():
    live = one_euro_filter(rate_hz=25.0, unit_px=150.0)
    first, there, missing = np.zeros((2, 2)), np.full((2, 2), 8.0), np.array([True, False])
    live(first, np.array([True, True]))
    live(np.array([[8.0, 8], [0, 0]]), missing)
    found = live(there, np.array([True, True]))
    np.testing.assert_array_equal(found[1], there[1])
    assert (found[0] < there[0]).all()


def test_the_one_euro_filter_weighs_a_frame_by_the_time_since_the_one_before(monkeypatch):
    monkeypatch.setattr("motiontransfer.pose.time_series._SPEED_FACTOR", 0.0)
    live, everywhere = one_euro_filter(unit_px=100.0), np.array([True])
    live(np.zeros((1, 2)), everywhere, rate_hz=25.0)
    shares = [float(live(np.ones((1, 2)), everywhere, rate_hz=rate)[0, 0]) for rate in (25.0, 5.0)]
    weights = [1 / (1 + rate / (2 * np.pi * 1.5)) for rate in (25.0, 5.0)]
    assert shares == pytest.approx([weights[0], weights[0] + weights[1] * (1 - weights[0])])
