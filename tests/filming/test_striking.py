"""Which parts of key poses somebody has met."""

from dataclasses import replace

import numpy as np
import pytest

from motiontransfer.filming.striking import NEAR, SHARP_SPEED, Strikes
from tests.people import lost, moved, standing

HEIGHT = 150  # px, of who stands
STILL = 1.0  # seconds between frames: nothing is blurred


def arm_moved(shift, side="left", num_frames=2):
    """The forearm's end moved."""
    return moved(standing(num_frames), f"{side}_wrist", dict.fromkeys(range(num_frames), shift))


def met_parts(strikes, pose):
    met = zip(strikes.parts, strikes.is_met[:, pose], strict=True)
    return {part.name for part, is_met in met if is_met}


def looked(dance, me, seconds=STILL, frames=(0,)):
    strikes = Strikes(dance, frames)
    return strikes, strikes.see(me, seconds=seconds)


@pytest.mark.parametrize("zoom", [0.5, 1.0, 2.0])
def test_the_same_pose_is_struck_at_any_size_and_place(zoom):
    me = standing(2)
    me = replace(me, points=(me.points * zoom + np.float32((9, -5))).astype(np.float32))
    strikes, seen = looked(standing(3), me)
    assert strikes.is_struck.all()
    assert seen.near.all()
    assert not seen.is_mirrored.any()


def test_a_part_is_met_up_to_the_limit():
    """Of two joints, one moved by d, each is off by d / 2 of their middle."""
    limit = 2 * NEAR["other"] / 100 * HEIGHT
    for factor, is_met in ((0.9, True), (1.1, False)):
        strikes, _ = looked(standing(3), arm_moved((factor * limit, 0)))
        assert ("left_forearm" in met_parts(strikes, 0)) == is_met
        assert "right_forearm" in met_parts(strikes, 0)
        assert strikes.is_struck.all() == is_met


def test_what_moves_is_blurred_and_not_met():
    """The wrist alone moves: by mean over its part's joints half as fast."""
    dance = arm_moved((0, 0), num_frames=3)
    for factor, is_met in ((0.9, True), (1.1, False)):
        step = 2 * factor * SHARP_SPEED * HEIGHT * 0.02  # in 20 ms
        me = moved(standing(2), "left_wrist", {0: (step, 0)})
        strikes, seen = looked(dance, me, seconds=0.02)
        assert seen.near.all()
        assert ("left_forearm" in met_parts(strikes, 0)) == is_met
        assert "right_forearm" in met_parts(strikes, 0)
    strikes, _ = looked(dance, standing(1))
    assert not strikes.is_met.any()  # of one frame nothing is known


def test_the_mirrored_pose_is_another_one_and_is_told():
    dance = arm_moved((40, -40), num_frames=3)
    strikes, seen = looked(dance, arm_moved((-40, -40), side="right"))
    assert not strikes.is_struck.any()
    assert seen.is_mirrored.all()


def test_what_the_pose_does_not_show_needs_not_be_met_and_what_is_hidden_of_me_is_not():
    hidden = lost(standing(3), "left_wrist", range(3))
    strikes, _ = looked(hidden, standing(2))
    assert strikes.is_struck.all()
    strikes, seen = looked(standing(3), lost(standing(2), "left_wrist", range(2)))
    assert not strikes.is_struck.any()
    assert not seen.is_mirrored.any()
