"""Keypoints in a clip: of one person, or of everyone.

Hides how they are checked when they come from disk, and that both are kept as rows of one and the
same Parquet schema (`motiontransfer.joint_rows`).
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Bool, Float32, Int32

from motiontransfer.errors import KeypointsError
from motiontransfer.joint_rows import JointRows, read_rows, write_rows
from motiontransfer.skeleton import Skeleton


@dataclass(frozen=True, slots=True, kw_only=True)
class Keypoints:
    """Where the joints of one person are in every frame of a clip."""

    points: Float32[np.ndarray, "frames joints 2"]
    """(x, y) in pixels of the working image, origin top-left; (0, 0) where the joint is missing."""

    score: Float32[np.ndarray, "frames joints"]
    """Confidence in [0, 1]; 0 exactly where the joint is missing."""

    skeleton: Skeleton
    """Names of the joints along the joint axis."""

    image_size: tuple[int, int]
    """(height, width) of the working image, pixels."""

    frame_rate: Fraction
    """Frames a second, constant over the clip."""

    detector: str
    """What found the joints, with its version."""

    filled: Bool[np.ndarray, "frames joints"] | None = None
    """Where a position was filled in by cleaning, not found; None: nowhere."""

    def __post_init__(self) -> None:
        """Check what may come from disk.

        Raises:
            KeypointsError: shapes disagree, a number is not finite, a score is out of range, a
                position is given or marked as filled in where the joint is missing.
        """
        _check_joints(self.points, self.score, self.skeleton)
        if self.filled is not None and (self.filled & (self.score == 0)).any():
            raise KeypointsError(
                "expected a position at each joint marked as filled in, got a missing joint"
            )

    @property
    def num_frames(self) -> int:
        """Number of frames."""
        return self.points.shape[0]

    def joint(
        self, name: str
    ) -> tuple[Float32[np.ndarray, "frames 2"], Float32[np.ndarray, " frames"]]:
        """Points and scores of one joint over time.

        Raises:
            KeypointsError: the skeleton has no such joint.
        """
        if name not in self.skeleton.joints:
            raise KeypointsError(f"no joint {name!r} in these keypoints (detector {self.detector})")
        index = self.skeleton.index(name)
        return self.points[:, index], self.score[:, index]


@dataclass(frozen=True, slots=True, kw_only=True)
class Detections:
    """The joints of everyone in a clip, as detected: one row a (frame, person)."""

    frame_index: Int32[np.ndarray, " rows"]
    """Which frame each row belongs to; rows are in order of frame, then person."""

    person: Int32[np.ndarray, " rows"]
    """Track number from 0; the same number is the same person."""

    points: Float32[np.ndarray, "rows joints 2"]
    """(x, y) in pixels of the working image, origin top-left; (0, 0) where the joint is missing."""

    score: Float32[np.ndarray, "rows joints"]
    """Confidence in [0, 1]; 0 exactly where the joint is missing."""

    num_frames: int
    """Number of frames of the clip, with anyone in them or without."""

    skeleton: Skeleton
    """Names of the joints along the joint axis."""

    image_size: tuple[int, int]
    """(height, width) of the working image, pixels."""

    frame_rate: Fraction
    """Frames a second, constant over the clip."""

    detector: str
    """What found the joints, with its version."""

    def __post_init__(self) -> None:
        """Check what may come from disk.

        Raises:
            KeypointsError: as for `Keypoints`, or rows of no frame, repeated or out of order.
        """
        _check_joints(self.points, self.score, self.skeleton)
        rows = len(self.points)
        if rows and not (self.frame_index.min() >= 0 and self.frame_index.max() < self.num_frames):
            raise KeypointsError(
                f"expected frame_index in 0 to {self.num_frames - 1}, got "
                f"{self.frame_index.min()} to {self.frame_index.max()}"
            )
        if rows and self.person.min() < 0:
            raise KeypointsError(f"expected person numbers from 0, got {self.person.min()}")
        earlier, later = self.frame_index[:-1], self.frame_index[1:]
        ordered = (earlier < later) | ((earlier == later) & (self.person[:-1] < self.person[1:]))
        if not ordered.all():
            row = int(np.argmin(ordered)) + 1
            raise KeypointsError(
                "expected rows in order of frame, then person, each once; got frame "
                f"{self.frame_index[row]}, person {self.person[row]} after frame "
                f"{self.frame_index[row - 1]}, person {self.person[row - 1]}"
            )

    @property
    def people(self) -> tuple[int, ...]:
        """Everyone's track numbers, in order."""
        return tuple(np.unique(self.person).tolist())

    def of_person(self, person: int) -> Keypoints:
        """One person in every frame; all joints are missing where they were not seen.

        Raises:
            KeypointsError: nobody has this track number.
        """
        rows = self.person == person
        if not rows.any():
            raise KeypointsError(f"no person {person} in this clip; there are {self.people}")
        joints = len(self.skeleton.joints)
        points = np.zeros((self.num_frames, joints, 2), np.float32)
        score = np.zeros((self.num_frames, joints), np.float32)
        points[self.frame_index[rows]] = self.points[rows]
        score[self.frame_index[rows]] = self.score[rows]
        return Keypoints(
            points=points,
            score=score,
            skeleton=self.skeleton,
            image_size=self.image_size,
            frame_rate=self.frame_rate,
            detector=self.detector,
        )


def _check_joints(
    points: Float32[np.ndarray, "..."], score: Float32[np.ndarray, "..."], skeleton: Skeleton
) -> None:
    rows, joints = points.shape[0], len(skeleton.joints)
    if points.shape != (rows, joints, 2) or score.shape != (rows, joints):
        raise KeypointsError(
            f"expected points ({rows}, {joints}, 2) and score ({rows}, {joints}) for this "
            f"skeleton, got {points.shape} and {score.shape}"
        )
    if not (np.isfinite(points).all() and np.isfinite(score).all()):
        raise KeypointsError("expected finite numbers in points and score")
    if score.size and not (score.min() >= 0 and score.max() <= 1):
        raise KeypointsError(f"expected scores in [0, 1], got {score.min()} to {score.max()}")
    if points[score == 0].any():
        raise KeypointsError(
            "expected (0, 0) for each missing joint (score 0): a position there is made up"
        )


def write_keypoints(path: Path, keypoints: Keypoints) -> None:
    """Write one person's keypoints as Parquet: a row for every frame, person 0 in each."""
    frames = np.arange(keypoints.num_frames, dtype=np.int32)
    write_rows(path, _like(JointRows, keypoints, frame_index=frames, person=np.zeros_like(frames)))


def read_keypoints(path: Path) -> Keypoints:
    """Read and check one person's keypoints.

    Raises:
        MissingFileError: no such file.
        DamagedFileError: it is not as it was written, or not a keypoints file.
        KeypointsError: another schema version, rows missing or out of order.
    """
    rows = read_rows(path)
    if not np.array_equal(rows.frame_index, np.arange(rows.num_frames)):
        raise KeypointsError(
            f"{path}: expected one row for each of {rows.num_frames} frames, frame_index 0, 1, 2 "
            f"…, got {len(rows.frame_index)} rows; some are missing, too many or out of order"
        )
    with _named(path):
        return _like(Keypoints, rows)


def write_detections(path: Path, detections: Detections) -> None:
    """Write everyone's keypoints as Parquet: no row where a person was not seen."""
    write_rows(path, _like(JointRows, detections, filled=None))


def read_detections(path: Path) -> Detections:
    """Read and check everyone's keypoints.

    Raises:
        MissingFileError: no such file.
        DamagedFileError: it is not as it was written, or not a keypoints file.
        KeypointsError: another schema version, rows repeated, out of order
            or of no frame, positions that were filled in and not detected.
    """
    rows = read_rows(path)
    if rows.filled is not None:
        raise KeypointsError(
            f"{path}: holds positions that were filled in; expected detections, as they are in "
            "artifacts/detections"
        )
    with _named(path):
        return _like(Detections, rows)


_Kind = TypeVar("_Kind", Keypoints, Detections, JointRows)


def _like(kind: type[_Kind], other: object, **changes: object) -> _Kind:
    """Build a dataclass from another's values of the same names, and others."""
    names = [field.name for field in fields(kind) if field.name not in changes]
    return kind(**{name: getattr(other, name) for name in names}, **changes)


@contextmanager
def _named(path: Path) -> Generator[None]:
    try:
        yield
    except KeypointsError as error:
        raise KeypointsError(f"{path}: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """The joints of everyone in one frame, in no particular order."""

    points: Float32[np.ndarray, "people joints 2"]
    """(x, y) in pixels of the working image, origin top-left; (0, 0) where the joint is missing."""

    score: Float32[np.ndarray, "people joints"]
    """Confidence in [0, 1]; 0 exactly where the joint is missing."""

    def __len__(self) -> int:
        """How many people."""
        return len(self.points)


def nobody(num_joints: int) -> People:
    """A frame in which nobody was found."""
    return People(
        points=np.zeros((0, num_joints, 2), np.float32), score=np.zeros((0, num_joints), np.float32)
    )
