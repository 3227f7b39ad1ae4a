"""The named face joints are distinct vertices, left and right in pairs."""

from motiontransfer.pose.detectors.mediapipe_holistic import FACE_MESH_JOINTS, VERTEX_OF_JOINT
from motiontransfer.skeleton import FACE_JOINTS, mirrored


def test_every_face_joint_has_a_vertex_of_its_own():
    vertices = [VERTEX_OF_JOINT[joint] for joint in FACE_JOINTS]
    assert len(set(vertices)) == len(vertices)
    assert all(0 <= vertex < 468 for vertex in vertices)
    assert not set(VERTEX_OF_JOINT) - set(FACE_JOINTS) - set(FACE_MESH_JOINTS)


def test_the_persons_right_has_the_meshs_low_numbers():
    for joint in FACE_JOINTS:
        if joint.startswith("right_"):
            assert VERTEX_OF_JOINT[joint] < 248 <= VERTEX_OF_JOINT[mirrored(joint)]


def test_the_full_mesh_is_numbered_like_mediapipes():
    assert len(FACE_MESH_JOINTS) == 468
    assert VERTEX_OF_JOINT[FACE_MESH_JOINTS[152]] == VERTEX_OF_JOINT["face_chin"] == 152
