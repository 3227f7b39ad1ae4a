import numpy as np

from demo.actors.music import SAMPLE_RATE, compose_music


def test_a_track_is_as_long_as_asked_and_the_same_for_the_same_seed():
    first, again, other = (compose_music(60_001, beat_seconds=0.5, seed=s) for s in (1, 1, 2))
    assert len(first) == 60_001
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.05
    assert np.abs(first).max() <= 1


def test_the_drum_is_on_the_beat():
    track = compose_music(4 * SAMPLE_RATE, beat_seconds=0.5, seed=1)
    loudness = (track**2).reshape(-1, SAMPLE_RATE // 20).mean(axis=1)  # fiftieths of a beat pair
    on_beat = loudness.reshape(-1, 10)[:, :2].mean()
    assert on_beat > 1.5 * loudness.reshape(-1, 10)[:, 6:].mean()
