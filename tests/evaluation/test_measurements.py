import numpy as np
import pandas as pd
import pytest

from motiontransfer.core.errors import MissingFileError
from motiontransfer.evaluation import measurements as module
from motiontransfer.evaluation.measurements import Measurements, MetricKey
from motiontransfer.evaluation.metrics import HEADLINES, METRICS, curves, nested, write_curves
from motiontransfer.report.report import frame_errors
from tests.evaluation.conftest import ratio_of


@pytest.fixture
def found():
    scores = {
        MetricKey("pose_error_px", "all", "ours", "detection"): [1.0, 3.0],
        MetricKey("missed_detections", "body", "ours", "detection"): [0.0, 1.0],
        MetricKey("warping_error_person", "", "ours", "temporal"): [np.nan, 0.5],
        MetricKey("ssim", "face", "ours", "truth"): [np.nan, np.nan],
    }
    counts = {MetricKey("frames", "", ""): 2, MetricKey("not_detected", "face", "", "truth"): 1}
    ratios = {key: ratio_of(of) for key, of in scores.items()}
    return (
        Measurements.from_counts(counts)
        + Measurements.from_scores(ratios, block_frames=1)
        + Measurements.from_values({MetricKey("trace", "", "ours"): (0.123456, None)})
        + Measurements.not_measured({"lpips": "no weights", "truth ssim": "no film"})
    )


def test_metrics_json_is_a_pivot(found):
    assert nested(found) == {
        "frames": 2,
        "truth": {
            "skipped_frames": {"face": {"not_detected": 1}},
            "ours": {"face": {"ssim": None}},
        },
        "detection": {"ours": {"pose_error_px": {"all": 2.0}, "missed_detections": {"body": 0.5}}},
        "temporal": {"warping_error_person": {"ours": 0.5}},
        "trace": {"ours": 0.1235},
    }
    intervals = nested(found, lambda one: one.interval)
    assert intervals["detection"]["ours"]["pose_error_px"]["all"] == (1, 3)
    assert intervals["truth"]["ours"]["face"]["ssim"] is None


def test_the_file_is_tidy_and_is_read_back_whole(found, tmp_path):
    module.write_measurements(tmp_path / "one.parquet", found)
    module.write_measurements(tmp_path / "two.parquet", found)
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    table = pd.read_parquet(tmp_path / "one.parquet")
    assert " ".join(table) == "metric region system section frame value low high note"
    distance = table[(table["metric"] == "pose_error_px") & table["frame"].notna()]
    assert distance[["frame", "value"]].to_numpy().tolist() == [[0, 1], [1, 3]]
    again = module.read_measurements(tmp_path / "one.parquet")
    assert again.summary == found.summary
    assert list(again.per_frame) == list(found.per_frame)
    for key, values in found.per_frame.items():
        np.testing.assert_array_equal(again.per_frame[key], values)
    with pytest.raises(MissingFileError, match=r"gone\.parquet"):
        module.read_measurements(tmp_path / "gone.parquet")


def test_curves_begin_with_the_headline_metrics(found):
    assert next(iter(curves(found))) == MetricKey("pose_error_px", "all", "", "detection")
    assert {key.metric for key in HEADLINES} <= METRICS.keys()
    notes = {(one.key.section, one.key.metric): one.note for one in found.summary if one.note}
    assert notes == {("", "lpips"): "no weights", ("truth", "ssim"): "no film"}


def test_the_worst_frame_is_the_least_like_the_truth_or_without_a_body_or_far_off(found):
    errors, texts = frame_errors(found)
    assert errors.tolist() == [1, np.inf]
    assert texts == ["1.0 px", "no body"]
    likeness = {MetricKey("likeness", "person", "ours", "truth"): ratio_of([0.9, np.nan])}
    errors, texts = frame_errors(found + Measurements.from_scores(likeness, block_frames=1))
    np.testing.assert_array_equal(errors, [-0.9, np.nan])
    assert texts[0] == "likeness 0.90"


def test_headline_metrics_of_both_systems_have_a_csv_each(tmp_path):
    """With empty cells for what could not be measured."""
    key = MetricKey("likeness", "person", "ours", "truth")
    per_frame = {key: np.array([0.5, 0.6, np.nan, 0.7, 0.8, 0.9])}
    per_frame[key._replace(system="nearest_neighbours")] = np.full(6, 0.4)
    per_frame[key._replace(region="face")] = np.full(6, np.nan)
    write_curves(tmp_path / "new", Measurements(summary=(), per_frame=per_frame))
    (path,) = (tmp_path / "new").iterdir()
    assert path.name == "truth_likeness_person.csv"
    lines = path.read_text().splitlines()
    assert lines[:2] == ["frame_index,ours,nearest_neighbours", "0,0.5000,0.4000"]
    assert lines[3] == "2,,0.4000"
    assert len(lines) == 7
    # Without a baseline there is a folder, which DVC wants, and no curve.
    write_curves(tmp_path / "alone", Measurements(summary=(), per_frame={key: np.ones(3)}))
    assert [*(tmp_path / "alone").iterdir()] == []
