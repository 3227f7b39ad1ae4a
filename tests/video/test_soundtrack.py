"""Sound as samples: slower at the same pitch, with signals."""

import numpy as np
import pytest

from motiontransfer.video.soundtrack import RATE, mix, read_slowed, signal, write_wave

HERTZ = 440.0


@pytest.fixture
def tone(tmp_path):
    path = tmp_path / "tone.wav"
    write_wave(path, signal(HERTZ, 2.0))
    return path


def pitch(samples):
    spectrum = np.abs(np.fft.rfft(samples[:, 0]))
    return spectrum.argmax() * RATE / len(samples)


@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_slowed_sound_is_so_many_times_as_long_at_the_same_pitch(tone, factor):
    slowed = read_slowed(tone, offset_seconds=0.0, factor=factor)
    assert len(slowed) == pytest.approx(2 * factor * RATE, rel=0.03)
    assert pitch(slowed) == pytest.approx(HERTZ, abs=2)


def test_the_offset_makes_the_first_frame_the_start(tone):
    at_once, later, earlier = (
        len(read_slowed(tone, offset_seconds=offset, factor=2.0)) for offset in (0.0, 0.5, -0.5)
    )
    assert later - at_once == RATE == at_once - earlier


def test_what_is_added_past_the_end_is_cut_off_and_the_rest_stays():
    track = np.zeros((100, 2), np.float32)
    mix(track, np.ones((80, 2), np.float32), at_seconds=60 / RATE)
    assert track[:60].max() == 0
    assert (track[60:] == 1).all()


def test_a_signal_begins_and_ends_in_silence():
    tone = signal(880.0, 0.1)
    assert tone[0].max() == 0
    assert np.abs(tone[-1]).max() < 0.01
    assert 0.25 < tone.max() <= 0.3
