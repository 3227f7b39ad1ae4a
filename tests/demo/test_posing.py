import itertools

import numpy as np
import pytest
from scipy import sparse

from demo.actors.posing import ANGLES, pose_bones, skin


def bone_position(rig, pose, name):
    bone = rig.body.bones.index(name)
    return pose.rotation[bone] @ rig.body.heads[bone] + pose.offset[bone]


@pytest.fixture(scope="module")
def rig(ada):
    return ada.film.dressed.rig


def test_limbs_hang_straight_down_when_all_angles_are_zero(rig):
    pose = pose_bones(rig, {})
    for side in "LR":
        for upper, middle, lower in (
            ("upperarm01", "lowerarm01", "wrist"),
            ("upperleg01", "lowerleg01", "foot"),
        ):
            points = [bone_position(rig, pose, f"{name}.{side}") for name in (upper, middle, lower)]
            for above, below in itertools.pairwise(points):
                direction = (below - above) / np.linalg.norm(below - above)
                np.testing.assert_allclose(direction, [0, -1, 0], atol=1e-6)


@pytest.mark.parametrize("angle", [0.3, 1.2])
def test_an_elbow_and_a_knee_bend_by_their_angle_forward_and_back(rig, angle):
    pose = pose_bones(rig, {"left_elbow": angle, "left_knee": angle})
    forearm = bone_position(rig, pose, "wrist.L") - bone_position(rig, pose, "lowerarm01.L")
    shank = bone_position(rig, pose, "foot.L") - bone_position(rig, pose, "lowerleg01.L")
    assert np.arctan2(forearm[2], -forearm[1]) == pytest.approx(angle)
    assert np.arctan2(-shank[2], -shank[1]) == pytest.approx(angle)


def test_raising_is_forward_and_spreading_is_away_from_the_body_on_both_sides(rig):
    for side, suffix, sign in (("left", "L", 1), ("right", "R", -1)):
        pose = pose_bones(rig, {f"{side}_shoulder_raise": 0.9})
        arm = bone_position(rig, pose, f"wrist.{suffix}") - bone_position(
            rig, pose, f"upperarm01.{suffix}"
        )
        assert arm[2] > 0.2
        pose = pose_bones(rig, {f"{side}_shoulder_spread": 0.9, f"{side}_hip_spread": 0.4})
        for lower, upper in (("wrist", "upperarm01"), ("foot", "upperleg01")):
            limb = bone_position(rig, pose, f"{lower}.{suffix}") - bone_position(
                rig, pose, f"{upper}.{suffix}"
            )
            assert sign * limb[0] > 0.2


def test_mirrored_angles_make_a_mirrored_pose(rig):
    rng = np.random.default_rng(1)
    angles = dict(zip(ANGLES, rng.uniform(-0.5, 0.5, len(ANGLES)), strict=True))
    swap = {"left": "right", "right": "left"}
    mirrored = {}
    for name, value in angles.items():
        head, _, tail = name.partition("_")
        flip = -1 if name.endswith(("yaw", "roll")) and head not in swap else 1
        mirrored[f"{swap.get(head, head)}_{tail}"] = flip * value
    pose, other = pose_bones(rig, angles), pose_bones(rig, mirrored)
    for name in ("wrist", "foot", "finger2-3", "finger1-3", "clavicle"):
        left, right = bone_position(rig, pose, f"{name}.L"), bone_position(rig, other, f"{name}.R")
        np.testing.assert_allclose(left * [-1, 1, 1], right, atol=2e-3)


def test_no_bone_changes_its_length_whatever_the_angles(rig):
    rng = np.random.default_rng(2)
    pose = pose_bones(rig, dict(zip(ANGLES, rng.uniform(-1, 1, len(ANGLES)), strict=True)))
    heads = np.einsum("bij,bj->bi", pose.rotation, rig.body.heads) + pose.offset
    for bone, parent in enumerate(rig.body.parents[1:], start=1):
        rest = np.linalg.norm(rig.body.heads[bone] - rig.body.heads[parent])
        assert np.linalg.norm(heads[bone] - heads[parent]) == pytest.approx(rest, abs=1e-9)


def test_curled_fingers_close_over_the_palm(rig):
    flat, fist = pose_bones(rig, {}), pose_bones(rig, {"left_curl": 1.3, "right_curl": 1.3})
    for side, inwards in (("L", -1), ("R", 1)):
        open_tip, closed_tip = (bone_position(rig, p, f"finger3-3.{side}") for p in (flat, fist))
        assert inwards * (closed_tip[0] - open_tip[0]) > 0.015
        wrist = bone_position(rig, flat, f"wrist.{side}")
        assert np.linalg.norm(closed_tip - wrist) < np.linalg.norm(open_tip - wrist)


def test_a_point_between_two_bones_moves_with_both(rig):
    bones = len(rig.body.bones)
    pose = pose_bones(rig, {"left_elbow": 1.0})
    weights = np.zeros((3, bones))
    upper, lower = rig.body.bones.index("upperarm02.L"), rig.body.bones.index("lowerarm01.L")
    weights[0, upper] = weights[1, lower] = 1
    weights[2, [upper, lower]] = 0.5
    point = rig.body.heads[lower] + [0.02, -0.03, 0.01]
    moved = skin(np.tile(point, (3, 1)), sparse.csr_array(weights), pose)
    np.testing.assert_allclose(moved[2], (moved[0] + moved[1]) / 2)
    assert np.linalg.norm(moved[0] - moved[1]) > 0.01
