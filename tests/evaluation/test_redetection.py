from pathlib import Path

from motiontransfer.evaluation import redetection
from motiontransfer.parallel import Compute
from motiontransfer.pose.detectors.registry import default_detector

COMPUTE = Compute(backend="local", address=None, num_workers=3)


def test_the_default_detector_judges_and_the_working_size_is_kept(poses, monkeypatch):
    asked = {}

    def detect(video, **settings):
        asked.update(settings, video=video)
        return poses([(30, 30)] * 2, size=(64, 64))

    monkeypatch.setattr(redetection, "detect_person", detect)
    found = redetection.redetect(Path("result.mp4"), size=(63, 64), compute=COMPUTE)
    assert asked["video"] == Path("result.mp4")
    assert asked["detector"] == default_detector()
    assert asked["compute"] == COMPUTE
    assert found.image_size == (63, 64)
    assert found.num_frames == 2
