"""Every pair of consecutive frames lies in one stretch of about a second."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motiontransfer.forensics.corruptions import Stretch, cut, spread
from tests.forensics.planted import store, walk


@given(
    start=st.integers(0, 20),
    length=st.integers(0, 90),
    rate=st.fractions(min_value="1/2", max_value=60),
)
def test_every_pair_is_in_exactly_one_stretch(start, length, rate):
    frames = range(start, start + length)
    stretches = cut(frames, frame_rate=rate)
    pairs = [(t, t + 1) for each in stretches for t in each[:-1]]
    assert pairs == [(t, t + 1) for t in frames[:-1]]
    assert all(2 <= len(each) <= round(rate) + 1 or len(each) == 2 for each in stretches)


def test_a_second_is_as_many_pairs_as_frames():
    assert cut(range(10, 71), frame_rate=Fraction(30000, 1001)) == [range(10, 41), range(40, 71)]


@pytest.mark.parametrize("max_frames", [1, 30, 59, 60, 1000])
def test_chosen_stretches_are_spread_and_few_enough(max_frames):
    seconds = cut(range(100), frame_rate=Fraction(10))
    chosen = spread(seconds, max_frames=max_frames)
    assert chosen == sorted(set(chosen), key=lambda each: each.start)
    assert sum(map(len, chosen)) <= max(max_frames, 11)
    if len(chosen) > 1:
        assert (chosen[0], chosen[-1]) == (seconds[0], seconds[-1])


def test_a_stretch_reads_its_frames(tmp_path):
    frames = walk(9, seed=0)
    stretch = Stretch(
        subject="ada", clip="walk", path=store(tmp_path / "a.mkv", frames), frames=range(3, 7)
    )
    np.testing.assert_array_equal(stretch.read(), frames[3:7])
