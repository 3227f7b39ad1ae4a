"""A shape of legs is known from straight legs seen from the front, and replaces another one."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from motiontransfer.retargeting.shapes import change_leg_shape, fit_leg_shape
from tests.people import ARMS_OUT, arms_out, joined, place

# Of ARMS_OUT: hips 20 px wide, legs of 60 px, feet of 10 px, someone of 100 px.
PROPORTIONS = {"hips": 0.2, "thigh": 0.3, "shin": 0.3, "foot": 0.1}
SHAPE = {
    **{"left_knee": (0.05, 0.0), "right_knee": (0.05, 0.0)},  # 3 px outside
    **{"left_foot_index": (0.6, 0.8), "right_foot_index": (0.6, 0.8)},  # 6 px outside, 8 px below
}
BOWED = {
    **ARMS_OUT,
    **{"left_knee": (113, 130), "right_knee": (87, 130)},
    **{"left_foot_index": (116, 168), "right_foot_index": (84, 168)},
}
FROM_BEHIND = {**{joint: (200 - x, y) for joint, (x, y) in BOWED.items()}}
CROUCHED = {
    **{joint: (x, y + 10) for joint, (x, y) in BOWED.items() if y <= 100},
    **{joint: at for joint, at in BOWED.items() if at[1] > 100},
    **{"left_knee": (125, 130), "right_knee": (75, 130)},
}
SIDEWAYS = {
    **BOWED,
    **{"left_hip": (101, 100), "right_hip": (99, 100)},
    **{"left_ankle": (101, 160), "right_ankle": (99, 160)},
}


def fit(*clips, proportions=PROPORTIONS, height_px=100.0):
    return fit_leg_shape(
        clips,
        [np.full(clip.num_frames, height_px) for clip in clips],
        proportions=proportions,
        min_score=0.5,
        min_frames=10,
    )


change = partial(change_leg_shape, proportions=PROPORTIONS, min_score=0.5)


def approx(shape):
    return {joint: pytest.approx(at, abs=1e-5) for joint, at in shape.items()}


@pytest.mark.parametrize("places", [BOWED, FROM_BEHIND])
def test_outwards_is_away_from_the_other_hip(places):
    assert fit(arms_out(places, 10)) == approx(SHAPE)


def test_the_shape_does_not_depend_on_place_and_size():
    larger = arms_out({joint: (2 * x - 90, 2 * y - 180) for joint, (x, y) in BOWED.items()}, 10)
    assert fit(larger, height_px=200.0) == approx(SHAPE)


def test_knees_are_measured_from_the_line_between_hip_and_ankle():
    """Legs apart: the ankles 11 px farther out, the knees half as much."""
    apart = {**BOWED, "left_knee": (118.5, 130), "left_ankle": (121, 160)}
    outwards, down = fit(arms_out(apart, 10))["left_knee"]
    # 3 px aside and half a pixel: of both, what is across a line that has 11 px to 60
    assert np.hypot(outwards, down) == pytest.approx(3 / np.hypot(1, 11 / 60) / 60, abs=1e-4)


@pytest.mark.parametrize("places", [CROUCHED, SIDEWAYS])
def test_bent_and_turned_legs_do_not_count(places):
    standing = arms_out(BOWED, 10)
    assert fit(joined(arms_out(places, 30), standing)) == approx(SHAPE)


def test_a_shape_is_the_median_of_all_clips():
    other = arms_out({**BOWED, "left_knee": (112, 130), "right_foot_index": (80, 170)}, 3)
    assert fit(arms_out(BOWED, 4), other, arms_out(BOWED, 4)) == approx(SHAPE)


def test_what_is_hardly_seen_has_no_place():
    assert fit(arms_out(BOWED, 9)) == {}
    clip = arms_out(BOWED, 10)
    clip.score[0, clip.skeleton.index("left_foot_index")] = 0.4
    assert SHAPE.keys() - fit(clip).keys() == {"left_foot_index"}
    known = {part: length for part, length in PROPORTIONS.items() if part != "foot"}
    assert fit(arms_out(BOWED, 10), proportions=known).keys() == {"left_knee", "right_knee"}


STRAIGHT = {**SHAPE, "left_knee": (0.04, 0.0), "left_foot_index": (0.5, 0.9)}


@pytest.mark.parametrize("places", [BOWED, FROM_BEHIND])
def test_legs_take_another_shape(places):
    changed = change(arms_out(places, 10), source=SHAPE, target=STRAIGHT)
    assert fit(changed) == approx(STRAIGHT)
    outwards = 1 if places is BOWED else -1
    (x, y), (knee, _) = places["left_foot_index"], places["left_knee"]
    # 0.1 of a foot of 10 px, 0.01 of a leg of 60 px
    assert place(changed, "left_foot_index") == pytest.approx([x - outwards, y + 1])
    assert place(changed, "left_knee") == pytest.approx([knee - outwards * 0.6, 130])
    assert place(changed, "left_ankle") == list(places["left_ankle"])


def test_turned_legs_move_less():
    """Hips of 2 px where 20 px are parallel to the image."""
    changed = change(arms_out(SIDEWAYS), source=SHAPE, target=STRAIGHT)
    assert place(changed, "left_foot_index") == pytest.approx([115.9, 168.1], abs=1e-4)


def test_no_joint_moves_farther_than_detection_errs():
    """How somebody turns the feet out is dance: at most 1.5 px of 100, in the same direction."""
    ballet = {**SHAPE, "left_foot_index": (1.2, 0.0)}
    changed = change(arms_out(BOWED), source=ballet, target=SHAPE)
    assert place(changed, "left_foot_index") == pytest.approx([116 - 0.9, 168 + 1.2], abs=1e-4)


@pytest.mark.parametrize(("lost", "joint"), [("foot", "left_foot_index"), ("shin", "left_knee")])
def test_a_joint_without_a_unit_stays(lost, joint):
    known = {part: length for part, length in PROPORTIONS.items() if part != lost}
    clip = arms_out(BOWED)
    changed = change(clip, source=SHAPE, target=STRAIGHT, proportions=known)
    assert place(changed, joint) == list(BOWED[joint])
    other = {"left_foot_index": "left_knee", "left_knee": "left_foot_index"}[joint]
    assert place(changed, other) != list(BOWED[other])


def test_only_joints_of_both_shapes_move_and_missing_ones_stay_missing():
    clip = arms_out(BOWED, 2)
    index = clip.skeleton.index("left_knee")
    clip.points[1, index] = clip.score[1, index] = 0
    hip = clip.skeleton.index("right_hip")
    clip.score[0, hip] = 0.4
    known = {"left_knee": STRAIGHT["left_knee"]}
    changed = change(clip, source=SHAPE, target=known)
    np.testing.assert_array_equal(changed.points, clip.points)
    clip.score[0, hip] = 0.9
    changed = change(clip, source=SHAPE, target=known)
    assert np.flatnonzero((changed.points != clip.points).any(axis=(0, 2))).tolist() == [index]
    assert changed.points[1, index].tolist() == [0, 0]
    np.testing.assert_array_equal(replace(changed, points=clip.points).score, clip.score)
