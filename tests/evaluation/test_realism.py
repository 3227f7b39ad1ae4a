"""FID and KID by hand, beside the package's own, and over videos."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torchmetrics.image.fid import _compute_fid
from torchmetrics.image.kid import poly_mmd

from motiontransfer.evaluation import realism as module
from motiontransfer.evaluation.benchmark import Footage
from motiontransfer.evaluation.realism import fid, kid, kid_interval, realism


def _normal(seed, num_frames=60, *, mean=0.0, scale=1.0, num_features=8):
    return np.random.default_rng(seed).normal(mean, scale, (num_frames, num_features))


def _column(*values):
    return np.array(values, np.float64)[:, None]


def test_fid_of_one_feature_is_the_squared_difference_of_means_and_of_deviations():
    """0, 2 has mean 1 and deviation sqrt 2; 3, 9 has 6 and sqrt 18, three times that."""
    assert fid(_column(0, 2), _column(3, 9)) == pytest.approx(25 + (3 - 1) ** 2 * 2)


def test_fid_is_the_packages_own_and_zero_to_itself():
    first, second = _normal(0), _normal(1, 90, mean=0.4, scale=1.7)
    one, other = torch.from_numpy(first), torch.from_numpy(second)
    expected = _compute_fid(one.mean(0), one.T.cov(), other.mean(0), other.T.cov())
    assert fid(first, second) == pytest.approx(float(expected), rel=1e-9)
    assert fid(first, first) == pytest.approx(0, abs=1e-9)


def test_fid_with_fewer_frames_than_features_is_still_exact():
    """Two frames each: spreads along one direction each, at right angles to each other."""
    first, second = np.zeros((2, 40)), np.zeros((2, 40))
    first[1, 0], second[1, 1] = 2, 4
    # Means 1 and 2 along their axes, variances 2 and 8, nothing in common.
    assert fid(first, second) == pytest.approx(1 + 4 + 2 + 8)


def test_kid_by_hand():
    """Kernel (xy + 1)^3: within 0, 1 it is 1; within 2, 3 it is 343; across 1, 1, 27, 64."""
    assert kid(_column(0, 1), _column(2, 3)) == pytest.approx(1 + 343 - 2 * (1 + 1 + 27 + 64) / 4)


def test_kid_is_the_packages_own_where_that_can_be_asked():
    first, second = _normal(0), _normal(1, mean=0.4)
    expected = poly_mmd(torch.from_numpy(first), torch.from_numpy(second))
    assert kid(first, second) == pytest.approx(float(expected))


def test_kid_has_no_bias_from_few_frames_and_fid_has():
    few = [(_normal(2 * i, 6), _normal(2 * i + 1, 6)) for i in range(200)]
    kids = [kid(*pair) for pair in few]
    spread = np.std(kids) / np.sqrt(len(kids))
    assert abs(np.mean(kids)) < 3 * spread
    assert np.mean([fid(*pair) for pair in few]) > 1


def test_the_interval_holds_the_figure_and_is_narrower_with_more_frames():
    def width(num_frames):
        widths = []
        for seed in range(8):
            first = _normal(2 * seed, num_frames)
            second = _normal(2 * seed + 1, num_frames, mean=0.5)
            low, high = kid_interval(first, second, (2, 2))
            assert low < kid(first, second) < high
            widths.append(high - low)
        return np.mean(widths)

    # Nine times the frames, a third of the width.
    assert width(360) == pytest.approx(width(40) / 3, rel=0.25)


def test_the_interval_of_what_never_changes_is_a_point():
    low, high = kid_interval(_column(1, 1, 1, 1), _column(2, 2, 2, 2), (1, 1))
    assert low == high == pytest.approx(8 + 125 - 2 * 27)


def test_real_and_made_frames_are_drawn_independently():
    """The same frames in both: drawn alike they would never differ."""
    same = _normal(0, 40)
    low, high = kid_interval(same, same, (1, 1))
    assert high - low > 1e-3


def _mean_colour(picture):
    return picture.mean(axis=(0, 1), dtype=np.float32)


_WALK = [(20 + 2 * i, 34) for i in range(8)]


def test_each_video_is_compared_in_the_whole_frame_and_where_the_person_is(footage):
    real, far = footage("real", _WALK), footage("far", [(44, 34)] * 8)
    found = realism(real, {"same": real, "far": far}, _mean_colour, box_margin=0.1)
    assert set(found.metrics["realism"]) == {"fid", "kid", "skipped_frames"}
    for metric in ("fid", "kid"):
        for region in ("frame", "person"):
            same, other = (
                found.metrics["realism"][metric][region][name] for name in ("same", "far")
            )
            assert abs(same) < abs(other) or same < other
    assert found.metrics["realism"]["fid"]["frame"]["same"] == pytest.approx(0, abs=1e-6)
    assert found.metrics["realism"]["skipped_frames"] == {"same": 0, "far": 0}
    assert found.intervals["realism"]["fid"]["person"] == {"same": None, "far": None}
    low, high = found.intervals["realism"]["kid"]["person"]["far"]
    assert low <= found.metrics["realism"]["kid"]["person"]["far"] <= high


def test_only_the_persons_box_is_looked_at_in_its_region(footage):
    shapes = []

    def network(picture):
        shapes.append(picture.shape[:2])
        return np.zeros(2, np.float32)

    one = footage("one", _WALK[:2])
    realism(one, {}, network, box_margin=0.0)
    # From the temple to the index finger's tip, from the forehead to the ankles.
    assert shapes[0] == (64, 64)
    assert all(width < 30 and 45 < height < 60 for height, width in (shapes[1], shapes[3]))


def test_frames_without_a_person_are_counted_and_too_few_have_no_figure(footage, poses):
    body = ["nose", "left_shoulder", "right_shoulder", "left_hip", "right_hip"]
    body += ["left_ankle", "right_ankle"]
    real, nobody = footage("real", _WALK), footage("nobody", _WALK, absent=body)
    found = realism(real, {"ours": nobody}, _mean_colour, box_margin=0.1)
    assert found.metrics["realism"]["skipped_frames"] == {"ours": 8}
    for metric in ("fid", "kid"):
        assert found.metrics["realism"][metric]["person"]["ours"] is None
        assert found.metrics["realism"][metric]["frame"]["ours"] is not None
    assert found.intervals["realism"]["kid"]["person"]["ours"] is None


def test_of_long_videos_frames_from_everywhere_are_looked_at(footage, monkeypatch):
    monkeypatch.setattr(module, "_MOST_FRAMES", 3)
    seen = []

    def network(picture):
        seen.append(picture)
        return np.zeros(2, np.float32)

    real = footage("real", _WALK[:7])
    realism(real, {}, network, box_margin=0.1)
    whole = [picture for picture in seen if picture.shape[:2] == (64, 64)]
    assert len(whole) == 3
    assert len({picture.tobytes() for picture in whole}) == 3


def test_without_a_network_nothing_is_read_or_said(footage):
    nowhere = Footage(
        frames=[(Path("nowhere.mkv"), 0)], keypoints=footage("real", _WALK[:1]).keypoints
    )
    found = realism(nowhere, {"ours": nowhere}, None, box_margin=0.1)
    assert found.metrics == found.intervals == {}
