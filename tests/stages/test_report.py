"""The stage finds everything that a report shows where the pipeline keeps it."""

from pathlib import Path

import pytest

from motiontransfer.errors import MissingFileError
from motiontransfer.evaluation.measurements import Measurements, MetricKey, write_measurements
from motiontransfer.keypoints import write_keypoints
from motiontransfer.storage import write_json
from motiontransfer.video.writer import write_video
from stages.report import main
from tests.evaluation.conftest import ratio_of
from tests.films import add_clip
from tests.people import RATE, dance, picture
from tests.stages.project import (
    ARTIFACTS,
    NUM_SOURCE_FRAMES,
    NUM_TARGET_FRAMES,
    TRANSFER,
    add_everything_to_render,
    write_params,
)

TABLE = ARTIFACTS / "measurements/evaluate_transfer/ada_as_ben.parquet"
PAGE = Path("results/ada_as_ben/report.html")


@pytest.fixture(autouse=True)
def _project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_params(
        transfers={"ada_as_ben": TRANSFER, "other": TRANSFER},
        videos={"dance": {"subject": "ben"}, "unrelated": {"subject": "eve"}},
        report={"max_megabytes": 5.0},
    )
    sections = {"train_gan": {"steps": 7}, "render": {"crf": 18}}
    write_json(ARTIFACTS / "params_of_results.json", sections)
    add_everything_to_render()
    add_clip(ARTIFACTS, "ada", "walk", dance(NUM_TARGET_FRAMES))
    poses = dance(NUM_SOURCE_FRAMES, seed=7)
    write_keypoints(ARTIFACTS / "poses/ada_as_ben.parquet", poses)
    frames = [picture(poses, index) for index in range(NUM_SOURCE_FRAMES)]
    write_video(Path("results/ada_as_ben/transfer.mp4"), frames, frame_rate=RATE, crf=18)
    key = MetricKey("pose_distance_px", "all", "ours", "detection")
    missed = key._replace(metric="missed_detections", region="body")
    values = {key: 1.0, key._replace(system="nearest_neighbours"): 5.0, missed: 0.0}
    scores = {key: ratio_of([value] * NUM_SOURCE_FRAMES) for key, value in values.items()}
    write_measurements(TABLE, Measurements.from_scores(scores, block_frames=1))
    for metrics in (
        *("decode/dance", "clean_keypoints/dance", "train_gan/ada", "train_face_gan/ada"),
        "encode/ada_as_ben",
    ):
        write_json(ARTIFACTS / f"metrics/{metrics}.json", {"frames": NUM_SOURCE_FRAMES})


def test_the_report_is_where_the_pipeline_looks_with_the_params_of_this_transfer_only():
    main("ada_as_ben")
    html = PAGE.read_text()
    assert "<title>ada performs ben&#39;s motion</title>" in html
    assert 'id="video-nearest_neighbours"' in html
    for shown in ("transfers.ada_as_ben", "videos.dance", "train_gan", "render"):
        assert f"<summary>{shown} " in html
    assert "videos.unrelated" not in html
    assert "transfers.other" not in html


def test_a_missing_input_is_named():
    for file in (
        str(TABLE),
        "artifacts/metrics/train_gan/ada.json",
        "artifacts/params_of_results.json",
        "artifacts/models/ada/face_generator.safetensors",
        "artifacts/frames/ben/dance/frames.mkv",
    ):
        hidden = Path(file).rename("hidden")
        with pytest.raises(MissingFileError, match=file):
            main("ada_as_ben")
        hidden.rename(file)
    assert not PAGE.exists()
