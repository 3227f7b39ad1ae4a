from dataclasses import replace

import numpy as np
import pytest

from motiontransfer.pose.skeleton import HOLISTIC
from motiontransfer.puppet.draw.occlusion import parts_by_depth
from motiontransfer.puppet.draw.warping import Puppet
from motiontransfer.puppet.parts import BodyPoses
from tests.people import COLORS, HEIGHT_PX, PARTS, PERSON_SIZE, appearance_of, lost, posed, rotated

FORWARD = {"nose": 8, "left_foot_index": 12, "right_foot_index": 12}
NAMES = [part.name for part in PARTS]


def turned(degrees, keypoints=None):
    """Someone who turned to their left by so much: first to the right of the image."""
    keypoints = keypoints or posed()
    points, angle = keypoints.points.copy(), np.deg2rad(degrees)
    depth = np.zeros(points.shape[1])
    depth[[HOLISTIC.index(joint) for joint in FORWARD]] = list(FORWARD.values())
    points[:, :, 0] = 128 + np.cos(angle) * (points[:, :, 0] - 128) + np.sin(angle) * depth
    return replace(keypoints, points=points.astype(np.float32))


def orders(keypoints, height_px=HEIGHT_PX):
    poses = BodyPoses(keypoints.skeleton, keypoints.points, keypoints.score)
    heights_px = np.full(keypoints.num_frames, float(height_px))
    numbers = parts_by_depth(PARTS, poses, heights_px, keypoints.depth).tolist()
    return [[NAMES[number] for number in of_frame] for of_frame in numbers]


def order(keypoints, height_px=HEIGHT_PX):
    (names,) = orders(keypoints, height_px)
    return names


@pytest.mark.parametrize("degrees", [0, 30, -30])
def test_from_the_front_the_arms_are_before_the_body(degrees):
    assert order(turned(degrees)) == NAMES


@pytest.mark.parametrize(
    ("degrees", "far"), [(55, "left"), (110, "left"), (-90, "right"), (-125, "right")]
)
def test_in_profile_the_far_leg_is_behind_the_near_one(degrees, far):
    leg = [f"{far}_{segment}" for segment in ("thigh", "shin", "foot")]
    assert order(turned(degrees)) == [*leg, *(name for name in NAMES if name not in leg)]


def with_depth(keypoints, **depths):
    """Depths of some joints, 0 of the others."""
    depth = np.zeros(keypoints.score.shape, np.float32)
    for joint, of_joint in depths.items():
        depth[:, HOLISTIC.index(joint)] = of_joint
    return replace(keypoints, depth=depth)


ACROSS = {"left_elbow": (18, -30), "left_wrist": (6, -25)}
FOREARM = ["left_forearm", "left_hand"]


@pytest.mark.parametrize("degrees", [0, 180])
@pytest.mark.parametrize(
    ("depths", "hidden"),
    [
        ({}, []),
        ({"left_wrist": 0.02}, FOREARM),  # before the chest, for who is seen from behind
        ({"left_elbow": -0.04, "left_wrist": 0.02}, ["left_hand"]),
        ({"right_elbow": 0.2, "right_wrist": 0.2}, []),  # beside the trunk, where it hangs
        ({"left_wrist": -0.02, "left_index": 0.2}, []),
    ],
)
def test_of_known_depth_what_the_trunk_hides_of_arms_is_behind_all_else(degrees, depths, hidden):
    names = order(with_depth(turned(degrees, posed(**ACROSS)), **depths))
    assert names[: len(hidden)] == hidden
    assert sorted(names[len(hidden) :], key=NAMES.index) == names[len(hidden) :]


@pytest.mark.parametrize(("degrees", "hidden"), [(40, []), (70, ["left_upper_arm"])])
def test_a_far_arm_that_hangs_is_hidden_from_where_it_is_no_longer_beside(degrees, hidden):
    """Its middle is 24 px beside the spine from the front, and the trunk 15: up to 51 degrees."""
    angle = np.deg2rad(degrees)
    far = {"left_shoulder": 0.1, "right_shoulder": -0.1, "left_elbow": 0.1, "right_elbow": -0.1}
    names = order(with_depth(turned(degrees), **{of: it * np.sin(angle) for of, it in far.items()}))
    assert [name for name in names[:2] if "upper_arm" in name] == hidden


def test_the_spine_is_as_deep_as_the_trunk_leans():
    """Away from the camera: elbows as deep as the shoulders are behind it lower down alone."""
    leaning = dict.fromkeys(("left_shoulder", "right_shoulder", "left_elbow"), 0.2)
    raised = with_depth(posed(left_elbow=(5, -60)), **leaning)
    assert order(raised) == NAMES
    hidden = order(with_depth(posed(left_elbow=(5, 0)), **leaning))
    assert hidden[0] == "left_upper_arm"


RAISED = {
    "left_knee": (10, -9),  # of a trunk of 50
    "left_ankle": (14, 25),
    "left_heel": (14, 29),
}
LEG = ["left_thigh", "left_shin", "left_foot"]


@pytest.mark.parametrize("degrees", [0, 30, -70])
def test_a_raised_leg_is_before_the_trunk_and_behind_the_arms(degrees):
    lowered = order(turned(degrees))
    first_arm = min(lowered.index(name) for name in lowered if name.startswith("left_upper"))
    expected = [name for name in lowered if name not in LEG]
    nearer = [name for name in lowered[first_arm:] if "arm" in name or "hand" in name]
    expected = [name for name in expected if name not in nearer]
    assert order(turned(degrees, posed(**RAISED))) == [*expected, *LEG, *nearer]


@pytest.mark.parametrize("degrees", [70, 180])  # its left side is the far one; from behind
def test_a_raised_leg_of_the_far_side_is_behind_the_trunk(degrees):
    assert order(turned(degrees, posed(**RAISED))) == order(turned(degrees))


@pytest.mark.parametrize("degrees", [-40, 40])
def test_a_raised_knee_is_one_above_the_hip_for_who_leans(degrees):
    for keypoints in (posed(), posed(**RAISED), posed(left_knee=(40, 28), right_knee=(-40, 28))):
        assert order(rotated(keypoints, degrees)) == order(keypoints)
    assert order(posed(**RAISED)) != NAMES
    assert order(posed(**RAISED | {"left_knee": (10, -6)})) == NAMES  # as in a deep squat
    assert order(lost(posed(**RAISED), "left_knee", [0])) == NAMES


@pytest.mark.parametrize("degrees", [-90, 90, 180])
@pytest.mark.parametrize("side", [0, 90, -90, 180])
def test_who_lies_or_stands_on_the_hands_has_the_order_of_who_stands(degrees, side):
    assert order(rotated(turned(side), degrees)) == order(turned(side))


def test_profiles_are_those_of_any_height_and_need_to_be_known():
    smaller = turned(90)
    smaller = replace(smaller, points=smaller.points / 2)
    assert order(smaller, HEIGHT_PX / 2) == order(turned(90))
    assert order(lost(turned(180), "left_hip", [0])) == NAMES  # no width
    blind = turned(90)
    for joint in FORWARD:
        blind = lost(blind, joint, [0])
    assert order(blind) == NAMES  # to neither side


def test_a_hand_before_the_chest_is_not_drawn_over_the_back():
    across = posed(left_wrist=(0, -20))
    puppet = Puppet(appearance_of(posed()))
    x, y = across.points[0, HOLISTIC.index("left_index")].astype(int)
    colors = {}
    for degrees in (0, 180):
        box = (0, 0, PERSON_SIZE[1], PERSON_SIZE[0])
        pose = with_depth(turned(degrees, across), left_wrist=0.1 * np.sign(degrees))
        texture = puppet.follow(pose).draw(0, box=box)
        shown = texture[y, x if degrees == 0 else 2 * 128 - x, :3].astype(int)
        colors[degrees] = NAMES[int(np.abs(shown - COLORS).max(axis=1).argmin())]
    assert colors == {0: "left_hand", 180: "torso"}
