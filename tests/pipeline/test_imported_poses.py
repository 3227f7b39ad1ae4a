import json
import shutil

import numpy as np
import pytest

from motiontransfer.pose import keypoint_rcnn
from motiontransfer.pose.boxes import face_boxes
from motiontransfer.pose.detection import run_detector, track_detections
from motiontransfer.pose.detectors import KeypointRcnnConfig, TasksConfig
from motiontransfer.pose.keypoints import read_keypoints
from motiontransfer.pose.skeleton import (
    BODY_25,
    COCO_18,
    COCO_WHOLEBODY,
    LEFT_HAND_JOINTS,
    OPENPOSE_FACE_70,
    RIGHT_HAND_JOINTS,
)
from motiontransfer.video.frame_store import FrameStore
from tests.people import FindsInTurn, flat, known_rows
from tests.project_files import edit_sections
from tests.tiny_project import SOURCE_FRAMES, repro

TRANSFERS = {"ada_as_ben": "ben", "ada_as_cleo": "cleo", "ada_as_dora": "dora"}
FOUND_BY = {
    "ada": "openpose_json",
    "ben": "mediapipe_holistic",
    "cleo": "openpose_json",
    "dora": "coco_wholebody",
}


def write_openpose(folder, keypoints, **parts):
    for index in range(keypoints.num_frames):
        person = {
            f"{part}_keypoints_2d": flat(known_rows(keypoints, index, joints))
            for part, joints in parts.items()
        }
        content = {"version": 1.3, "people": [person]}
        (folder / f"dance_{index:012d}_keypoints.json").write_text(json.dumps(content))


def write_coco_wholebody(folder, keypoints):
    frames = [known_rows(keypoints, index, COCO_WHOLEBODY) for index in range(keypoints.num_frames)]
    content = [
        {"keypoints": [found[:, :2].tolist()], "scores": [found[:, 2].tolist()]} for found in frames
    ]
    (folder / "dance.json").write_text(json.dumps(content))


def add_video(root, subject, clip, params):
    """A folder with a clip of the demo, to which keypoints come, as this subject's video."""
    folder = root / "data/videos" / subject
    folder.mkdir(parents=True)
    shutil.copy(root / f"demo/clips/{clip}.mp4", folder)
    params["videos"][f"{subject}_video"] = {
        **{"path": f"data/videos/{subject}", "subject": subject, "crop": "none"},
        "detector": FOUND_BY[subject],
    }
    return folder, read_keypoints(root / f"demo/clips/{clip}_joints.parquet")


@pytest.fixture(scope="module")
def project(tiny_run, tmp_path_factory):
    """A target found by OpenPose, who dances as sources found by other detectors."""
    root = shutil.copytree(tiny_run, tmp_path_factory.mktemp("imported") / "project")
    shutil.rmtree(root / "artifacts/keypoints/ada")

    def edit(params):
        del params["videos"]["demo_target"]
        hands = {"hand_left": LEFT_HAND_JOINTS, "hand_right": RIGHT_HAND_JOINTS}
        folder, truth = add_video(root, "ada", "target", params)
        write_openpose(folder, truth, pose=BODY_25, face=OPENPOSE_FACE_70, **hands)
        write_openpose(*add_video(root, "cleo", "source", params), pose=COCO_18)
        write_coco_wholebody(*add_video(root, "dora", "source", params))
        params["subjects"] = list(FOUND_BY)
        params["transfers"] = {
            name: {
                "source": "demo_dance" if source == "ben" else f"{source}_video",
                **{"source_subject": source, "target": "ada", "truth": "none"},
            }
            for name, source in TRANSFERS.items()
        }

    edit_sections(root, edit)
    ran = repro(root, *(f"encode@{name}" for name in TRANSFERS))
    assert {"train_face_gan@ada", *(f"encode@{name}" for name in TRANSFERS)} <= ran
    return root


def keypoints_of(project, subject):
    (path,) = (project / "artifacts/keypoints" / subject).glob("*.parquet")
    return read_keypoints(path)


def assert_same_faces(keypoints, expected):
    """The box has the size that MediaPipe's has to a fourth, and its place to a tenth of it."""
    (boxes, valid), (others, is_seen) = face_boxes(keypoints), face_boxes(expected)
    assert is_seen.all()
    assert valid.sum() == len(valid)
    side = others[:, 2] - others[:, 0]
    np.testing.assert_allclose((boxes[:, 2] - boxes[:, 0]) / side, 1, atol=0.25)
    np.testing.assert_allclose((boxes - others).mean(axis=1) / side, 0, atol=0.1)


@pytest.mark.parametrize("subject", ["cleo", "dora"])
def test_imported_keypoints_give_the_faces_that_mediapipe_does(project, subject):
    found = keypoints_of(project, subject)
    assert found.detector.startswith(FOUND_BY[subject])
    assert found.num_frames == SOURCE_FRAMES
    assert_same_faces(found, keypoints_of(project, "ben"))


def test_the_face_stage_trains_on_openpose_keypoints(project):
    metrics = json.loads((project / "artifacts/counts/ada/train_face_gan.json").read_text())
    assert metrics["faces"] > 0
    assert metrics["frames_without_face"] == 0


@pytest.mark.parametrize("transfer", TRANSFERS)
def test_each_transfer_shows_a_face_and_no_joint_that_the_target_lacks(project, transfer):
    poses = read_keypoints(project / f"artifacts/poses/{transfer}/poses.parquet")
    assert face_boxes(poses)[1].all()
    target = keypoints_of(project, "ada")
    assert not (poses.score.any(axis=0) & ~target.score.any(axis=0)).any()
    assert (project / f"results/{transfer}/transfer.mp4").stat().st_size > 0


SETTINGS = {
    **{"max_people": 1, "min_detection_confidence": 0.5, "min_visibility": 0.3},
    "segment_frames": 100,
}


def detected_by(config, project):
    """The source of the demo, from its frames."""
    frames = project / "artifacts/frames/ben/demo_dance/frames.mkv"
    with FrameStore(frames) as store:
        people = run_detector(config, (store[index] for index in range(len(store))))
    return track_detections(people, frames, detector=config.label).of_person(0)


def test_keypoint_rcnn_gives_the_faces_that_mediapipe_does(project, monkeypatch):
    """The network's answer is where the actor's joints are; all around it is the real code."""
    truth = read_keypoints(project / "demo/clips/source_joints.parquet")
    monkeypatch.setattr(keypoint_rcnn, "load_network", lambda *_, **__: FindsInTurn(truth))
    found = detected_by(KeypointRcnnConfig(detector="keypointrcnn", **SETTINGS), project)
    assert_same_faces(found, keypoints_of(project, "ben"))


def test_mediapipe_tasks_gives_the_faces_that_holistic_does(project):
    config = TasksConfig(detector="mediapipe_tasks", min_tracking_confidence=0.5, **SETTINGS)
    assert_same_faces(detected_by(config, project), keypoints_of(project, "ben"))
