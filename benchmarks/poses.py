"""How right poses are, on the demo, where every joint's true place is known.

`uv run python -m benchmarks.poses` after `uv run dvc repro`. Two tables: what detection and
cleaning make of the clips against the true joints, and the dancer's poses re-posed by each mode
against the true joints of the target really dancing it.
"""

from pathlib import Path

import pandas as pd

from motiontransfer.evaluation.pose_accuracy import pose_accuracy
from motiontransfer.keypoints import Keypoints, read_detections, read_keypoints
from motiontransfer.pose.normalization import Mode, ReposeSettings, repose
from motiontransfer.pose.statistics import read_statistics

CLIPS = {"target": ("ada", "demo_target"), "source": ("ben", "demo_dance")}
MODES: tuple[Mode, ...] = ("none", "affine", "ankle", "limbs")


def main() -> None:
    """Print both tables as Markdown."""
    print("Keypoints of the demo's clips against the true joints\n")  # noqa: T201
    print(_table(detection_accuracy()))  # noqa: T201
    print("\nThe dancer's poses, re-posed, against the true joints of the truth clip\n")  # noqa: T201
    print(_table(reposing_accuracy()))  # noqa: T201


def detection_accuracy() -> dict[str, dict[str, dict[str, float | None]]]:
    """Clip and step -> metric -> joint group."""
    rows = {}
    for clip, (subject, video) in CLIPS.items():
        truth = _truth(clip)
        detections = read_detections(Path(f"artifacts/detections/{subject}/{video}.parquet"))
        detected = detections.of_person(detections.people[0])
        rows[f"{clip}, as detected"] = pose_accuracy(detected, truth)
        cleaned = read_keypoints(Path(f"artifacts/keypoints/{subject}/{video}.parquet"))
        rows[f"{clip}, cleaned"] = pose_accuracy(cleaned, truth)
    return rows


def reposing_accuracy() -> dict[str, dict[str, dict[str, float | None]]]:
    """Mode -> metric -> joint group."""
    source = read_keypoints(Path("artifacts/keypoints/ben/demo_dance.parquet"))
    statistics = {
        role: read_statistics(Path(f"artifacts/statistics/{subject}.json"))
        for role, subject in (("source", "ben"), ("target", "ada"))
    }
    rows = {}
    for mode in MODES:
        centring = "median" if mode in ("ankle", "limbs") else None
        settings = ReposeSettings(mode=mode, centring=centring)
        rows[mode] = pose_accuracy(repose(source, settings, **statistics), _truth("truth"))
    return rows


def _truth(clip: str) -> Keypoints:
    return read_keypoints(Path(f"demo/clips/{clip}_joints.parquet"))


def _table(rows: dict[str, dict[str, dict[str, float | None]]]) -> str:
    flat = {
        name: {
            f"{metric} {group}": value
            for metric, groups in metrics.items()
            for group, value in groups.items()
        }
        for name, metrics in rows.items()
    }
    frame = pd.DataFrame(flat).T.astype(float).round(3)
    header = ["", *frame.columns]
    lines = [header, ["---"] * len(header)]
    lines += [[str(name), *map(str, frame.loc[name])] for name in frame.index]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
