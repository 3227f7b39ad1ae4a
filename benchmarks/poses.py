"""How right poses are, on the demo, where every joint's true place is known.

`uv run python -m benchmarks.poses` after `uv run dvc repro`. Two tables: what detection and
cleaning make of the clips against the true joints, and the dancer's poses normalized by each mode
against the true joints of the target really dancing it.
"""

from pathlib import Path

import pandas as pd

from benchmarks.markdown import markdown_table
from motiontransfer.evaluation.bootstrap import rounded
from motiontransfer.evaluation.pose_metrics import pose_scores
from motiontransfer.keypoints import Keypoints, read_detections, read_keypoints
from motiontransfer.pose.normalization import Mode, normalize_poses
from motiontransfer.pose.statistics import read_statistics

CLIPS = {"target": ("ada", "demo_target"), "source": ("ben", "demo_dance")}
MODES: tuple[Mode, ...] = ("none", "affine", "ankle", "limbs")


def main() -> None:
    """Print both tables as Markdown."""
    print("Keypoints of the demo's clips against the true joints\n")  # noqa: T201
    print(_table(detection_accuracy()))  # noqa: T201
    print("\nThe dancer's normalized poses against the true joints of the truth clip\n")  # noqa: T201
    print(_table(normalization_accuracy()))  # noqa: T201


def detection_accuracy() -> dict[str, dict[str, float | None]]:
    """Clip and step -> metric and joint group -> value."""
    rows = {}
    for clip, (subject, video) in CLIPS.items():
        truth = _truth(clip)
        detections = read_detections(Path(f"artifacts/detections/{subject}/{video}.parquet"))
        detected = detections.of_person(detections.people[0])
        rows[f"{clip}, as detected"] = _accuracy(detected, truth)
        cleaned = read_keypoints(Path(f"artifacts/keypoints/{subject}/{video}.parquet"))
        rows[f"{clip}, cleaned"] = _accuracy(cleaned, truth)
    return rows


def normalization_accuracy() -> dict[str, dict[str, float | None]]:
    """Mode -> metric and joint group -> value."""
    source = read_keypoints(Path("artifacts/keypoints/ben/demo_dance.parquet"))
    statistics = {
        role: read_statistics(Path(f"artifacts/statistics/{subject}.json"))
        for role, subject in (("source", "ben"), ("target", "ada"))
    }
    rows = {}
    for mode in MODES:
        centring = "median" if mode in ("ankle", "limbs") else None
        poses = normalize_poses(source, mode=mode, centring=centring, **statistics)
        rows[mode] = _accuracy(poses, _truth("truth"))
    return rows


def _truth(clip: str) -> Keypoints:
    return read_keypoints(Path(f"demo/clips/{clip}_joints.parquet"))


def _accuracy(result: Keypoints, truth: Keypoints) -> dict[str, float | None]:
    """Mean pixel error and PCK."""
    return {
        f"{key.metric} {key.region}": None if (mean := score.mean()) is None else rounded(mean)
        for key, score in pose_scores(result, truth, system="").items()
        if key.metric == "pose_distance_px" or key.metric.startswith("pck_")
    }


def _table(rows: dict[str, dict[str, float | None]]) -> str:
    frame = pd.DataFrame(rows).T.astype(float).round(3)
    lines = [[name, *row] for name, row in zip(frame.index, frame.to_numpy(), strict=True)]
    return markdown_table(["", *frame.columns], lines)


if __name__ == "__main__":
    main()
