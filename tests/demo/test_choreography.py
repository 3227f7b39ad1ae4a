import numpy as np
import pytest

from demo.actors.choreography import ACTIONS, compose, strike

RATE = 25.0


@pytest.fixture(scope="module")
def long_dance():
    return compose(500, frame_rate=RATE, beats_per_minute=112.0, seed=7)


def test_a_seed_makes_one_dance_and_another_seed_another():
    how = {"frame_rate": RATE, "beats_per_minute": 112.0}
    first, again, other = (compose(60, **how, seed=seed) for seed in (3, 3, 4))
    for name in ("angles", "path", "actions"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert np.abs(first.angles - other.angles).max() > 0.3


def test_a_jump_falls_with_gravity(long_dance):
    assert not long_dance.lift.any()
    motion = compose(100, frame_rate=RATE, beats_per_minute=112.0, seed=5, moves=("jump",))
    flying = motion.lift > 0
    assert motion.lift.max() == pytest.approx(0.25, abs=0.01)
    middle = flying[:-2] & flying[1:-1] & flying[2:]
    fall = np.diff(motion.lift, 2)[middle] * RATE**2
    np.testing.assert_allclose(fall * 0.866, -9.81, atol=0.03)  # meters, a leg of 0.866 m


def test_struck_poses_are_held_at_one_place_and_the_free_dance_goes_on(long_dance):
    dance, frames = compose(160, frame_rate=RATE, beats_per_minute=112.0, seed=21), [3, 40, 99]
    struck = strike(long_dance, dance, frames, place=(0.2, 0.5), change_frames=12, hold_frames=8)
    for number, frame in enumerate(frames):
        held = slice(20 * number, 20 * number + 9)
        np.testing.assert_allclose(struck.angles[held], np.tile(dance.angles[frame], (9, 1)))
        np.testing.assert_allclose(struck.lift[held], dance.lift[frame])
        np.testing.assert_allclose(struck.path[held], np.tile([0.2, 0.5], (9, 1)))
    for name in ("angles", "path", "lift"):
        own, free = getattr(struck, name), getattr(long_dance, name)
        np.testing.assert_array_equal(own[60:], free[60:])
        steps = np.abs(np.diff(own[:62], axis=0))
        assert steps.max() <= np.ptp(own[:62], axis=0).max() / 4
    blinks = np.array([name.startswith("eyeBlink") for name in ACTIONS])
    assert long_dance.actions[:60, blinks].max() > 0.5
    expected = long_dance.actions.copy()
    assert struck.actions[:60, blinks].max() == 0
    expected[:60, blinks] = struck.actions[:60, blinks]
    np.testing.assert_array_equal(struck.actions, expected)
