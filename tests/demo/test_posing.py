import numpy as np
import pytest

from demo.actors.posing import ANGLES, pose_bones


def bone_position(rig, pose, name):
    bone = rig.body.bones.index(name)
    return pose.rotation[bone] @ rig.body.heads[bone] + pose.offset[bone]


@pytest.fixture(scope="module")
def rig(ada):
    return ada.film.dressed.rig


@pytest.mark.parametrize("limb", ["upperarm01 lowerarm01 wrist", "upperleg01 lowerleg01 foot"])
@pytest.mark.parametrize("side", ["L", "R"])
def test_limbs_hang_straight_down_when_all_angles_are_zero(rig, limb, side):
    pose = pose_bones(rig, {})
    points = [bone_position(rig, pose, f"{bone}.{side}") for bone in limb.split()]
    for bone in np.diff(points, axis=0):
        np.testing.assert_allclose(bone / np.linalg.norm(bone), [0, -1, 0], atol=1e-6)


@pytest.mark.parametrize("angle", [0.3, 1.2])
def test_an_elbow_and_a_knee_bend_by_their_angle_forward_and_back(rig, angle):
    pose = pose_bones(rig, {"left_elbow": angle, "left_knee": angle})
    forearm = bone_position(rig, pose, "wrist.L") - bone_position(rig, pose, "lowerarm01.L")
    shank = bone_position(rig, pose, "foot.L") - bone_position(rig, pose, "lowerleg01.L")
    assert np.arctan2(forearm[2], -forearm[1]) == pytest.approx(angle)
    assert np.arctan2(-shank[2], -shank[1]) == pytest.approx(angle)


@pytest.mark.parametrize(("side", "suffix", "sign"), [("left", "L", 1), ("right", "R", -1)])
def test_raising_is_forward_and_spreading_is_away_from_the_body(rig, side, suffix, sign):
    def limb(angles, lower, upper):
        pose = pose_bones(rig, {f"{side}_{name}": angle for name, angle in angles.items()})
        ends = (bone_position(rig, pose, f"{bone}.{suffix}") for bone in (lower, upper))
        return next(ends) - next(ends)

    assert limb({"shoulder_raise": 0.9}, "wrist", "upperarm01")[2] > 0.2
    spread = {"shoulder_spread": 0.9, "hip_spread": 0.4}
    for lower, upper in (("wrist", "upperarm01"), ("foot", "upperleg01")):
        assert sign * limb(spread, lower, upper)[0] > 0.2


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
