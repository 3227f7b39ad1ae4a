from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from motiontransfer.errors import MissingFileError
from motiontransfer.report.curves import (
    badness,
    frame_charts,
    num_open,
    read_per_frame,
    training_charts,
    write_curves,
)
from tests.report.conftest import per_frame_table

METHODS = {"ours": "this run", "nearest_neighbours": "nearest neighbours"}


def test_a_chart_has_a_curve_for_each_method_with_gaps_where_nothing_was_measured():
    chart = frame_charts(per_frame_table(), METHODS)[0]
    assert chart.title == "SSIM, person's box"
    assert [curve.label for curve in chart.curves] == ["this run", "nearest neighbours"]
    assert chart.curves[0].values[20] == pytest.approx(0.4)
    assert chart.curves[1].values[:6] == (None, None, None, None, None, 0.3)


def test_a_chart_says_in_words_what_it_shows():
    chart = frame_charts(per_frame_table(), METHODS)[0]
    assert "this run: mean 0.529, lowest 0.400 at 20, highest 0.690 at 49." in chart.summary
    assert "nearest neighbours: mean 0.300, lowest 0.300 at 5, highest 0.300 at 5." in chart.summary


def test_what_never_changes_comes_last():
    table = per_frame_table().assign(ours_zzz=np.arange(50.0), ours_aaa=1.0)
    keys = [chart.key for chart in frame_charts(table, METHODS)]
    assert keys == ["person_ssim", "zzz", "missed_body", "aaa"]


def test_a_new_column_is_shown_without_more_ado():
    table = per_frame_table().assign(ours_person_wobble_px=np.arange(50.0))
    assert "person_wobble_px" in {chart.key for chart in frame_charts(table, METHODS)}


def test_dvc_gets_a_file_a_quantity_with_the_same_columns_in_each(tmp_path):
    table = per_frame_table().assign(ours_person_l1=1.0, nearest_neighbours_zzz=2.0)
    write_curves(tmp_path, table, ("ours", "nearest_neighbours"))
    (file,) = tmp_path.iterdir()  # a plot of one method alone would have other columns
    assert file.name == "person_ssim.csv"
    assert list(pd.read_csv(file).columns) == ["frame_index", "ours", "nearest_neighbours"]
    assert pd.read_csv(file)["ours"][20] == 0.4


def test_a_column_is_of_the_method_with_the_longest_name_that_fits():
    table = pd.DataFrame({"frame_index": [0, 1], "near_l1": [1.0, 2.0], "near_by_l1": [3.0, 4.0]})
    (chart,) = frame_charts(table, {"near": "a", "near_by": "b"})
    assert [(curve.label, curve.values[0]) for curve in chart.curves] == [("a", 1.0), ("b", 3.0)]


def test_a_few_are_shown_at_first():
    charts = frame_charts(per_frame_table(), METHODS)
    assert num_open(charts) == 2
    assert num_open(charts * 5) == 4


def test_frames_are_bad_by_the_truth_where_there_is_one():
    bad, words = badness(per_frame_table())
    assert np.argmax(bad) == 20
    assert words[20] == "SSIM 0.40"


def test_without_a_truth_a_frame_without_a_body_is_the_worst():
    table = pd.DataFrame(
        {
            "frame_index": range(4),
            "ours_intended_distance_px": [1.0, 9.0, np.nan, 2.0],
            "ours_missed_body": [0, 0, 1, 0],
        }
    )
    bad, words = badness(table)
    assert np.argsort(-bad).tolist() == [2, 1, 3, 0]
    assert words == ["1.0 px off", "9.0 px off", "no body found", "2.0 px off"]


def test_where_nothing_is_known_no_frame_is_bad():
    bad, _ = badness(pd.DataFrame({"frame_index": range(3)}))
    assert np.isnan(bad).all()


def test_losses_are_read_from_the_training_run(tmp_path):
    folder = tmp_path / "generator"
    (folder / "metrics/generator").mkdir(parents=True)
    (folder / "metrics/generator/l1.tsv").write_text("step\tl1\n25\t4.5\n50\t3.5\n")
    (chart,) = training_charts(folder)
    assert chart.positions == (25, 50)
    assert chart.curves[0].values == (4.5, 3.5)
    assert training_charts(tmp_path / "never_trained") == ()


def test_a_missing_table_is_named():
    with pytest.raises(MissingFileError, match=r"nowhere\.csv: no such table; `dvc repro`"):
        read_per_frame(Path("nowhere.csv"))
