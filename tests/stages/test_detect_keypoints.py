"""The stage detect_keypoints: params reach the detector, outputs are in their place."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import yaml

from motiontransfer.errors import KeypointsError
from motiontransfer.keypoints import read_detections
from motiontransfer.video.frame_store import write_frames
from stages.check_params import write_video_params
from stages.detect_keypoints import main

SECTION = {
    "detector": "mediapipe_holistic",
    "max_people": 3,
    "min_detection_confidence": 0.5,
    "min_tracking_confidence": 0.5,
    "min_visibility": 0.3,
    "segment_frames": 100,
    "warmup_frames": 10,
}


@pytest.fixture
def project(warm, tmp_path, monkeypatch):
    """An empty project; the function writes params.yaml and the clip's frames."""
    monkeypatch.chdir(tmp_path)

    def prepare(frames):
        params = {
            "videos": {
                "clip_1": {"path": "data/videos/clip_1.mp4", "subject": "ada", "crop": "auto"}
            },
            "detect_keypoints": SECTION,
            "compute": {"backend": "local", "address": None, "num_workers": 1},
        }
        Path("params.yaml").write_text(yaml.safe_dump(params))
        write_video_params()
        path = Path("artifacts/frames/ada/clip_1/frames.mkv")
        write_frames(path, frames, frame_rate=Fraction(25))

    return prepare


def test_keypoints_image_and_metrics_are_written(project):
    person = skimage.data.astronaut()[::2, ::2]
    project([person, person])
    main("clip_1")
    folder = Path("artifacts/detections/ada")
    assert sorted(path.name for path in folder.iterdir()) == ["clip_1.parquet", "clip_1.png"]
    detections = read_detections(folder / "clip_1.parquet")
    assert (detections.num_frames, detections.image_size) == (2, (256, 256))
    assert detections.people == (0,)
    nose, _ = detections.of_person(0).joint("nose")
    np.testing.assert_allclose(nose, [[111, 64]] * 2, atol=6)
    metrics = json.loads(Path("artifacts/metrics/detect_keypoints/clip_1.json").read_text())
    assert metrics["frames"] == 2
    assert metrics["tracks"]["0"]["coverage"]["face"] == 1
    assert metrics["tracks"]["0"]["coverage"]["left_hand"] == 0


def test_a_clip_without_a_person_is_an_error_and_leaves_nothing(project):
    project([np.full((48, 32, 3), 90, np.uint8)] * 3)
    with pytest.raises(KeypointsError, match=r"videos\.clip_1"):
        main("clip_1")
    assert not Path("artifacts/detections").exists()
    assert not Path("artifacts/metrics").exists()
