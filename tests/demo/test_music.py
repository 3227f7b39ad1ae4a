import numpy as np

from demo.actors.music import compose_music


def test_a_track_is_as_long_as_asked_and_the_same_for_the_same_seed():
    first, again, other = (compose_music(60_001, beat_seconds=0.5, seed=s) for s in (1, 1, 2))
    assert len(first) == 60_001
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.05
    assert np.abs(first).max() <= 1
