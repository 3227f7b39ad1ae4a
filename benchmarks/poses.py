"""How right poses are, on the demo, where every joint's true place is known.

    uv run python -m benchmarks.poses

After `uv run dvc repro`. What detection and cleaning make of the clips against the true joints, and
the dancer's poses normalized by each mode against the true joints of the target really dancing it.
"""

from collections.abc import Iterator
from pathlib import Path

from benchmarks.machine import recorded
from motiontransfer.evaluation.measurements import rounded
from motiontransfer.evaluation.pose_metrics import pose_scores
from motiontransfer.pose.keypoints import Keypoints, read_detections, read_keypoints
from motiontransfer.retargeting.normalization import MODES, normalize_poses
from motiontransfer.retargeting.statistics import read_statistics

_CLIPS = {"target": ("ada", "demo_target"), "source": ("ben", "demo_dance")}


def main() -> None:
    """Measure both, a row each."""
    with recorded("poses") as rows:
        for name, poses, clip in [*_detected(), *_normalized()]:
            truth = read_keypoints(Path(f"demo/clips/{clip}_joints.parquet"))
            rows.append({"poses": name, **_accuracy(poses, truth)})


def _detected() -> Iterator[tuple[str, Keypoints, str]]:
    """Name of a row, poses, and the clip that they are of."""
    for clip, (subject, video) in _CLIPS.items():
        detections = read_detections(Path(f"artifacts/detections/{subject}/{video}.parquet"))
        yield f"{clip}, as detected", detections.of_person(detections.people[0]), clip
        cleaned = read_keypoints(Path(f"artifacts/keypoints/{subject}/{video}.parquet"))
        yield f"{clip}, cleaned", cleaned, clip


def _normalized() -> Iterator[tuple[str, Keypoints, str]]:
    source = read_keypoints(Path("artifacts/keypoints/ben/demo_dance.parquet"))
    statistics = {
        role: read_statistics(Path(f"artifacts/statistics/{subject}.json"))
        for role, subject in (("source", "ben"), ("target", "ada"))
    }
    for mode in MODES:
        centering = "median" if mode in ("ankle", "limbs") else None
        yield mode, normalize_poses(source, mode=mode, centering=centering, **statistics), "truth"


def _accuracy(poses: Keypoints, truth: Keypoints) -> dict[str, float | None]:
    """Mean pixel error and PCK by group of joints."""
    return {
        f"{key.metric} {key.region}": None if (mean := score.mean()) is None else rounded(mean)
        for key, score in pose_scores(poses, truth, system="").items()
        if key.metric == "pose_distance_px" or key.metric.startswith("pck_")
    }


if __name__ == "__main__":
    main()
