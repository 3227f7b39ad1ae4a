"""Everyone in a clip: found frame by frame, told apart over time.

Hides that a detector of a single person is tracked like any other: where it jumps from one person
to another, a new track begins, and the two are never taken for one.
"""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from jaxtyping import Int32

from motiontransfer.keypoints import Detections
from motiontransfer.media.frame_store import FrameStore
from motiontransfer.parallel import Compute
from motiontransfer.pose.detection import DetectorConfig, detect_people
from motiontransfer.pose.people import People
from motiontransfer.pose.tracking import track_people
from motiontransfer.skeleton import Skeleton


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
