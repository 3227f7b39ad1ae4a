"""Rows of joints on disk: the Parquet form that everything found in a clip shares.

Hides the file's schema: one row a (frame, person), for each joint group a fixed-size list of
float32 with x, y and score joint after joint, and, where positions were filled in, one of booleans;
joint names, image size, frame rate, number of frames, detector and schema version in the file's
metadata.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int32, Shaped

from motiontransfer.errors import KeypointsError, MissingFileError
from motiontransfer.skeleton import Skeleton
from motiontransfer.tables import read_table, write_table

SCHEMA_VERSION = 2
_METADATA_KEY = "motiontransfer.keypoints"


@dataclass(frozen=True, slots=True, kw_only=True)
class JointRows:
    """What a keypoints file holds, as it stands there; whoever reads it checks what it means."""

    frame_index: Int32[np.ndarray, " rows"]
    """Which frame each row belongs to."""

    person: Int32[np.ndarray, " rows"]
    """Track number of the person in each row."""

    points: Float32[np.ndarray, "rows joints 2"]
    """(x, y) in pixels of the working image."""

    score: Float32[np.ndarray, "rows joints"]
    """Confidence of each joint."""

    filled: Bool[np.ndarray, "rows joints"] | None
    """Where a position was filled in; None: nowhere, and the file has no columns for it."""

    num_frames: int
    """Number of frames of the clip, with rows or without."""

    skeleton: Skeleton
    """Names of the joints along the joint axis."""

    image_size: tuple[int, int]
    """(height, width) of the working image, pixels."""

    frame_rate: Fraction
    """Frames a second."""

    detector: str
    """What found the joints, with its version."""


def write_rows(path: Path, rows: JointRows) -> None:
    """Write a keypoints file; the same rows are the same bytes."""
    columns: dict[str, np.ndarray] = {
        "frame_index": rows.frame_index,
        "pts_seconds": np.array(
            [float(index / rows.frame_rate) for index in rows.frame_index.tolist()], np.float64
        ),
        "person": rows.person,
    }
    packed = np.concatenate([rows.points, rows.score[..., None]], axis=2)
    for group, joints in rows.skeleton.groups:
        values = packed[:, rows.skeleton.slice(group)]
        columns[group] = values.reshape(len(values), 3 * len(joints))
    if rows.filled is not None:
        for group, _ in rows.skeleton.groups:
            columns[_filled(group)] = rows.filled[:, rows.skeleton.slice(group)]
    description = {
        "schema_version": SCHEMA_VERSION,
        "groups": [[group, list(joints)] for group, joints in rows.skeleton.groups],
        "image_size": list(rows.image_size),
        "frame_rate": str(rows.frame_rate),
        "num_frames": rows.num_frames,
        "detector": rows.detector,
    }
    write_table(path, columns, key=_METADATA_KEY, description=description)


def read_rows(path: Path) -> JointRows:
    """Read a keypoints file.

    Raises:
        MissingFileError: no such file.
        DamagedFileError: it is not as it was written, or not a keypoints file.
        KeypointsError: another schema version, a column missing.
    """
    if not path.exists():
        raise MissingFileError(f"{path}: no such keypoints file; `dvc repro` makes it")
    columns, description = read_table(path, key=_METADATA_KEY)
    version = description.get("schema_version")
    if version != SCHEMA_VERSION:
        raise KeypointsError(
            f"{path}: expected keypoints schema version {SCHEMA_VERSION}, "
            f"got {version}; `dvc repro` makes it anew"
        )
    try:
        return _rows(columns, description)
    except (KeyError, TypeError, ValueError) as error:
        raise KeypointsError(
            f"{path}: not a keypoints file ({type(error).__name__}: {error}); `dvc repro` makes it"
        ) from error


def _rows(
    columns: Mapping[str, Shaped[np.ndarray, "..."]], description: Mapping[str, Any]
) -> JointRows:
    groups = tuple((group, tuple(joints)) for group, joints in description["groups"])
    skeleton = Skeleton(groups=groups)
    packed = [_column(columns, group, np.float32, 3 * len(joints)) for group, joints in groups]
    values = np.concatenate(packed, axis=1)
    values = values.reshape(len(values), len(skeleton.joints), 3)
    filled = None
    if any(_filled(group) in columns for group, _ in groups):
        marks = [_column(columns, _filled(group), bool, len(joints)) for group, joints in groups]
        filled = np.concatenate(marks, axis=1)
    height, width = description["image_size"]
    return JointRows(
        frame_index=_column(columns, "frame_index", np.int32),
        person=_column(columns, "person", np.int32),
        points=np.ascontiguousarray(values[..., :2]),
        score=np.ascontiguousarray(values[..., 2]),
        filled=filled,
        num_frames=description["num_frames"],
        skeleton=skeleton,
        image_size=(height, width),
        frame_rate=Fraction(description["frame_rate"]),
        detector=description["detector"],
    )


def _column(
    columns: Mapping[str, Shaped[np.ndarray, "..."]],
    name: str,
    kind: type[np.generic | bool],
    *lists: int,
) -> np.ndarray:
    """One column, of numbers or of lists with so many numbers."""
    if name not in columns:
        raise KeyError(f"no column {name}")
    expected, got = (
        (np.dtype(kind).name, lists),
        (columns[name].dtype.name, columns[name].shape[1:]),
    )
    if got != expected:
        raise ValueError(f"column {name}: expected {expected}, got {got}")
    return columns[name]


def _filled(group: str) -> str:
    return f"{group}_filled"
