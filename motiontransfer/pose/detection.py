"""Finding the joints of a whole clip, on all cores.

Hides how the work is shared out. A detector remembers the frames before (it tracks), so a clip is
cut into segments of a fixed length, each run by a detector that knows nothing but the warm-up
frames before it: results depend on the segments, never on how many workers there are or which of
them is faster.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import joblib
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from motiontransfer.keypoints import Keypoints
from motiontransfer.media.frame_store import FrameStore
from motiontransfer.pose.detectors.mediapipe_holistic import HolisticConfig
from motiontransfer.pose.person_box import enclosing_box
from motiontransfer.progress import track
from motiontransfer.skeleton import Skeleton


@runtime_checkable
class Detector(Protocol):
    """Finds the joints of one person, frame after frame."""

    def detect(
        self, frame: UInt8[np.ndarray, "height width 3"]
    ) -> tuple[Float32[np.ndarray, "joints 2"], Float32[np.ndarray, " joints"]]:
        """Points in pixels and scores of the next frame; missing joints are (0, 0) with score 0."""
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

    def open(self) -> AbstractContextManager[Detector]:
        """A detector with no memory of any frame."""
        ...


def default_detector() -> HolisticConfig:
    """The detector for those who ask only where the person is, e.g. to measure a result."""
    return HolisticConfig(
        model_complexity=1,
        min_detection_confidence=0.5,
        min_tracking_confidence=0.5,
        min_visibility=0.3,
        smoothing="none",
        face_mesh="subset",
    )


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


def detect_keypoints(
    video: Path,
    *,
    detector: DetectorConfig,
    segment_frames: int,
    warmup_frames: int,
    num_workers: int,
) -> Keypoints:
    """Find the joints in every frame of a clip.

    Args:
        num_workers: processes; 0 for one per core. The result is the same for any number.

    Raises:
        MissingFileError: no such file.
        VideoError: the file holds no frames that can be read.
    """
    with FrameStore(video) as store:
        num_frames, image_size, frame_rate = len(store), store.size, store.frame_rate
    segments = segments_of(num_frames, segment_frames=segment_frames, warmup_frames=warmup_frames)
    workers = min(num_workers or joblib.cpu_count(), len(segments))
    finished = joblib.Parallel(n_jobs=workers, backend="loky", return_as="generator")(
        joblib.delayed(_detect_segment)(video, detector, segment) for segment in segments
    )
    results = list(track(finished, f"finding joints in {video}", total=len(segments)))
    return Keypoints(
        points=np.concatenate([points for points, _ in results]),
        score=np.concatenate([score for _, score in results]),
        skeleton=detector.skeleton,
        image_size=image_size,
        frame_rate=frame_rate,
        detector=detector.label,
    )


def _detect_segment(
    video: Path, config: DetectorConfig, segment: Segment
) -> tuple[Float32[np.ndarray, "frames joints 2"], Float32[np.ndarray, "frames joints"]]:
    with FrameStore(video) as store, config.open() as detector:
        found = [
            detector.detect(frame) for frame in store.frames(segment.warmup_start, segment.stop)
        ]
    counted = found[segment.start - segment.warmup_start :]
    return np.stack([points for points, _ in counted]), np.stack([score for _, score in counted])


def person_boxes(
    frames: Sequence[UInt8[np.ndarray, "_ _ 3"]], *, margin: float = 0.15
) -> list[tuple[int, int, int, int] | None]:
    """Where the person is in each of some unrelated frames; None where nobody is found.

    Boxes are x0, y0, x1, y1, half-open and inside the frame.

    Args:
        margin: added on each side, as a share of the larger extent of the joints found.
    """
    config = default_detector()
    boxes: list[tuple[int, int, int, int] | None] = []
    for frame in frames:
        with config.open() as detector:  # a new one each time: the frames do not follow each other
            points, score = detector.detect(frame)
        size = (frame.shape[0], frame.shape[1])
        boxes.append(enclosing_box(points[score > 0], margin=margin, image_size=size))
    return boxes


def detection_metrics(keypoints: Keypoints) -> dict[str, int | float]:
    """How complete the keypoints are.

    Frames without each joint group, its longest gap, and the mean score of what was found.
    """
    metrics: dict[str, int | float] = {"frames": keypoints.num_frames}
    for group, _ in keypoints.skeleton.groups:
        score = keypoints.score[:, keypoints.skeleton.slice(group)]
        missing = score.max(axis=1) == 0
        metrics[f"frames_without_{group}"] = int(missing.sum())
        metrics[f"longest_gap_{group}_frames"] = longest_run(missing)
        found = score[score > 0]
        metrics[f"mean_score_{group}"] = round(float(found.mean()), 4) if found.size else 0.0
    return metrics


def longest_run(flags: Bool[np.ndarray, " frames"]) -> int:
    """Length of the longest unbroken run of True."""
    edges = np.diff(np.concatenate([[0], flags.astype(np.int8), [0]]))
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return int((stops - starts).max(initial=0))
