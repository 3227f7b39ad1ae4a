"""Keypoints of one person in a clip, and their Parquet form.

Hides the file's schema: one row a (frame, person), for each joint group a fixed-size list of
float32 with x, y and score joint after joint; joint names, image size, frame rate, detector and
schema version in the file's metadata.
"""

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float32

from motiontransfer.errors import KeypointsError, MissingFileError
from motiontransfer.skeleton import Skeleton
from motiontransfer.storage import replacing

SCHEMA_VERSION = 1
_METADATA_KEY = b"motiontransfer.keypoints"


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

    def __post_init__(self) -> None:
        """Check what may come from disk.

        Raises:
            KeypointsError: shapes disagree, a number is not finite, a score is out of range.
        """
        frames, joints = self.points.shape[0], len(self.skeleton.joints)
        if self.points.shape != (frames, joints, 2) or self.score.shape != (frames, joints):
            raise KeypointsError(
                f"expected points ({frames}, {joints}, 2) and score ({frames}, {joints}) for this "
                f"skeleton, "
                f"got {self.points.shape} and {self.score.shape}"
            )
        if not (np.isfinite(self.points).all() and np.isfinite(self.score).all()):
            raise KeypointsError("expected finite numbers in points and score")
        if self.score.size and not (self.score.min() >= 0 and self.score.max() <= 1):
            raise KeypointsError(
                f"expected scores in [0, 1], got {self.score.min()} to {self.score.max()}"
            )
        if self.points[self.score == 0].any():
            raise KeypointsError(
                "expected (0, 0) for each missing joint (score 0): a position there is made up"
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


def write_keypoints(path: Path, keypoints: Keypoints) -> None:
    """Write one person's keypoints as Parquet; person 0 in every row."""
    frames = keypoints.num_frames
    columns: dict[str, pa.Array] = {
        "frame_index": pa.array(np.arange(frames), pa.int32()),
        "pts_seconds": pa.array(
            [float(index / keypoints.frame_rate) for index in range(frames)], pa.float64()
        ),
        "person": pa.array(np.zeros(frames), pa.int16()),
    }
    packed = np.concatenate([keypoints.points, keypoints.score[..., None]], axis=2).astype(
        np.float32
    )
    for group, joints in keypoints.skeleton.groups:
        values = np.ascontiguousarray(packed[:, keypoints.skeleton.slice(group)]).reshape(-1)
        columns[group] = pa.FixedSizeListArray.from_arrays(
            pa.array(values, pa.float32()), 3 * len(joints)
        )
    metadata = {
        "schema_version": SCHEMA_VERSION,
        "groups": [[group, list(joints)] for group, joints in keypoints.skeleton.groups],
        "image_size": list(keypoints.image_size),
        "frame_rate": str(keypoints.frame_rate),
        "detector": keypoints.detector,
    }
    table = pa.table(columns).replace_schema_metadata(
        {_METADATA_KEY: json.dumps(metadata).encode()}
    )
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read_keypoints(path: Path) -> Keypoints:
    """Read and check a keypoints file.

    Raises:
        MissingFileError: no such file.
        KeypointsError: not a keypoints file, another schema version, rows missing or out of order.
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
            f"got {metadata.get('schema_version')}"
        )
    skeleton = Skeleton(
        groups=tuple((group, tuple(joints)) for group, joints in metadata["groups"])
    )
    names = table.column_names
    frame_indices = table.column("frame_index").to_numpy() if "frame_index" in names else None
    if frame_indices is None or not np.array_equal(frame_indices, np.arange(len(frame_indices))):
        raise KeypointsError(
            f"{path}: expected one row a frame, frame_index 0, 1, 2 …; "
            "rows are missing or out of order"
        )
    packed = np.concatenate(
        [_column(table, path, group, len(joints)) for group, joints in skeleton.groups], axis=1
    )
    try:
        return Keypoints(
            points=np.ascontiguousarray(packed[..., :2]),
            score=np.ascontiguousarray(packed[..., 2]),
            skeleton=skeleton,
            image_size=(metadata["image_size"][0], metadata["image_size"][1]),
            frame_rate=Fraction(metadata["frame_rate"]),
            detector=metadata["detector"],
        )
    except KeypointsError as error:
        raise KeypointsError(f"{path}: {error}") from error


def _column(
    table: pa.Table, path: Path, group: str, num_joints: int
) -> Float32[np.ndarray, "frames joints 3"]:
    expected = pa.list_(pa.float32(), 3 * num_joints)
    if group not in table.column_names or table.schema.field(group).type != expected:
        got = table.schema.field(group).type if group in table.column_names else "no such column"
        raise KeypointsError(f"{path}: column {group}: expected {expected}, got {got}")
    values = table.column(group).combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return values.astype(np.float32).reshape(-1, num_joints, 3)


def to_long_table(keypoints: Keypoints) -> pd.DataFrame:
    """One row a (frame, joint), for pandas.

    Columns: frame_index, pts_seconds, group, joint, x, y, score; x and y are NaN where missing.
    """
    frames, joints = keypoints.score.shape
    group_of_joint = [group for group, names in keypoints.skeleton.groups for _ in names]
    frame_index = np.repeat(np.arange(frames), joints)
    score = keypoints.score.reshape(-1)
    points = np.where(score[:, None] > 0, keypoints.points.reshape(-1, 2), np.nan)
    return pd.DataFrame(
        {
            "frame_index": frame_index,
            "pts_seconds": frame_index / float(keypoints.frame_rate),
            "group": pd.Categorical(group_of_joint * frames),
            "joint": pd.Categorical(list(keypoints.skeleton.joints) * frames),
            "x": points[:, 0],
            "y": points[:, 1],
            "score": score,
        }
    )
