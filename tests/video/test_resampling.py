from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from motiontransfer.video.clip import resample
from motiontransfer.video.packets import estimate_frame_rate, recognize_rate
from motiontransfer.video.reader import Timed

NTSC = Fraction(30000, 1001)


def shown(starts, end):
    """Items named by their index."""
    ends = [*starts[1:], end]
    return [
        Timed(start_seconds=start, end_seconds=stop, item=index)
        for index, (start, stop) in enumerate(zip(starts, ends, strict=True))
    ]


def chosen(starts, end, rate, tolerance=0.0):
    ticks = resample(shown(starts, end), frame_rate=Fraction(rate), tolerance_seconds=tolerance)
    return [timed.item for timed in ticks]


@given(
    gaps=st.lists(st.floats(0.005, 0.5), min_size=1, max_size=20),
    rate=st.sampled_from([Fraction(5), Fraction(25), NTSC]),
)
def test_each_tick_shows_the_frame_on_screen(gaps, rate):
    starts = [0.0, *np.cumsum(gaps)]
    end = starts.pop()
    picked = chosen(starts, end, rate)
    for tick, item in enumerate(picked):
        assert item == np.searchsorted(starts, float(tick / rate), side="right") - 1
    assert float((len(picked) - 1) / rate) < end <= float(len(picked) / rate)


def test_nothing_gives_nothing_and_a_flash_still_gives_a_frame():
    assert list(resample([], frame_rate=Fraction(10), tolerance_seconds=0.0)) == []
    assert chosen([0.0], 0.001, 10, tolerance=0.025) == [0]
    late = [0.0, 0.102, 0.198, 0.301]  # by less than the tolerance
    assert chosen(late, 0.4, 10, tolerance=0.025) == [0, 1, 2, 3]
    assert chosen(late, 0.4, 20, tolerance=0.0125) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_rates_are_recognized_and_others_stay():
    assert recognize_rate(Fraction(19001, 634)) == NTSC
    assert recognize_rate(Fraction("23.976")) == Fraction(24000, 1001)
    for rate in (Fraction(25), Fraction("15.37"), Fraction("30.05")):
        assert recognize_rate(rate) == rate


def test_estimated_rate_sees_through_milliseconds_and_ignores_pauses_and_jitter():
    for rate in (Fraction(5), Fraction(20), Fraction(24), NTSC, Fraction(60)):
        assert estimate_frame_rate(np.round(np.arange(300) / float(rate), 3)) == rate
    starts = np.arange(300) / 30 + np.random.default_rng(0).uniform(-0.002, 0.002, 300)
    starts[50:] += 1.0
    starts[90:] += 2.0
    assert estimate_frame_rate(starts) == 30
    assert estimate_frame_rate(starts[:1]) is estimate_frame_rate(starts[:0]) is None
    often_paused = np.cumsum([0.0, *[0.1, 0.1, 0.3] * 9])  # three frames in half a second
    assert estimate_frame_rate(often_paused) == 6
