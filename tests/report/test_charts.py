import numpy as np
import pytest

from motiontransfer.evaluation.measurements import MetricKey
from motiontransfer.report.tables import frame_charts, training_charts
from tests.report.conftest import measured


def test_a_chart_has_a_curve_for_each_system_with_gaps_where_nothing_was_measured():
    chart = frame_charts(measured().curves())[0]
    assert (chart.key, chart.title) == ("truth_ssim_person", "SSIM, person's box")
    assert [curve.label for curve in chart.curves] == ["ours", "nearest_neighbours"]
    assert chart.curves[0].values[20] == pytest.approx(0.4)
    assert chart.curves[1].values[:6] == (None, None, None, None, None, 0.3)
    assert "ours: mean 0.529, lowest 0.400 at 20, highest 0.690 at 49." in chart.summary


def test_constant_charts_come_last():
    still = {MetricKey("lpips", "person", "", "truth"): {"ours": np.ones(50)}}
    charts = frame_charts({**still, **measured().curves()})
    assert [chart.key for chart in charts] == [
        *("truth_ssim_person", "truth_lpips_person"),
        "detection_missed_detections_body",
    ]


def test_losses_are_read_from_the_training_run(tmp_path):
    folder = tmp_path / "generator"
    (folder / "metrics/generator").mkdir(parents=True)
    (folder / "metrics/generator/l1.tsv").write_text("step\tl1\n25\t4.5\n50\t3.5\n")
    (chart,) = training_charts(folder)
    assert chart.positions == (25, 50)
    assert chart.curves[0].values == (4.5, 3.5)
    assert training_charts(tmp_path / "never_trained") == ()
