"""A clip's keypoints depend on the segments, never on who runs them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import pytest
import skimage.data
from hypothesis import given
from hypothesis import strategies as st

from motiontransfer.errors import MissingFileError
from motiontransfer.media.frame_store import FrameWriter
from motiontransfer.pose.detection import (
    default_detector,
    detect_keypoints,
    detection_metrics,
    longest_run,
    person_boxes,
    segments_of,
)
from motiontransfer.skeleton import HOLISTIC, Skeleton
from tests.pose.stick_person import stick_person

NUM_FRAMES = 11
NOSE_ONLY = Skeleton(groups=(("body", ("nose",)),))


class CountingDetector:
    """Reports the brightness of each frame and how many frames it has seen."""

    def __init__(self):
        self.seen = 0

    def detect(self, frame):
        self.seen += 1
        return np.array([[frame[0, 0, 0], self.seen]], np.float32), np.ones(1, np.float32)


@dataclass(frozen=True)
class CountingConfig:
    skeleton: Skeleton = NOSE_ONLY
    label: str = "counting"

    @contextmanager
    def open(self) -> Iterator[CountingDetector]:
        yield CountingDetector()


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


@pytest.mark.parametrize("num_workers", [1, 2, 0])
def test_each_frame_is_seen_in_order_after_its_warm_up(clip, num_workers):
    found = detect_keypoints(
        clip,
        detector=CountingConfig(),
        segment_frames=4,
        warmup_frames=2,
        num_workers=num_workers,
    )
    assert found.points[:, 0, 0].tolist() == list(range(NUM_FRAMES))
    assert found.points[:, 0, 1].tolist() == [1, 2, 3, 4, 3, 4, 5, 6, 3, 4, 5]
    assert (found.image_size, found.frame_rate) == ((16, 32), 25)
    assert (found.detector, found.skeleton) == ("counting", NOSE_ONLY)


def test_an_absent_clip_is_told(tmp_path):
    with pytest.raises(MissingFileError, match=r"absent\.mkv"):
        detect_keypoints(
            tmp_path / "absent.mkv",
            detector=CountingConfig(),
            segment_frames=4,
            warmup_frames=0,
            num_workers=1,
        )


@pytest.mark.slow
def test_mediapipe_gives_the_same_for_any_number_of_workers(tmp_path):
    astronaut = skimage.data.astronaut()[::2, ::2]
    path = tmp_path / "frames.mkv"
    with FrameWriter(path, size=(256, 256), frame_rate=Fraction(25)) as writer:
        for shift in range(0, 24, 2):
            writer.write(np.roll(astronaut, shift, axis=1))
    one, two = (
        detect_keypoints(
            path,
            detector=default_detector(),
            segment_frames=5,
            warmup_frames=2,
            num_workers=num_workers,
        )
        for num_workers in (1, 2)
    )
    np.testing.assert_array_equal(one.points, two.points)
    np.testing.assert_array_equal(one.score, two.score)
    nose = one.joint("nose")[0]
    np.testing.assert_allclose(nose[:, 0], 112 + np.arange(0, 24, 2), atol=6)


def test_people_are_boxed_in_frames_that_do_not_belong_together():
    astronaut = skimage.data.astronaut()
    empty = np.full((64, 48, 3), 200, np.uint8)
    boxes = person_boxes([astronaut, empty, astronaut])
    assert boxes[1] is None
    assert boxes[0] == boxes[2]
    x0, y0, x1, y1 = boxes[0]
    assert 0 <= x0 < 150
    assert 310 < x1 <= 512
    assert y0 < 100
    assert y1 == 512


def test_metrics_count_frames_gaps_and_scores():
    everything = [(frame, joint) for frame in (1, 2) for joint in HOLISTIC.joints]
    person = stick_person([80.0] * 5, 40, missing=[*everything, (4, "left_hand_index_tip")])
    metrics = detection_metrics(replace(person, score=person.score * np.float32(0.5)))
    assert metrics["frames"] == 5
    assert (metrics["frames_without_body"], metrics["longest_gap_body_frames"]) == (2, 2)
    assert (metrics["frames_without_left_hand"], metrics["longest_gap_left_hand_frames"]) == (3, 2)
    assert (metrics["frames_without_face"], metrics["longest_gap_face_frames"]) == (5, 5)
    assert metrics["mean_score_body"] == pytest.approx(0.45)
    assert metrics["mean_score_face"] == 0


@pytest.mark.parametrize(
    ("flags", "length"), [([], 0), ([0], 0), ([1], 1), ([1, 1, 0, 1], 2), ([0, 1, 0, 1, 1, 1], 3)]
)
def test_the_longest_run_is_found(flags, length):
    assert longest_run(np.array(flags, bool)) == length
