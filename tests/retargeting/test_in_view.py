from dataclasses import replace

import numpy as np
import pytest

from motiontransfer.retargeting.in_view import fit_path
from tests.people import fitted, person


def walk(reach, *, frames=101, width=256):
    """To and fro, `reach` px to each side of x = 128; hands reach 32 px farther."""
    path = [(128 + reach * np.sin(2 * np.pi * index / 100), 128) for index in range(frames)]
    return replace(person(path), image_size=(256, width))


WIDE = walk(10, width=1000)
WHOLE = fitted(walk(0))


def test_a_path_that_fits_or_leaves_its_own_picture_is_not_touched_and_what_is_out_of_view_told():
    poses, wide = walk(90), walk(110)
    fitted, said = fit_path(poses, WIDE, WHOLE)
    assert fitted is poses
    assert str(said) == ""
    assert fit_path(wide, walk(110), WHOLE)[0] is wide
    assert fit_path(walk(40, width=50), WIDE, WHOLE)[1] == (0, 0, 1)


def test_a_wide_path_is_shortened_evenly_just_so_far_that_hands_and_feet_are_in_view():
    """Hands are at +-32 px: a reach of 95 px fits 256 px, and 98 % of frames a little more."""
    poses = walk(190)
    fitted, said = fit_path(poses, WIDE, WHOLE)
    hips, before = (it.midpoint("left_hip", "right_hip")[0][:, 0] - 128 for it in (fitted, poses))
    share = (hips @ before) / (before @ before)
    np.testing.assert_allclose(hips, share * before, atol=1e-3)
    assert share * 190 == pytest.approx(95, abs=4)
    wrists = fitted.joint("left_wrist")[0][:, 0]
    assert (wrists <= 255).mean() >= 0.98
    assert str(said) == "the path from side to side will be 50 % shorter"
    counts = {"path_shorter": 0.5, "up_and_down_shorter": 0, "frames_out_of_view": 0}
    assert said.counts(101) == counts
    by = fitted.points - poses.points
    np.testing.assert_allclose(np.diff(by, axis=1), 0, atol=1e-4)  # all joints move as one


def test_head_and_shoulders_of_who_shows_no_feet_stay_in_view_in_a_squat():
    """The nose is 72 px above the hips, shoulders 50: 128 px of height end 12 px below these."""
    down = 20 * (1 - np.cos(np.arange(101) / 50 * 2 * np.pi))
    poses = replace(person([(128, 116 + y) for y in down]), image_size=(90, 256))
    deep, said = fit_path(poses, WIDE, replace(WHOLE, shows="waist"))
    shoulders, before = (it.joint("left_shoulder")[0][:, 1] for it in (deep, poses))
    assert before.max() > 100
    assert (shoulders <= 89).mean() >= 0.98
    assert 0.5 < said.lower < 0.9
    assert said.shorter == said.out_of_view == 0
    assert fit_path(poses, WIDE, WHOLE)[0] is poses
