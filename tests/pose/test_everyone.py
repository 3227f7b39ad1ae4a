"""Everyone found is in the table once, by track, and the metrics count who was seen."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motiontransfer.keypoints import People
from motiontransfer.pose.detection import detection_metrics, in_rows, tracked
from motiontransfer.skeleton import HOLISTIC
from motiontransfer.video.frame_store import FrameWriter
from tests.pose.walkers import frame_of, walker

JOINTS = len(HOLISTIC.joints)


def rows_of(frames):
    """Detections of frames, each a dict of track number to a value that tells people apart."""
    people = [
        People(
            points=np.array(
                [np.full((JOINTS, 2), value) for value in frame.values()], np.float32
            ).reshape(-1, JOINTS, 2),
            score=np.ones((len(frame), JOINTS), np.float32),
        )
        for frame in frames
    ]
    return in_rows(
        people,
        [np.array(list(frame), np.int32) for frame in frames],
        skeleton=HOLISTIC,
        image_size=(64, 64),
        frame_rate=Fraction(25),
        detector="by hand",
    )


FRAMES = st.lists(st.dictionaries(st.integers(-1, 4), st.integers(0, 63), max_size=4), max_size=6)


@given(FRAMES)
def test_each_person_has_a_row_in_each_frame_and_nobody_has_none(frames):
    detections = rows_of(frames)
    found = {
        (int(frame), int(person)): points[0, 0]
        for frame, person, points in zip(
            detections.frame_index, detections.person, detections.points, strict=True
        )
    }
    assert found == {
        (index, track): value
        for index, frame in enumerate(frames)
        for track, value in frame.items()
        if track >= 0
    }
    assert detections.num_frames == len(frames)


def test_a_detector_that_jumps_to_someone_else_begins_a_new_track(tmp_path):
    people = [frame_of(walker(60 if index < 20 else 220, 150, 90)) for index in range(40)]
    path = tmp_path / "frames.mkv"
    with FrameWriter(path, size=(160, 288), frame_rate=Fraction(25)) as writer:
        for _ in people:
            writer.write(np.zeros((160, 288, 3), np.uint8))
    detections = tracked(people, path, skeleton=HOLISTIC, detector="jumping")
    assert detections.people == (0, 1)
    assert detections.person.tolist() == [0] * 20 + [1] * 20
    assert (detections.image_size, detections.frame_rate) == ((160, 288), 25)
    assert detections.detector == "jumping"


def test_metrics_say_who_was_seen_for_how_long():
    detections = rows_of([{0: 1}, {0: 1, 1: 2}, {1: 2}, {}, {1: 2}])
    score = detections.score.copy()
    score[-1, HOLISTIC.slice("face")] = 0
    points = np.where(score[..., None] > 0, detections.points, np.float32(0))
    everyone = replace(detections, points=points, score=score)
    metrics = detection_metrics(everyone)
    assert metrics["frames"] == 5
    assert metrics["frames_without_anyone"] == 1
    assert metrics["frames_with_several"] == 1
    assert metrics["people_at_once"] == 2
    assert metrics["tracks"]["0"] == {
        "first_frame": 0,
        "last_frame": 1,
        "coverage": {"body": 0.4, "left_hand": 0.4, "right_hand": 0.4, "face": 0.4},
    }
    assert metrics["tracks"]["1"]["coverage"]["body"] == pytest.approx(0.6)
    assert metrics["tracks"]["1"]["coverage"]["face"] == pytest.approx(0.4)


def test_metrics_of_an_empty_room_are_zero():
    metrics = detection_metrics(rows_of([{}, {}]))
    assert metrics["frames_without_anyone"] == 2
    assert (metrics["people_at_once"], metrics["tracks"]) == (0, {})
