import io
import os
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
from mediapipe.python.solutions.face_mesh_connections import FACEMESH_TESSELATION
from mediapipe.tasks.metadata.schema_py_generated import ModelT
from mediapipe.tasks.python.metadata.metadata_writers.metadata_writer import MetadataWriter
from scipy.sparse import coo_array
from scipy.sparse.csgraph import shortest_path

from motiontransfer.core.errors import MissingFileError, WeightsError
from motiontransfer.pose.detectors import default_detector
from motiontransfer.pose.landmarks import boxes_of_people, people_in_pixels
from motiontransfer.pose.mediapipe_detectors import (
    _missed_hands,
    mediapipe_models,
    native_stderr_hidden,
    read_bundle,
)
from motiontransfer.pose.skeleton import (
    BODY_JOINTS,
    FACE_JOINTS,
    HOLISTIC,
    VERTEX_OF_JOINT,
    mirrored,
)
from tests.pose.conftest import tasks_config

HOLISTIC_DETECTOR = default_detector()


def detect_one(config, image):
    """Points and scores of the one person in an image."""
    with config.open() as detect:
        (people,) = detect([image])
    assert len(people) == 1
    return people[0, :, :2], people[0, :, 2]


@pytest.fixture(scope="module")
def found(astronaut):
    """Points and scores by joint name of a woman who faces the camera, down to the waist."""
    points, score = detect_one(HOLISTIC_DETECTOR, astronaut)
    return dict(zip(HOLISTIC.joints, zip(points, score, strict=True), strict=True))


class OneHand:
    """A palm detector that finds a hand with all points at one place of each square."""

    def __init__(self, x, y):
        self.landmark = [SimpleNamespace(x=x, y=y, visibility=0.0)] * 21
        self.looked = 0

    def process(self, crop):
        self.looked += 1
        return SimpleNamespace(multi_hand_landmarks=[self])


def upright(*, visibility):
    """Both hands point up by 30 of 400 pixels, the left one at x = 100 of 200 pixels."""
    pose = np.zeros((33, 3), np.float32)
    for joints, x in (((15, 17, 19), 100), ((16, 18, 20), 40)):
        pose[[*joints]] = (x / 200, 170 / 400, visibility)
        pose[joints[0], 1] = 200 / 400
    return {"pose": pose}


def test_a_hand_that_was_missed_is_looked_for_around_its_wrist():
    """In a square of 2.5 * 2.7 * 1.368 * 30 = 277.0 pixels.

    Its center is a tenth of the palm's own 41.04 pixels above (100, 170).
    """
    frame, person = np.zeros((400, 200, 3), np.uint8), upright(visibility=1.0)
    person["right_hand"] = np.full((21, 3), (40 / 200, 200 / 400, 0), np.float32)
    found = _missed_hands((hands := OneHand(0.5, 0.6)).process, frame, person)
    assert hands.looked == 1
    (group, points), *others = found.items()
    assert (group, others, points.shape) == ("left_hand", [], (21, 3))
    y = 170 - 0.1 * 41.04 + 0.1 * 277.0
    np.testing.assert_allclose(points[0] * (200, 400, 1), [100, y, 0], atol=0.05)


@pytest.mark.parametrize(
    ("place", "visibility", "x_of_other"),
    [((0.5, 0.1), 1.0, None), ((0.5, 0.6), 0.4, None), ((0.5, 0.6), 1.0, 100)],
    ids=["elsewhere", "of a hidden wrist", "the other hand"],
)
def test_what_is_found_is_no_hand_that_was_missed(place, visibility, x_of_other):
    frame, person = np.zeros((400, 200, 3), np.uint8), upright(visibility=visibility)
    if x_of_other:
        person["right_hand"] = np.full((21, 3), (x_of_other / 200, 201 / 400, 0), np.float32)
    assert _missed_hands(OneHand(*place).process, frame, person) == {}


def test_left_and_right_of_the_face_mirror_each_other_in_its_mesh():
    """Both are as many edges of the mesh away from every vertex of its middle."""
    edges = np.array(sorted(FACEMESH_TESSELATION)).T
    mesh = coo_array((np.ones(len(edges[0])), edges), shape=(468, 468))
    away = shortest_path(mesh, directed=False, unweighted=True)
    assert set(VERTEX_OF_JOINT) == set(FACE_JOINTS)
    assert len(set(VERTEX_OF_JOINT.values())) == len(VERTEX_OF_JOINT)
    assert VERTEX_OF_JOINT["face_chin"] == 152
    middle = [VERTEX_OF_JOINT[joint] for joint in FACE_JOINTS[:8]]
    for joint in FACE_JOINTS:
        one, other = VERTEX_OF_JOINT[joint], VERTEX_OF_JOINT[mirrored(joint)]
        assert away[one, middle].tolist() == away[other, middle].tolist(), joint
        assert (one == other) == (mirrored(joint) == joint)
        if joint.startswith("right_"):  # the low numbers are on the person's right
            assert one < 248 <= other


def test_joints_are_at_their_positions_and_left_is_the_persons_own(found):
    places = {"nose": (222, 124), "left_eye": (249, 112)}
    places |= {"right_face_mouth_corner": (202, 145), "face_chin": (219, 184)}
    for joint, place in places.items():
        np.testing.assert_allclose(found[joint][0], place, atol=12)
    for joint in (*FACE_JOINTS, "left_eye", "left_shoulder"):
        if "left_" in joint:
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


def test_joints_that_are_not_visible_enough_are_missing(found, astronaut):
    for joint in ("left_ankle", "right_knee", "left_hand_wrist"):
        assert found[joint][1] == 0
        assert not found[joint][0].any()
    assert found["nose"][1] > 0.9
    strict = HOLISTIC_DETECTOR.model_copy(update={"min_visibility": 0.9})
    _, score = detect_one(strict, astronaut)
    body = score[HOLISTIC.slice("body")]
    assert 0 < (body > 0).sum() < 23


def test_native_log_lines_are_hidden_unless_it_fails(capfd):
    with native_stderr_hidden():
        os.write(2, b"noise\n")
    os.write(2, b"other\n")
    assert capfd.readouterr().err == "other\n"
    with pytest.raises(RuntimeError, match="broken"), native_stderr_hidden():  # noqa: PT012
        os.write(2, b"the reason\n")
        raise RuntimeError("broken")
    assert capfd.readouterr().err == "the reason\n"
    with pytest.raises(KeyboardInterrupt), native_stderr_hidden():  # noqa: PT012
        os.write(2, b"noise\n")
        raise KeyboardInterrupt
    assert not capfd.readouterr().err


# Bundles made of the networks in MediaPipe's package: tests download nothing.
POSE = {
    "pose_detector": ("pose_detection/pose_detection", 127.5, 127.5),
    "pose_landmarks_detector": ("pose_landmark/pose_landmark_full", 0.0, 255.0),
}
"""Name in a bundle -> file, mean and deviation of pixels."""


def packed(networks):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in networks.items():
            archive.writestr(f"{name}.tflite", content)
    return buffer.getvalue()


def with_scaling(file, mean, deviation):
    """A network with how a pixel's value becomes its number, which Tasks read in its metadata."""
    network = bytearray((mediapipe_models() / f"{file}.tflite").read_bytes())
    writer = MetadataWriter.create(network).add_image_input([mean], [deviation])
    for _ in ModelT.InitFromPackedBuf(network, 0).subgraphs[0].outputs:
        writer.add_feature_output()
    content, _ = writer.populate()
    writer._temp_folder.cleanup()  # which it leaves to the garbage collector
    return content


NOSE = HOLISTIC.index("nose")


@pytest.fixture(scope="module")
def two_astronauts(astronaut):
    """The same woman twice, well apart, the second mirrored."""
    between = np.full((512, 256, 3), 200, np.uint8)
    return np.concatenate([astronaut, between, astronaut[:, ::-1]], axis=1)


def test_each_person_is_detected_in_each_frame_by_itself(two_astronauts, capfd):
    with tasks_config().open() as detect:
        none, people = detect([np.full_like(two_astronauts, 127), two_astronauts])
    with tasks_config(max_people=1).open() as detect:
        assert [len(found) for found in detect([two_astronauts])] == [1]
    assert len(none) == 0
    assert capfd.readouterr().err == ""
    noses = people[np.argsort(people[:, NOSE, 0]), NOSE, :2]
    np.testing.assert_allclose(noses, [(222, 124), (1280 - 222, 124)], atol=12)
    left, right = HOLISTIC.index("left_shoulder"), HOLISTIC.index("right_shoulder")
    assert (people[:, left, 0] > people[:, right, 0]).all()


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of MediaPipe's writer, about its files
def test_the_packaged_networks_give_what_they_give_as_a_bundle(two_astronauts, tmp_path):
    path = tmp_path / "pose.task"
    path.write_bytes(packed({name: with_scaling(*network) for name, network in POSE.items()}))
    with tasks_config().open() as detect, tasks_config(model=str(path)).open() as detect_by_task:
        (packaged,), (bundled,) = detect([two_astronauts]), detect_by_task([two_astronauts])
    np.testing.assert_allclose(packaged, bundled, atol=0.1)


@pytest.mark.parametrize("threshold", ["min_detection_confidence", "min_tracking_confidence"])
def test_people_below_a_threshold_are_left_out(astronaut, threshold):
    with tasks_config(**{threshold: 0.999}).open() as detect:
        (people,) = detect([astronaut])
    assert len(people) == 0


def test_landmarks_land_on_their_names():
    """Landmarks of each group lie in a row, their index for x in pixels."""

    def row(num_landmarks, y):
        landmarks = np.full((num_landmarks, 3), (0, y / 8, 0.8), np.float32)
        landmarks[:, 0] = np.arange(num_landmarks) / 512
        landmarks[3, 2] = 0.2
        return landmarks

    drawn = {"pose": row(33, 1), "left_hand": row(21, 2), "right_hand": row(21, 3)}
    drawn["face"], outside = row(478, 4), {"pose": row(33, 17)}
    people = people_in_pixels([drawn, outside], min_visibility=0.3, image_size=(8, 512))
    assert people.shape == (1, len(HOLISTIC.joints), 3)  # the other one has no joint inside
    points = dict(zip(HOLISTIC.joints, people[0, :, :2].tolist(), strict=True))
    assert points["left_eye_outer"] == [0, 0]  # not visible enough
    expected = {joint: [index, 1] for index, joint in enumerate(BODY_JOINTS) if index != 3}
    expected |= {"left_hand_pinky_tip": [20, 2], "right_hand_thumb_tip": [4, 3]}
    expected |= {joint: [VERTEX_OF_JOINT[joint], 4] for joint in FACE_JOINTS}
    for joint, place in expected.items():
        assert points[joint] == pytest.approx(place), joint
    assert people[0, HOLISTIC.index("left_hand_wrist"), 2] == 1


def test_world_landmarks_stand_beside_the_bodys_joints_also_of_missing_ones():
    pose = np.full((33, 3), 0.5, np.float32)
    pose[3, 2] = 0.1  # not visible enough
    world = np.arange(99, dtype=np.float32).reshape(33, 3)
    people = people_in_pixels(
        [{"pose": pose, "world": world}, {"pose": pose}], min_visibility=0.3, image_size=(8, 8)
    )
    np.testing.assert_array_equal(people[0, :33, 3:], world)
    assert not people[0, 33:, 3:].any()
    assert not people[1, :, 3:].any()
    assert people[0, 3, 2] == 0


@pytest.mark.parametrize(
    "content",
    [b"<html>404</html>", packed({"hand": b""}), packed(dict.fromkeys(POSE, b"not a network"))],
    ids=["page", "other networks", "damaged networks"],
)
def test_a_bundle_that_cannot_be_used_is_refused_in_one_line(tmp_path, capfd, content):
    path = tmp_path / "my.task"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"my\.task: MediaPipe .*\Z"):
        tasks_config(model=str(path)).open().__enter__()


def test_a_bundle_that_cannot_be_had_is_an_error(tmp_path, monkeypatch):
    with pytest.raises(MissingFileError, match=r"mine\.task"):
        read_bundle(str(tmp_path / "mine.task"))
    monkeypatch.setenv("MOTIONTRANSFER_CACHE", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nothing listens there
    with pytest.raises(MissingFileError, match=r"detect_keypoints\.model, or set .*model: wheel"):
        read_bundle("pose_landmarker_full")


def test_people_of_whom_a_joint_is_found_have_boxes():
    """Joints span 20 x 40 and 30 x 60 px; margins are .15 x 40 and 60, and both edges count."""
    people = np.zeros((3, 2, 3), np.float32)
    people[0] = (10, 10, 1), (30, 50, 1)
    people[1] = (40, 20, 1), (70, 80, 1)
    boxes = boxes_of_people(people, image_size=(100, 100))
    assert boxes == [(4, 4, 37, 57), (31, 11, 80, 90)]
