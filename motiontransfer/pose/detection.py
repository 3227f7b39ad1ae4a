"""Finding people in every frame of a video, on all cores.

Hides how the work is shared out. A detector may remember the frames before (it tracks), so a clip
is cut into segments of a fixed length, each run by a detector that knows nothing but the warm-up
frames before it: results depend on the segments, never on how many workers there are or which of
them is faster. Workers are given a segment's frames, not the name of a file.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from motiontransfer.errors import ComputeError
from motiontransfer.keypoints import Keypoints
from motiontransfer.media.encoded_frames import EncodedFrames, encode_frames
from motiontransfer.media.frame_store import FrameStore
from motiontransfer.parallel import Compute, run_parallel
from motiontransfer.pose.people import People
from motiontransfer.progress import track
from motiontransfer.skeleton import Skeleton


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
