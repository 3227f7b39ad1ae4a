from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motiontransfer.pose.pose_coverage import pose_gaps
from tests.people import joined, known_to, lost, moved, rotated, standing

MIDDLE = 128.0
FRONT = standing(50)


def turned(degrees, num_frames=1):
    """Someone who stands, turned about the vertical axis; flat, as if cut out of cardboard."""
    keypoints = standing(num_frames)
    x = MIDDLE + np.cos(np.radians(degrees)) * (keypoints.points[..., 0] - MIDDLE)
    points = np.stack([x, keypoints.points[..., 1]], axis=2).astype(np.float32)
    return replace(keypoints, points=points)


def with_hand_up(height_px, num_frames=1, side="left"):
    """The wrist so far above the nose, which is 72 px above the hips."""
    shift = (0, -72 - height_px)
    return moved(standing(num_frames), f"{side}_wrist", dict.fromkeys(range(num_frames), shift))


def squatting(drop_px, num_frames=1, sides=("left", "right")):
    """Knees so far below the hips; 35 px of someone who stands, at a height of 150 px."""
    keypoints = standing(num_frames)
    for side in sides:
        shifts = dict.fromkeys(range(num_frames), (0, drop_px - 35))
        keypoints = moved(keypoints, f"{side}_knee", shifts)
    return keypoints


def kinds(dance, *target):
    return [gap.kind for gap in pose_gaps(dance, target or (FRONT,))]


def test_the_advice_has_the_shares_and_what_to_film():
    dance = joined(standing(21), turned(150), turned(180, 28))
    (gap,) = pose_gaps(dance, [standing(20), standing(5)])
    assert gap.advice == (
        "the dancer is seen from behind in 58 % of frames, you in none of 25: you will face the "
        "camera there; film one turn to turn"
    )
    assert gap.frame_index == 22


@pytest.mark.parametrize(
    ("dance", "expected"),
    [
        (turned(60), []),
        # shoulders 40 px and hips 24 px wide, of 150 px: .43, and the limit is .1
        (turned(76), []),
        (turned(77), ["seen from the side"]),
        (turned(103), ["seen from the side"]),
        (turned(104), ["seen from behind"]),
        (with_hand_up(-1), []),
        (with_hand_up(1), ["raising a hand over the face"]),
        (with_hand_up(1, side="right"), ["raising a hand over the face"]),
        (lost(with_hand_up(1), "right_wrist", [0]), ["raising a hand over the face"]),
        (squatting(23), []),  # the limit is .15 of 150 px
        (squatting(22), ["deep in the knees"]),
        (squatting(5, sides=["left"]), []),  # a leg is lifted
    ],
)
def test_a_kind_of_pose_has_its_limit(dance, expected):
    assert kinds(dance) == expected
    assert kinds(dance, dance) == []


@pytest.mark.parametrize("degrees", [-90, 90, 180])
def test_who_lies_or_stands_on_the_hands_is_seen_as_upright(degrees):
    everything = joined(turned(180), with_hand_up(5), squatting(15), turned(90))
    for dance in (FRONT, turned(77), turned(104), everything):
        assert kinds(rotated(dance, degrees)) == kinds(dance)
    assert kinds(everything, rotated(everything, degrees)) == []


def test_who_is_seen_from_the_side_alone_is_told_to_face_the_camera():
    """The limit is .2 of the height; .43 from the front, so that 62 degrees are enough."""
    assert kinds(FRONT, turned(61)) == []
    assert kinds(FRONT, turned(63)) == ["seen from the front"]
    assert kinds(FRONT, turned(180)) == ["seen from the front"]
    assert kinds(turned(63), turned(77)) == []


@given(zoom=st.floats(0.3, 3), shift=st.tuples(st.floats(-99, 99), st.floats(-99, 99)))
def test_size_and_place_in_the_image_do_not_matter(zoom, shift):
    dance = joined(turned(180), with_hand_up(5), squatting(15), standing(7))
    points = (zoom * dance.points + np.float32(shift)).astype(np.float32)
    assert pose_gaps(replace(dance, points=points), [FRONT]) == pose_gaps(dance, [FRONT])


def test_who_is_to_turn_around_is_not_told_to_turn_to_the_side():
    dance = joined(turned(180, 5), turned(90, 5))
    assert kinds(dance) == ["seen from behind"]
    assert kinds(dance, joined(FRONT, turned(180, 5))) == ["seen from the side"]


def test_what_is_rare_in_the_dance_is_not_asked_for_and_what_is_rare_in_the_target_is():
    assert kinds(joined(standing(39), turned(180, 2))) == []
    assert kinds(joined(standing(38), turned(180, 2))) == ["seen from behind"]
    (gap,) = pose_gaps(turned(180), [joined(standing(50), turned(180))])
    assert "you in 1 of 51" in gap.advice
    assert kinds(turned(180), joined(standing(49), turned(180))) == []


def test_the_nearest_frame_is_of_any_clip_and_at_any_place_and_may_lack_joints():
    arms = [with_hand_up(height) for height in (-30, -10, -20)]
    arms[1] = replace(arms[1], points=arms[1].points + np.float32((40, 10)))
    target = [FRONT, lost(joined(standing(2), *arms), "right_ankle", [3])]
    (gap,) = pose_gaps(with_hand_up(5), target)
    assert gap.nearest == (1, 3)


def test_few_joints_are_no_nearer_than_many():
    wide, far = (with_hand_up(-5 - px) for px in (0, 20))
    for side in ("left", "right"):  # each other joint is 3 px beside its place; their sum is more
        wide = moved(wide, f"{side}_hip", {0: (3, 0)})
    few = known_to(("nose", "left_hip", "right_hip", "left_wrist", "left_shoulder"), far)
    few = replace(few, detector="drawn")
    (gap,) = pose_gaps(with_hand_up(5), [joined(standing(2), wide, few)])
    assert gap.nearest == (0, 2)


def test_nothing_is_said_of_joints_that_are_not_found():
    everything = joined(turned(180), with_hand_up(5), squatting(15))
    assert len(kinds(everything)) == 3
    knees_hidden = lost(lost(FRONT, "left_knee", range(50)), "right_knee", range(50))
    assert kinds(everything, knees_hidden) == ["seen from behind", "raising a hand over the face"]
    nobody = known_to((), standing(3), detector="drawn")
    assert kinds(everything, nobody) == kinds(nobody) == []
    (gap,) = pose_gaps(joined(turned(180), nobody), [FRONT])
    assert "in 100 % of frames" in gap.advice
