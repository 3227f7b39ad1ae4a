"""Body, hands and face of each of several people, by a detector that finds a single person.

Hides how: bodies of everyone are found by a second detector (the finder) and tracked; the first
then looks at each person by themselves, in a part of the frame that follows them. A clip in which
nobody else is in view is given to the first detector as it is.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from jaxtyping import Int32, Int64

from motiontransfer.keypoints import Detections
from motiontransfer.media.encoded_frames import EncodedFrames, encode_frames
from motiontransfer.media.frame_store import FrameStore
from motiontransfer.parallel import Compute, run_parallel
from motiontransfer.pose.detection import (
    DetectorConfig,
    check_same_detector,
    detect_people,
    segments_of,
)
from motiontransfer.pose.everyone import detect_clip, tracked
from motiontransfer.pose.people import People
from motiontransfer.pose.person_box import joint_boxes
from motiontransfer.pose.person_crops import believed, follow, placed
from motiontransfer.pose.tracking import NOBODY, track_people
from motiontransfer.progress import track
from motiontransfer.skeleton import Skeleton

_LOOK_EVERY = 10  # frames: a passer-by is in view for longer


@dataclass(frozen=True, slots=True, kw_only=True)
class Detectors:
    """Who looks."""

    single: DetectorConfig
    """Finds one person, with all joints there are."""

    finder: DetectorConfig
    """Finds several people's bodies; its joints are the first of the other's."""


def detect_several(
    video: Path,
    *,
    detectors: Detectors,
    segment_frames: int,
    warmup_frames: int,
    compute: Compute,
) -> Detections:
    """Everyone in a video, by track.

    Raises:
        MissingFileError: no such file.
        VideoError: the file holds no frames that can be read.
        ComputeError: a worker was killed, or has another version of a detector.
    """
    glimpses = detect_people(
        video,
        detector=detectors.finder,
        segment_frames=segment_frames,
        warmup_frames=0,
        compute=compute,
        every=_LOOK_EVERY,
    )
    with FrameStore(video) as store:
        alone = all(
            num_people(found, image_size=store.size, skeleton=detectors.finder.skeleton) < 2
            for found in glimpses
        )
    if alone:
        return detect_clip(
            video,
            detector=detectors.single,
            segment_frames=segment_frames,
            warmup_frames=warmup_frames,
            compute=compute,
        )
    people = detect_people(
        video,
        detector=detectors.finder,
        segment_frames=segment_frames,
        warmup_frames=0,
        compute=compute,
    )
    bodies = tracked(
        [widened(found, detectors) for found in people],
        video,
        skeleton=detectors.single.skeleton,
        detector=f"{detectors.single.label}, each person by {detectors.finder.label}",
    )
    return _look_at_each(
        video,
        bodies,
        detectors.single,
        segment_frames=segment_frames,
        warmup_frames=warmup_frames,
        compute=compute,
    )


def num_people(people: People, *, image_size: tuple[int, int], skeleton: Skeleton) -> int:
    """How many people are found in a frame; one who is found twice counts once."""
    (tracks,) = track_people(
        [people], frame_rate=Fraction(1), image_size=image_size, skeleton=skeleton
    )
    return int((tracks != NOBODY).sum())


def widened(people: People, detectors: Detectors) -> People:
    """People as the finder finds them, with the other detector's joints; those are missing."""
    joints = len(detectors.single.skeleton.joints)
    more = joints - people.score.shape[1]
    return People(
        points=np.pad(people.points, ((0, 0), (0, more), (0, 0))),
        score=np.pad(people.score, ((0, 0), (0, more))),
    )


def parts_of(detections: Detections) -> Int64[np.ndarray, "rows 4"]:
    """The part of the frame to look at for each (frame, person)."""
    boxes = joint_boxes(detections.points, detections.score)
    parts = np.zeros((len(boxes), 4), np.int64)
    for person in detections.people:
        rows = detections.person == person
        frames = detections.frame_index[rows]
        over_time, seen = (
            np.zeros((detections.num_frames, 4)),
            np.zeros(detections.num_frames, bool),
        )
        over_time[frames], seen[frames] = boxes[rows], True
        parts[rows] = follow(
            over_time,
            seen,
            frame_rate=detections.frame_rate,
            image_size=detections.image_size,
        )[frames]
    return parts


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """A segment's frames, and where to look in them."""

    frames: EncodedFrames

    first_counted: int
    """Frame index from which results count; before are warm-up frames."""

    frame_index: Int32[np.ndarray, " rows"]

    person: Int32[np.ndarray, " rows"]

    parts: Int64[np.ndarray, "rows 4"]

    detector: DetectorConfig

    def __str__(self) -> str:
        return f"frames {self.first_counted} to {self.frames.indices[-1]} of {self.frames.video}"


def _look_at_each(
    video: Path,
    bodies: Detections,
    detector: DetectorConfig,
    *,
    segment_frames: int,
    warmup_frames: int,
    compute: Compute,
) -> Detections:
    parts = parts_of(bodies)
    segments = segments_of(
        bodies.num_frames, segment_frames=segment_frames, warmup_frames=warmup_frames
    )

    def work() -> Iterator[_Work]:
        for segment in segments:
            rows = slice(*np.searchsorted(bodies.frame_index, [segment.warmup_start, segment.stop]))
            yield _Work(
                frames=encode_frames(video, range(segment.warmup_start, segment.stop)),
                first_counted=segment.start,
                frame_index=bodies.frame_index[rows],
                person=bodies.person[rows],
                parts=parts[rows],
                detector=detector,
            )

    points, score = bodies.points.copy(), bodies.score.copy()
    finished = run_parallel(_look_at_segment, work(), compute=compute)
    row = 0
    for label, found in track(finished, f"looking at each person in {video}", total=len(segments)):
        check_same_detector(label, detector)
        for in_part in found:
            first, after = np.searchsorted(bodies.frame_index, bodies.frame_index[row] + [0, 1])
            known = People(points=bodies.points[first:after], score=bodies.score[first:after])
            person = believed(
                in_part,
                known,
                row - int(first),
                skeleton=bodies.skeleton,
                image_size=bodies.image_size,
            )
            points[row], score[row] = person.points[0], person.score[0]
            row += 1
    return replace(bodies, points=points, score=score)


def _look_at_segment(work: _Work) -> tuple[str, list[People]]:
    """What is found of each (frame, person) that counts; a detector for each person."""
    people: list[People] = []
    with ExitStack() as stack:
        detectors = {
            person: stack.enter_context(work.detector.open())
            for person in np.unique(work.person).tolist()
        }
        for index, frame in zip(work.frames.indices, work.frames.decoded(), strict=True):
            for row in np.flatnonzero(work.frame_index == index).tolist():
                x0, y0, x1, y1 = work.parts[row].tolist()
                (found,) = detectors[int(work.person[row])].detect([frame[y0:y1, x0:x1]])
                if index >= work.first_counted:
                    people.append(placed(found, offset=(x0, y0)))
    return work.detector.label, people
