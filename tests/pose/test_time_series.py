from fractions import Fraction
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motiontransfer.pose import time_series
from motiontransfer.pose.skeleton import HOLISTIC
from tests.people import joints_of, lost, person


def flags(text):
    return np.array([letter == "x" for letter in text], np.bool_)


@pytest.mark.parametrize(
    ("text", "runs", "longest"),
    [
        *(("", [], 0), ("...", [], 0), ("xxx", [(0, 3)], 3), (".x", [(1, 2)], 1)),
        ("x..xx.", [(0, 1), (3, 5)], 2),
    ],
)
def test_runs_are_found_in_order(text, runs, longest):
    assert time_series.segments(flags(text)) == runs
    assert time_series.longest_segment(flags(text)) == longest


def test_gaps_lie_between_what_is_seen_and_are_short():
    seen = flags("..x.xx..x...x.")
    assert time_series.inner_gaps(seen, longest=2) == [(3, 4), (6, 8)]
    assert time_series.inner_gaps(seen, longest=3) == [(3, 4), (6, 8), (9, 12)]


places = st.tuples(st.floats(-500, 500), st.floats(-500, 500))
paths = st.lists(places, min_size=1, max_size=15).map(lambda path: np.array(path)[:, None])
windows = st.integers(0, 12).map(lambda half: 2 * half + 1)


@pytest.mark.parametrize(
    ("seconds", "rate", "frames"),
    [(1.0, 25, 25), (1.0, 30, 31), (0.1, 25, 3), (0.0, 25, 1), (1.0, 5, 5)],
)
def test_a_window_is_an_odd_number_of_frames(seconds, rate, frames):
    assert time_series.window_frames(seconds, Fraction(rate)) == frames


@pytest.mark.parametrize(
    "name", ["savitzky_golay", "median", "gaussian", "running_median", "running_mean"]
)
@given(paths, windows)
def test_zero_phase_filters_are_symmetric_in_time_and_means_within_the_range(name, points, window):
    values = points[:, 0, 0] if name.startswith("running") else points
    apply = partial(getattr(time_series, name), window=window)
    there, back = apply(values), apply(values[::-1])[::-1]
    assert there.shape == values.shape
    np.testing.assert_allclose(there, back, atol=1e-6)
    if name != "savitzky_golay":
        assert values.min() - 1e-9 <= there.min() <= there.max() <= values.max() + 1e-9


def test_the_median_forgets_what_is_shorter_than_half_a_window_and_keeps_a_step():
    path = np.array([0.0, 0, 9, 9, 0, 0, 0, 5, 5, 5, 5])
    expected = np.where(path == 5, 5, 0)
    np.testing.assert_array_equal(time_series.running_median(path, window=5), expected)
    points = path[:, None, None] * np.ones(2)
    np.testing.assert_array_equal(time_series.median(points, window=5)[:, 0, 0], expected)


def test_the_gaussian_keeps_a_line_to_its_ends_and_spreads_a_jump_by_a_quarter_of_its_window():
    line = np.arange(12.0)[:, None, None] * (1, -2)
    np.testing.assert_allclose(time_series.gaussian(line, window=9), line, atol=1e-12)
    jump = np.zeros((81, 1, 2))
    jump[40] = 1
    weights, places = time_series.gaussian(jump, window=41)[:, 0, 0], np.arange(-40, 41)
    assert weights.sum() == pytest.approx(1)
    assert np.sqrt((weights * places**2).sum()) == pytest.approx(41 / 4, rel=0.15)


def test_gaps_are_bridged_straight_and_ends_held():
    values = np.array([9.0, 2, 9, 9, 8, 9])
    valid = np.array([False, True, False, False, True, False])
    np.testing.assert_allclose(time_series.fill_gaps(values, valid), [2, 2, 4, 6, 8, 8])


GROUPS = [group for group, _ in HOLISTIC.groups]
FILTERS = ("savitzky_golay", "median", "gaussian", "none")


def smoothed(keypoints, time_filter, groups=GROUPS):
    return time_series.smooth(keypoints, time_filter, seconds=0.25, groups=groups)


def test_a_parabola_passes_unchanged_and_noise_does_not():
    seconds = np.arange(20.0)[:, None, None] * (1, -0.5)
    parabola = 3 + 2 * seconds - 0.1 * seconds**2
    np.testing.assert_allclose(time_series.savitzky_golay(parabola, window=7), parabola, atol=1e-9)
    noise = np.random.default_rng(0).normal(size=(200, 4, 2))
    # Savitzky and Golay's table: the middle weight of the parabola over seven points is 7/21.
    assert time_series.savitzky_golay(noise, window=7)[5:-5].var() == pytest.approx(7 / 21, rel=0.1)


@pytest.mark.parametrize("time_filter", FILTERS)
def test_nothing_reaches_across_a_gap(time_filter):
    """Positions before the gap make no difference after it."""
    path = [(100.0 + 3 * frame % 7, 128.0) for frame in range(16)]
    elsewhere = [(x + 60, y) for x, y in path[:8]] + path[8:]
    clips = [person(hips) for hips in (path, elsewhere)]
    for clip in clips:
        clip.points[8], clip.score[8] = 0, 0
    one, other = (smoothed(clip, time_filter).points for clip in clips)
    np.testing.assert_array_equal(one[8:], other[8:])
    assert (one[:8] != other[:8]).any()


@pytest.mark.parametrize("time_filter", FILTERS[:3])
def test_only_the_groups_asked_for_change_and_no_score_does(time_filter):
    keypoints = person(np.random.default_rng(0).uniform(100, 150, (20, 2)))
    keypoints = lost(keypoints, "left_wrist", [4, 5, 11])
    after = smoothed(keypoints, time_filter, groups=["body"])
    changed = (after.points != keypoints.points).any(axis=(0, 2))
    assert changed[joints_of("body")].all()
    assert not changed[joints_of("body").stop :].any()
    np.testing.assert_array_equal(after.score, keypoints.score)
    assert not after.joint("left_wrist")[0][[4, 5, 11]].any()


@pytest.mark.parametrize("rates", [(25.0, 25.0), (25.0, 5.0)])
def test_at_rest_the_one_euro_filter_is_a_low_pass_of_its_lowest_cutoff(monkeypatch, rates):
    """A frame weighs by the time since the one before: Casiez et al. 2012, equation 5."""
    monkeypatch.setattr("motiontransfer.pose.time_series._SPEED_FACTOR", 0.0)
    live, everywhere = partial(time_series.OneEuroFilter().next, unit_px=100.0), np.array([True])
    live(np.zeros((1, 2)), everywhere, rate_hz=25.0)
    shares = [float(live(np.ones((1, 2)), everywhere, rate_hz=rate)[0, 0]) for rate in rates]
    weights = [1 / (1 + rate / (2 * np.pi * 1.5)) for rate in rates]
    assert shares == pytest.approx([weights[0], weights[0] + weights[1] * (1 - weights[0])])


def test_the_one_euro_filter_lags_less_in_fast_motion():
    def lag(speed_px):
        path, live = np.arange(40.0)[:, None, None] * (speed_px, 0), time_series.OneEuroFilter()
        for place in path:
            smoothed = live.next(place, np.array([True]), rate_hz=25.0, unit_px=150.0)
        return (path[-1] - smoothed)[0, 0] / speed_px

    assert lag(6.0) < 0.3 < 0.6 < lag(0.1)


def test_a_joint_that_was_missing_begins_anew():
    live = partial(time_series.OneEuroFilter().next, rate_hz=25.0, unit_px=150.0)
    first, there, missing = np.zeros((2, 2)), np.full((2, 2), 8.0), np.array([True, False])
    live(first, np.array([True, True]))
    live(np.array([[8.0, 8], [0, 0]]), missing)
    found = live(there, np.array([True, True]))
    np.testing.assert_array_equal(found[1], there[1])
    assert (found[0] < there[0]).all()


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([3.0, np.inf, 5.0], [1, 2, 0]),
        ([0.5, np.nan], [0]),
        ([np.nan, np.nan], []),
        (np.arange(48) % 30, [29, 27, 25, 23, 21, 19, 17, 47]),  # at most 8, 2 frames apart
    ],
)
def test_peaks_come_with_the_largest_first_and_not_side_by_side(values, found):
    assert time_series.peaks(np.array(values, float), count=8, apart=len(values) // 24) == found
