"""The stage clean_keypoints: the subject's keypoints are chosen, repaired and measured."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from motiontransfer.errors import KeypointsError
from motiontransfer.keypoints import Detections, read_keypoints, write_detections
from stages.check_params import write_video_params
from stages.clean_keypoints import main
from tests.films import add_source
from tests.people import dance

SECTION = {
    "longest_gap_seconds": 0.4,
    "longest_outlier_seconds": 0.12,
    "smoothing": "none",
    "smoothing_seconds": 0.25,
}
NUM_FRAMES = 12


def detections_of(*people):
    """Everyone in a clip; frames in which someone has no joints have no row of theirs."""
    first = people[0]
    joints = np.stack([np.dstack([it.points, it.score]) for it in people], axis=1)
    seen = [np.flatnonzero(frame[..., 2].any(axis=1)).astype(np.int32) for frame in joints]
    return Detections.from_frames(
        [frame[who] for frame, who in zip(joints, seen, strict=True)],
        seen,
        image_size=first.image_size,
        frame_rate=first.frame_rate,
        detector=first.detector,
    )


def smaller(keypoints):
    """Someone half as tall, at the left."""
    points = keypoints.points * np.float32(0.5)
    return replace(keypoints, points=points)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project; the function writes params.yaml, the clip and what was detected in it."""
    monkeypatch.chdir(tmp_path)

    def prepare(*people, person=None):
        video = {"path": "data/videos/clip_1.mp4", "subject": "ada", "crop": "auto"}
        if person is not None:
            video["person"] = person
        params = {"videos": {"clip_1": video}, "clean_keypoints": SECTION}
        Path("params.yaml").write_text(yaml.safe_dump(params))
        write_video_params()
        add_source(Path("artifacts"), "ada", "clip_1", people[0], sound=False)
        Path("artifacts/keypoints/ada/clip_1.parquet").unlink()
        write_detections(Path("artifacts/detections/ada/clip_1.parquet"), detections_of(*people))

    return prepare


def test_a_gap_is_filled_and_measured(project):
    reference = dance(NUM_FRAMES)
    project(dance(NUM_FRAMES, missing=[5]))
    main("clip_1")
    keypoints = read_keypoints(Path("artifacts/keypoints/ada/clip_1.parquet"))
    assert keypoints.num_frames == NUM_FRAMES
    assert np.flatnonzero(keypoints.filled.any(axis=1)).tolist() == [5]
    np.testing.assert_allclose(keypoints.joint("nose")[0], reference.joint("nose")[0], atol=1)
    metrics = json.loads(Path("artifacts/metrics/clean_keypoints/clip_1.json").read_text())
    assert metrics["joints_filled"] == (reference.score[5] > 0).sum()
    assert (metrics["frames"], metrics["coverage_head"]) == (NUM_FRAMES, 1)
    assert metrics["filled_head"] == pytest.approx(1 / NUM_FRAMES, abs=1e-4)
    assert (metrics["people"], metrics["frames_with_others"]) == (1, 0)
    assert any(line.startswith("the person is about") for line in metrics["verdict"])
    with Image.open("artifacts/quality/ada/clip_1.png") as image:
        assert image.format == "PNG"


@pytest.mark.parametrize(("person", "expected"), [("longest", 0), ([1], 1)])
def test_the_chosen_person_is_followed(project, person, expected):
    people = dance(NUM_FRAMES), smaller(dance(NUM_FRAMES, missing=[0]))
    project(*people, person=person)
    main("clip_1")
    keypoints = read_keypoints(Path("artifacts/keypoints/ada/clip_1.parquet"))
    found = people[expected].score > 0
    np.testing.assert_allclose(keypoints.points[found], people[expected].points[found], atol=1e-4)
    metrics = json.loads(Path("artifacts/metrics/clean_keypoints/clip_1.json").read_text())
    assert metrics["frames_with_others"] == NUM_FRAMES - (expected == 0)


def test_a_clip_without_a_person_is_an_error_and_leaves_nothing(project):
    project(dance(NUM_FRAMES, missing=range(NUM_FRAMES)))
    with pytest.raises(
        KeypointsError,
        match=r"detections/ada/clip_1\.parquet: videos\.clip_1: no person detected in any",
    ):
        main("clip_1")
    for folder in ("keypoints/ada/clip_1.parquet", "quality", "metrics"):
        assert not (Path("artifacts") / folder).exists()


def test_a_person_who_is_not_there_is_named(project):
    project(dance(NUM_FRAMES), person=3)
    with pytest.raises(KeypointsError, match=r"videos\.clip_1: person: 3: expected track numbers"):
        main("clip_1")
