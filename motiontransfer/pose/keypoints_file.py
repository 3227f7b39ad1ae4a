"""The Parquet file of a clip's keypoints, of one subject or of multiple people."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int32, Shaped

from motiontransfer.core.errors import KeypointsError, MissingFileError
from motiontransfer.core.storage import read_table, write_table
from motiontransfer.pose.keypoints import OF_JOINTS, Detections, Keypoints
from motiontransfer.pose.skeleton import Skeleton

SCHEMA_VERSION = 2
_METADATA_KEY = "motiontransfer.keypoints"
_WORLD = "body_world"


def write_keypoints(path: Path, keypoints: Keypoints) -> None:
    """Write one subject's keypoints as Parquet: a row for every frame, person 0 in each."""
    frame_index, skeleton = np.arange(keypoints.num_frames, dtype=np.int32), keypoints.skeleton
    optional = {
        f"{group}_{name}": values[:, skeleton.slice(group)]
        for name in OF_JOINTS
        if (values := getattr(keypoints, name)) is not None
        for group, _ in skeleton.groups
    }
    unusual = {"unusual": keypoints.unusual} if keypoints.unusual else {}
    _write(path, keypoints, frame_index, np.zeros_like(frame_index), optional, unusual)


def write_detections(path: Path, detections: Detections) -> None:
    """Write multi-person keypoints as Parquet: no row where a person was not seen."""
    world = detections.world
    optional = {} if world is None else {_WORLD: world.reshape(len(world), 3 * world.shape[1])}
    _write(path, detections, detections.frame_index, detections.person, optional, {})


def read_keypoints(path: Path) -> Keypoints:
    """Read and check one subject's keypoints.

    Raises:
        MissingFileError: no such file.
        DamagedFileError: it is not as it was written, or not a keypoints file.
        KeypointsError: another schema version, rows missing or out of order.
    """
    with _named(path):
        values = _read(path)
        num_frames, frame_index = values.pop("num_frames"), values.pop("frame_index")
        if not np.array_equal(frame_index, np.arange(num_frames)):
            raise KeypointsError(
                f"expected one row for each of {num_frames} frames, frame_index 0, 1, 2 …, got "
                f"{len(frame_index)} rows; some are missing, too many or out of order"
            )
        del values["person"], values["world"]
        return Keypoints(**values)


def read_subject(folder: Path) -> dict[Path, Keypoints]:
    """Keypoints of all clips of a subject, by file, in the order of their names.

    A name with a dot before it is what a killed writer left behind.
    """
    return {path: read_keypoints(path) for path in sorted(folder.glob("[!.]*.parquet"))}


def read_detections(path: Path) -> Detections:
    """Read and check multi-person keypoints, none of them filled in; raises as `read_keypoints`."""
    with _named(path):
        values = _read(path)
        del values["unusual"]
        marks = [values.pop(name) for name in OF_JOINTS]
        if any(mark is not None for mark in marks):
            raise KeypointsError(
                "holds positions that were filled in; expected detections, as they are in "
                "artifacts/detections"
            )
        return Detections(**values)


@contextmanager
def _named(path: Path) -> Generator[None]:
    try:
        yield
    except KeypointsError as error:
        raise KeypointsError(f"{path}: {error}") from error


def _write(
    path: Path,
    joints: Keypoints | Detections,
    frame_index: Int32[np.ndarray, " rows"],
    person: Int32[np.ndarray, " rows"],
    optional: Mapping[str, Shaped[np.ndarray, "rows _"]],
    described: Mapping[str, object],
) -> None:
    skeleton, rate = joints.skeleton, joints.frame_rate
    seconds = [float(index / rate) for index in frame_index.tolist()]
    columns: dict[str, np.ndarray] = {
        "frame_index": frame_index,
        "pts_seconds": np.array(seconds, np.float64),
        "person": person,
    }
    packed = np.concatenate([joints.points, joints.score[..., None]], axis=2)
    for group, names in skeleton.groups:
        columns[group] = packed[:, skeleton.slice(group)].reshape(-1, 3 * len(names))
    description = {
        "schema_version": SCHEMA_VERSION,
        "groups": [[group, list(names)] for group, names in skeleton.groups],
        "image_size": list(joints.image_size),
        "frame_rate": str(rate),
        "num_frames": joints.num_frames,
        "detector": joints.detector,
        **described,
    }
    write_table(path, {**columns, **optional}, key=_METADATA_KEY, description=description)


def _read(path: Path) -> dict[str, Any]:
    """Values of a keypoints file by field: those of Keypoints and of Detections."""
    if not path.exists():
        raise MissingFileError(f"{path}: no such keypoints file; `dvc repro` makes it")
    columns, description = read_table(path, key=_METADATA_KEY)
    version = description.get("schema_version")
    if version != SCHEMA_VERSION:
        raise KeypointsError(
            f"expected keypoints schema version {SCHEMA_VERSION}, got {version}; `dvc repro` makes "
            "it anew"
        )
    try:
        return _values(columns, description)
    except (KeyError, TypeError, ValueError) as error:
        raise KeypointsError(
            f"not a keypoints file ({type(error).__name__}: {error}); `dvc repro` makes it"
        ) from error


def _values(
    columns: Mapping[str, Shaped[np.ndarray, "..."]], description: Mapping[str, Any]
) -> dict[str, Any]:
    groups = tuple((group, tuple(names)) for group, names in description["groups"])
    rows = len(columns["frame_index"])
    packed = [columns[group].reshape(rows, len(names), 3) for group, names in groups]
    marks: dict[str, np.ndarray | None] = dict.fromkeys(OF_JOINTS)
    for mark in (mark for mark in OF_JOINTS if f"{groups[0][0]}_{mark}" in columns):
        marks[mark] = np.concatenate([columns[f"{group}_{mark}"] for group, _ in groups], axis=1)
    world = columns.get(_WORLD)
    if world is not None:
        world = world.reshape(-1, len(dict(groups)["body"]), 3)
    height, width = description["image_size"]
    return {
        "frame_index": columns["frame_index"],
        "person": columns["person"],
        "points": np.concatenate([joints[..., :2] for joints in packed], axis=1),
        "score": np.concatenate([joints[..., 2] for joints in packed], axis=1),
        "unusual": tuple((start, stop) for start, stop in description.get("unusual", ())),
        **marks,
        "world": world,
        "num_frames": description["num_frames"],
        "skeleton": Skeleton(groups=groups),
        "image_size": (height, width),
        "frame_rate": Fraction(description["frame_rate"]),
        "detector": description["detector"],
    }
