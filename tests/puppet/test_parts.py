import math

import numpy as np
import pytest

from motiontransfer.pose.skeleton import HOLISTIC, Skeleton
from motiontransfer.puppet import parts as module
from tests.people import NUMBER_OF, PARTS, lost, moved, person

LIMB, TORSO, HAND = (PARTS[NUMBER_OF[name]] for name in ("left_shin", "torso", "left_hand"))


def poses_of(keypoints):
    return module.BodyPoses(HOLISTIC, keypoints.points, keypoints.score)


def scaled(*factors):
    """Frames of someone who is so many times as large."""
    keypoints = person([(0, 0)] * len(factors))
    keypoints.points[:] *= np.float32(factors)[:, None, None]
    return keypoints


def test_parts_are_named_once_and_the_arms_are_before_the_body():
    assert len(NUMBER_OF) == len(PARTS)
    for farther, nearer in (
        ("left_thigh", "torso"),
        ("torso", "right_upper_arm"),
        ("neck", "head"),
        ("right_upper_arm", "left_forearm"),
        ("left_forearm", "right_hand"),
    ):
        assert NUMBER_OF[farther] < NUMBER_OF[nearer]


def test_a_skeleton_of_the_body_alone_has_the_same_parts():
    parts = module.body_parts(Skeleton(groups=HOLISTIC.groups[:1]))
    assert [part.name for part in parts] == list(NUMBER_OF)
    body = {*dict(HOLISTIC.groups)["body"], *(f"mid_{joint}" for joint in ("shoulder", "ear"))}
    assert all(set(part.joints) <= body for part in parts)
    hand = parts[NUMBER_OF["left_hand"]]
    assert hand.joints == ("left_wrist", "left_index", "left_pinky", "left_thumb")
    assert len(HAND.joints) == 25


def test_midpoints_need_both_sides():
    poses = poses_of(lost(person([(50, 60)] * 2), "left_hip", [1]))
    points, found = poses.joints(("mid_hip", "mid_shoulder"))
    assert points[0].tolist() == [[50, 60], [50, 10]]
    assert found.tolist() == [[True, True], [False, True]]
    points, found = poses.joints(("mid_hip", "mid_shoulder"), 1)
    assert points[1].tolist() == [50, 10]
    assert found.tolist() == [False, True]


def scales_of(keypoints):
    full = module.full_lengths(poses_of(scaled(1, 1, 1)))
    return module.body_scales(poses_of(keypoints), full).tolist()


def test_foreshortened_and_a_few_too_long_limbs_change_no_size():
    keypoints = scaled(1.5, 1.5, 0.5)
    arm = [HOLISTIC.index(f"left_{joint}") for joint in ("elbow", "wrist")]
    shoulder = keypoints.points[0, HOLISTIC.index("left_shoulder")]
    keypoints.points[0, arm] += 0.5 * (shoulder - keypoints.points[0, arm])
    keypoints = moved(keypoints, "right_wrist", {1: (0, 400)})
    assert scales_of(keypoints) == pytest.approx([1.5, 1.5, 0.5])


def test_the_size_is_that_of_what_is_found_and_unknown_without_a_limb():
    keypoints = scaled(2, 2, 2)
    for joint in ("hip", "shoulder"):
        keypoints = lost(keypoints, f"left_{joint}", [0, 1])
    keypoints = lost(keypoints, "body", [1])
    keypoints = lost(keypoints, "face", [0])
    assert scales_of(keypoints) == pytest.approx([2, math.nan, 2], nan_ok=True)
    keypoints.points[2] = 7  # all joints at one place
    assert math.isnan(scales_of(keypoints)[2])


def test_a_limb_is_as_long_as_it_is_rarely_seen():
    """Eight of ten frames show the forearm end on, and in four the person is larger."""
    keypoints = scaled(*[1] * 6, *[2] * 4)
    elbow, wrist = (HOLISTIC.index(f"left_{joint}") for joint in ("elbow", "wrist"))
    keypoints.points[:8, wrist] = 0.3 * keypoints.points[:8, wrist]
    keypoints.points[:8, wrist] += 0.7 * keypoints.points[:8, elbow]
    keypoints = lost(keypoints, "right_ankle", range(10))
    full = dict(zip(module.SCALE_LINES, module.full_lengths(poses_of(keypoints)), strict=True))
    assert full["left_elbow", "left_wrist"] == pytest.approx(math.hypot(4, 25), rel=1e-5)
    assert full["mid_shoulder", "mid_hip"] == pytest.approx(50)
    assert math.isnan(full["right_knee", "right_ankle"])


def mapped(part, reference, pose, *points, scale=1.0):
    matrix = module.part_map(
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
    low, high = module._LENGTH_RANGE
    for length, stretched in (
        (12 * scale, 12 * scale),
        (1000, 10 * high * scale),
        (1.5, 10 * low * scale),
    ):
        ends = [(-length / 2, 0), (length / 2, 0)]
        points = mapped(LIMB, [(0, 0), (0, 10)], ends, (0, 0), (0, 10), (3, 5), scale=scale)
        half = stretched / 2
        assert np.allclose(points, [(-half, 0), (half, 0), (0, -3 * scale)]), length


@pytest.mark.parametrize("ends", [[(0, 0), (0, 10)], [(4, 4), (4.5, 4)]])
def test_a_limb_that_is_seen_end_on_in_either_pose_is_not_turned(ends):
    points = mapped(LIMB, ends, [(8, 8), (8.4, 8)], np.mean(ends, axis=0), scale=3.0)
    assert np.allclose(points, [(8.2, 8)])
    linear = module.part_map(LIMB, np.float32(ends), np.float32([(8, 8), (8.4, 8)]), scale=3.0)[
        :, :2
    ]
    assert np.allclose(linear, 3 * np.eye(2))


SQUARE = np.float32([(-10, -10), (10, -10), (-10, 10), (10, 10)])


def turned(points, degrees, size=1.0):
    cosine, sine = (size * function(math.radians(degrees)) for function in (math.cos, math.sin))
    return np.float32(points @ np.array([(cosine, sine), (-sine, cosine)]))


def test_a_torso_follows_its_corners_almost():
    """Turned away, it is 0.6 times as wide and 0.9 times as high: scale 0.75 on average."""
    pose = SQUARE * (0.6, 0.9) + (100, 50)
    matrix = module.part_map(TORSO, SQUARE, np.float32(pose), scale=0.75)
    extra = module._STIFFNESS * 800
    expected = [(240 + 0.75 * extra) / (400 + extra), (360 + 0.75 * extra) / (400 + extra)]
    assert np.allclose(matrix, [(expected[0], 0, 100), (0, expected[1], 50)])
    assert 0.6 < expected[0] < 0.65


def test_a_torso_without_a_corner_is_turned_as_a_whole():
    narrow = SQUARE[:3] * np.float32((0.7, 1.2))
    (a, b), (c, d) = module.part_map(TORSO, SQUARE[:3], turned(narrow, 30), scale=1.0)[:, :2]
    assert (a, b) == pytest.approx((d, -c))
    assert 0.7 < a < 1.2


@pytest.mark.parametrize("part", [TORSO, HAND])
def test_a_part_that_is_turned_and_larger_is_mapped_exactly(part):
    pose = turned(SQUARE, 120, 2.2) + np.float32((30, -7))
    matrix = module.part_map(part, SQUARE + np.float32(5), pose, scale=2.0)
    assert np.allclose(SQUARE @ matrix[:, :2].T, turned(SQUARE, 120, 2.2), atol=1e-4)
    assert np.allclose(matrix @ (5, 5, 1), (30, -7))


@pytest.mark.parametrize(("size", "limit"), [(0.01, 0), (50.0, 1)])
def test_a_rigid_part_does_not_grow_or_shrink_beyond_limits(size, limit):
    matrix = module.part_map(HAND, SQUARE, turned(SQUARE, -70, size), scale=2.0)
    assert np.allclose(
        matrix[:, :2], turned(np.eye(2), -70, 2 * module._SIZE_RANGE[limit]).T, atol=1e-6
    )


def test_a_rigid_part_is_never_mirrored():
    matrix = module.part_map(HAND, SQUARE, SQUARE * np.float32((-1, 0.9)), scale=1.0)
    assert np.linalg.det(matrix[:, :2]) > 0


@pytest.mark.parametrize("part", [TORSO, HAND])
def test_a_part_whose_joints_are_at_one_place_is_not_turned(part):
    matrix = module.part_map(part, np.full((4, 2), 3, np.float32), SQUARE, scale=2.0)
    assert np.allclose(matrix[:, :2], 2 * module._SIZE_RANGE[0] * np.eye(2))


def corners(width):
    return np.array([(width, 0), (-width, 0), (0.7 * width, 50), (-0.7 * width, 50)])


def test_in_profile_a_trunk_keeps_a_width():
    """As wide as 0.7 of the body, though its corners lie on a line; the length is not changed."""
    profile = module.part_map(TORSO, corners(20), corners(0.5), scale=1.0)
    assert np.linalg.norm(profile[:, 0]) == pytest.approx(0.7, abs=0.01)
    assert profile[1, 1] == pytest.approx(1, abs=0.03)
    turned = module.part_map(TORSO, corners(20), corners(16), scale=1.0)
    assert turned[0, 0] == pytest.approx(0.8, abs=0.03)


def test_facing_is_the_signed_width_at_scale_1():
    """Shoulders are 40 px apart, hips 24; seen from behind left and right are exchanged."""
    keypoints = scaled(1, 2, 1)
    keypoints.points[2, :, 0] *= -1
    width = module.facing(poses_of(keypoints), np.array([1.0, 2.0, 1.0]))
    assert width.tolist() == pytest.approx([64, 64, -64])
    missing = module.facing(poses_of(lost(scaled(1), "left_hip", [0])), np.ones(1))
    assert np.isnan(missing).all()
