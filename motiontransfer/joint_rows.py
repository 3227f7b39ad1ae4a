"""Rows of joints on disk: the Parquet form that everything found in a clip shares.

Hides the file's schema: one row a (frame, person), for each joint group a fixed-size list of
float32 with x, y and score joint after joint, and, where positions were filled in, one of booleans;
joint names, image size, frame rate, number of frames, detector and schema version in the file's
metadata.
"""

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Bool, Float32, Int32

from motiontransfer.errors import KeypointsError, MissingFileError
from motiontransfer.skeleton import Skeleton
from motiontransfer.storage import replacing

SCHEMA_VERSION = 2
_METADATA_KEY = b"motiontransfer.keypoints"


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
    columns: dict[str, pa.Array] = {
        "frame_index": pa.array(rows.frame_index, pa.int32()),
        "pts_seconds": pa.array(
            [float(index / rows.frame_rate) for index in rows.frame_index.tolist()], pa.float64()
        ),
        "person": pa.array(rows.person, pa.int32()),
    }
    packed = np.concatenate([rows.points, rows.score[..., None]], axis=2)
    for group, joints in rows.skeleton.groups:
        columns[group] = _lists(packed[:, rows.skeleton.slice(group)], 3 * len(joints))
    if rows.filled is not None:
        for group, joints in rows.skeleton.groups:
            columns[_filled(group)] = _lists(
                rows.filled[:, rows.skeleton.slice(group)], len(joints)
            )
    metadata = {
        "schema_version": SCHEMA_VERSION,
        "groups": [[group, list(joints)] for group, joints in rows.skeleton.groups],
        "image_size": list(rows.image_size),
        "frame_rate": str(rows.frame_rate),
        "num_frames": rows.num_frames,
        "detector": rows.detector,
    }
    table = pa.table(columns).replace_schema_metadata(
        {_METADATA_KEY: json.dumps(metadata).encode()}
    )
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read_rows(path: Path) -> JointRows:
    """Read a keypoints file.

    Raises:
        MissingFileError: no such file.
        KeypointsError: not a keypoints file, another schema version, a column missing.
    """
    if not path.exists():
        raise MissingFileError(f"{path}: no such keypoints file; `dvc repro` makes it")
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise KeypointsError(f"{path}: not a Parquet file: {error}") from error
    metadata = json.loads((table.schema.metadata or {}).get(_METADATA_KEY, b"{}"))
    if metadata.get("schema_version") != SCHEMA_VERSION:
        raise KeypointsError(
            f"{path}: expected keypoints schema version {SCHEMA_VERSION}, "
            f"got {metadata.get('schema_version')}; `dvc repro` makes it anew"
        )
    skeleton = Skeleton(
        groups=tuple((group, tuple(joints)) for group, joints in metadata["groups"])
    )
    packed = [
        _column(table, path, group, pa.list_(pa.float32(), 3 * len(joints)))
        for group, joints in skeleton.groups
    ]
    values = np.concatenate(packed, axis=1).reshape(table.num_rows, len(skeleton.joints), 3)
    filled = None
    if any(_filled(group) in table.column_names for group, _ in skeleton.groups):
        filled = np.concatenate(
            [
                _column(table, path, _filled(group), pa.list_(pa.bool_(), len(joints)))
                for group, joints in skeleton.groups
            ],
            axis=1,
        )
    return JointRows(
        frame_index=_column(table, path, "frame_index", pa.int32()),
        person=_column(table, path, "person", pa.int32()),
        points=np.ascontiguousarray(values[..., :2]),
        score=np.ascontiguousarray(values[..., 2]),
        filled=filled,
        num_frames=metadata["num_frames"],
        skeleton=skeleton,
        image_size=(metadata["image_size"][0], metadata["image_size"][1]),
        frame_rate=Fraction(metadata["frame_rate"]),
        detector=metadata["detector"],
    )


def _filled(group: str) -> str:
    return f"{group}_filled"


def _lists(values: np.ndarray, length: int) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(values).ravel()), length)


def _column(table: pa.Table, path: Path, name: str, expected: pa.DataType) -> np.ndarray:
    """One column; a list a row becomes a row of the array."""
    got = table.schema.field(name).type if name in table.column_names else "no such column"
    if got != expected:
        raise KeypointsError(f"{path}: column {name}: expected {expected}, got {got}")
    column = table.column(name)
    if column.null_count:
        raise KeypointsError(f"{path}: column {name}: {column.null_count} rows are empty")
    if not isinstance(expected, pa.FixedSizeListType):
        return column.to_numpy()
    values = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return values.reshape(table.num_rows, expected.list_size)
