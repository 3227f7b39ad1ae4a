"""MediaPipe Holistic: joint names, thresholds, missing joints, log lines."""

import os

import numpy as np
import pytest
from mediapipe.python.solutions.face_mesh_connections import FACEMESH_TESSELATION
from scipy.sparse import coo_array
from scipy.sparse.csgraph import shortest_path

from motiontransfer.pose.detectors import default_detector
from motiontransfer.pose.landmarks import VERTEX_OF_JOINT, people_in_pixels
from motiontransfer.pose.mediapipe_detectors import native_stderr_hidden
from motiontransfer.skeleton import FACE_JOINTS, HOLISTIC, mirrored

CONFIG = default_detector()


def detect_one(config, image):
    """Points and scores of the one person in an image."""
    with config.open() as detect:
        (people,) = detect([image])
    assert len(people) == 1
    return people[0, :, :2], people[0, :, 2]


@pytest.fixture(scope="module")
def found(astronaut):
    """Points and scores by joint name of a woman who faces the camera, down to the waist."""
    points, score = detect_one(CONFIG, astronaut)
    return dict(zip(HOLISTIC.joints, zip(points, score, strict=True), strict=True))


def test_left_and_right_of_the_face_mirror_each_other_in_its_mesh():
    """Both are as many edges of the mesh away from every vertex of its middle."""
    edges = np.array(sorted(FACEMESH_TESSELATION)).T
    mesh = coo_array((np.ones(len(edges[0])), edges), shape=(468, 468))
    away = shortest_path(mesh, directed=False, unweighted=True)
    middle = [vertex for joint, vertex in VERTEX_OF_JOINT.items() if joint in FACE_JOINTS[:8]]
    for joint in FACE_JOINTS:
        one, other = VERTEX_OF_JOINT[joint], VERTEX_OF_JOINT[mirrored(joint)]
        assert away[one, middle].tolist() == away[other, middle].tolist(), joint
        assert (one == other) == (mirrored(joint) == joint)


def test_joints_are_at_their_positions(found):
    for joint, position in {
        "nose": (222, 124),
        "left_eye": (249, 112),
        "right_face_mouth_corner": (202, 145),
        "face_chin": (219, 184),
    }.items():
        np.testing.assert_allclose(found[joint][0], position, atol=12)


def test_left_is_the_persons_own(found):
    pairs = [joint for joint in (*FACE_JOINTS, "left_eye", "left_shoulder") if "left_" in joint]
    for joint in pairs:
        assert found[joint][0][0] > found[mirrored(joint)][0][0], joint


def test_a_face_is_named_from_top_to_bottom(found):
    for part in ("left_face_", "right_face_"):
        column = [
            "face_forehead",
            *(f"{part}{name}" for name in ("brow_middle", "eye_top", "eye_bottom")),
            *("face_nose_tip", "face_upper_lip_top", "face_upper_lip_bottom"),
            *("face_lower_lip_top", "face_lower_lip_bottom", "face_chin"),
        ]
        y = [found[joint][0][1] for joint in column]
        assert y == sorted(y)
        x = [found[f"{part}eye_{corner}"][0][0] for corner in ("outer", "inner")]
        assert abs(x[0] - 222) > abs(x[1] - 222)  # the nose is at 222


def test_joints_that_are_not_visible_are_missing(found):
    for joint in ("left_ankle", "right_knee", "left_hand_wrist"):
        assert found[joint][1] == 0
        assert not found[joint][0].any()
    assert found["nose"][1] > 0.9


def test_a_higher_threshold_leaves_joints_out(astronaut):
    strict = CONFIG.model_copy(update={"min_visibility": 0.9})
    _, score = detect_one(strict, astronaut)
    body = score[HOLISTIC.slice("body")]
    assert 0 < (body > 0).sum() < 23


def test_frames_are_detected_in_order_and_in_silence(astronaut, capfd):
    empty = np.full((64, 48, 3), 127, np.uint8)
    assert CONFIG.label == "mediapipe_holistic 0.10.21 full"
    with CONFIG.open() as detect:
        found = detect([empty, astronaut, empty])
    assert [len(people) for people in found] == [0, 1, 0]
    assert found[0].shape == (0, len(HOLISTIC.joints), 3)
    assert capfd.readouterr().err == ""


def test_landmarks_outside_the_image_are_missing():
    landmarks = np.zeros((33, 3), np.float32)
    landmarks[:5] = [[0, 0, 0.5], [0.5, 0.25, 1.5], [1, 0.5, 1], [-0.01, 0.5, 1], [0.5, 0.5, 0]]
    (found,) = people_in_pixels([{"pose": landmarks}], min_visibility=0.0, image_size=(100, 64))
    assert found[:5].tolist() == [[0, 0, 0.5], [32, 25, 1], [0, 0, 0], [0, 0, 0], [0, 0, 0]]


def test_native_log_lines_are_hidden(capfd):
    with native_stderr_hidden():
        os.write(2, b"noise\n")
    os.write(2, b"other\n")
    assert capfd.readouterr().err == "other\n"


def test_native_log_lines_are_shown_if_it_fails(capfd):
    with pytest.raises(RuntimeError, match="broken"), native_stderr_hidden():  # noqa: PT012
        os.write(2, b"the reason\n")
        raise RuntimeError("broken")
    assert capfd.readouterr().err == "the reason\n"


def test_every_face_joint_has_a_vertex_and_the_persons_right_the_low_numbers():
    vertices = [VERTEX_OF_JOINT[joint] for joint in FACE_JOINTS]
    assert len(set(vertices)) == len(vertices)
    assert all(0 <= vertex < 468 for vertex in vertices)
    assert set(VERTEX_OF_JOINT) == set(FACE_JOINTS)
    for joint in FACE_JOINTS:
        if joint.startswith("right_"):
            assert VERTEX_OF_JOINT[joint] < 248 <= VERTEX_OF_JOINT[mirrored(joint)]
