import pickle
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from motiontransfer.core.errors import ParamsError
from motiontransfer.core.params import Compute
from motiontransfer.pose import detectors, keypoint_rcnn
from motiontransfer.pose.detectors import detect_keypoints, load_detector
from tests.people import detections_of
from tests.pose.conftest import tasks_config
from tests.project_files import write_sections

COMMON = {"max_people": 3, "min_detection_confidence": 0.6, "min_visibility": 0.2}
COMMON["segment_frames"] = 50
SETTINGS = {
    "mediapipe_holistic": {**COMMON, "min_tracking_confidence": 0.4, "warmup_frames": 7},
    "mediapipe_tasks": {**COMMON, "model": "wheel", "min_tracking_confidence": 0.4},
    "keypointrcnn": {**COMMON},
    "openpose_json": {},
    "coco_wholebody": {},
}
EMPTY = detections_of({}, num_frames=0)
ONE = detections_of({0: ([0], (100.0,))}, num_frames=1)
COMPUTE = Compute(num_workers=2)


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Read the params of a project with one video."""
    monkeypatch.chdir(tmp_path)

    def load(detector, *, own=None, **changes):
        section = {"detector": detector, **SETTINGS.get(detector, {}), **changes}
        video = {"path": "v", "subject": "ada", **({"detector": own} if own else {})}
        section = {name: value for name, value in section.items() if value is not ...}
        params = {"detect_keypoints": section, "videos": {"dance": video}}
        write_sections(params)
        return load_detector("dance", own=own)

    return load


@pytest.fixture
def calls(monkeypatch):
    """Arguments of the functions that do the work."""
    recorded = []
    for name in ("detect_clip", "import_people", "track_detections"):

        def record(*arguments, _name=name, **settings):
            recorded.append((_name, arguments, settings))
            return EMPTY

        monkeypatch.setattr(detectors, name, record)
    return recorded


@pytest.mark.parametrize(
    ("detector", "key", "asked"),
    [
        ("mediapipe_holistic", "model", {"model": "wheel"}),  # has none
        ("openpose_json", "model", {"model": "wheel"}),
        ("mediapipe_tasks", "model", {"model": "pose_huge"}),
        ("keypointrcnn", "model", {"model": "pose_huge"}),
        ("openpose", "detector", {}),
    ],
)
def test_unknown_models_and_detectors_are_refused(load, detector, key, asked):
    with pytest.raises(ParamsError, match=rf"detect_keypoints\.{key}: "):
        load(detector, **asked)


@pytest.mark.parametrize(
    ("section", "own", "names"),
    [
        ({"detector": "mediapipe_holistic"}, None, []),
        ({"detector": "mediapipe_tasks"}, None, []),
        ({"detector": "mediapipe_tasks", "model": "pose_landmarker_lite"}, None, ["pose_land"]),
        ({"detector": "mediapipe_tasks"}, "keypointrcnn", ["keypointr"]),
        ({"detector": "keypointrcnn", "model": "mine.pth"}, None, []),
        ({"detector": "keypointrcnn"}, "openpose_json", ["keypointr"]),
    ],
)
def test_weights_are_those_of_the_sections_detector_and_each_videos_own(load, section, own, names):
    Path("mine.pth").touch()
    load(**section, own=own)
    assert [file.name[:9] for file in detectors.pretrained_weights()] == names


@pytest.mark.parametrize("detector", ["mediapipe_tasks", "keypointrcnn"])
def test_a_file_is_a_model(load, detector, tmp_path):
    (tmp_path / "mine.task").touch()
    config = load(detector, model=str(tmp_path / "mine.task"))
    assert pickle.loads(pickle.dumps(config)) == config
    assert config.label.endswith(" mine.task")


def test_a_video_may_have_a_detector_of_its_own_and_needs_its_settings(load):
    assert load("mediapipe_holistic", own="coco_wholebody").detector == "coco_wholebody"
    own = load("mediapipe_holistic", own="mediapipe_tasks")
    assert (own.model, own.min_tracking_confidence, own.segment_frames) == ("wheel", 0.4, 50)
    own = load("mediapipe_tasks", own="keypointrcnn", model="pose_landmarker_lite")
    assert own.model == "coco_v1"
    with pytest.raises(ParamsError, match=r"videos\.dance\.detector: .*warmup_frames"):
        load("keypointrcnn", own="mediapipe_holistic")


@pytest.mark.parametrize(
    ("detector", "changes", "warmup", "has_bodies"),
    [
        ("mediapipe_holistic", {"max_people": 1}, 7, False),  # one needs no other detector
        ("mediapipe_holistic", {}, 7, True),
        ("mediapipe_tasks", {}, 0, False),  # has no memory
    ],
)
def test_people_are_detected_after_a_warm_up_and_several_by_their_bodies(
    load, calls, detector, changes, warmup, has_bodies
):
    params = load(detector, **changes)
    detect_keypoints(Path("clip"), params, video=Path("v"), compute=COMPUTE)
    ((name, arguments, settings),) = calls
    assert (name, arguments) == ("detect_clip", (Path("clip/frames.mkv"),))
    bodies = settings.pop("body_detector")
    assert settings == {"detector": params, "compute": COMPUTE}
    assert params.warmup_frames == warmup
    assert bodies == (tasks_config(**COMMON, min_tracking_confidence=0.4) if has_bodies else None)


def test_people_detected_in_larger_frames_are_in_the_working_image(load, monkeypatch, tmp_path):
    (tmp_path / "detection.mkv").touch()
    height, width = EMPTY.image_size
    clip = SimpleNamespace(size=(height // 2, width // 2))
    film, looked = replace(ONE, num_frames=2), []
    found = {"detection": film, "frames": film.resized(clip.size)}

    def detect_clip(path, **_):
        looked.append(path.stem)
        return found[path.stem]

    monkeypatch.setattr(detectors, "read_clip", lambda _: clip)
    monkeypatch.setattr(detectors, "detect_clip", detect_clip)
    how = {"video": Path("v"), "compute": COMPUTE}
    assert detect_keypoints(tmp_path, load("mediapipe_holistic"), **how).image_size == clip.size
    found["detection"] = EMPTY  # a drawn body, too large
    assert detect_keypoints(tmp_path, load("mediapipe_holistic"), **how) is found["frames"]
    assert looked == ["detection", "detection", "frames"]


@pytest.mark.parametrize(
    ("accelerator", "asked_for", "given", "said"),
    [
        ("cuda", 0, 1, "runs on a cuda, 32-true, processes: 1"),
        ("cuda", 3, 3, "runs on a cuda, 32-true, processes: 3"),
        ("cpu", 0, 0, "runs on the CPU, threads: 1, 32-true, processes: 5"),
    ],
)
def test_a_gpu_has_one_worker_by_default_and_it_is_said(
    load, calls, monkeypatch, caplog, accelerator, asked_for, given, said
):
    caplog.set_level("INFO")
    fetched = Mock()
    monkeypatch.setattr(detectors, "choose_accelerator", lambda: accelerator)
    monkeypatch.setattr(detectors, "describe_device", "a {}".format)
    monkeypatch.setattr("loky.cpu_count", lambda: 5)
    monkeypatch.setattr(keypoint_rcnn, "load_network", fetched)
    config, compute = load("keypointrcnn"), Compute(num_workers=asked_for)
    detect_keypoints(Path("c"), config, video=Path("v"), compute=compute)
    ((_, _, settings),) = calls
    assert settings["compute"].num_workers == given
    assert caplog.messages == [said]
    assert (settings["detector"].model, settings["detector"].max_people) == ("coco_v1", 3)
    fetched.assert_called_once()  # and no network of this process's on the GPU
    assert fetched.call_args.args == ("coco_v1", config.limits)
