import numpy as np
import pandas as pd
import pytest
from PIL import Image

from motiontransfer.evaluation.plots import (
    benchmark_panels,
    plot_curves,
    worst_frames,
    write_csv,
    write_picture,
)


@pytest.fixture
def table():
    return pd.DataFrame(
        {
            "frame_index": range(6),
            "ours_person_ssim": [0.5, 0.6, np.nan, 0.7, 0.8, 0.9],
            "nearest_neighbours_person_ssim": [0.4] * 6,
            "never": [np.nan] * 6,
        }
    )


def test_the_csv_has_empty_cells_for_what_could_not_be_measured(tmp_path, table):
    write_csv(tmp_path / "new" / "per_frame.csv", table)
    lines = (tmp_path / "new" / "per_frame.csv").read_text().splitlines()
    assert lines[0] == "frame_index,ours_person_ssim,nearest_neighbours_person_ssim,never"
    assert lines[1] == "0,0.5000,0.4000,"
    assert lines[3] == "2,,0.4000,"
    assert len(lines) == 7


def test_small_numbers_keep_four_digits_in_the_csv(tmp_path):
    write_csv(tmp_path / "t.csv", pd.DataFrame({"error": [0.00012344, 0.0, -0.05, 12.345678]}))
    lines = (tmp_path / "t.csv").read_text().splitlines()
    assert lines == ["error", "0.0001234", "0.0000", "-0.05", "12.3457"]


def test_a_picture_comes_back_as_it_was(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    write_picture(tmp_path / "picture.png", picture)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "picture.png")), picture)


def test_curves_are_drawn_and_the_same_each_time(tmp_path, table):
    panels = {
        "SSIM": {
            "ours": "ours_person_ssim",
            "nearest neighbours": "nearest_neighbours_person_ssim",
        },
        "nothing": {"ours": "never"},
    }
    for name in ("one.png", "two.png"):
        plot_curves(tmp_path / name, table, panels, title="Test")
    picture = np.asarray(Image.open(tmp_path / "one.png").convert("RGB"))
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    for colour in ((0x1F, 0x6F, 0xEB), (0xE8, 0x59, 0x0C)):
        assert (np.abs(picture.astype(int) - colour).max(axis=2) < 12).sum() > 50


def test_more_panels_make_a_higher_picture(tmp_path, table):
    heights = []
    for count in (1, 3):
        panels = {f"panel {index}": {"ours": "ours_person_ssim"} for index in range(count)}
        plot_curves(tmp_path / "plot.png", table, panels, title="Test")
        with Image.open(tmp_path / "plot.png") as picture:
            heights.append(picture.height)
    assert heights[1] > 2 * heights[0]


def test_panels_name_the_columns_of_both_methods():
    panels = benchmark_panels(("person",))
    assert panels["SSIM, person's box"] == {
        "ours": "ours_person_ssim",
        "nearest neighbours": "nearest_neighbours_person_ssim",
    }
    assert len(panels) == 3


def test_the_worst_frames_come_first_and_stand_apart():
    badness = np.array([0.1, 0.9, 1.0, 0.8, 0.2, 0.7, np.nan, 0.3])
    assert worst_frames(badness, 3, apart=1) == (2, 1, 3)
    assert worst_frames(badness, 3, apart=2) == (2, 5, 7)
    assert worst_frames(badness, 20, apart=1) == (2, 1, 3, 5, 7, 4, 0)


def test_no_frame_is_bad_where_nothing_was_measured():
    assert worst_frames(np.array([np.nan, np.nan]), 3, apart=1) == ()


def test_a_lost_body_is_the_worst():
    assert worst_frames(np.array([3.0, np.inf, 5.0]), 2, apart=1) == (1, 2)
