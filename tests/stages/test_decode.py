import json
from fractions import Fraction

import numpy as np
import pytest
import skimage.data

from motiontransfer.stage_runner import run
from motiontransfer.video.clip import read_clip
from motiontransfer.video.writer import write_video
from stages.check_params import write_video_params
from stages.decode import person_boxes

DECODE = "decode: {size: [32, 32], frame_rate: null, on_damage: fail}\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frames = [np.full((48, 64, 3), 30 * index, dtype=np.uint8) for index in range(6)]
    write_video(tmp_path / "dance.mp4", frames, frame_rate=Fraction(10), sound=None, crf=18)
    return tmp_path


def params(project, video, decode=DECODE):
    (project / "params.yaml").write_text(f"{decode}videos:\n  dance: {video}\n")
    write_video_params()


def test_stage_writes_the_clip_and_its_metrics(project):
    params(project, "{path: dance.mp4, subject: ben}")
    assert run("stages", ["decode", "dance"]) == 0
    clip = read_clip(project / "artifacts/frames/ben/dance")
    assert (clip.num_frames, clip.frame_rate, clip.size) == (6, Fraction(10), (32, 32))
    assert (clip.framing.content, clip.sound) == ((0, 4, 32, 28), None)
    metrics = json.loads((project / "artifacts/metrics/decode/dance.json").read_text())
    assert (metrics["frames"], metrics["seconds"], metrics["has_sound"]) == (6, 0.6, False)


def test_rate_and_crop_come_from_params(project):
    params(
        project,
        "{path: dance.mp4, subject: ben, crop: [16, 0, 48, 32]}",
        "decode: {size: [32, 32], frame_rate: 29.97, on_damage: truncate}\n",
    )
    assert run("stages", ["decode", "dance"]) == 0
    clip = read_clip(project / "artifacts/frames/ben/dance")
    assert (clip.frame_rate, clip.framing.crop) == (Fraction(30000, 1001), (16, 0, 48, 32))
    assert clip.num_frames == 18


@pytest.mark.parametrize(
    ("video", "message"),
    [
        ("{path: no.mp4, subject: ben}", "videos.dance.path: no such file: no.mp4"),
        (
            "{path: dance.mp4, subject: ben, crop: [0, 0, 99, 9]}",
            "crop: expected x0 < x1 and y0 < y1 inside an image of 64x48 pixels, got [0, 0",
        ),
    ],
)
def test_a_fault_is_one_line_and_a_failure(project, capsys, video, message):
    params(project, video)
    assert run("stages", ["decode", "dance"]) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("ERROR")]
    assert len(lines) == 1
    assert lines[0].startswith("ERROR: decode dance: ")
    assert message in lines[0]
    assert not (project / "artifacts/frames").exists()
    assert not (project / "artifacts/metrics").exists()


def test_a_folder_with_keypoints_made_elsewhere_holds_one_video(project, capsys):
    folder = project / "waltz"
    (folder / "openpose").mkdir(parents=True)
    (folder / "openpose" / "0_keypoints.json").write_text("{}")
    (folder / "keypoints.json").write_text("{}")
    params(project, "{path: waltz, subject: ben}")
    assert run("stages", ["decode", "dance"]) == 1
    assert "one video beside the keypoints in waltz, got none" in capsys.readouterr().err
    (project / "dance.mp4").rename(folder / "dance.mp4")
    assert run("stages", ["decode", "dance"]) == 0
    assert read_clip(project / "artifacts/frames/ben/dance").num_frames == 6
    (folder / "other.mp4").write_bytes(b"")
    assert run("stages", ["decode", "dance"]) == 1
    assert "got dance.mp4, other.mp4" in capsys.readouterr().err


def test_people_are_boxed_in_unrelated_frames():
    astronaut = skimage.data.astronaut()
    empty = np.full((64, 48, 3), 200, np.uint8)
    boxes = person_boxes([astronaut, empty, astronaut])
    assert boxes[1] is None
    assert boxes[0] == boxes[2]
    x0, y0, x1, y1 = boxes[0]
    assert 0 <= x0 < 150
    assert 310 < x1 <= 512
    assert y0 < 100
    assert y1 == 512
