import math

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity

from motiontransfer.evaluation.metrics import (
    NOT_DETECTED,
    PSNR_CAP_DB,
    TOO_SMALL,
    compare_frames,
    count_skipped,
    frame_metrics,
    mean_or_none,
    summarise,
    wide_table,
)
from motiontransfer.evaluation.regions import Regions

_WHOLE = {"frame": (0, 0, 48, 40)}


@pytest.fixture
def real():
    rng = np.random.default_rng(1)
    smooth = gaussian_filter(rng.uniform(0, 255, (40, 48, 3)), (2, 2, 0))
    return np.clip((smooth - 127) * 4 + 127, 0, 255).astype(np.uint8)


def _only(rows):
    (row,) = rows
    return row


def _regions(boxes):
    found = np.array([box is not None for box in boxes])
    return Regions(boxes=np.array([box or (0, 0, 0, 0) for box in boxes], np.int64), found=found)


def test_identical_frames_are_perfect_and_finite(real):
    row = _only(frame_metrics(real, real, boxes=_WHOLE))
    assert (row["l1"], row["psnr"], row["skipped"]) == (0, PSNR_CAP_DB, "")
    assert row["ssim"] == pytest.approx(1)


@pytest.mark.parametrize("shift", [1, 10, -16])
def test_a_constant_shift_gives_its_l1_and_psnr(shift):
    base = np.full((40, 48, 3), 100, np.uint8)
    row = _only(frame_metrics(base, np.full_like(base, 100 + shift), boxes=_WHOLE))
    assert row["l1"] == pytest.approx(abs(shift))
    assert row["psnr"] == pytest.approx(20 * math.log10(255 / abs(shift)))


def test_ssim_of_two_flat_frames_is_the_luminance_term():
    flat = np.full((40, 48, 3), 100, np.uint8)
    row = _only(frame_metrics(flat, np.full_like(flat, 150), boxes=_WHOLE))
    c1 = (0.01 * 255) ** 2
    assert row["ssim"] == pytest.approx((2 * 100 * 150 + c1) / (100**2 + 150**2 + c1))


def test_black_against_white_is_the_worst():
    black = np.zeros((40, 48, 3), np.uint8)
    row = _only(frame_metrics(black, np.full_like(black, 255), boxes=_WHOLE))
    assert row["l1"] == 255
    assert row["psnr"] == pytest.approx(0)
    assert row["ssim"] < 1e-3


def test_colours_do_not_wrap_around():
    low, high = np.full((40, 48, 3), 3, np.uint8), np.full((40, 48, 3), 250, np.uint8)
    for first, second in ((low, high), (high, low)):
        assert _only(frame_metrics(first, second, boxes=_WHOLE))["l1"] == 247


def test_noise_is_worse_than_blur_is_worse_than_the_same(real):
    rng = np.random.default_rng(2)
    blurred = gaussian_filter(real.astype(float), (1, 1, 0)).astype(np.uint8)
    noisy = np.clip(real + rng.normal(0, 60, real.shape), 0, 255).astype(np.uint8)
    same, blur, noise = (
        _only(frame_metrics(real, fake, boxes=_WHOLE)) for fake in (real, blurred, noisy)
    )
    assert same["ssim"] > blur["ssim"] > noise["ssim"]
    assert same["psnr"] > blur["psnr"] > noise["psnr"]
    assert same["l1"] < blur["l1"] < noise["l1"]


def test_boxes_are_half_open(real):
    fake = real.copy()
    fake[10:25, 12:30] = 255 - fake[10:25, 12:30]
    inside, above, left, below, right = frame_metrics(
        real,
        fake,
        boxes={
            "inside": (12, 10, 30, 25),
            "above": (0, 0, 48, 10 + 1),
            "left": (0, 0, 12, 40),
            "below": (0, 25, 48, 40),
            "right": (30, 0, 48, 40),
        },
    )
    direct = np.abs(real[10:25, 12:30].astype(int) - fake[10:25, 12:30]).mean()
    assert inside["l1"] == pytest.approx(direct)
    assert left["l1"] == below["l1"] == right["l1"] == 0
    assert above["l1"] > 0


def test_ssim_in_a_box_is_that_of_the_box_cut_out(real):
    rng = np.random.default_rng(3)
    fake = np.clip(real + rng.normal(0, 30, real.shape), 0, 255).astype(np.uint8)
    x0, y0, x1, y1 = 5, 9, 24, 31
    row = _only(frame_metrics(real, fake, boxes={"person": (x0, y0, x1, y1)}))
    direct = structural_similarity(
        real[y0:y1, x0:x1],
        fake[y0:y1, x0:x1],
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        channel_axis=-1,
    )
    assert row["ssim"] == pytest.approx(direct, abs=1e-9)


def test_metrics_are_symmetric(real):
    rng = np.random.default_rng(3)
    fake = np.clip(real + rng.normal(0, 30, real.shape), 0, 255).astype(np.uint8)
    there, back = (
        _only(frame_metrics(a, b, boxes=_WHOLE)) for a, b in ((real, fake), (fake, real))
    )
    assert all(there[name] == pytest.approx(back[name]) for name in ("l1", "psnr", "ssim"))


def test_a_box_is_measured_from_eleven_pixels_on(real):
    large, small, none = frame_metrics(
        real, real, boxes={"large": (3, 3, 14, 14), "small": (3, 3, 14, 13), "none": None}
    )
    assert large["skipped"] == ""
    assert large["ssim"] == pytest.approx(1)
    assert (small["skipped"], none["skipped"]) == (TOO_SMALL, NOT_DETECTED)
    assert all(math.isnan(row[name]) for row in (small, none) for name in ("l1", "psnr", "ssim"))


def test_frames_smaller_than_the_window_are_skipped_not_fatal():
    tiny = np.zeros((8, 20, 3), np.uint8)
    assert _only(frame_metrics(tiny, tiny, boxes={"frame": (0, 0, 20, 8)}))["skipped"] == TOO_SMALL


@pytest.fixture
def table(real):
    reals = [real, real, real]
    brighter = [np.clip(frame.astype(int), 0, 245).astype(np.uint8) for frame in reals]
    return compare_frames(
        iter(brighter),
        {
            "ours": iter([brighter[0], brighter[1] + 2, brighter[2] + 4]),
            "nearest_neighbours": iter([frame + 10 for frame in brighter]),
        },
        regions={
            "person": _regions([(0, 0, 20, 20), None, (4, 4, 30, 30)]),
            "face": _regions([None, (0, 0, 5, 5), (0, 0, 6, 6)]),
        },
    )


def test_the_table_has_a_row_for_each_frame_method_and_region(table):
    assert len(table) == 3 * 2 * 3
    assert list(table.columns) == [
        "frame_index",
        "method",
        "region",
        "l1",
        "psnr",
        "ssim",
        "skipped",
    ]
    row = table.query("frame_index == 2 and method == 'ours' and region == 'person'").iloc[0]
    assert row["l1"] == pytest.approx(4)


def test_means_are_over_measured_frames_only(table):
    ours, nearest = summarise(table, "ours"), summarise(table, "nearest_neighbours")
    assert list(ours) == ["frame", "person", "face"]
    assert ours["frame"]["l1"] == pytest.approx(2)
    assert ours["person"]["l1"] == pytest.approx(2)  # frames 0 and 2; frame 1 has no person
    assert nearest["person"]["l1"] == pytest.approx(10)
    assert ours["face"] == {"l1": None, "psnr": None, "ssim": None}


def test_skipped_frames_are_counted_once_whatever_the_number_of_methods(table):
    assert count_skipped(table) == {
        "frame": {"not_detected": 0, "smaller_than_11_pixels": 0},
        "person": {"not_detected": 1, "smaller_than_11_pixels": 0},
        "face": {"not_detected": 1, "smaller_than_11_pixels": 2},
    }


def test_the_wide_table_has_a_row_a_frame_and_the_same_numbers(table):
    wide = wide_table(table)
    assert wide["frame_index"].tolist() == [0, 1, 2]
    assert len(wide.columns) == 1 + 2 * 3 * 3
    assert wide["ours_frame_l1"].tolist() == pytest.approx([0, 2, 4])
    assert wide["nearest_neighbours_person_l1"].isna().tolist() == [False, True, False]
    assert wide["ours_face_ssim"].isna().all()


def test_clips_of_different_lengths_are_an_error(real):
    with pytest.raises(ValueError, match=r"shorter|longer"):
        compare_frames([real, real], {"ours": [real]}, regions={})


def test_only_one_frame_of_each_clip_is_held_at_a_time(real):
    alive = []

    def stream():
        for index in range(5):
            alive.append(index)
            yield real

    table = compare_frames(stream(), {"ours": stream()}, regions={})
    assert alive == [index for index in range(5) for _ in range(2)]
    assert isinstance(table, pd.DataFrame)


def test_mean_of_nothing_is_none():
    assert mean_or_none([]) is None
    assert mean_or_none([math.nan]) is None
    assert mean_or_none([1.0, math.nan, 2.00004]) == 1.5
