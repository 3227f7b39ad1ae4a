import pytest

from motiontransfer.report.tables import best_of, headlines, metric_tables, row_label
from tests.report.conftest import INTERVALS, METRICS


def test_a_table_has_a_row_a_metric_and_a_column_a_method():
    table = next(t for t in metric_tables(METRICS, INTERVALS) if t.title == "Against the truth")
    assert table.columns == (
        *("this run", "nearest neighbours", "frame by frame"),
        "the real frame before",
    )
    (group,) = table.groups
    assert group.title == "Person's box"
    l1, ssim = group.rows
    assert [cell.text for cell in l1.cells] == ["11.25", "23.70", "10.50", "4.500"]
    assert [cell.best for cell in l1.cells] == [False, False, True, False]  # less is better
    assert [cell.best for cell in ssim.cells] == [True, False, False, False]  # more is better
    assert ssim.cells[0].interval == "0.650 \N{EN DASH} 0.730"
    assert l1.cells[0].interval == ""
    assert table.has_intervals


def test_numbers_at_the_top_of_the_file_make_no_table():
    assert [table.title for table in metric_tables({"frames": 60})] == []


def test_a_method_that_was_not_judged_has_an_empty_cell():
    (table,) = metric_tables({"s": {"a": {"ours": 1.0}, "b": {"ours": 2.0, "truth": 3.0}}})
    assert table.columns == ("this run", "truth")
    assert table.groups[0].rows[0].cells[1] is None


def test_what_could_not_be_measured_is_a_dash():
    (table,) = metric_tables({"s": {"ours": {"ssim": None}}})
    assert table.groups[0].rows[0].cells[0].text == "\N{EN DASH}"


@pytest.mark.parametrize(
    ("values", "better", "best"),
    [
        ({"ours": 1.0, "other": 2.0}, "lower", {"ours"}),
        ({"ours": 1.0, "other": 2.0}, "higher", {"other"}),
        ({"ours": 1.0, "other": 1.0}, "higher", {"ours", "other"}),
        ({"ours": 1.0, "other": 2.0}, "unknown", set()),
        ({"ours": 0.9, "other": 1.2}, "near one", {"ours"}),
        ({"ours": 1.0, "truth": 0.5}, "lower", set()),  # what was filmed is no rival
        ({"ours": 1.0, "other": None}, "lower", set()),
    ],
)
def test_the_best_is_the_one_that_no_rival_beats(values, better, best):
    assert best_of(values, better) == best


def test_rows_stand_under_where_or_what():
    assert row_label(("person", "ssim")) == ("Person's box", "SSIM")
    assert row_label(("body_found",)) == ("", "Share of frames with a body")
    assert row_label(("pose_distance_px", "all")) == (
        "Distance of the pose found again",
        "All joints",
    )


def test_the_headlines_are_the_most_telling_there_are():
    assert [line.label for line in headlines(METRICS)] == [
        "SSIM on the person's box",
        "L1 on the person's box",
        "Pose distance to the intended",
        "Share of frames with a body found",
    ]
    first = headlines(METRICS, INTERVALS)[0]
    assert first.cell.text == "0.692"
    assert first.others[0] == ("nearest neighbours", "0.528")


def test_an_interval_without_width_is_not_worth_a_line():
    (table,) = metric_tables({"s": {"ours": {"l1": 0.0}}}, {"s": {"ours": {"l1": [0.0, 0.0]}}})
    assert table.groups[0].rows[0].cells[0].interval == ""
