from dataclasses import fields, replace

import numpy as np
import pytest

from motiontransfer.body.motion import BodyMotion, read_motion, write_motion
from motiontransfer.body.skeleton import BONES, joint, project
from motiontransfer.core.errors import KeypointsError, MissingFileError
from tests.body.conftest import TURN, moving


@pytest.mark.parametrize("motion", [moving(TURN), BodyMotion.unfitted(3)], ids=["fit", "none"])
def test_a_motion_is_read_as_it_was_written(tmp_path, motion):
    write_motion(tmp_path / "dance.parquet", motion)
    read = read_motion(tmp_path / "dance.parquet")
    for field in fields(BodyMotion):
        np.testing.assert_array_equal(getattr(read, field.name), getattr(motion, field.name))


def test_a_missing_file_or_unknown_angles_are_errors(tmp_path):
    with pytest.raises(MissingFileError, match="no such body motion; `dvc repro` makes it"):
        read_motion(tmp_path / "dance.parquet")
    with pytest.raises(KeypointsError, match=r"expected finite yaw of shape \(3,\), got \(3,\)"):
        replace(BodyMotion.unfitted(3), yaw=np.full(3, np.nan))


def test_joints_are_apart_by_their_bones_lengths():
    joints = moving(TURN).joints()
    for bone in BONES.values():
        apart = np.linalg.norm(joint(joints, bone.end) - joint(joints, bone.start), axis=1)
        np.testing.assert_allclose(apart, apart[0])
    np.testing.assert_allclose(joint(joints, "mid_hip"), 0, atol=1e-12)


def test_what_is_nearer_to_the_camera_looks_larger():
    """Half a height before hips that are 3 away: by 3 / 2.5; never by more than 1 / 0.3."""
    joints = np.array([[[0.1, 0.2, z] for z in (0.0, -0.5, 1.5, -2.9)]])
    camera = {"place": np.full((1, 2), 50.0), "center": np.full(2, 50.0)}
    seen = project(joints, scale=np.full(1, 100.0), distance=np.full(1, 3.0), **camera)
    factors = np.array([1, 1.2, 1 / 1.5, 1 / 0.3])
    np.testing.assert_allclose(seen[0], 50 + factors[:, None] * [10, 20])
