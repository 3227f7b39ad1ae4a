"""Detections are the same bytes with one worker, with two, and on two nodes of a Ray cluster."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import skimage.data

from motiontransfer.keypoints import read_detections, write_detections
from motiontransfer.parallel import Compute
from motiontransfer.pose.detection import detect_clip, detect_people
from motiontransfer.pose.detectors import HolisticConfig, default_detector
from motiontransfer.pose.landmarks import Detector
from motiontransfer.video.frame_store import write_frames
from tests.ray_cluster import needs_ray, ray_cluster

pytestmark = [pytest.mark.slow, needs_ray]

LOCAL_1, LOCAL_2 = (Compute(backend="local", address=None, num_workers=n) for n in (1, 2))
RAY = Compute(backend="ray", address=None, num_workers=0)
NUM_FRAMES = 24


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Someone who moves to the right."""
    astronaut = skimage.data.astronaut()[::2, ::2]
    path = tmp_path_factory.mktemp("clip") / "frames.mkv"
    frames = (np.roll(astronaut, 2 * index, axis=1) for index in range(NUM_FRAMES))
    write_frames(path, frames, frame_rate=Fraction(25))
    return path


@pytest.fixture(scope="module")
def cluster():
    with ray_cluster(num_nodes=2):
        yield


def test_the_bytes_are_the_same_whoever_works(clip, cluster, tmp_path):
    content = {}
    for name, compute in (("one", LOCAL_1), ("two", LOCAL_2), ("ray", RAY)):
        detections = detect_clip(
            clip, detector=default_detector(), segment_frames=5, warmup_frames=2, compute=compute
        )
        write_detections(tmp_path / name, detections)
        content[name] = (tmp_path / name).read_bytes()
    assert content["one"] == content["two"] == content["ray"]
    found = read_detections(tmp_path / "ray")
    np.testing.assert_array_equal(found.frame_index, np.arange(NUM_FRAMES))
    np.testing.assert_allclose(
        found.of_person(0).joint("nose")[0][:, 0], 112 + 2 * np.arange(NUM_FRAMES), atol=6
    )


@dataclass(frozen=True)
class KilledOnce:
    """The default detector, except that the first to be opened with frames before it is killed."""

    flag: Path
    inner: HolisticConfig

    batch_frames: int = 1

    @property
    def label(self) -> str:
        return self.inner.label

    @contextmanager
    def open(self) -> Iterator[Detector]:
        if self.flag.with_name("second").exists() and not self.flag.exists():
            self.flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        self.flag.with_name("second").touch()
        with self.inner.open() as detect:
            yield detect


def test_a_worker_killed_in_the_middle_leaves_no_hole(clip, cluster, tmp_path):
    settings = {"segment_frames": 5, "warmup_frames": 2, "compute": RAY}
    detector = KilledOnce(flag=tmp_path / "flag", inner=default_detector())
    found = detect_people(clip, detector=detector, **settings)
    assert detector.flag.exists()
    expected = detect_people(clip, detector=default_detector(), **settings)
    assert len(found) == len(expected) == NUM_FRAMES
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
