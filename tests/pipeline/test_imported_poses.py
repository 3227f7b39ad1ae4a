"""A target found by OpenPose; that each detector gives the same faces, tests/pose says."""

import contextlib
import json
import shutil

import pytest

from motiontransfer.body.motion import read_motion
from motiontransfer.pose.boxes import face_boxes
from motiontransfer.pose.keypoints import read_keypoints
from motiontransfer.pose.skeleton import (
    BODY_25,
    COCO_18,
    LEFT_HAND_JOINTS,
    OPENPOSE_FACE_70,
    RIGHT_HAND_JOINTS,
)
from tests.people import flat, known_rows
from tests.project_files import edit_sections
from tests.tiny_project import SOURCE_FRAMES, run_here
from tests.warm_python import warm_workers

TRANSFERS = {"ada_as_ben": "ben", "ada_as_cleo": "cleo"}
VIDEOS = ("ada_video", "cleo_video")
OF_VIDEO = ("decode", "detect_keypoints", "clean_keypoints")
OF_TARGET = ("segment_person", "fit_appearance", "train_gan", "train_face_gan")


def add_video(root, subject, clip, params, **parts):
    """A clip of the demo as this subject's video, with a file for each frame of parts' joints."""
    folder = root / "data/videos" / subject
    folder.mkdir(parents=True)
    shutil.copy(root / f"demo/clips/{clip}.mp4", folder)
    params["videos"][f"{subject}_video"] = {
        **{"path": f"data/videos/{subject}", "subject": subject, "crop": "none"},
        "detector": "openpose_json",
    }
    keypoints = read_keypoints(root / f"demo/clips/{clip}_joints.parquet")
    for index in range(keypoints.num_frames):
        person = {
            f"{part}_keypoints_2d": flat(known_rows(keypoints, index, joints))
            for part, joints in parts.items()
        }
        content = {"version": 1.3, "people": [person]}
        (folder / f"dance_{index:012d}_keypoints.json").write_text(json.dumps(content))


@pytest.fixture(scope="module")
def project(tiny_run, tmp_path_factory):
    """Who dances as sources found by MediaPipe and by OpenPose without face and hands."""
    root = shutil.copytree(tiny_run, tmp_path_factory.mktemp("imported") / "project")
    shutil.rmtree(root / "artifacts/keypoints/ada")

    def edit(params):
        del params["videos"]["demo_target"]
        hands = {"hand_left": LEFT_HAND_JOINTS, "hand_right": RIGHT_HAND_JOINTS}
        add_video(root, "ada", "target", params, pose=BODY_25, face=OPENPOSE_FACE_70, **hands)
        add_video(root, "cleo", "source", params, pose=COCO_18)
        params["subjects"] = ["ada", "ben", "cleo"]
        params["transfers"] = {
            name: {
                "source": "demo_dance" if source == "ben" else f"{source}_video",
                **{"source_subject": source, "target": "ada", "truth": "none"},
            }
            for name, source in TRANSFERS.items()
        }

    edit_sections(root, edit)
    with contextlib.chdir(root), pytest.MonkeyPatch.context() as patch:
        warm_workers(patch)
        run_here("check_params", *(f"{stage} {video}" for video in VIDEOS for stage in OF_VIDEO))
        run_here(*(f"fit_normalization {subject}" for subject in ("ada", "ben", "cleo")))
        run_here(*(f"{stage} ada" for stage in OF_TARGET), *(f"normalize {it}" for it in TRANSFERS))
    return root


def test_the_face_stage_trains_on_openpose_keypoints(project):
    metrics = json.loads((project / "artifacts/counts/ada/train_face_gan.json").read_text())
    assert metrics["faces"] > 0
    assert metrics["frames_without_face"] == 0


def test_the_body_fits_joints_without_world_landmarks(project):
    files = [*(project / "artifacts/motion").glob("*/*_video.parquet")]
    assert len(files) == 2
    assert all(read_motion(file).fits.all() for file in files)


@pytest.mark.parametrize("transfer", TRANSFERS)
def test_each_transfer_has_a_face_and_no_joint_that_the_target_lacks(project, transfer):
    poses = read_keypoints(project / f"artifacts/poses/{transfer}/poses.parquet")
    assert poses.num_frames == SOURCE_FRAMES
    assert face_boxes(poses)[1].all()
    (target,) = (project / "artifacts/keypoints/ada").glob("*.parquet")
    known = read_keypoints(target).score.any(axis=0)
    assert not (poses.score.any(axis=0) & ~known).any()
