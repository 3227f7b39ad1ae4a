from dataclasses import replace

import numpy as np
import pytest

from motiontransfer.body.parts import BodyPoses
from motiontransfer.pose.skeleton import HOLISTIC
from motiontransfer.puppet.draw.occlusion import parts_by_depth
from motiontransfer.puppet.draw.warping import Puppet
from tests.people import COLORS, HEIGHT_PX, PARTS, PERSON_SIZE, appearance_of, lost, posed, rotated

FORWARD = {"nose": 8, "left_foot_index": 12, "right_foot_index": 12}
NAMES = [part.name for part in PARTS]
ARM, LEG = ("upper_arm", "forearm", "hand"), ("thigh", "shin", "foot")


def turned(degrees, keypoints=None, **forward):
    """Someone who turned to their left by so much, first to the right of the image.

    Args:
        forward: pixels by which joints are before the hips.
    """
    keypoints = keypoints or posed()
    points, angle = keypoints.points.copy(), np.deg2rad(degrees)
    before = np.zeros(points.shape[1])
    for joint, pixels in (FORWARD | forward).items():
        before[HOLISTIC.index(joint)] = pixels
    aside = points[:, :, 0] - 128
    points[:, :, 0] = 128 + np.cos(angle) * aside + np.sin(angle) * before
    depth = (np.sin(angle) * aside - np.cos(angle) * before) / HEIGHT_PX
    return replace(keypoints, points=points.astype(np.float32), depth=depth.astype(np.float32))


def order(keypoints, height_px=HEIGHT_PX, **how):
    """The parts of one frame, from the farthest to the nearest."""
    poses = BodyPoses(keypoints.skeleton, keypoints.points, keypoints.score)
    heights_px = np.full(1, float(height_px))
    of_frames = parts_by_depth(PARTS, poses, heights_px, keypoints.depth, keypoints.score, **how)
    return [NAMES[number] for number in of_frames[0].tolist()]


def with_first(*hidden):
    """The usual order but for parts that are behind all else."""
    return [*hidden, *(name for name in NAMES if name not in hidden)]


def of_side(side, segments):
    return [f"{side}_{segment}" for segment in segments]


def test_without_depth_and_from_the_front_the_arms_are_before_the_body():
    assert order(posed()) == NAMES
    assert order(turned(0)) == order(turned(30)) == NAMES  # of legs the left one is farther
    assert order(replace(turned(110), depth=None)) == NAMES


@pytest.mark.parametrize(("degrees", "far"), [(80, "left"), (110, "left"), (-90, "right")])
def test_in_profile_the_far_arm_is_behind_all_else_and_the_far_leg_behind_the_near_one(
    degrees, far
):
    expected = with_first(*of_side(far, ARM), *of_side(far, LEG))
    assert order(turned(degrees)) == expected


ACROSS = {"left_elbow": (18, -30), "left_wrist": (6, -25)}


@pytest.mark.parametrize(
    ("forward", "hidden"),
    [
        ({"left_elbow": 0, "left_wrist": 7, "left_index": 30}, []),  # of 7.5 px
        ({"left_elbow": 8, "left_wrist": 8}, ["left_forearm", "left_hand"]),
        ({"left_elbow": 6, "left_wrist": 8}, ["left_hand"]),
        ({"right_elbow": 30, "right_wrist": 30}, []),  # beside the trunk, where it hangs
    ],
)
def test_from_behind_what_is_before_the_trunk_is_behind_all_else(forward, hidden):
    pose = posed(**ACROSS)
    names = order(turned(180, pose, **forward))
    assert [name for name in names[:2] if name.endswith(("arm", "hand"))] == hidden
    from_front = order(turned(0, pose, left_elbow=8, left_wrist=8))
    assert all(name.endswith(("arm", "hand")) for name in from_front[-6:])


@pytest.mark.parametrize(
    ("beside_px", "behind_px", "seen", "unseen"),
    [
        (6, 7, [], ["left_forearm", "left_hand"]),  # of 7.5
        (6, -1, [], []),
        (17, 20, [], ["left_forearm", "left_hand"]),  # of 15 and 19.5
        (21, 20, [], []),
    ],
)
def test_a_hand_that_is_not_seen_is_hidden_with_its_forearm_by_the_trunk_it_is_near(
    beside_px, behind_px, seen, unseen
):
    pose = posed(left_elbow=(60, -30), left_wrist=(beside_px, -25))
    for score, hidden in ((0.5, seen), (0.4, unseen)):
        scores = pose.score.copy()
        scores[:, HOLISTIC.index("left_wrist")] = score
        names = order(turned(180, replace(pose, score=scores), left_wrist=behind_px))
        assert names == with_first(*hidden)


@pytest.mark.parametrize(("forward", "away"), [(14, True), (13, False), (-20, False)])
def test_a_forearm_that_points_away_is_behind_its_upper_arm_and_the_hand_behind_both(forward, away):
    """From behind, beside the trunk; 13.5 px are .09 of the height."""
    pose = posed(left_elbow=(60, -30), left_wrist=(80, -60))
    arm = of_side("left", ARM)
    names = order(turned(180, pose, left_elbow=10, left_wrist=10 + forward), of="pose")
    assert [name for name in names if name in arm] == (arm[::-1] if away else arm)
    assert names[-6:] == [name for name in names if name.endswith(ARM)]


@pytest.mark.parametrize(
    ("beside_px", "deep_px", "is_hidden"),
    [(23, 16, True), (25, 16, False), (23, 14, False)],  # within 24 px, deeper than 15
)
def test_a_poses_hand_that_is_deep_is_hidden_farther_beside_the_spine(
    beside_px, deep_px, is_hidden
):
    far = turned(180, posed(left_wrist=(beside_px, -25)), left_wrist=deep_px)
    assert ("left_hand" in order(far, of="pose")[:2]) == is_hidden
    assert "left_hand" not in order(far)[:2]


@pytest.mark.parametrize(("forward", "hidden"), [(10, ["left_forearm"]), (5, [])])
def test_a_forearm_that_comes_out_beside_the_trunk_is_hidden_by_what_is_near_it(forward, hidden):
    """Its elbow 5 px beside the spine, 10 of its 50 px nearer than 15; 7.5 px behind it counts."""
    pose = posed(left_elbow=(5, -40), left_wrist=(55, -40))
    names = order(turned(180, pose, left_elbow=forward + 2, left_wrist=forward - 8))
    assert [name for name in names[:2] if name.endswith("forearm")] == hidden


def test_the_spine_is_as_deep_as_the_trunk_leans():
    """Towards the camera: what is behind it at the shoulders is not at the hips."""
    leaning = {"left_shoulder": 30, "right_shoulder": 30, "left_elbow": 10}  # the middle 20
    assert order(turned(0, posed(left_elbow=(5, -50)), **leaning))[0] == "left_upper_arm"
    leaning |= {"left_shoulder": 0, "right_shoulder": 0}
    assert order(turned(0, posed(left_elbow=(5, -50)), **leaning)) == NAMES


RAISED = {
    "left_knee": (10, -9),  # of a trunk of 50
    "left_ankle": (14, 25),
    "left_heel": (14, 29),
}
NEARER = {"left_knee": 20, "left_ankle": 20, "left_heel": 20}


@pytest.mark.parametrize("degrees", [0, 30, -70])
def test_a_raised_leg_is_before_the_trunk_and_behind_the_arms(degrees):
    names = order(turned(degrees, posed(**RAISED), **NEARER))
    first = names.index("left_thigh")
    assert names[first : first + 3] == of_side("left", LEG)
    assert first > names.index("head")
    assert names[first + 3].endswith("upper_arm")


@pytest.mark.parametrize("degrees", [110, 180])  # its left side is the far one; from behind
def test_a_raised_leg_of_the_far_side_is_behind_the_trunk(degrees):
    names = order(turned(degrees, posed(**RAISED), **NEARER))
    assert names.index("left_thigh") < names.index("torso")


@pytest.mark.parametrize("degrees", [-40, 40])
def test_a_raised_knee_is_one_above_the_hip_for_who_leans(degrees):
    def leg_is_before(**places):
        names = order(rotated(turned(0, posed(**places), **NEARER), degrees))
        return names.index("left_thigh") > names.index("torso")

    assert leg_is_before(**RAISED)
    assert not leg_is_before()
    assert not leg_is_before(**RAISED | {"left_knee": (10, -6)})  # as in a deep squat
    lacking = lost(turned(0, posed(**RAISED), **NEARER), "left_knee", [0])
    assert order(lacking).index("left_thigh") < order(lacking).index("torso")


@pytest.mark.parametrize("degrees", [-90, 90, 180])
@pytest.mark.parametrize("side", [0, 90, -90, 180])
def test_who_lies_or_stands_on_the_hands_has_the_order_of_who_stands(degrees, side):
    assert order(rotated(turned(side), degrees)) == order(turned(side))


def test_the_trunk_is_as_wide_as_a_body_is_high():
    smaller = turned(70)
    smaller = replace(smaller, points=smaller.points / 2)
    assert order(smaller, HEIGHT_PX / 2) == order(turned(70)) != order(smaller, 10)


@pytest.mark.parametrize(("degrees", "aside", "shown"), [(0, 1, "left_hand"), (180, -1, "torso")])
def test_a_hand_before_the_chest_is_not_drawn_over_the_back(degrees, aside, shown):
    across = posed(left_wrist=(0, -20))
    x, y = across.points[0, HOLISTIC.index("left_index")].astype(int)
    clip = Puppet(appearance_of(posed())).follow(turned(degrees, across, left_wrist=15))
    texture = clip.draw(0, box=(0, 0, PERSON_SIZE[1], PERSON_SIZE[0]))
    color = texture[y, 128 + aside * (x - 128), :3].astype(int)
    assert NAMES[int(np.abs(color - COLORS).max(axis=1).argmin())] == shown
