"""MediaPipe Tasks: several people, holistic bundles, published and other bundles."""

import hashlib
import itertools
import re
from pathlib import Path

import av
import numpy as np
import pytest
from mediapipe.python.solutions.pose import Pose

from motiontransfer.downloads import cache_folder
from motiontransfer.errors import MissingFileError, ParamsError, WeightsError
from motiontransfer.pose.detectors import TasksConfig
from motiontransfer.pose.landmarks import VERTEX_OF_JOINT, people_in_pixels
from motiontransfer.pose.mediapipe_detectors import (
    OFFICIAL_MODELS,
    is_holistic,
    native_stderr_hidden,
    read_bundle,
)
from motiontransfer.skeleton import BODY_JOINTS, FACE_JOINTS, HOLISTIC
from tests.pose.wheel_networks import HANDS_AND_FACE, POSE, bundle_of, packed

CONFIG = TasksConfig(
    detector="mediapipe_tasks",
    max_people=3,
    min_detection_confidence=0.5,
    min_tracking_confidence=0.5,
    min_visibility=0.3,
    segment_frames=100,
)
NOSE = HOLISTIC.index("nose")


def with_settings(**settings):
    return CONFIG.model_copy(update=settings)


@pytest.fixture(scope="module")
def two_astronauts(astronaut):
    """The same woman twice, well apart, the second mirrored."""
    between = np.full((512, 256, 3), 200, np.uint8)
    return np.concatenate([astronaut, between, astronaut[:, ::-1]], axis=1)


@pytest.fixture(scope="module")
def holistic_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("bundles") / "hands_and_face.task"
    path.write_bytes(bundle_of(POSE | HANDS_AND_FACE))
    return path


def test_each_person_is_detected_in_each_frame_by_itself(two_astronauts, capfd):
    with CONFIG.open() as detect:
        none, people = detect([np.full_like(two_astronauts, 127), two_astronauts])
    with with_settings(max_people=1).open() as detect:
        assert [len(found) for found in detect([two_astronauts])] == [1]
    assert len(none) == 0
    assert capfd.readouterr().err == ""
    noses = people[np.argsort(people[:, NOSE, 0]), NOSE, :2]
    np.testing.assert_allclose(noses, [(222, 124), (1280 - 222, 124)], atol=12)
    left, right = HOLISTIC.index("left_shoulder"), HOLISTIC.index("right_shoulder")
    assert (people[:, left, 0] > people[:, right, 0]).all()


def test_the_packaged_networks_give_what_they_give_as_a_bundle(two_astronauts, tmp_path):
    path = tmp_path / "pose.task"
    path.write_bytes(bundle_of(POSE))
    with CONFIG.open() as detect, with_settings(model=str(path)).open() as detect_by_task:
        (packaged,), (bundled,) = detect([two_astronauts]), detect_by_task([two_astronauts])
    np.testing.assert_allclose(packaged, bundled, atol=0.1)


def test_the_packaged_networks_agree_with_mediapipes_solution(astronaut):
    with native_stderr_hidden(), Pose(static_image_mode=True, model_complexity=1) as solution:
        landmarks = solution.process(astronaut).pose_landmarks.landmark
    theirs = np.array([(point.x * 512, point.y * 512) for point in landmarks])
    with CONFIG.open() as detect:
        (people,) = detect([astronaut])
    body = HOLISTIC.slice("body")
    certain = people[0, body, 2] > 0.5
    distances = np.linalg.norm(people[0, body, :2] - theirs, axis=1)[certain]
    assert certain.sum() >= 10
    assert distances.mean() < 1


@pytest.mark.parametrize("threshold", ["min_detection_confidence", "min_tracking_confidence"])
def test_people_below_a_threshold_are_left_out(astronaut, threshold):
    with with_settings(**{threshold: 0.999}).open() as detect:
        (people,) = detect([astronaut])
    assert len(people) == 0


def test_a_pose_bundle_leaves_hands_face_and_guesses_out(astronaut):
    with CONFIG.open() as detect:
        (people,) = detect([astronaut])
    body = HOLISTIC.slice("body")
    assert people[0, NOSE, 2] > 0.9
    assert not people[:, body.stop :, 2].any()
    assert people[0, body, 2][people[0, body, 2] > 0].min() >= 0.3
    assert people[0, HOLISTIC.index("left_ankle"), 2] == 0
    assert not people[people[..., 2] == 0, :2].any()


def test_a_holistic_bundle_copes_with_missing_hands(astronaut, holistic_file):
    config = with_settings(model=str(holistic_file), max_people=1)
    with config.open() as detect, CONFIG.open() as detect_body:
        people, none = detect([astronaut, np.full_like(astronaut, 127)])
        (by_pose,) = detect_body([astronaut])
    assert (len(people), len(none)) == (1, 0)
    np.testing.assert_allclose(people[0, NOSE, :2], by_pose[0, NOSE, :2], atol=2)
    assert not people[:, HOLISTIC.slice("left_hand"), 2].any()
    assert people[:, HOLISTIC.slice("face"), 2].any()


def test_hands_are_at_the_end_of_their_own_arms(holistic_file):
    name = "clips/mediapipe_pose_segmentation_dance.mp4"
    media = [folder.parent / "shared" / "media" for folder in Path(__file__).resolve().parents]
    video = next((folder / name for folder in media if (folder / name).exists()), None)
    if video is None:
        pytest.skip(f"shared/media/{name} is not here; this test needs a real dancer")
    with av.open(str(video)) as container:
        frame = next(itertools.islice(container.decode(video=0), 10, None))
    config = with_settings(model=str(holistic_file), max_people=1)
    with config.open() as detect:
        (people,) = detect([np.ascontiguousarray(frame.to_ndarray(format="rgb24"))])
    for side in ("left", "right"):
        wrist, hand = (HOLISTIC.index(f"{side}_{joint}") for joint in ("wrist", "hand_wrist"))
        assert people[0, hand, 2] == 1
        np.testing.assert_allclose(people[0, hand, :2], people[0, wrist, :2], atol=15)


def test_landmarks_land_on_their_names():
    """Landmarks of each group lie in a row, their index for x in pixels."""

    def row(num_landmarks, y):
        x = np.arange(num_landmarks) / 512
        visibility = np.where(np.arange(num_landmarks) == 3, 0.2, 0.8)
        return np.stack([x, np.full(num_landmarks, y / 8), visibility], axis=1).astype(np.float32)

    drawn = {"pose": row(33, 1), "left_hand": row(21, 2), "right_hand": row(21, 3)}
    outside = {"pose": row(33, 17)}
    people = people_in_pixels(
        [drawn | {"face": row(478, 4)}, outside], min_visibility=0.3, image_size=(8, 512)
    )
    assert len(people) == 1  # the other one has no joint inside the image
    points = dict(zip(HOLISTIC.joints, people[0, :, :2].tolist(), strict=True))
    assert points["left_eye_outer"] == [0, 0]  # not visible enough
    for index, joint in enumerate(BODY_JOINTS):
        assert points[joint] == [index, 1] or index == 3
    assert points["left_hand_pinky_tip"] == pytest.approx([20, 2])
    assert points["right_hand_thumb_tip"] == pytest.approx([4, 3])
    for joint in FACE_JOINTS:
        assert points[joint] == pytest.approx([VERTEX_OF_JOINT[joint], 4])
    assert people[0, HOLISTIC.index("left_hand_wrist"), 2] == 1


def test_a_holistic_bundle_detects_one_person_only(holistic_file):
    config = with_settings(model=str(holistic_file))
    with (
        pytest.raises(ParamsError, match=r"max_people: expected 1 with .*hands_and_face.*, got 3"),
        config.open(),
    ):
        pass


@pytest.mark.parametrize(
    ("content", "got"),
    [(b"<html>404</html>", "no zip archive"), (packed({"hand": b""}), "hand.tflite")],
)
def test_a_file_that_is_no_pose_bundle_is_refused(tmp_path, content, got):
    path = tmp_path / "my.task"
    path.write_bytes(content)
    with (
        pytest.raises(WeightsError, match=rf"my\.task: expected a bundle with .*got {got}"),
        with_settings(model=str(path)).open(),
    ):
        pass


@pytest.mark.parametrize("networks", [POSE, POSE | HANDS_AND_FACE], ids=["pose", "holistic"])
def test_a_bundle_that_mediapipe_cannot_read_is_one_line(tmp_path, capfd, networks):
    path = tmp_path / "my.task"
    path.write_bytes(packed(dict.fromkeys(networks, b"not a network")))
    with (
        pytest.raises(WeightsError, match=r"my\.task: MediaPipe 0\.10\.21 cannot use") as raised,
        with_settings(model=str(path), max_people=1).open(),
    ):
        pass
    assert "\n" not in str(raised.value)


def test_a_bundle_with_hands_but_no_face_is_a_pose_bundle():
    with_hands_only = dict.fromkeys([*POSE, "hand_landmarks_detector"], b"")
    assert not is_holistic(packed(with_hands_only), model="x.task")


def test_published_bundles_are_pinned_to_a_version():
    for name, published in OFFICIAL_MODELS.items():
        assert published.url.endswith(f"/{name}/float16/1/{name}.task")
        assert re.fullmatch("[0-9a-f]{64}", published.sha256)
        assert published.name == f"{name}.task"
    assert len({published.sha256 for published in OFFICIAL_MODELS.values()}) == 4


def test_a_published_bundle_comes_from_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MOTIONTRANSFER_CACHE", str(tmp_path))
    published = OFFICIAL_MODELS["pose_landmarker_heavy"]
    (tmp_path / f"{published.sha256[:8]}_{published.name}").write_bytes(b"heavy")
    assert read_bundle("pose_landmarker_heavy") == b"heavy"


def test_a_file_with_a_published_name_is_read_in_place(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("MOTIONTRANSFER_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "pose_landmarker_lite.task"
    path.write_bytes(b"mine")
    assert read_bundle(str(path)) == b"mine"
    assert "not the published pose_landmarker_lite.task" in caplog.text


def test_a_file_of_another_machine_is_an_error(tmp_path):
    with pytest.raises(MissingFileError, match=r"mine\.task: no such file on this machine"):
        read_bundle(str(tmp_path / "mine.task"))


def test_a_failed_download_names_the_alternatives(tmp_path, monkeypatch):
    monkeypatch.setenv("MOTIONTRANSFER_CACHE", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nothing listens there
    with pytest.raises(MissingFileError, match=r"detect_keypoints\.model, or set .*model: wheel"):
        read_bundle("pose_landmarker_full")


def published_file(name):
    """Where the published bundle is on this machine, or None: tests download nothing."""
    published = OFFICIAL_MODELS[name]
    cached = cache_folder() / f"{published.sha256[:8]}_{published.name}"
    beside = [
        folder.parent / "shared" / "weights" / published.name
        for folder in Path(__file__).resolve().parents
    ]
    return next((path for path in (cached, *beside) if path.exists()), None)


@pytest.mark.parametrize("name", sorted(OFFICIAL_MODELS))
def test_the_published_bundle_finds_a_face_in_a_portrait(name, astronaut):
    path = published_file(name)
    if path is None:
        pytest.skip(f"{name}.task is neither in the cache nor in shared/weights")
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    assert sha256 == OFFICIAL_MODELS[name].sha256
    with with_settings(model=str(path), max_people=1).open() as detect:
        (people,) = detect([astronaut])
    for joint, place in {"nose": (222, 124), "face_chin": (219, 184)}.items():
        index = HOLISTIC.index(joint)
        if people[0, index, 2]:  # a pose bundle has no chin
            np.testing.assert_allclose(people[0, index, :2], place, atol=15)
    assert (people[0, HOLISTIC.slice("face"), 2] > 0).any() == (name == "holistic_landmarker")
