"""Multi-person keypoint detection in a clip: top-down by track, in parallel segments."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache, partial
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64, Int32, Int64

from motiontransfer.core.arrays import AnyFrame
from motiontransfer.core.parallel import run_parallel
from motiontransfer.core.params import Compute
from motiontransfer.core.progress import track
from motiontransfer.pose.boxes import joint_boxes
from motiontransfer.pose.keypoints import Detections, Keypoints, People
from motiontransfer.pose.landmarks import Detector
from motiontransfer.pose.time_series import running_mean, window_frames
from motiontransfer.pose.tracking import UNASSIGNED, measure_bodies, pose_distance, track_people
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.isolation import restart_time_limit

_SAMPLE_EVERY = 10  # frames: a passer-by is in view for longer
_MARGIN = 0.25  # of the person's larger extent: hair, hands and feet reach beyond the joints
_WINDOW_SECONDS = 1.0  # over which a crop's place and size are smoothed
_MAX_DISTANCE = 0.1  # sizes of the person: two detectors differ by less on the same person


@runtime_checkable
class DetectorConfig(Protocol):
    """Settings of a detector of joints in frames; can be sent to another process."""

    @property
    def label(self) -> str: ...

    @property
    def batch_frames(self) -> int: ...

    @property
    def segment_frames(self) -> int:
        """Length of the segments in which workers detect, each with a fresh detector."""

    @property
    def warmup_frames(self) -> int:
        """Frames before a segment that its detector is shown first."""

    def open(self) -> AbstractContextManager[Detector]:
        """A detector with no memory of any frame."""


def detect_clip(
    video: Path,
    *,
    detector: DetectorConfig,
    body_detector: DetectorConfig | None = None,
    compute: Compute,
) -> Detections:
    """People in each frame of a video, by track.

    If the body detector sees two people in some sampled frame, people are tracked by its joints.
    The detector then runs on a moving crop around each of them, otherwise on whole frames.

    Args:
        body_detector: finds several people in unrelated frames; its joints are the first of the
            detector's, which then need find one person only.
    """
    detect = partial(detect_people, video, compute=compute)
    with FrameStore(video) as store:
        image_size = store.size
    if body_detector is None or not any(
        num_people(found, image_size=image_size) > 1
        for found in detect(detector=body_detector, every=_SAMPLE_EVERY)
    ):
        return track_detections(detect(detector=detector), video, detector=detector.label)
    label = f"{detector.label}, each person by {body_detector.label}"
    bodies = track_detections(detect(detector=body_detector), video, detector=label)
    return _detect_in_crops(video, bodies, detector=detector, compute=compute)


def detect_person(
    video: Path, *, detector: DetectorConfig, compute: Compute, size: tuple[int, int] | None = None
) -> Keypoints:
    """The person in each frame of a video, by a detector that finds a single one.

    Args:
        size: smaller (height, width) in which frames are looked at.
    """
    people = detect_people(video, detector=detector, compute=compute, size=size)
    assert all(len(found) <= 1 for found in people)
    tracks = [np.zeros(len(found), np.int32) for found in people]
    with FrameStore(video) as store:
        detections = Detections.from_frames(
            people,
            tracks,
            image_size=size or store.size,
            frame_rate=store.frame_rate,
            detector=detector.label,
        )
    return detections.of_person(*detections.people)


def track_detections(people: Sequence[People], video: Path, *, detector: str) -> Detections:
    """Tracks of the people found in each frame of a video; the unassigned are left out."""
    with FrameStore(video) as store:
        size, frame_rate = store.size, store.frame_rate
    tracks = track_people(people, frame_rate=frame_rate, image_size=size)
    return Detections.from_frames(
        people, tracks, image_size=size, frame_rate=frame_rate, detector=detector
    )


def num_people(people: People, *, image_size: tuple[int, int]) -> int:
    """Number of people in a frame, without duplicate detections."""
    (tracks,) = track_people([people], frame_rate=Fraction(1), image_size=image_size)
    return int((tracks != UNASSIGNED).sum())


_Rows = Int64[np.ndarray, " rows"]


def segments_of(num_frames: int, detector: DetectorConfig) -> list[tuple[int, int, int]]:
    """Start of the warm-up, start and stop of each segment; each frame counts in one of them."""
    length = detector.segment_frames
    return [
        (max(0, start - detector.warmup_frames), start, min(start + length, num_frames))
        for start in range(0, num_frames, length)
    ]


BoxOfFrame = dict[int, tuple[int, int, int, int]]
"""Frame index -> x0, y0, x1, y1 of the crop in which a detector looks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    video: Path
    modified_ns: int
    """When the video was written: a worker may still have an earlier one of this name open."""
    detector: DetectorConfig
    size: tuple[int, int] | None
    """Of the frames, if they are reduced."""
    frames: range
    boxes: BoxOfFrame
    first_counted: int
    """Frame index from which results count."""

    def __str__(self) -> str:
        return f"frames {self.first_counted} to {self.frames[-1]} of {self.video}"


def detect_people(
    video: Path,
    *,
    detector: DetectorConfig,
    compute: Compute,
    every: int = 1,
    size: tuple[int, int] | None = None,
) -> list[People]:
    """People in each frame of a video, or in every n-th as if there were no others; unordered.

    Args:
        size: smaller (height, width) in which frames are looked at.
    """
    with FrameStore(video) as store:
        frames, (height, width) = range(0, len(store), every), size or store.size
    work, whole = _work_on(video, detector, size=size), (0, 0, width, height)
    segments = []
    for warmup_start, start, stop in segments_of(len(frames), detector):
        shown = frames[warmup_start:stop]
        boxes = dict.fromkeys(shown, whole)
        segments.append(work(frames=shown, boxes=boxes, first_counted=frames[start]))
    found = _detect_segments(segments, f"detecting people in {video}", compute)
    return [people for of_segment in found for people in of_segment]


def _detect_in_crops(
    video: Path, bodies: Detections, *, detector: DetectorConfig, compute: Compute
) -> Detections:
    """Detections with the joints that the detector finds in a crop around each body.

    Where it finds no person or another one there, the body stays as it is.
    """
    crops, work = crop_boxes(bodies), _work_on(video, detector)
    segments, counted_rows = [], list[_Rows]()
    for segment in segments_of(bodies.num_frames, detector):
        of_segment = slice(*np.searchsorted(bodies.frame_index, segment[1:]))
        for person in np.unique(bodies.person[of_segment]):
            rows = np.flatnonzero(bodies.person == person)
            first, start, stop = np.searchsorted(bodies.frame_index[rows], segment)
            shown = bodies.frame_index[rows[first:stop]].tolist()
            boxes = dict(zip(shown, map(tuple, crops[rows[first:stop]].tolist()), strict=True))
            frames = range(shown[0], shown[-1] + 1)
            segments.append(work(frames=frames, boxes=boxes, first_counted=shown[start - first]))
            counted_rows.append(rows[start:stop])
    points, score = bodies.points.copy(), bodies.score.copy()
    body = bodies.skeleton.slice("body")
    known = np.zeros((*score[:, body].shape, 3), np.float32)
    world = known if bodies.world is None else bodies.world.copy()
    found = _detect_segments(segments, f"detecting each person in {video}", compute)
    for counted, people in zip(counted_rows, found, strict=True):
        for row, joints in zip(counted, people, strict=True):
            if is_same_person(joints, bodies, int(row)):
                points[row], score[row] = joints[0, :, :2], joints[0, :, 2]
                if joints.shape[2] > 3:
                    world[row] = joints[0, body, 3:]
    return replace(bodies, points=points, score=score, world=world if world.any() else None)


def _work_on(
    video: Path, detector: DetectorConfig, *, size: tuple[int, int] | None = None
) -> Callable[..., _Work]:
    path, modified_ns = video.absolute(), video.stat().st_mtime_ns
    return partial(_Work, video=path, modified_ns=modified_ns, detector=detector, size=size)


def _detect_segments(work: list[_Work], label: str, compute: Compute) -> Iterator[list[People]]:
    """People in the frames that count, segment by segment."""
    is_photo = all(each.frames == range(1) for each in work)  # of one person or several
    num_workers = None if is_photo else compute.num_workers
    found = run_parallel(_detect_segment, work, num_workers=num_workers)
    for people in track(found, label, total=len(work)):
        restart_time_limit()
        yield people


def crop_boxes(detections: Detections) -> Int64[np.ndarray, "rows 4"]:
    """Crop for each (frame, person): a box around the person, smoothed along the track."""
    boxes = joint_boxes(detections.points, detections.score)
    crops = np.zeros((len(boxes), 4), np.int64)
    for person in detections.people:
        rows = detections.person == person
        crops[rows] = smooth_crops(
            boxes[rows],
            detections.frame_index[rows],
            num_frames=detections.num_frames,
            frame_rate=detections.frame_rate,
            image_size=detections.image_size,
        )
    return crops


def smooth_crops(
    boxes: Float64[np.ndarray, "seen 4"],
    frame_index: Int32[np.ndarray, " seen"],
    *,
    num_frames: int,
    frame_rate: Fraction,
    image_size: tuple[int, int],
) -> Int64[np.ndarray, "seen 4"]:
    """Boxes x0, y0, x1, y1, half-open and inside the frame, smooth over time.

    Each holds the box given for that frame and, as far as the image allows, a margin.
    """
    from scipy.ndimage import maximum_filter1d  # here: workers, which detect, do without SciPy

    window = window_frames(_WINDOW_SECONDS, frame_rate)
    frames = np.arange(num_frames)
    edges = np.stack([np.interp(frames, frame_index, side) for side in boxes.T], axis=1)
    low, high = edges[:, :2], edges[:, 2:]
    middle = (low + high) / 2
    calm = np.stack([running_mean(middle[:, axis], window=window) for axis in range(2)], axis=1)
    margin = _MARGIN * (high - low).max(axis=1, keepdims=True)
    reach = np.maximum(high - calm, calm - low) + margin
    # The mean of maxima over a window is nowhere less than the value in its middle.
    widest = maximum_filter1d(reach, window, axis=0, mode="nearest")
    reach = np.stack([running_mean(widest[:, axis], window=window) for axis in range(2)], axis=1)
    crops = np.concatenate([np.floor(calm - reach), np.ceil(calm + reach) + 1], axis=1)
    return np.clip(crops, 0, [*image_size[::-1]] * 2).astype(np.int64)[frame_index]


def is_same_person(found: People, bodies: Detections, row: int) -> bool:
    """True if the person found in a crop is that of a row, and nobody known there is nearer."""
    measure = partial(measure_bodies, image_size=bodies.image_size)
    person = measure(found)
    if not person:
        return False
    first, stop = np.searchsorted(bodies.frame_index, bodies.frame_index[row] + [0, 1])
    known = measure(np.dstack([bodies.points[first:stop], bodies.score[first:stop]]))
    distance = {int(first) + body.row: pose_distance(body, person[0]) for body in known}
    return distance[row] <= min(_MAX_DISTANCE, *distance.values())


def _detect_segment(work: _Work) -> list[People]:
    store = _opened(work.video, work.modified_ns)
    decoded = zip(work.frames, store.chosen(work.frames, work.size), strict=True)
    boxed = ((frame, work.boxes[index]) for index, frame in decoded if index in work.boxes)
    crops = (frame[y0:y1, x0:x1] for frame, (x0, y0, x1, y1) in boxed)
    if len(store) == 1:  # a detector that follows a person begins with a guess
        crops = chain.from_iterable(repeat(crop, 1 + work.detector.warmup_frames) for crop in crops)
    found = run_detector(work.detector, crops)[-len(work.boxes) :]
    placed = []
    for people, (x0, y0, _, _) in zip(found, work.boxes.values(), strict=True):
        moved = people.copy()
        moved[..., :2] += np.where(people[..., 2:3] > 0, np.array([x0, y0], np.float32), 0)
        placed.append(moved)
    return placed[sum(index < work.first_counted for index in work.boxes) :]


@lru_cache(maxsize=1)  # opening takes longer the longer the video is
def _opened(video: Path, _modified_ns: int) -> FrameStore:
    return FrameStore(video)


def run_detector(config: DetectorConfig, frames: Iterable[AnyFrame]) -> list[People]:
    remaining, people = iter(frames), []
    with config.open() as detect:
        while batch := list(islice(remaining, config.batch_frames)):
            people += detect(batch)
    return people


def detection_metrics(detections: Detections) -> dict[str, object]:
    """Detection statistics: frames, people at once, and coverage of each track by joint group."""
    frames = detections.num_frames
    at_once = np.bincount(detections.frame_index, minlength=frames)
    tracks: dict[str, object] = {}
    for person in detections.people:
        rows = detections.person == person
        first, last = detections.frame_index[rows][[0, -1]].tolist()
        coverage = {}
        for group, _ in detections.skeleton.groups:
            found = detections.score[rows, detections.skeleton.slice(group)].any(axis=1)
            coverage[group] = round(float(found.sum()) / frames, 4)
        tracks[str(person)] = {"first_frame": first, "last_frame": last, "coverage": coverage}
    return {
        "frames": frames,
        "frames_without_anyone": int((at_once == 0).sum()),
        "frames_with_several": int((at_once > 1).sum()),
        "people_at_once": int(at_once.max(initial=0)),
        "tracks": tracks,
    }
