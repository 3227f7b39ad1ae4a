"""Multi-person keypoint detection in a clip, in parallel segments."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float64, Int32, Int64, UInt8
from scipy.ndimage import maximum_filter1d

from motiontransfer.errors import ComputeError
from motiontransfer.keypoints import Detections, Keypoints, People
from motiontransfer.parallel import Compute, run_parallel
from motiontransfer.pose.boxes import joint_boxes
from motiontransfer.pose.time_series import fill_gaps, running_mean, window_frames
from motiontransfer.pose.tracking import NOBODY, difference, measure_bodies, track_people
from motiontransfer.progress import track
from motiontransfer.skeleton import Skeleton
from motiontransfer.video.frame_store import EncodedFrames, FrameStore, encode_frames

_MARGIN = 0.25  # of the person's larger extent: hair, hands and feet reach beyond the joints
_WINDOW_SECONDS = 1.0  # over which place and size are evened out, so that the part moves calmly
_MAX_DIFFERENCE = 0.1  # sizes of the person: two detectors differ by less on the same person


def follow(
    boxes: Float64[np.ndarray, "frames 4"],
    seen: Bool[np.ndarray, " frames"],
    *,
    frame_rate: Fraction,
    image_size: tuple[int, int],
) -> Int64[np.ndarray, "frames 4"]:
    """The part of each frame to look at: a box x0, y0, x1, y1, half-open and inside the frame.

    Where the person is seen it holds their box and, as far as there is picture, a margin.

    Args:
        boxes: around the joints of one person, pixels; what stands where they are not seen is of no
            importance.
        seen: at least once.
    """
    window = window_frames(_WINDOW_SECONDS, frame_rate)
    edges = np.stack([fill_gaps(boxes[:, side], seen) for side in range(4)], axis=1)
    low, high = edges[:, :2], edges[:, 2:]
    middle = (low + high) / 2
    calm = np.stack([running_mean(middle[:, axis], window=window) for axis in range(2)], axis=1)
    margin = _MARGIN * (high - low).max(axis=1, keepdims=True)
    reach = np.maximum(high - calm, calm - low) + margin
    # The mean of maxima over a window is nowhere less than the value in its middle.
    widest = maximum_filter1d(reach, window, axis=0, mode="nearest")
    reach = np.stack([running_mean(widest[:, axis], window=window) for axis in range(2)], axis=1)
    height, width = image_size
    parts = np.concatenate([np.floor(calm - reach), np.ceil(calm + reach) + 1], axis=1)
    return np.clip(parts, 0, [width, height, width, height]).astype(np.int64)


def placed(people: People, *, offset: tuple[int, int]) -> People:
    """What was found in a part of a frame, in the frame.

    Args:
        offset: (x, y) of the part's upper left corner.
    """
    found = people.score[..., None] > 0
    moved = people.points + np.array(offset, np.float32)
    return People(points=np.where(found, moved, np.float32(0)), score=people.score)


def believed(
    in_part: People, known: People, index: int, *, skeleton: Skeleton, image_size: tuple[int, int]
) -> People:
    """What was found in the part of a frame around a person, if it is them; else what is known.

    Args:
        in_part: one person or nobody, in the frame's pixels.
        known: everyone in the frame, each with a body, as known from elsewhere.
        index: which of them was looked at.
    """
    person = People(points=known.points[[index]], score=known.score[[index]])
    found = measure_bodies(in_part, skeleton=skeleton, image_size=image_size)
    if not found:
        return person
    bodies = measure_bodies(known, skeleton=skeleton, image_size=image_size)
    distance = {body.row: difference(body, found[0]) for body in bodies}
    is_theirs = distance[index] <= min(_MAX_DIFFERENCE, *distance.values())
    return in_part if is_theirs else person


@runtime_checkable
class Detector(Protocol):
    """Finds the joints of people, frame after frame."""

    def detect(self, frames: Sequence[UInt8[np.ndarray, "_ _ 3"]]) -> list[People]:
        """Everyone in each of the next frames; a detector may remember those before."""
        ...


@runtime_checkable
class DetectorConfig(Protocol):
    """Settings of a detector; can be sent to another process."""

    @property
    def skeleton(self) -> Skeleton:
        """The joints that are found, in their order."""
        ...

    @property
    def label(self) -> str:
        """What finds the joints, with its version and model."""
        ...

    @property
    def batch_frames(self) -> int:
        """How many frames it likes to be given at once."""
        ...

    def open(self) -> AbstractContextManager[Detector]:
        """A detector with no memory of any frame."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Frames that one detector runs through."""

    warmup_start: int
    """First frame shown to the detector."""

    start: int
    """First frame whose result counts."""

    stop: int
    """One past the last frame."""


def segments_of(num_frames: int, *, segment_frames: int, warmup_frames: int) -> list[Segment]:
    """Cut a clip so that each frame counts in exactly one segment."""
    return [
        Segment(
            warmup_start=max(0, start - warmup_frames),
            start=start,
            stop=min(start + segment_frames, num_frames),
        )
        for start in range(0, num_frames, segment_frames)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """What one worker is given at once."""

    frames: EncodedFrames

    num_warmup: int
    """How many of the frames are only shown."""

    detector: DetectorConfig

    def __str__(self) -> str:
        first, last = self.frames.indices[self.num_warmup], self.frames.indices[-1]
        return f"frames {first} to {last} of {self.frames.video}"


def detect_people(
    video: Path,
    *,
    detector: DetectorConfig,
    segment_frames: int,
    warmup_frames: int,
    compute: Compute,
    every: int = 1,
) -> list[People]:
    """Everyone in each frame of a video, in no particular order.

    Args:
        every: only frames 0, every, 2 every … are looked at, as if there were no others.

    Raises:
        MissingFileError: no such file.
        VideoError: the file holds no frames that can be read.
        ComputeError: a worker was killed, or has another version of the detector.
    """
    with FrameStore(video) as store:
        looked_at = range(0, len(store), every)
    segments = segments_of(
        len(looked_at), segment_frames=segment_frames, warmup_frames=warmup_frames
    )
    work = (
        _Work(
            frames=encode_frames(video, looked_at[segment.warmup_start : segment.stop]),
            num_warmup=segment.start - segment.warmup_start,
            detector=detector,
        )
        for segment in segments
    )
    finished = run_parallel(_detect_segment, work, compute=compute)
    people: list[People] = []
    for label, found in track(finished, f"finding people in {video}", total=len(segments)):
        check_same_detector(label, detector)
        people += found
    return people


def detect_person(
    video: Path,
    *,
    detector: DetectorConfig,
    segment_frames: int,
    warmup_frames: int,
    compute: Compute,
) -> Keypoints:
    """The one person in each frame of a video in which there is nobody else.

    Args:
        detector: one that finds a single person.

    Raises:
        MissingFileError: no such file.
        VideoError: the file holds no frames that can be read.
        ComputeError: a worker was killed, or has another version of the detector.
    """
    people = detect_people(
        video,
        detector=detector,
        segment_frames=segment_frames,
        warmup_frames=warmup_frames,
        compute=compute,
    )
    joints = len(detector.skeleton.joints)
    points = np.zeros((len(people), joints, 2), np.float32)
    score = np.zeros((len(people), joints), np.float32)
    for index, found in enumerate(people):
        assert len(found) <= 1
        points[index], score[index] = found.points.sum(axis=0), found.score.sum(axis=0)
    with FrameStore(video) as store:
        return Keypoints(
            points=points,
            score=score,
            skeleton=detector.skeleton,
            image_size=store.size,
            frame_rate=store.frame_rate,
            detector=detector.label,
        )


def run_detector(
    config: DetectorConfig, frames: Iterable[UInt8[np.ndarray, "_ _ 3"]]
) -> list[People]:
    """Everyone in each frame, found by one detector in this process."""
    remaining, people = iter(frames), []
    with config.open() as detector:
        while batch := list(islice(remaining, config.batch_frames)):
            people += detector.detect(batch)
    return people


def _detect_segment(work: _Work) -> tuple[str, list[People]]:
    found = run_detector(work.detector, work.frames.decoded())
    return work.detector.label, found[work.num_warmup :]


def check_same_detector(label: str, detector: DetectorConfig) -> None:
    """Accept a worker's result if it comes from the same version and model as here.

    Raises:
        ComputeError: it does not, so results would depend on who worked.
    """
    if label != detector.label:
        raise ComputeError(
            f"expected workers with {detector.label}, as here, got one with {label}; install the "
            "same versions on all machines of the cluster (`uv sync` with the same uv.lock)"
        )


def detect_clip(
    video: Path,
    *,
    detector: DetectorConfig,
    segment_frames: int,
    warmup_frames: int,
    compute: Compute,
) -> Detections:
    """Everyone in a video, by track.

    Raises:
        MissingFileError: no such file.
        VideoError: the file holds no frames that can be read.
        ComputeError: a worker was killed, or has another version of the detector.
    """
    people = detect_people(
        video,
        detector=detector,
        segment_frames=segment_frames,
        warmup_frames=warmup_frames,
        compute=compute,
    )
    return tracked(people, video, skeleton=detector.skeleton, detector=detector.label)


def tracked(
    people: Sequence[People], video: Path, *, skeleton: Skeleton, detector: str
) -> Detections:
    """Everyone found in each frame of a video, by track; who belongs to no track is left out."""
    with FrameStore(video) as store:
        image_size, frame_rate = store.size, store.frame_rate
    tracks = track_people(people, frame_rate=frame_rate, image_size=image_size, skeleton=skeleton)
    return in_rows(
        people,
        tracks,
        skeleton=skeleton,
        image_size=image_size,
        frame_rate=frame_rate,
        detector=detector,
    )


def in_rows(
    people: Sequence[People],
    tracks: Sequence[Int32[np.ndarray, " _"]],
    *,
    skeleton: Skeleton,
    image_size: tuple[int, int],
    frame_rate: Fraction,
    detector: str,
) -> Detections:
    """One row for each (frame, person), in order.

    Args:
        tracks: track number of each of the people; who has a negative one is left out.
    """
    joints = len(skeleton.joints)
    numbers = np.concatenate([*tracks, np.zeros(0, np.int32)])
    frames = np.repeat(np.arange(len(people), dtype=np.int32), [len(found) for found in people])
    points = np.concatenate([*(found.points for found in people), np.zeros((0, joints, 2))])
    score = np.concatenate([*(found.score for found in people), np.zeros((0, joints))])
    order = np.lexsort([numbers, frames])
    order = order[numbers[order] >= 0]
    return Detections(
        frame_index=frames[order],
        person=numbers[order],
        points=points[order].astype(np.float32),
        score=score[order].astype(np.float32),
        num_frames=len(people),
        skeleton=skeleton,
        image_size=image_size,
        frame_rate=frame_rate,
        detector=detector,
    )


def detection_metrics(detections: Detections) -> dict[str, object]:
    """Who was seen for how long.

    Frames, how many people at once at most, frames without anyone, and for each track the share of
    frames in which each joint group was found.
    """
    frames = detections.num_frames
    at_once = np.bincount(detections.frame_index, minlength=frames)
    tracks: dict[str, object] = {}
    for person in detections.people:
        rows = detections.person == person
        first, last = detections.frame_index[rows][[0, -1]].tolist()
        tracks[str(person)] = {
            "first_frame": first,
            "last_frame": last,
            "coverage": {
                group: _share(detections.score[rows][:, detections.skeleton.slice(group)], frames)
                for group, _ in detections.skeleton.groups
            },
        }
    return {
        "frames": frames,
        "frames_without_anyone": int((at_once == 0).sum()),
        "frames_with_several": int((at_once > 1).sum()),
        "people_at_once": int(at_once.max(initial=0)),
        "tracks": tracks,
    }


def _share(score: np.ndarray, frames: int) -> float:
    return round(float(score.any(axis=1).sum()) / frames, 4)


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
class _CropWork:
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

    def work() -> Iterator[_CropWork]:
        for segment in segments:
            rows = slice(*np.searchsorted(bodies.frame_index, [segment.warmup_start, segment.stop]))
            yield _CropWork(
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


def _look_at_segment(work: _CropWork) -> tuple[str, list[People]]:
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
