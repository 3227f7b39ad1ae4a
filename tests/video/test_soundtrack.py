"""Sound as samples: slower at the same pitch, with signals."""

import numpy as np
import pytest

from motiontransfer.video.soundtrack import RATE, mix, read_slowed, signal, write_wave
from motiontransfer.video.writer import Sound

HERTZ = 440.0


@pytest.fixture
def tone(tmp_path):
    path = tmp_path / "tone.wav"
    write_wave(path, signal(HERTZ, 2.0))
    return path


def pitch(samples):
    spectrum = np.abs(np.fft.rfft(samples[:, 0]))
    return spectrum.argmax() * RATE / len(samples)


def slowed(tone, factor=2.0, *, offset=0.0, start=0.0, seconds=6.0):
    how = {"factor": factor, "start_seconds": start, "seconds": seconds}
    return read_slowed(Sound(tone, offset), **how)


def heard(samples):
    """Seconds from the first sample that is not silent to the last."""
    found = np.flatnonzero(np.abs(samples[:, 0]) > 0.05)
    return found[0] / RATE, found[-1] / RATE


@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_slowed_sound_is_so_many_times_as_long_at_the_same_pitch(tone, factor):
    sound = slowed(tone, factor)
    assert len(sound) == 6 * RATE
    assert heard(sound) == pytest.approx((0, 2 * factor), abs=0.1)
    assert pitch(sound[: RATE * 2]) == pytest.approx(HERTZ, abs=2)


def test_a_part_is_as_long_as_asked_for_and_begins_where_the_film_does(tone):
    """At half speed: a tone of 2 s that begins .5 s after the film lasts from 1 to 5 s."""
    assert heard(slowed(tone, offset=0.5)) == pytest.approx((1, 5), abs=0.1)
    assert heard(slowed(tone, offset=0.5, start=1.5)) == pytest.approx((0, 2), abs=0.1)
    assert len(slowed(tone, start=1.0, seconds=0.5)) == RATE // 2
    assert np.abs(slowed(tone, start=5.0)).max() == 0


def test_what_is_added_past_an_end_is_cut_off_and_the_rest_stays():
    track = np.zeros((100, 2), np.float32)
    mix(track, np.ones((80, 2), np.float32), at_seconds=60 / RATE)
    assert track[:60].max() == 0
    assert (track[60:] == 1).all()
    mix(track, np.ones((80, 2), np.float32), at_seconds=-30 / RATE)
    assert track[:50].min() == 1
    assert track[50:60].max() == 0


def test_a_signal_begins_and_ends_in_silence():
    tone = signal(880.0, 0.1)
    assert tone[0].max() == 0
    assert np.abs(tone[-1]).max() < 0.01
    assert 0.25 < tone.max() <= 0.3
