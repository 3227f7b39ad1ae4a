from pathlib import Path

import numpy as np

from motiontransfer.evaluation import comparison
from motiontransfer.evaluation.comparison import FrameMetric, measure
from motiontransfer.evaluation.measurements import MetricKey
from motiontransfer.parallel import Compute
from motiontransfer.pose.detectors import default_detector
from tests.people import figure


def test_every_metric_sees_the_frames_of_all_videos_together(posed):
    videos = {name: posed(name, [(30, 30), (32, 32), (34, 30)]) for name in ("a", "b")}
    order = []

    def count(frame_set):
        order.append(
            (frame_set.index, *frame_set.frames, frame_set.previous and [*frame_set.previous])
        )
        return {MetricKey("frames", "", "a"): (frame_set.index, 3.0)}

    found = measure(videos, {"counter": FrameMetric(count)})
    assert order == [(0, "a", "b", None), (1, "a", "b", ["a", "b"]), (2, "a", "b", ["a", "b"])]
    assert found["counter"][MetricKey("frames", "", "a")].mean() == (0 + 1 + 2) / 9


def test_poses_found_in_a_larger_result_are_in_the_working_image(monkeypatch):
    found = figure([(30, 30)] * 2, size=(128, 96))
    found.points[0, 0], found.score[0, 0] = 0, 0
    monkeypatch.setattr(comparison, "detect_person", lambda *_, **__: found)
    compute = Compute(backend="local", address=None, num_workers=1)
    posed = comparison.detected_frames(Path("result.mp4"), size=(64, 48), compute=compute)
    expected = (found.points + 0.5) / 2 - 0.5
    expected[0, 0] = 0  # a missing joint has no place
    missing = found.score == 0
    np.testing.assert_allclose(posed.keypoints.points[~missing], expected[~missing], atol=1e-5)
    assert not posed.keypoints.points[missing].any()
    assert posed.keypoints.image_size == (64, 48)


def test_the_default_detector_is_asked_and_the_working_size_is_kept(monkeypatch):
    asked = {}

    def detect(video, **settings):
        asked.update(settings, video=video)
        return figure([(30, 30)] * 2, size=(64, 64))

    monkeypatch.setattr(comparison, "detect_person", detect)
    video, compute = Path("result.mp4"), Compute(backend="local", address=None, num_workers=3)
    found = comparison.detected_frames(video, size=(63, 64), compute=compute)
    assert (asked["video"], asked["compute"]) == (video, compute)
    assert asked["detector"] == default_detector()
    assert found.frames == [(video, 0), (video, 1)]
    assert found.keypoints.image_size == (63, 64)
