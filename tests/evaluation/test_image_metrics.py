from functools import partial
from unittest.mock import Mock

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from motiontransfer.evaluation.image_metrics import (
    count_blurred,
    count_skipped,
    frame_metrics,
    gradients,
    image_scores,
    why_skipped,
)
from motiontransfer.evaluation.measurements import MetricKey
from tests.evaluation.conftest import flat, noisy, scores_of, textured

_BOX = (40, 50, 70, 100)


def _whole(real, fake):
    height, width = real.shape[:2]
    return frame_metrics(real, fake, boxes={"frame": (0, 0, width, height)})["frame"]


def _cut(image, box=_BOX):
    x0, y0, x1, y1 = box
    return image[y0:y1, x0:x1]


@pytest.fixture(scope="module")
def real():
    return textured(1, (40, 48), contrast=4)


@pytest.fixture(scope="module")
def tall():
    return textured(1, (200, 120), contrast=6)


@pytest.mark.parametrize(("low", "high"), [(100, 101), (84, 100), (0, 255)])
def test_metrics_of_two_flat_frames(low, high):
    constant = (0.01 * 255) ** 2
    for first, second in ((low, high), (high, low)):  # colors do not wrap around
        row = _whole(flat(first), flat(second))
        assert row["l1"] == high - low
        luminance = (2 * low * high + constant) / (low**2 + high**2 + constant)
        assert row["ssim"] == pytest.approx(luminance, rel=1e-4)


@pytest.mark.parametrize("box", [(5, 9, 24, 31), (0, 0, 48, 11), (12, 10, 48, 40)])
def test_a_box_is_measured_as_if_cut_out_by_networks_too(real, box):
    """Half-open: what is beside it does not count."""
    fake, lpips = noisy(real, 30), Mock(return_value=0.25)
    row = frame_metrics(real, fake, boxes={"person": box}, lpips=lpips)["person"]
    alone = _whole(_cut(real, box), _cut(fake, box))
    assert {name: row[name] for name in alone} == pytest.approx(alone, abs=1e-5)
    assert row["lpips"] == 0.25
    for image, whole in zip(lpips.call_args.args, (real, fake), strict=True):
        np.testing.assert_array_equal(image, _cut(whole, box))


def test_a_box_is_measured_from_eleven_pixels_on(real):
    boxes = {"large": (3, 3, 14, 14), "small": (3, 3, 14, 13), "none": None}
    found = frame_metrics(real, real, boxes=boxes)
    assert found["large"] == {"l1": 0, "ssim": 1, "likeness": 1}
    assert found["small"] == found["none"] == {}
    assert _whole(real[:8], real[:8]) == {}
    reasons = [why_skipped(box) for box in boxes.values()]
    assert reasons == ["", "smaller_than_11_pixels", "not_detected"]


@pytest.fixture(scope="module")
def measured(real):
    """Three frames, two systems; the person is missing in one, the face is never measurable."""
    brighter, hand, other = np.clip(real, 0, 245), (0, 0, 16, 16), (20, 20, 36, 36)
    boxes = {
        **{"person": [(0, 0, 20, 20), None, (4, 4, 30, 30)], "left_hand": [hand, None, hand]},
        **{"face": [None, (0, 0, 5, 5), (0, 0, 6, 6)], "right_hand": [other, other, None]},
    }
    how = {"real": "real", "systems": ("ours", "nearest_neighbours"), "lpips": lambda *_: 0.5}
    function = partial(image_scores, regions=boxes, **how)
    videos = {"real": [brighter] * 3, "nearest_neighbours": [brighter + np.uint8(10)] * 3}
    videos["ours"] = [brighter + np.uint8(shift) for shift in (0, 2, 4)]
    return scores_of(function, videos), boxes


def test_a_blur_is_less_sharp_and_a_shift_is_not(tall):
    boxes = {"person": [_BOX] * 2, "left_hand": [_BOX, None], "right_hand": [None, _BOX]}
    moved, blurred = np.roll(tall, (1, 2), (0, 1)), gaussian_filter(tall, (2, 2, 0))
    videos = {"real": [tall] * 2, "moved": [moved] * 2, "half": [blurred, tall]}
    function = partial(image_scores, real="real", systems=("moved", "half"), regions=boxes)
    scores = scores_of(function, videos)
    steepness = [_cut(gradients(image)).mean() for image in (tall, blurred)]
    blur = steepness[1] / steepness[0]
    assert blur < 0.6
    for region in ("person", "hands"):
        assert scores[MetricKey("sharpness", region, "moved")].mean() == pytest.approx(1, abs=0.05)
        half = scores[MetricKey("sharpness", region, "half")]
        assert half.per_frame() == pytest.approx([blur, 1])
        assert half.mean() == pytest.approx((blur + 1) / 2)


def test_gradients_are_lengths_in_levels_per_pixel():
    y, x = np.mgrid[:6, :8]
    gray = np.repeat((3 * x + 4 * y)[..., None], 3, axis=2).astype(np.uint8)
    assert (gradients(gray)[:-1, :-1] == 5).all()


def test_means_are_over_measured_boxes_only_and_each_hand_counts_by_itself(measured):
    scores, boxes = measured
    means = {("frame", "ours"): 2, ("person", "ours"): 2, ("face", "ours"): None}
    for (region, system), mean in {**means, ("person", "nearest_neighbours"): 10}.items():
        assert scores[MetricKey("l1", region, system)].mean() == mean
    hands = scores[MetricKey("l1", "hands", "ours")]
    assert hands.weight.tolist() == [2, 1, 1]
    assert hands.per_frame().tolist() == [0, 2, 4]
    assert MetricKey("lpips", "hands", "ours") not in scores  # too small for networks
    assert MetricKey("likeness", "frame", "ours") not in scores
    assert MetricKey("sharpness", "frame", "ours") not in scores
    found = {}
    for region, not_detected, too_small in (("person", 1, 0), ("face", 1, 2), ("hands", 2, 0)):
        found[MetricKey("not_detected", region, "", "truth")] = not_detected
        found[MetricKey("smaller_than_11_pixels", region, "", "truth")] = too_small
    assert count_skipped(boxes, section="truth") == found


def test_a_blurred_truth_has_no_likeness_and_is_counted(tall):
    """It would prefer a blurred hand to a sharp one."""
    boxes = {name: [_BOX] * 3 for name in ("person", "left_hand", "right_hand")}
    blurred = {"left_hand": np.array([False, True, True]), "right_hand": np.array([0, 0, 1], bool)}
    fogged = gaussian_filter(tall, (2, 2, 0))
    videos = {"real": [tall, fogged, fogged], "sharp": [tall] * 3, "fog": [fogged] * 3}
    function = partial(image_scores, real="real", systems=("sharp", "fog"), regions=boxes)
    judged = scores_of(partial(function, blurred=blurred), videos)
    every = scores_of(function, videos)
    hands = {name: MetricKey("likeness", "hands", name) for name in ("sharp", "fog")}
    assert judged[hands["sharp"]].weight.tolist() == [2, 1, 0]
    assert judged[hands["sharp"]].mean() > judged[hands["fog"]].mean()
    assert every[hands["sharp"]].mean() < every[hands["fog"]].mean()
    for key in every.keys() - set(hands.values()):
        np.testing.assert_array_equal(judged[key].total, every[key].total)
    blurs = [blurred, {}, {"face": np.ones(4, bool)}]
    expected = {
        MetricKey("blurred", name, "", "truth"): n for name, n in (("hands", 3), ("face", 4))
    }
    assert count_blurred(blurs, section="truth") == expected
