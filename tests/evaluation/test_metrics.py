import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity

from motiontransfer.evaluation.metrics import (
    NO_NETWORKS,
    NOT_DETECTED,
    PSNR_CAP_DB,
    TOO_SMALL,
    Networks,
    PictureJudge,
    count_skipped,
    frame_metrics,
    not_measured,
    why_skipped,
)
from motiontransfer.evaluation.regions import Regions
from motiontransfer.evaluation.series import means

_WHOLE = {"frame": (0, 0, 48, 40)}


@pytest.fixture
def real():
    rng = np.random.default_rng(1)
    smooth = gaussian_filter(rng.uniform(0, 255, (40, 48, 3)), (2, 2, 0))
    return np.clip((smooth - 127) * 4 + 127, 0, 255).astype(np.uint8)


def _only(metrics):
    (found,) = metrics.values()
    return found


def _regions(boxes):
    found = np.array([box is not None for box in boxes])
    return Regions(boxes=np.array([box or (0, 0, 0, 0) for box in boxes], np.int64), found=found)


def test_identical_frames_are_perfect_and_finite(real):
    row = _only(frame_metrics(real, real, boxes=_WHOLE))
    assert (row["l1"], row["psnr"]) == (0, PSNR_CAP_DB)
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
    assert row["ssim"] == pytest.approx((2 * 100 * 150 + c1) / (100**2 + 150**2 + c1), rel=1e-5)


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
    found = frame_metrics(
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
    inside, above, left, below, right = found.values()
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
    assert row["ssim"] == pytest.approx(direct, abs=1e-5)


def test_metrics_are_symmetric(real):
    rng = np.random.default_rng(3)
    fake = np.clip(real + rng.normal(0, 30, real.shape), 0, 255).astype(np.uint8)
    there, back = (
        _only(frame_metrics(first, second, boxes=_WHOLE))
        for first, second in ((real, fake), (fake, real))
    )
    assert all(there[name] == pytest.approx(back[name]) for name in ("l1", "psnr", "ssim"))


def test_a_box_is_measured_from_eleven_pixels_on(real):
    found = frame_metrics(
        real, real, boxes={"large": (3, 3, 14, 14), "small": (3, 3, 14, 13), "none": None}
    )
    assert found["large"]["ssim"] == 1
    assert found["small"] == found["none"] == {}
    assert why_skipped((3, 3, 14, 14)) == ""
    assert why_skipped((3, 3, 14, 13)) == TOO_SMALL
    assert why_skipped(None) == NOT_DETECTED


def test_frames_smaller_than_the_window_are_skipped_not_fatal():
    tiny = np.zeros((8, 20, 3), np.uint8)
    assert frame_metrics(tiny, tiny, boxes={"frame": (0, 0, 20, 8)}) == {"frame": {}}


@pytest.fixture
def judged(real):
    """Three frames, two methods; the person is missing in one, the face is never measurable."""
    brighter = np.clip(real, 0, 245)
    regions = {
        "person": _regions([(0, 0, 20, 20), None, (4, 4, 30, 30)]),
        "face": _regions([None, (0, 0, 5, 5), (0, 0, 6, 6)]),
        "left_hand": _regions([(0, 0, 16, 16), None, (0, 0, 16, 16)]),
        "right_hand": _regions([(20, 20, 36, 36), (20, 20, 36, 36), None]),
    }
    judge = PictureJudge(
        "real",
        ("ours", "nearest_neighbours"),
        regions=regions,
        distances={"brightness": lambda first, second: float(np.ptp(second - first + 0.0))},
    )
    for shift in (0, 2, 4):
        frames = {
            "real": brighter,
            "ours": brighter + np.uint8(shift),
            "nearest_neighbours": brighter + np.uint8(10),
        }
        judge.see(frames)
    return judge.scores(), regions


def test_means_are_over_measured_boxes_only(judged):
    scores = means(judged[0])
    assert list(scores["ours"]) == ["frame", "person", "face", "hands"]
    assert scores["ours"]["frame"]["l1"] == 2
    assert scores["ours"]["person"]["l1"] == 2  # frames 0 and 2; frame 1 has no person
    assert scores["nearest_neighbours"]["person"]["l1"] == 10
    assert set(scores["ours"]["face"].values()) == {None}


def test_both_hands_count_and_each_by_itself(judged):
    hands = judged[0]["ours"]["hands"]["l1"]
    assert hands.weight.tolist() == [2, 1, 1]
    assert hands.per_frame().tolist() == [0, 2, 4]
    assert hands.mean() == pytest.approx((0 + 0 + 2 + 4) / 4)


def test_networks_judge_all_but_hands_ms_ssim_the_frame_only_and_places_what_has_one(judged):
    ours = judged[0]["ours"]
    assert {region: sorted(metrics) for region, metrics in ours.items()} == {
        "frame": ["brightness", "l1", "ms_ssim", "psnr", "ssim"],
        "person": ["brightness", "l1", "psnr", "ssim", "ssim_aligned"],
        "face": ["brightness", "l1", "psnr", "ssim", "ssim_aligned"],
        "hands": ["l1", "psnr", "ssim", "ssim_aligned"],
    }
    assert ours["frame"]["brightness"].mean() == 0
    assert ours["frame"]["ms_ssim"].mean() is None  # the frames are too small


def test_ms_ssim_is_there_from_176_pixels_on(real):
    large = np.tile(real, (5, 5, 1))
    box = {"frame": (0, 0, large.shape[1], large.shape[0]), "person": (0, 0, 180, 180)}
    metrics = frame_metrics(large, large, boxes=box)
    assert metrics["frame"]["ms_ssim"] == 1
    assert "ms_ssim" not in metrics["person"]


def test_networks_see_the_box_cut_out(real):
    seen = []

    def distance(first, second):
        seen.append((first, second))
        return 0.25

    fake = 255 - real
    box = (5, 9, 24, 31)
    found = frame_metrics(real, fake, boxes={"person": box}, distances={"lpips": distance})
    assert found["person"]["lpips"] == 0.25
    np.testing.assert_array_equal(seen[0][0], real[9:31, 5:24])
    np.testing.assert_array_equal(seen[0][1], fake[9:31, 5:24])


def test_skipped_boxes_are_counted_by_region_and_reason(judged):
    assert count_skipped(judged[1]) == {
        "person": {"not_detected": 1, "smaller_than_11_pixels": 0},
        "face": {"not_detected": 1, "smaller_than_11_pixels": 2},
        "hands": {"not_detected": 2, "smaller_than_11_pixels": 0},
    }


def test_what_is_not_measured_has_a_reason():
    networks = Networks(distances={}, features=None, skipped={"lpips": "no weights"})
    small, large = (not_measured((side, 300), networks) for side in (175, 176))
    assert set(large) == {"face_identity", "lpips"}
    assert small == {**large, "ms_ssim": "needs frames of 176 pixels on each side"}
    assert set(NO_NETWORKS.skipped) == {"lpips", "dists", "fid", "kid"}
    assert not NO_NETWORKS.distances
