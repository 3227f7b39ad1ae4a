"""A clip's keypoints depend on the segments, never on who runs them."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
import skimage.data
from hypothesis import given
from hypothesis import strategies as st

from motiontransfer.errors import ComputeError, MissingFileError
from motiontransfer.keypoints import People, nobody
from motiontransfer.parallel import Compute
from motiontransfer.pose.detection import (
    Detector,
    DetectorConfig,
    detect_people,
    detect_person,
    run_detector,
    segments_of,
)
from motiontransfer.pose.detectors.registry import default_detector
from motiontransfer.skeleton import Skeleton
from motiontransfer.video.frame_store import FrameWriter

NUM_FRAMES = 11
NOSE_AND_ANKLE = Skeleton(groups=(("body", ("nose", "left_ankle")),))


class CountingDetector:
    """Reports the brightness of each frame, how many frames it has seen and how many at once.

    In dark frames there is nobody, in every fifth frame there are two.
    """

    def __init__(self, max_people=2):
        self.seen = 0
        self.max_people = max_people

    def detect(self, frames):
        return [self.people(frame, len(frames)) for frame in frames]

    def people(self, frame, at_once):
        self.seen += 1
        brightness = int(frame[0, 0, 0])
        count = min(0 if brightness == 0 else 2 if brightness % 5 == 0 else 1, self.max_people)
        points = [[[brightness, self.seen], [at_once, person]] for person in range(count)]
        return People(
            points=np.array(points, np.float32).reshape(-1, 2, 2),
            score=np.ones((count, 2), np.float32),
        )


@dataclass(frozen=True)
class CountingConfig:
    skeleton: Skeleton = NOSE_AND_ANKLE
    batch_frames: int = 1
    max_people: int = 2
    home: int | None = None

    @property
    def label(self):
        return "counting" if self.home in (None, os.getpid()) else "counting 2"

    @contextmanager
    def open(self) -> Iterator[CountingDetector]:
        yield CountingDetector(self.max_people)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Frames that are as bright as their index."""
    path = tmp_path_factory.mktemp("clip") / "frames.mkv"
    with FrameWriter(path, size=(16, 32), frame_rate=Fraction(25)) as writer:
        for frame_index in range(NUM_FRAMES):
            writer.write(np.full((16, 32, 3), frame_index, np.uint8))
    return path


@given(st.integers(1, 500), st.integers(1, 100), st.integers(0, 50))
def test_segments_count_each_frame_once_after_a_warm_up(num_frames, length, warmup):
    segments = segments_of(num_frames, segment_frames=length, warmup_frames=warmup)
    counted = [frame for segment in segments for frame in range(segment.start, segment.stop)]
    assert counted == list(range(num_frames))
    assert all(segment.stop - segment.start <= length for segment in segments)
    for segment in segments:
        assert segment.start - segment.warmup_start == min(warmup, segment.start)


def local(num_workers):
    return Compute(backend="local", address=None, num_workers=num_workers)


def test_configs_and_detectors_are_what_they_are_taken_for():
    assert isinstance(CountingConfig(), DetectorConfig)
    assert isinstance(CountingDetector(), Detector)
    assert isinstance(default_detector(), DetectorConfig)


@pytest.mark.parametrize("num_workers", [1, 2, 0])
def test_each_frame_is_seen_in_order_after_its_warm_up(clip, num_workers):
    found = detect_people(
        clip,
        detector=CountingConfig(),
        segment_frames=4,
        warmup_frames=2,
        compute=local(num_workers),
    )
    assert [len(people) for people in found] == [0, 1, 1, 1, 1, 2, 1, 1, 1, 1, 2]
    assert [people.points[0, 0, 0] for people in found[1:]] == list(range(1, NUM_FRAMES))
    seen = [people.points[0, 0, 1] for people in found[1:]]
    assert seen == [2, 3, 4, 3, 4, 5, 6, 3, 4, 5]


def test_some_frames_may_be_looked_at_as_if_there_were_no_others(clip):
    found = detect_people(
        clip,
        detector=CountingConfig(),
        segment_frames=2,
        warmup_frames=1,
        compute=local(1),
        every=3,
    )
    assert [people.points[0, 0].tolist() for people in found[1:]] == [[3, 2], [6, 2], [9, 3]]
    assert len(found[0]) == 0


def test_a_detector_is_given_as_many_frames_at_once_as_it_likes():
    frames = [np.full((4, 4, 3), index + 1, np.uint8) for index in range(7)]
    found = run_detector(CountingConfig(batch_frames=3), iter(frames))
    assert [people.points[0, 1, 0] for people in found] == [3, 3, 3, 3, 3, 3, 1]
    assert [people.points[0, 0, 1] for people in found] == list(range(1, 8))


def test_one_person_is_missing_where_nobody_is_found(clip):
    found = detect_person(
        clip,
        detector=CountingConfig(max_people=1),
        segment_frames=4,
        warmup_frames=0,
        compute=local(2),
    )
    nose, score = found.joint("nose")
    assert nose[:, 0].tolist() == list(range(NUM_FRAMES))
    assert score.tolist() == [0, *[1] * (NUM_FRAMES - 1)]
    assert (found.image_size, found.frame_rate) == ((16, 32), 25)
    assert (found.detector, found.skeleton) == ("counting", NOSE_AND_ANKLE)


def test_a_worker_with_another_version_is_told(clip):
    with pytest.raises(ComputeError, match=r"workers with counting, as here, .* counting 2;"):
        detect_people(
            clip,
            detector=CountingConfig(home=os.getpid()),
            segment_frames=4,
            warmup_frames=0,
            compute=local(1),
        )


def test_an_absent_clip_is_told(tmp_path):
    with pytest.raises(MissingFileError, match=r"absent\.mkv"):
        detect_people(
            tmp_path / "absent.mkv",
            detector=CountingConfig(),
            segment_frames=4,
            warmup_frames=0,
            compute=local(1),
        )


class DyingDetector:
    """Kills its process at a bright frame, as the system does when memory runs out."""

    def detect(self, frames):
        if frames[0][0, 0, 0] == 6:
            os.kill(os.getpid(), signal.SIGKILL)
        return [nobody(2) for _ in frames]


@dataclass(frozen=True)
class DyingConfig(CountingConfig):
    @contextmanager
    def open(self):
        yield DyingDetector()


@pytest.mark.parametrize("num_workers", [1, 2])
def test_a_worker_killed_in_the_middle_is_told_with_its_frames(clip, num_workers):
    with pytest.raises(ComputeError, match=rf"killed, .*frames 4 to 7 of {clip}.*; lower"):
        detect_people(
            clip,
            detector=DyingConfig(),
            segment_frames=4,
            warmup_frames=2,
            compute=local(num_workers),
        )


@pytest.mark.slow
def test_mediapipe_gives_the_same_for_any_number_of_workers(tmp_path):
    astronaut = skimage.data.astronaut()[::2, ::2]
    path = tmp_path / "frames.mkv"
    with FrameWriter(path, size=(256, 256), frame_rate=Fraction(25)) as writer:
        for shift in range(0, 24, 2):
            writer.write(np.roll(astronaut, shift, axis=1))
    one, two = (
        detect_person(
            path,
            detector=default_detector(),
            segment_frames=5,
            warmup_frames=2,
            compute=local(num_workers),
        )
        for num_workers in (1, 2)
    )
    np.testing.assert_array_equal(one.points, two.points)
    np.testing.assert_array_equal(one.score, two.score)
    nose = one.joint("nose")[0]
    np.testing.assert_allclose(nose[:, 0], 112 + np.arange(0, 24, 2), atol=6)
