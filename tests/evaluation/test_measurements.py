import numpy as np
import pandas as pd
import pytest

from motiontransfer.errors import MissingFileError
from motiontransfer.evaluation import measurements as module
from tests.evaluation.conftest import ratio_of


@pytest.fixture
def found():
    scores = {
        module.MetricKey("pose_distance_px", "all", "ours", "detection"): [1.0, 3.0],
        module.MetricKey("missed_detections", "body", "ours", "detection"): [0.0, 1.0],
        module.MetricKey("warping_error", "", "ours", "temporal"): [np.nan, 0.5],
        module.MetricKey("ssim", "face", "ours", "truth"): [np.nan, np.nan],
    }
    counts = {
        module.MetricKey("frames", "", ""): 2,
        module.MetricKey("not_detected", "face", "", "truth"): 1,
    }
    ratios = {key: ratio_of(of) for key, of in scores.items()}
    return (
        module.Measurements.from_counts(counts)
        + module.Measurements.from_scores(ratios, block_frames=1)
        + module.Measurements.from_values(
            {module.MetricKey("fid", "frame", "ours", "realism"): (0.123456, None)}
        )
        + module.Measurements.not_measured({"lpips": "no weights", "truth pck": "no head"})
    )


def test_metrics_json_and_the_table_of_frames_are_pivots(found):
    assert module.nested(found) == {
        "frames": 2,
        "truth": {
            "skipped_frames": {"face": {"not_detected": 1}},
            "ours": {"face": {"ssim": None}},
        },
        "detection": {
            "ours": {"pose_distance_px": {"all": 2.0}, "missed_detections": {"body": 0.5}}
        },
        "temporal": {"warping_error": {"ours": 0.5}},
        "realism": {"fid": {"frame": {"ours": 0.1235}}},
    }
    table = module.wide(found)
    assert table["detection_ours_pose_distance_px_all"].tolist() == [1, 3]
    assert list(table)[-1] == "truth_ours_face_ssim"
    intervals = module.nested(found, lambda one: one.interval)
    assert intervals["detection"]["ours"]["pose_distance_px"]["all"] == (1, 3)
    assert intervals["truth"]["ours"]["face"]["ssim"] is None


def test_the_file_is_tidy_and_is_read_back_whole(found, tmp_path):
    module.write_measurements(tmp_path / "one.parquet", found)
    module.write_measurements(tmp_path / "two.parquet", found)
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    table = pd.read_parquet(tmp_path / "one.parquet")
    assert " ".join(table) == "metric region system section frame value low high note"
    distance = table[(table["metric"] == "pose_distance_px") & table["frame"].notna()]
    assert distance[["frame", "value"]].to_numpy().tolist() == [[0, 1], [1, 3]]
    again = module.read_measurements(tmp_path / "one.parquet")
    assert again.summary == found.summary
    assert list(again.per_frame) == list(found.per_frame)
    for key, values in found.per_frame.items():
        np.testing.assert_array_equal(again.per_frame[key], values)
    with pytest.raises(MissingFileError, match=r"gone\.parquet"):
        module.read_measurements(tmp_path / "gone.parquet")


def test_curves_begin_with_the_headline_metrics(found):
    assert next(iter(found.curves())) == module.MetricKey(
        "pose_distance_px", "all", "", "detection"
    )
    assert {key.metric for key in module.HEADLINES} <= module.METRICS.keys()
    notes = {(one.key.section, one.key.metric): one.note for one in found.summary if one.note}
    assert notes == {("", "lpips"): "no weights", ("truth", "pck"): "no head"}


def test_the_worst_frame_is_the_least_like_the_truth_or_without_a_body_or_far_off(found):
    errors, texts = module.frame_errors(found)
    assert errors.tolist() == [1, np.inf]
    assert texts == ["1.0 px", "no body"]
    ssim = {module.MetricKey("ssim", "person", "ours", "truth"): ratio_of([0.9, np.nan])}
    errors, texts = module.frame_errors(
        found + module.Measurements.from_scores(ssim, block_frames=1)
    )
    np.testing.assert_array_equal(errors, [-0.9, np.nan])
    assert texts[0] == "SSIM 0.90"
