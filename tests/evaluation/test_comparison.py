from pathlib import Path

import numpy as np
import pytest

from motiontransfer.evaluation import comparison
from motiontransfer.evaluation.comparison import (
    FrameMetric,
    MetricConfig,
    measure,
    streaming_metrics,
)
from motiontransfer.evaluation.frames import person_regions
from motiontransfer.evaluation.measurements import Key
from motiontransfer.evaluation.network_metrics import NO_NETWORKS
from motiontransfer.parallel import Compute
from motiontransfer.pose.detectors.registry import default_detector
from tests.evaluation.conftest import standing

_CONFIG = MetricConfig(
    box_margin=0.1,
    networks=NO_NETWORKS,
    training_images=np.zeros((1, 64, 32, 3), np.uint8),
)
_REAL = [(30, 30), (32, 32), (34, 30)]


@pytest.fixture
def compare(footage):
    def compare(videos, *, real="real", late=None):
        made = {name: footage(name, centres) for name, centres in videos.items()}
        any_video = next(iter(made.values())).keypoints
        metrics = streaming_metrics(
            made,
            real=real,
            late=late,
            background=person_regions(any_video, margin=0.1),
            config=_CONFIG,
        )
        frames = {name: one.frames for name, one in made.items()}
        return measure(frames, metrics, size=(64, 64))

    return compare


def _systems(scores):
    return list(dict.fromkeys(key.system for key in scores))


def test_the_nearer_system_has_the_better_values(compare):
    found = compare(
        {
            "real": _REAL,
            "same": _REAL,
            "near": [(x + 1, y) for x, y in _REAL],
            "far": [(40, 36), (22, 36), (44, 36)],
        }
    )
    images = {key[:3]: score.mean() for key, score in found["images"].items()}
    for metric, perfect in (("l1", 0), ("psnr", 100), ("ssim", 1), ("shift_tolerant_ssim", 1)):
        assert images[metric, "person", "same"] == perfect
    for region in ("frame", "person", "face", "hands"):
        for metric, best_first in (("ssim", -1), ("l1", 1)):
            values = [best_first * images[metric, region, name] for name in ("same", "near", "far")]
            assert values == sorted(set(values))
    warping = {
        key.system: one.mean() for key, one in found["warping"].items() if "_p" in key.metric
    }
    assert warping["same"] == warping["real"] <= warping["near"] < warping["far"]
    assert found["change"][Key("frame_change_to_real", "", "same")].mean() == 1


def test_of_a_late_video_only_images_are_measured(compare):
    found = compare({"real": _REAL, "ours": _REAL, "late": [_REAL[0], *_REAL[:2]]}, late="late")
    assert {name: _systems(scores) for name, scores in found.items()} == {
        "images": ["ours", "late"],
        "change": ["ours"],
        **{name: ["real", "ours"] for name in ("warping", "identity", "flicker")},
    }


def test_without_real_frames_nothing_is_compared_with_them(compare):
    found = compare({"ours": _REAL, "other": _REAL}, real=None)
    assert set(found) == {"flicker", "identity", "warping"}
    assert {key.metric for key in found["warping"]} == {
        "warping_error_own_flow",
        "warping_error_person_own_flow",
    }


def test_every_metric_sees_the_frames_of_all_videos_together(footage):
    videos = {name: footage(name, _REAL).frames for name in ("a", "b")}
    order = []

    def count(moment):
        order.append((moment.index, *moment.frames, moment.previous and [*moment.previous]))
        return {Key("frames", "", "a"): (moment.index, 3.0)}

    found = measure(videos, {"counter": FrameMetric(count)}, size=(64, 64))
    assert order == [(0, "a", "b", None), (1, "a", "b", ["a", "b"]), (2, "a", "b", ["a", "b"])]
    assert found["counter"][Key("frames", "", "a")].mean() == (0 + 1 + 2) / 9


def test_the_default_detector_is_asked_and_the_working_size_is_kept(monkeypatch):
    asked = {}

    def detect(video, **settings):
        asked.update(settings, video=video)
        return standing([(30, 30)] * 2, size=(64, 64))

    monkeypatch.setattr(comparison, "detect_person", detect)
    video, compute = Path("result.mp4"), Compute(backend="local", address=None, num_workers=3)
    found = comparison.detected_footage(video, size=(63, 64), compute=compute)
    assert (asked["video"], asked["compute"]) == (video, compute)
    assert asked["detector"] == default_detector()
    assert found.frames == [(video, 0), (video, 1)]
    assert found.keypoints.image_size == (63, 64)
