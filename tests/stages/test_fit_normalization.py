"""The stage fit_normalization: a subject's clips are pooled; statistics, plot and metrics."""

import json
from pathlib import Path

import pytest
import yaml

from motiontransfer.errors import MissingFileError, ParamsError, StatisticsError
from motiontransfer.keypoints import write_keypoints
from motiontransfer.retargeting.statistics import read_statistics
from stages.fit_normalization import main
from tests.people import stick_person

FOLDER = Path("artifacts/keypoints/ada")


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    section = {"min_score": 0.5, "cluster_fraction": 0.7, "outlier_quantile": 1.0}
    Path("params.yaml").write_text(yaml.safe_dump({"fit_normalization": section}))


def test_all_clips_of_the_subject_are_fitted_together():
    write_keypoints(FOLDER / "b.parquet", stick_person([70, 80, 100], [33, 35, 45]))
    write_keypoints(
        FOLDER / "a.parquet", stick_person([40, 60, 70], [50, 30, 30], missing=[(2, "left_ankle")])
    )
    (FOLDER / ".half.tmp.parquet").write_bytes(b"left by a killed run")
    main("ada")
    statistics = read_statistics(Path("artifacts/statistics/ada.json"))
    assert statistics.closest_ankle_y_px == pytest.approx(100)
    assert statistics.farthest_ankle_y_px == pytest.approx(60)
    metrics = json.loads(Path("artifacts/metrics/fit_normalization/ada.json").read_text())
    assert (metrics["frames_used"], metrics["frames_left_out"]) == (5, 1)
    assert metrics["height_at_closest_px"] == pytest.approx(45)


def test_the_plot_is_the_same_bytes_each_time():
    write_keypoints(FOLDER / "a.parquet", stick_person([60, 80, 100], 40))
    plots = []
    for _ in range(2):
        main("ada")
        plots.append(Path("artifacts/statistics/ada.png").read_bytes())
    assert plots[0] == plots[1]
    assert plots[0].startswith(b"\x89PNG")


def test_a_subject_without_keypoints_is_an_error():
    with pytest.raises(MissingFileError, match=r"artifacts/keypoints/eve: no keypoints; .*eve"):
        main("eve")
    Path("params.yaml").write_text(Path("params.yaml").read_text().replace("0.7", "0.0"))
    with pytest.raises(ParamsError, match=r"fit_normalization\.cluster_fraction: .*greater than 0"):
        main("ada")


def test_a_subject_without_feet_is_an_error():
    write_keypoints(FOLDER / "a.parquet", stick_person([80.0], 40, missing=[(0, "left_ankle")]))
    with pytest.raises(StatisticsError, match=r"keypoints/ada: none of 1 frames shows both ankles"):
        main("ada")
    assert not Path("artifacts/statistics").exists()
