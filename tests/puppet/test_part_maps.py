import math

import cv2
import numpy as np
import pytest

from motiontransfer.body.parts import BodyPoses
from motiontransfer.pose.skeleton import HOLISTIC
from motiontransfer.puppet.draw import part_maps
from motiontransfer.puppet.draw.part_maps import Placement
from tests.people import HEIGHT_PX, NUMBER_OF, PARTS, both_sides, posed

LIMB, TORSO, HAND = (PARTS[NUMBER_OF[name]] for name in ("left_shin", "torso", "left_hand"))


def mapped(part, reference, pose, *points, scale=1.0):
    matrix = part_maps.part_map(
        part, np.array(reference, np.float32), np.array(pose, np.float32), scale=scale
    )
    return (np.array([(*point, 1) for point in points]) @ matrix.T).tolist()


def test_a_limb_turns_with_its_joints():
    """From downward to rightward: what was 2 px to the right of it is 2 px above it."""
    turned = mapped(LIMB, [(0, 0), (0, 10)], [(5, 5), (15, 5)], (0, 0), (0, 10), (2, 0), (0, 5))
    assert np.allclose(turned, [(5, 5), (15, 5), (5, 3), (10, 5)])


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_a_limb_is_stretched_along_itself_alone_and_within_limits(scale):
    """Its middle stays in the middle."""
    for length, stretched in (
        (12 * scale, 12 * scale),
        (1000, 16 * scale),
        (1.5, 10 / 1.6 * scale),
    ):
        ends = [(-length / 2, 0), (length / 2, 0)]
        points = mapped(LIMB, [(0, 0), (0, 10)], ends, (0, 0), (0, 10), (3, 5), scale=scale)
        half = stretched / 2
        assert np.allclose(points, [(-half, 0), (half, 0), (0, -3 * scale)]), length


@pytest.mark.parametrize("ends", [[(0, 0), (0, 10)], [(4, 4), (4.5, 4)]])
def test_a_limb_that_is_seen_end_on_in_either_pose_is_not_turned(ends):
    middle = np.mean(ends, axis=0)
    beside = middle + np.array([(0, 0), (1, 0), (0, 1)])
    points = mapped(LIMB, ends, [(8, 8), (8.4, 8)], *beside, scale=3.0)
    assert np.allclose(points, [(8.2, 8), (11.2, 8), (8.2, 11)])


SQUARE = np.float32([(-10, -10), (10, -10), (-10, 10), (10, 10)])


def turned(points, degrees, size=1.0):
    cosine, sine = (size * function(math.radians(degrees)) for function in (math.cos, math.sin))
    return np.float32(points @ np.array([(cosine, sine), (-sine, cosine)]))


def test_a_torso_follows_its_corners_almost():
    """Turned away, it is 0.6 times as wide and 0.9 times as high: scale 0.75 on average."""
    pose = np.float32(SQUARE * (0.6, 0.9) + (100, 50))
    matrix = part_maps.part_map(TORSO, SQUARE, pose, scale=0.75)
    assert np.allclose(matrix, [(0.62, 0, 100), (0, 0.88, 50)], atol=0.02)


def test_a_torso_without_a_corner_is_turned_as_a_whole():
    narrow = SQUARE[:3] * np.float32((0.7, 1.2))
    (a, b), (c, d) = part_maps.part_map(TORSO, SQUARE[:3], turned(narrow, 30), scale=1.0)[:, :2]
    assert (a, b) == pytest.approx((d, -c))
    assert 0.7 < a < 1.2


@pytest.mark.parametrize("part", [TORSO, HAND])
def test_a_part_that_is_turned_and_larger_is_mapped_exactly(part):
    pose = turned(SQUARE, 120, 2) + np.float32((30, -7))
    matrix = part_maps.part_map(part, SQUARE + np.float32(5), pose, scale=2.0)
    assert np.allclose(SQUARE @ matrix[:, :2].T, turned(SQUARE, 120, 2), atol=1e-4)
    assert np.allclose(matrix @ (5, 5, 1), (30, -7))


@pytest.mark.parametrize("size", [0.01, 1.9, 50.0])
def test_a_rigid_part_has_the_bodys_size(size):
    matrix = part_maps.part_map(HAND, SQUARE, turned(SQUARE, -70, size), scale=2.0)
    assert np.allclose(matrix[:, :2], turned(np.eye(2), -70, 2).T, atol=1e-6)


def test_a_rigid_part_is_never_mirrored():
    matrix = part_maps.part_map(HAND, SQUARE, SQUARE * np.float32((-1, 0.9)), scale=1.0)
    assert np.linalg.det(matrix[:, :2]) > 0


@pytest.mark.parametrize("part", [TORSO, HAND])
def test_a_part_whose_joints_are_at_one_place_is_not_turned(part):
    matrix = part_maps.part_map(part, np.full((4, 2), 3, np.float32), SQUARE, scale=2.0)
    assert np.allclose(matrix[:, :2], 2 * np.eye(2))


def corners(width):
    return np.array([(width, 0), (-width, 0), (0.7 * width, 50), (-0.7 * width, 50)])


def test_in_profile_a_trunk_keeps_a_width():
    """As wide as 0.7 of the body, though its corners lie on a line; the length is not changed."""
    profile = part_maps.part_map(TORSO, corners(20), corners(0.5), scale=1.0)
    assert np.linalg.norm(profile[:, 0]) == pytest.approx(0.7, abs=0.01)
    assert profile[1, 1] == pytest.approx(1, abs=0.03)
    turned = part_maps.part_map(TORSO, corners(20), corners(16), scale=1.0)
    assert turned[0, 0] == pytest.approx(0.8, abs=0.03)


def placement(pose, *references, chosen=-1):
    """Of a pose, with all parts from a reference; -1: none is drawn."""
    poses = BodyPoses(HOLISTIC, pose.points, pose.score)
    poses_of = [BodyPoses(HOLISTIC, found.points, found.score) for found in references]
    return Placement(
        PARTS,
        poses_of[0],
        poses,
        chosen=[chosen] * len(PARTS),
        growth=np.full(1, 1.0),
        height_px=HEIGHT_PX,
        corner=np.zeros(2),
        rate=np.ones(2),
    )


@pytest.mark.parametrize("chosen", [0, -1])
def test_a_neck_ends_at_the_head_that_is_drawn(chosen):
    """A head that looks elsewhere has its ears elsewhere than the pose."""
    pose = posed()
    ears = [HOLISTIC.index(f"{side}_ear") for side in ("left", "right")]
    before = pose.points[0, ears].mean(axis=0)
    pose.points[0, ears, 0] += np.float32(9)
    placed = placement(pose, posed(), chosen=chosen)
    neck, head = (placed.map_of(NUMBER_OF[part], 0) for part in ("neck", "head"))
    drawn = cv2.invertAffineTransform(head) @ np.append(before, 1)
    end = pose.points[0, ears].mean(axis=0) if chosen < 0 else drawn
    assert math.dist(neck @ np.append(end, 1), before) == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize(("off", "chosen", "left"), [(4, 0, 3.47), (30, 0, 4.8), (30, -1, 26.6)])
def test_a_hand_is_at_most_its_width_from_its_forearm(off, chosen, left):
    """3.2 % of the height; the fit to the hand's joints, found aside, is nearer by the wrist."""
    pose, hand = posed(), PARTS[NUMBER_OF["left_hand"]]
    joints = [HOLISTIC.index(joint) for joint in hand.joints]
    pose.points[0, joints, 0] += np.float32(off)
    pose.points[0, HOLISTIC.index("left_wrist"), 0] -= np.float32(off)
    matrix = placement(pose, posed(), chosen=chosen).map_of(NUMBER_OF["left_hand"], 0)
    wrist = posed().joint("left_wrist")[0][0]
    drawn = cv2.invertAffineTransform(matrix) @ np.append(wrist, 1)
    assert math.dist(drawn, wrist) == pytest.approx(left, rel=0.02)


def turned_leg(shin, foot, *, is_aside=False):
    """A left leg of which shin and foot are turned about knee and ankle, degrees."""
    places = {"left_ankle": (15, 70), "left_heel": (15, 74), "left_foot_index": (20, 76)}
    points = {joint: complex(*at) for joint, at in places.items()}
    knee, ankle = 14 + 35j, points["left_ankle"]
    by_shin, by_foot = (np.exp(1j * np.radians(angle)) for angle in (shin, foot))
    turned = {
        j: knee + by_shin * (ankle - knee) + by_foot * (at - ankle) for j, at in points.items()
    }
    aside = both_sides({"shoulder": (0, -50), "hip": (0, 0)}) if is_aside else {}
    return posed(**{joint: (at.real, at.imag) for joint, at in turned.items()}, **aside)


@pytest.mark.parametrize(
    ("shin", "foot", "is_aside", "expected"),
    [(0, 60, False, 0), (40, 90, False, 40), (0, 60, True, 60), (-20, 20, True, 20)],
)
def test_a_foot_turns_with_its_shin_from_the_front_and_by_itself_in_profile(
    shin, foot, is_aside, expected
):
    pose = turned_leg(shin, foot, is_aside=is_aside)
    matrix = placement(pose, posed()).map_of(NUMBER_OF["left_foot"], 0)
    drawn = cv2.invertAffineTransform(matrix)
    assert np.degrees(math.atan2(drawn[1, 0], drawn[0, 0])) == pytest.approx(expected, abs=0.1)
    ankle = drawn @ np.append(posed().joint("left_ankle")[0][0], 1)
    np.testing.assert_allclose(ankle, pose.joint("left_ankle")[0][0], atol=1e-3)


def standing(way, length):
    """A left foot of a person in profile, on the floor; towards the right, 1, or the left, -1."""
    foot = {"left_knee": (15, 35), "left_ankle": (15, 70)}
    foot |= {"left_heel": (15 - way * length / 4, 75), "left_foot_index": (15 + way * length, 75)}
    return posed(**foot, **both_sides({"shoulder": (0, -50), "hip": (0, 0)}))


@pytest.mark.parametrize("way", [1, -1])
def test_in_profile_a_foot_that_was_filmed_end_on_stands_on_its_sole(way):
    reference = standing(way, 0)
    matrix = placement(standing(way, 12), reference).map_of(NUMBER_OF["left_foot"], 0)
    np.testing.assert_allclose(matrix, np.eye(2, 3), atol=1e-3)


def test_a_foot_that_was_filmed_in_profile_turns_with_its_toes():
    level, raised = standing(1, 12), standing(1, 12)
    raised.points[0, HOLISTIC.index("left_foot_index"), 1] -= 12
    matrix = placement(raised, level).map_of(NUMBER_OF["left_foot"], 0)
    assert np.degrees(math.atan2(matrix[1, 0], matrix[0, 0])) > 20
