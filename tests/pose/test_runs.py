"""Masks over frames become runs and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motiontransfer.pose.time_series import (
    inner_gaps,
    joints_by_presence,
    longest_segment,
    segments,
)

masks = st.lists(st.booleans(), max_size=30).map(lambda flags: np.array(flags, np.bool_))


def flags(text):
    return np.array([letter == "x" for letter in text], np.bool_)


@pytest.mark.parametrize(
    ("text", "runs"),
    [("", []), ("...", []), ("xxx", [(0, 3)]), ("x..xx.", [(0, 1), (3, 5)]), (".x", [(1, 2)])],
)
def test_runs_are_found_in_order(text, runs):
    assert segments(flags(text)) == runs


@given(masks)
def test_runs_drawn_again_are_the_mask(mask):
    drawn = np.zeros_like(mask)
    for start, stop in segments(mask):
        assert start < stop
        drawn[start:stop] = True
    assert (drawn == mask).all()


def test_the_longest_run_counts_its_frames():
    assert longest_segment(flags("x..xxx.xx")) == 3
    assert longest_segment(flags("...")) == 0


def test_gaps_lie_between_what_is_seen_and_are_short():
    seen = flags("..x.xx..x...x.")
    assert inner_gaps(seen, longest=2) == [(3, 4), (6, 8)]
    assert inner_gaps(seen, longest=3) == [(3, 4), (6, 8), (9, 12)]


@given(st.integers(1, 5), st.integers(0, 6), st.integers(0, 2**32 - 1))
def test_each_joint_is_with_those_seen_in_the_same_frames(frames, joints, seed):
    seen = np.random.default_rng(seed).uniform(size=(frames, joints)) < 0.5
    told = [joint for some, _ in joints_by_presence(seen) for joint in some.tolist()]
    assert sorted(told) == list(range(joints))
    for some, pattern in joints_by_presence(seen):
        assert (seen[:, some] == pattern[:, None]).all()
    patterns = [tuple(pattern) for _, pattern in joints_by_presence(seen)]
    assert len(set(patterns)) == len(patterns)
