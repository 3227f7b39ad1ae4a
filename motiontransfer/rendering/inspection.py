"""What there is to look at in one video: its frames, everyone found, whom the keypoints follow.

Hides where the pipeline keeps these, and which measures tell over time whether keypoints can be
trusted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from motiontransfer.errors import KeypointsError, MissingFileError
from motiontransfer.keypoints import Detections, Keypoints, read_detections, read_keypoints
from motiontransfer.media.frame_store import FrameStore
from motiontransfer.pose.stance import measure_stance
from motiontransfer.skeleton import LIMBS_OF_GROUP

ARTIFACTS = Path("artifacts")

Measures = Mapping[str, Mapping[str, Float64[np.ndarray, " frames"]]]
"""Quantity -> label of a curve -> its value in each frame; NaN where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """One video as it is looked at."""

    video: str
    """Its name in params.yaml."""

    frames: Path
    """The frame store of the decoded clip."""

    keypoints: Keypoints
    """Of the person who is followed."""

    everyone: Detections | None
    """All people as they were detected; None where that was not kept."""


def load_inspection(video: str, subject: str, *, artifacts: Path = ARTIFACTS) -> Inspection:
    """Gather what the pipeline made of a video.

    Args:
        subject: who is in the video.

    Raises:
        MissingFileError: frames or keypoints were not made yet; the message says how to.
        KeypointsError: frames and keypoints are of different runs.
    """
    frames = artifacts / "frames" / subject / video / "frames.mkv"
    table = artifacts / "keypoints" / subject / f"{video}.parquet"
    for path, stage in ((frames, "decode"), (table, "clean_keypoints")):
        if not path.exists():
            raise MissingFileError(f"{path}: not made yet; run `dvc repro {stage}@{video}`")
    detected = artifacts / "detections" / subject / f"{video}.parquet"
    inspection = Inspection(
        video=video,
        frames=frames,
        keypoints=read_keypoints(table),
        everyone=read_detections(detected) if detected.exists() else None,
    )
    with FrameStore(frames) as store:
        if len(store) != inspection.keypoints.num_frames:
            raise KeypointsError(
                f"{table}: expected {len(store)} frames, as {frames} has, got "
                f"{inspection.keypoints.num_frames}; run `dvc repro clean_keypoints@{video}`"
            )
    return inspection


def measures_over_time(keypoints: Keypoints) -> Measures:
    """What tells over time whether keypoints can be trusted, in the words of the pictures."""
    skeleton, found = keypoints.skeleton, keypoints.score > 0
    groups = {
        group.replace("_", " "): skeleton.slice(group)
        for group, _ in skeleton.groups
        if group in LIMBS_OF_GROUP
    }
    stance = measure_stance(keypoints, min_score=0.0)
    return {
        "joints found, %": {name: 100 * found[:, at].mean(1) for name, at in groups.items()},
        "confidence of those found": {
            name: _mean_where(keypoints.score[:, at], found[:, at]) for name, at in groups.items()
        },
        "pixels": {
            "ankle line": np.where(stance.has_ankles, stance.ankle_y_px, np.nan),
            "height": np.where(stance.has_height, stance.height_px, np.nan),
        },
        "speed of the joints, pixels a second": {
            name: _speed(keypoints, at) for name, at in groups.items()
        },
    }


def _speed(keypoints: Keypoints, joints: slice) -> Float64[np.ndarray, " frames"]:
    """Mean way from the frame before, of joints found in both."""
    way = np.linalg.norm(np.diff(keypoints.points[:, joints], axis=0), axis=2)
    found = keypoints.score[:, joints] > 0
    speed = _mean_where(way, found[1:] & found[:-1]) * float(keypoints.frame_rate)
    return np.concatenate([[np.nan], speed])


def _mean_where(values: np.ndarray, chosen: np.ndarray) -> Float64[np.ndarray, " frames"]:
    count = chosen.sum(axis=1)
    total = np.where(chosen, values, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
