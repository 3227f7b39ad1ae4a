import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from demo.actors.footwork import Bar, leg_angles, plan_steps

TIMES = np.arange(0, 4.0, 0.04)


def plan(*moves, start=(0.0, 0.0), to=(0.0, 0.0)):
    bars = tuple(Bar(to=to, move=move) for move in moves)
    rng = np.random.default_rng(0)
    return plan_steps(bars, TIMES, start=start, beat=0.5, num_beats=10, rng=rng)


@pytest.fixture(scope="module")
def steps():
    return plan("walk", "crouch", start=(0.0, -0.7), to=(0.3, 0.7))


def test_one_foot_always_stands_and_does_not_slide(steps):
    lifts = np.stack([steps.feet[side][:, 2] for side in ("left", "right")])
    assert lifts.min() == 0
    assert lifts.min(axis=0).max() < 1e-9
    assert lifts.max() > 0.05
    for foot in steps.feet.values():
        standing = (foot[1:, 2] < 1e-9) & (foot[:-1, 2] < 1e-9)
        assert standing.any()
        assert np.abs(np.diff(foot[:, :2], axis=0))[standing].max() < 1e-6


def test_the_hips_arrive_where_the_bar_ends_and_go_down_in_a_crouch(steps):
    np.testing.assert_allclose(steps.hips[55, :2], [0.3, 0.7], atol=0.06)
    assert steps.hips[:40, 2].min() > 0.85
    assert steps.hips[60:, 2].min() < 0.75


def rotation_vectors(x, y, z):
    return Rotation.from_rotvec(np.stack([x, y, z], axis=1))


def turns(yaw, pitch, roll):
    return Rotation.from_euler("YXZ", np.stack([yaw, pitch, roll], axis=1))


def test_the_leg_angles_put_the_ankles_where_the_steps_want_them(steps):
    zero = np.zeros(len(TIMES))
    root = {"yaw": 0.3 * np.sin(TIMES), "pitch": zero + 0.05, "roll": 0.04 * np.cos(TIMES)}
    angles = leg_angles(steps, root)
    body = turns(*root.values())
    for side, sign in (("left", 1), ("right", -1)):
        of = {it.removeprefix(f"{side}_"): angle for it, angle in angles.items() if side in it}
        swing = rotation_vectors(-of["hip_raise"], zero, sign * of["hip_spread"])
        swing *= rotation_vectors(zero, sign * of["hip_twist"], zero)
        bend = rotation_vectors(of["knee"], zero, zero)
        leg = swing.apply([0, -0.5, 0]) + (swing * bend).apply([0, -0.5, 0])
        ankle = steps.hips[:, [0, 2, 1]] + body.apply(np.array([sign * 0.13, 0, 0]) + leg)
        np.testing.assert_allclose(ankle, steps.feet[side][:, [0, 2, 1]], atol=0.02)
        foot = turns(sign * of["ankle_yaw"], of["ankle_pitch"], sign * of["ankle_roll"])
        up = (body * swing * bend * foot).apply([0, 1, 0])
        flat = steps.feet[side][:, 2] < 1e-9
        np.testing.assert_allclose(up[flat], np.tile([0, 1, 0], (flat.sum(), 1)), atol=1e-6)


@pytest.mark.parametrize(("side", "other", "sign"), [("left", "right", 1), ("right", "left", -1)])
def test_a_crossing_foot_passes_in_front_of_the_other_and_comes_back(side, other, sign):
    steps = plan(f"cross_{side}")
    apart = sign * (steps.feet[side][:, 0] - steps.feet[other][:, 0])
    crossed = apart < -0.05
    assert crossed.any()
    assert (apart > 0.25).any()
    assert (steps.feet[side][crossed, 1] - steps.feet[other][crossed, 1]).min() > 0.05
    assert np.abs(np.diff(steps.feet[other][:, :2], axis=0)).max() == 0
