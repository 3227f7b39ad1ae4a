import numpy as np
import pytest

from motiontransfer.evaluation.measurements import Measurements, MetricKey
from motiontransfer.evaluation.metrics import HEADLINES, curves
from motiontransfer.report import tables
from tests.report.conftest import measured


def test_a_table_has_a_row_a_metric_and_a_column_a_system():
    *_, table = tables.metric_tables(measured())
    assert table.title == "Compared with the ground truth"
    of_ceiling = "ceiling: the real frame half a pixel aside"
    names = ["this run", "nearest neighbors", "frame by frame", of_ceiling]
    assert [*table.columns] == names
    ((heading, rows),) = table.groups.items()
    l1, likeness = rows
    assert (heading, l1.label, likeness.label) == ("Person's box", "L1", "Likeness")
    numbers = ["11.25", "23.70", "10.50", "4.500"]
    assert [tables.number_text(cell.value) for cell in l1.cells] == numbers
    assert (l1.best, likeness.best) == ({"frame_by_frame"}, {"ours"})  # less, more is better
    assert tables.interval_text(likeness.cells[0]) == "0.650 \N{EN DASH} 0.730"
    assert tables.interval_text(l1.cells[0]) == ""


def test_rows_are_grouped_by_region_or_metric():
    detection, temporal, _ = tables.metric_tables(measured())
    labels = {heading: [row.label for row in rows] for heading, rows in detection.groups.items()}
    missed = "Missed detections, share"
    assert labels == {missed: ["Body"], "Pose error": ["Body", "All joints"]}
    assert detection.groups[missed][0].cells[1] is None  # of the baseline it is not known
    assert list(temporal.groups) == [""]


def test_counts_and_notes_are_lines_below_the_tables():
    found = measured()
    counted = Measurements.from_counts({MetricKey("frames", "", ""): 60})
    counted += Measurements.not_measured({"truth": "not filmed"})
    assert tables.metric_tables(counted) == ()
    missing = {MetricKey("l1", "face", "ours", "truth"): (None, None)}
    (row,) = tables.metric_tables(Measurements.from_values(missing))[0].groups["Face"]
    assert tables.number_text(row.cells[0].value) == "\N{EN DASH}"
    assert tables.not_measured(counted) == ("ground truth: not filmed",)
    assert tables.not_measured(found) == (
        "ground truth, face, not detected: 3 frames",
        "LPIPS: no weights",
        "face identity: needs a network",
    )


@pytest.mark.parametrize(
    ("values", "better", "best"),
    [
        ({"ours": 1.0, "other": 2.0}, "lower", {"ours"}),
        ({"ours": 1.0, "other": 2.0}, "higher", {"other"}),
        ({"ours": 1.0, "other": 1.0}, "higher", {"ours", "other"}),
        ({"ours": 1.0, "other": 2.0}, "unknown", set()),
        ({"ours": 0.9, "other": 1.2}, "near one", {"ours"}),
        ({"ours": 1.0, "truth": 0.5}, "lower", set()),  # real videos are not ranked
        ({"ours": 1.0, "other": None}, "lower", set()),
    ],
)
def test_the_best_is_marked_among_the_ranked_systems(values, better, best):
    assert tables.best_of(values, better) == best


def test_the_first_headline_metrics_are_tiles():
    found = tables.tiles(measured())
    assert [tile.label for tile in found] == [
        "Likeness, person's box",
        "Pose error, all joints (intended pose)",
        "Background flicker",
    ]
    assert [found[0].ours.value, found[0].others[0].value] == [0.6923, 0.5279]
    assert found[0].others[0].key.system == "nearest_neighbours"
    assert tables.title_of(MetricKey("pose_distance_px", "hands", "", "")) == "Pose distance, hands"
    everything = {key._replace(system="ours"): (1.0, None) for key in HEADLINES}
    everything[HEADLINES[0]._replace(system="film")] = None, None
    all_tiles = tables.tiles(Measurements.from_values(everything))
    assert [tile.label for tile in all_tiles] == [tables.title_of(key) for key in HEADLINES[:4]]
    assert all_tiles[0].others == ()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.69231, "0.6923"),
        (27.0984, "27.10"),
        (160.0, "160"),
        (1234.4, "1234"),
        (0.0001234, "0.0001234"),
        (-0.05, "\N{MINUS SIGN}0.05000"),
        (0.00001, "1.000e-05"),
    ],
)
def test_numbers_have_four_significant_digits(value, text):
    assert tables.number_text(value) == text


def test_a_change_has_its_sign():
    texts = [tables.change_text(change) for change in (0.25, -0.25, 0.0)]
    assert texts == ["+0.25", "\N{MINUS SIGN}0.25", "0"]


@pytest.mark.parametrize(
    ("before", "after", "better", "verdict"),
    [
        (1.0, 2.0, "higher", "better"),
        (2.0, 1.0, "higher", "worse"),
        (1.0, 2.0, "lower", "worse"),
        (2.0, 1.0, "lower", "better"),
        (1.0, 1.0, "lower", "same"),
        (1.0, 2.0, "unknown", "changed"),
        (1.0, 1.0, "unknown", "same"),
        (0.5, 0.9, "near one", "better"),
        (0.9, 1.5, "near one", "worse"),
        (0.75, 1.25, "near one", "changed"),
    ],
)
def test_a_verdict_depends_on_the_better_direction(before, after, better, verdict):
    assert tables.verdict_of(before, after, better) == verdict
    if before != after:
        assert tables.verdict_of(before, after, better, noise=1.0) == "within noise"


def _run(*, noise=None, **values):
    """Metrics of the person's box: name -> (value, interval)."""
    keys = {name: MetricKey(name, "person", "ours", "truth") for name in values}
    other = {MetricKey("likeness", "person", "nearest_neighbours", "truth"): (0.1, None)}
    if noise is not None:
        other[MetricKey("likeness", "person", "noise", "truth")] = (noise, None)
    found = {keys[name]: value for name, value in values.items()}
    return Measurements.from_values({**found, **other})


@pytest.mark.parametrize(
    ("after", "interval", "noise", "verdict"),
    [
        (0.75, (0.4, 0.55), None, "better"),
        (0.75, (0.4, 0.65), None, "within noise"),
        (0.75, (0.4, 0.65), 0.06, "better"),  # more than four times the noise
        (0.75, (0.4, 0.55), 0.07, "within noise"),
        (0.25, None, None, "worse"),
        (0.5, (0.4, 0.65), None, "same"),
    ],
)
def test_metrics_of_ours_are_compared_one_by_one(after, interval, noise, verdict):
    differences = tables.metric_differences(
        _run(likeness=(0.5, interval), ssim=(0.5, None)),
        _run(likeness=(after, (0.6, 0.8)), l1=(3.0, None), noise=noise),
    )
    ((title, (likeness, *alone)),) = differences.items()
    assert title == "Compared with the ground truth"
    assert (likeness.label, likeness.before) == ("Person's box: Likeness", 0.5)
    assert (likeness.after, likeness.verdict) == (after, verdict)
    assert [(one.verdict, one.before, one.after) for one in alone] == [
        ("only after", None, 3.0),
        ("only before", 0.5, None),
    ]


def test_a_chart_has_a_curve_for_each_system_with_gaps_where_nothing_was_measured():
    chart = tables.frame_charts(curves(measured()))[0]
    assert (chart.key, chart.title) == ("truth_likeness_person", "Likeness, person's box")
    assert [*chart.curves] == ["ours", "nearest_neighbours"]
    still = {MetricKey("lpips", "person", "", "truth"): {"ours": np.ones(50)}}
    last = tables.frame_charts({**still, **curves(measured())})[1]
    assert last.key == "truth_lpips_person"  # constant ones come last
    assert chart.curves["ours"][20] == pytest.approx(0.4)
    assert chart.curves["nearest_neighbours"][:6] == (None, None, None, None, None, 0.3)
    assert "ours: mean 0.529, lowest 0.400 at 20, highest 0.690 at 49." in chart.summary
