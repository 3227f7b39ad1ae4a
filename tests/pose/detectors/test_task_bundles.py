"""A bundle is made from the package, taken from a file, or the published one."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
import skimage.data

from motiontransfer.downloads import cache_folder
from motiontransfer.errors import MissingFileError, WeightsError
from motiontransfer.pose.detectors.mediapipe_tasks import (
    OFFICIAL_MODELS,
    TasksConfig,
    is_holistic,
    read_bundle,
)
from motiontransfer.skeleton import HOLISTIC
from tests.pose.detectors.wheel_networks import holistic_bundle, packed, pose_networks


def test_the_packages_own_bundle_finds_bodies_only():
    assert not is_holistic(read_bundle("wheel"), model="wheel")


def test_a_bundle_with_hands_and_face_is_told_apart():
    assert is_holistic(holistic_bundle(), model="x.task")
    with_hands_only = pose_networks() | {"hand_landmarks_detector.tflite": b""}
    assert not is_holistic(packed(with_hands_only), model="x.task")


def test_a_bundle_without_poses_is_refused():
    with pytest.raises(WeightsError, match=r"x\.task: expected a bundle with pose_detector"):
        is_holistic(packed({"pose_detector.tflite": b""}), model="x.task")


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


def test_a_file_with_a_published_name_is_read_where_it_lies(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("MOTIONTRANSFER_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "pose_landmarker_lite.task"
    path.write_bytes(b"mine")
    assert read_bundle(str(path)) == b"mine"
    assert "not the published pose_landmarker_lite.task" in caplog.text


def test_a_file_that_is_on_another_machine_is_told(tmp_path):
    with pytest.raises(MissingFileError, match=r"mine\.task: no such file on this machine"):
        read_bundle(str(tmp_path / "mine.task"))


def test_without_network_it_says_how_to_go_on(tmp_path, monkeypatch):
    monkeypatch.setenv("MOTIONTRANSFER_CACHE", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody listens there
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
def test_the_published_bundle_finds_a_face_in_a_portrait(name):
    path = published_file(name)
    if path is None:
        pytest.skip(f"{name}.task is neither in the cache nor in shared/weights")
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    assert sha256 == OFFICIAL_MODELS[name].sha256
    config = TasksConfig(
        model=str(path),
        max_people=1,
        min_detection_confidence=0.5,
        min_presence_confidence=0.5,
        min_visibility=0.3,
    )
    with config.open() as detector:
        (people,) = detector.detect([skimage.data.astronaut()])
    for joint, place in {"nose": (222, 124), "face_chin": (219, 184)}.items():
        index = HOLISTIC.index(joint)
        if people[0, index, 2]:  # a pose bundle has no chin
            np.testing.assert_allclose(people[0, index, :2], place, atol=15)
    assert (people[0, HOLISTIC.slice("face"), 2] > 0).any() == (name == "holistic_landmarker")
