import numpy as np
import pandas as pd
import pytest
from PIL import Image

from motiontransfer.evaluation.measurements import Measurements, MetricKey
from motiontransfer.evaluation.plots import (
    plot_curves,
    worst_frame_indices,
    write_csv,
    write_headline_curves,
)

_OURS = MetricKey("ssim", "person", "ours", "truth")
_OTHERS = MetricKey("ssim", "person", "nearest_neighbours", "truth")
_NEVER = MetricKey("ssim", "face", "ours", "truth")


@pytest.fixture
def found():
    per_frame = {
        _OURS: np.array([0.5, 0.6, np.nan, 0.7, 0.8, 0.9]),
        _OTHERS: np.full(6, 0.4),
        _NEVER: np.full(6, np.nan),
    }
    return Measurements(summary=(), per_frame=per_frame)


def test_headline_metrics_of_both_systems_have_a_csv_each(tmp_path, found):
    """With empty cells for what could not be measured."""
    write_headline_curves(tmp_path / "new", found)
    (path,) = (tmp_path / "new").iterdir()
    assert path.name == "truth_ssim_person.csv"
    lines = path.read_text().splitlines()
    assert lines[:2] == ["frame_index,ours,nearest_neighbours", "0,0.5000,0.4000"]
    assert lines[3] == "2,,0.4000"
    assert len(lines) == 7


def test_small_numbers_keep_four_digits_in_the_csv(tmp_path):
    write_csv(tmp_path / "t.csv", pd.DataFrame({"error": [0.00012344, 0.0, -0.05, 12.345678]}))
    lines = (tmp_path / "t.csv").read_text().splitlines()
    assert lines == ["error", "0.0001234", "0.0000", "-0.05", "12.3457"]


def test_curves_are_drawn_and_the_same_each_time(tmp_path, found):
    panels = {"SSIM": {"ours": _OURS, "nearest neighbours": _OTHERS}, "nothing": {"ours": _NEVER}}
    for name in ("one.png", "two.png"):
        plot_curves(tmp_path / name, found, panels, title="Test")
    picture = np.asarray(Image.open(tmp_path / "one.png").convert("RGB"))
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    for color in ((0x1F, 0x6F, 0xEB), (0xE8, 0x59, 0x0C)):
        assert (np.abs(picture.astype(int) - color).max(axis=2) < 12).sum() > 50
    plot_curves(tmp_path / "half.png", found, {"SSIM": {"ours": _OURS}}, title="Test")
    with Image.open(tmp_path / "half.png") as half:
        assert half.height < 0.7 * len(picture)


@pytest.mark.parametrize(
    ("errors", "worst"),
    [
        ([3.0, np.inf, 5.0], (1, 2, 0)),
        ([0.5, np.nan], (0,)),
        ([np.nan, np.nan], ()),
        (np.arange(48) % 30, (29, 27, 25, 23, 21, 19, 17, 47)),  # at most 8, 2 frames apart
    ],
)
def test_the_worst_frames_come_first_and_not_side_by_side(errors, worst):
    assert worst_frame_indices(np.array(errors, float)) == worst
