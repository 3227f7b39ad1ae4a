"""What is looked at is what the pipeline made, and the measures are those of the joints."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from motiontransfer.errors import KeypointsError, MissingFileError
from motiontransfer.keypoints import write_keypoints
from motiontransfer.rendering.inspection import load_inspection, measures_over_time
from motiontransfer.skeleton import HOLISTIC
from tests.dancer import RATE, add_clip, dance
from tests.pose.stick_person import stick_person
from tests.rendering.two_dancers import add_detections


@pytest.fixture
def artifacts(tmp_path):
    add_clip(tmp_path, "ben", "waltz", dance(5))
    return tmp_path


def test_frames_and_keypoints_are_found_and_everyone_where_kept(artifacts):
    alone = load_inspection("waltz", "ben", artifacts=artifacts)
    assert alone.frames == artifacts / "frames/ben/waltz/frames.mkv"
    assert np.array_equal(alone.keypoints.points, dance(5).points)
    assert alone.everyone is None
    add_detections(artifacts, "ben", "waltz", dance(5))
    assert load_inspection("waltz", "ben", artifacts=artifacts).everyone.people == (0, 3)


@pytest.mark.parametrize(
    ("absent", "command"),
    [
        ("frames/ben/waltz", "dvc repro decode@waltz"),
        ("keypoints/ben", "dvc repro clean_keypoints@waltz"),
    ],
)
def test_what_was_not_made_yet_is_named_with_the_command_that_makes_it(artifacts, absent, command):
    shutil.rmtree(artifacts / absent)
    with pytest.raises(MissingFileError, match=f"{absent}.*: not made yet; run `{command}`$"):
        load_inspection("waltz", "ben", artifacts=artifacts)


def test_keypoints_of_another_clip_are_refused(artifacts):
    write_keypoints(artifacts / "keypoints/ben/waltz.parquet", dance(4))
    with pytest.raises(
        KeypointsError, match=r"expected 5 frames, .*got 4; run `dvc repro clean_keypoints@waltz`"
    ):
        load_inspection("waltz", "ben", artifacts=artifacts)


def test_joints_found_are_counted_by_group_and_their_confidence_is_averaged():
    measures = measures_over_time(stick_person([90.0, 90.0], 50.0, missing=[(1, "left_ankle")]))
    found = measures["joints found, %"]
    assert found.keys() == {"body", "left hand", "right hand", "face"}
    assert found["body"].tolist() == pytest.approx([100 * 11 / 33, 100 * 10 / 33])
    assert found["left hand"].tolist() == pytest.approx([100 / 21] * 2)
    assert found["face"].tolist() == [0, 0]
    confidence = measures["confidence of those found"]
    assert confidence["body"].tolist() == pytest.approx([0.9, 0.9])
    assert np.isnan(confidence["face"]).all()


def test_ankle_line_and_height_are_measured_where_the_feet_are_seen():
    measures = measures_over_time(
        stick_person([90.0, 92.0], [50.0, 52.0], missing=[(1, "right_ankle")])
    )["pixels"]
    assert measures["ankle line"].tolist() == pytest.approx([90, np.nan], nan_ok=True)
    assert measures["height"].tolist() == pytest.approx([50, np.nan], nan_ok=True)


def test_speed_is_the_way_from_the_frame_before_of_joints_found_in_both():
    """Everyone moves 3 px to the right and 4 down a frame; the wrist is new in the last one."""
    keypoints = stick_person([50.0, 54.0, 58.0], 20.0, x=np.array([20.0, 23.0, 26.0]))
    points, score = keypoints.points.copy(), keypoints.score.copy()
    points[2, HOLISTIC.index("left_wrist")], score[2, HOLISTIC.index("left_wrist")] = 1, 1
    keypoints = type(keypoints)(
        **{
            name: getattr(keypoints, name)
            for name in ("skeleton", "image_size", "frame_rate", "detector")
        },
        points=points,
        score=score,
    )
    speed = measures_over_time(keypoints)["speed of the joints, pixels a second"]
    expected = 5 * float(RATE)
    assert speed["body"].tolist() == pytest.approx([np.nan, expected, expected], nan_ok=True)
    assert np.isnan(speed["face"]).all()


def test_the_default_place_is_the_pipelines(artifacts, monkeypatch):
    monkeypatch.chdir(artifacts)
    Path("artifacts").mkdir()
    for folder in ("frames", "keypoints"):
        Path(folder).rename(Path("artifacts") / folder)
    assert load_inspection("waltz", "ben").keypoints.num_frames == 5
