"""The motion of a fitted body: what `body.fit` finds in a film, and its file."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64

from motiontransfer.body.skeleton import (
    BONE_NAMES,
    LENGTHS,
    USUAL_LENGTHS,
    Directions,
    Joints3d,
    Lengths,
    joints_of,
    project,
)
from motiontransfer.core.arrays import FrameMask, Places, Series, Vector
from motiontransfer.core.errors import KeypointsError, MissingFileError
from motiontransfer.core.storage import read_table, write_table
from motiontransfer.pose.skeleton import HOLISTIC

SCHEMA_VERSION = 1
_METADATA_KEY = "motiontransfer.body"


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyMotion:
    """One person's skeleton in every frame of a film."""

    directions: Directions
    lengths: Lengths
    """Body heights."""
    place: Places
    """The middle of the hips, pixels."""
    scale: Series
    """Pixels a body height at the hips' distance."""
    distance: Series
    """Of the hips from the camera, body heights."""
    center: Vector
    """Where the camera's axis meets the picture, pixels."""
    is_exchanged: FrameMask
    """The detector exchanged left and right of the whole body."""
    yaw: Series
    """Radians, continuous; 0 faces the camera, positive where the left side is farther away."""
    fits: FrameMask
    """The skeleton explains the joints that were detected."""

    def __post_init__(self) -> None:
        """Validate values, which may come from disk."""
        frames = len(self.place)
        shapes = {
            "directions": (frames, len(BONE_NAMES), 3),
            "lengths": (len(LENGTHS),),
            "place": (frames, 2),
            "center": (2,),
            **dict.fromkeys(("scale", "distance", "is_exchanged", "yaw", "fits"), (frames,)),
        }
        for name, shape in shapes.items():
            values = getattr(self, name)
            if values.shape != shape or not np.isfinite(values).all():
                raise KeypointsError(
                    f"body motion: expected finite {name} of shape {shape}, got {values.shape}"
                )

    @classmethod
    def unfitted(cls, num_frames: int) -> "BodyMotion":
        """Of a film to which no skeleton was fitted: it fits no frame."""
        one = np.ones(num_frames)
        return cls(
            directions=np.broadcast_to([0.0, 1.0, 0.0], (num_frames, len(BONE_NAMES), 3)).copy(),
            lengths=USUAL_LENGTHS,
            place=np.zeros((num_frames, 2)),
            scale=one,
            distance=one,
            center=np.zeros(2),
            is_exchanged=np.zeros(num_frames, np.bool_),
            yaw=np.zeros(num_frames),
            fits=np.zeros(num_frames, np.bool_),
        )

    @property
    def num_frames(self) -> int:
        return len(self.place)

    def part(self, frames: Sequence[int]) -> "BodyMotion":
        """The motion in some frames, in this order."""
        series = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in _OF_FILM}
        return replace(self, **{name: values[list(frames)] for name, values in series.items()})

    def joints(self) -> Joints3d:
        """Joints of the body from the middle of its hips, body heights; z away from the camera."""
        return joints_of(self.lengths, self.directions)

    def depth(self) -> Float32[np.ndarray, "frames joints"]:
        """How far the joints of the body are behind the hips, heights; 0 of all others."""
        depth = np.zeros((self.num_frames, len(HOLISTIC.joints)), np.float32)
        depth[:, HOLISTIC.slice("body")] = self.joints()[..., 2]
        return depth

    def projected(self) -> Float64[np.ndarray, "frames joints 2"]:
        """Joints of the body in the picture, pixels."""
        return project(
            self.joints(),
            scale=self.scale,
            place=self.place,
            distance=self.distance,
            center=self.center,
        )


_OF_FILM = ("lengths", "center")


def write_motion(path: Path, motion: BodyMotion) -> None:
    """Write a body's motion as Parquet, a row a frame."""
    values = {field.name: getattr(motion, field.name) for field in fields(motion)}
    frames = motion.num_frames
    columns = {
        name: column.reshape(frames, -1) if column.ndim > 1 else column
        for name, column in values.items()
        if name not in _OF_FILM
    }
    description = {
        "schema_version": SCHEMA_VERSION,
        "bones": BONE_NAMES,
        "lengths": dict(zip(LENGTHS, motion.lengths.tolist(), strict=True)),
        "center": motion.center.tolist(),
    }
    write_table(path, columns, key=_METADATA_KEY, description=description)


def read_motion(path: Path) -> BodyMotion:
    """Read and check a body's motion.

    Raises:
        MissingFileError: no such file.
        DamagedFileError: it is not as it was written, or not such a file.
        KeypointsError: another schema version, or other bones.
    """
    if not path.exists():
        raise MissingFileError(f"{path}: no such body motion; `dvc repro` makes it")
    columns, description = read_table(path, key=_METADATA_KEY)
    version: Any = description.get("schema_version")
    if version != SCHEMA_VERSION or description.get("bones") != list(BONE_NAMES):
        raise KeypointsError(
            f"{path}: expected body motion of schema version {SCHEMA_VERSION} and today's bones, "
            f"got version {version}; `dvc repro` makes it anew"
        )
    lengths: Any = description["lengths"]
    return BodyMotion(
        **{
            **columns,
            "directions": columns["directions"].reshape(-1, len(BONE_NAMES), 3),
            "lengths": np.array([lengths[name] for name in LENGTHS]),
            "center": np.array(description["center"]),
        }
    )
