"""Variants of the recipe at equal training time, each an experiment of DVC.

    uv run python -m benchmarks.ablation [GROUP or GROUP-NAME ...] [--table]

Runs the variants of benchmarks/ablation.yaml that are no experiment yet, or with --table none,
updates docs/ablation.csv and prints the tables of docs/ablation.md. Equal time is counted in steps:
the group's number over the CPU time of a step of the variant relative to one without its changes
(`step_cost`). Needs the pipeline committed to git, and `uv run dvc repro` before.
"""

import argparse
import json
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from dvc.repo import Repo

from benchmarks.machine import markdown_table
from motiontransfer.core.errors import MissingFileError
from motiontransfer.core.layout import counts_file, measurements_file
from motiontransfer.evaluation.measurements import nested, read_measurements
from motiontransfer.project.presets import with_preset
from motiontransfer.report.compare import Revision

VARIANTS_FILE = Path("benchmarks/ablation.yaml")
_TABLE = Path("docs/ablation.csv")
_TRANSFER = measurements_file("evaluate_transfer", "ada_as_ben")
_HELD_OUT = measurements_file("evaluate", "ada")
_TRAININGS = (
    counts_file("train_gan", "ada"),
    counts_file("train_face_gan", "ada"),
    counts_file("train_face_cycle", "ada_as_ben"),
)
_METRICS = {
    "person likeness": (_TRANSFER, "truth.{}.person.likeness"),
    "face likeness": (_TRANSFER, "truth.{}.face.likeness"),
    "hands likeness": (_TRANSFER, "truth.{}.hands.likeness"),
    "sharpness": (_TRANSFER, "truth.{}.person.sharpness"),
    "person SSIM": (_TRANSFER, "truth.{}.person.ssim"),
    "person L1": (_TRANSFER, "truth.{}.person.l1"),
    "face SSIM": (_TRANSFER, "truth.{}.face.ssim"),
    "pose px": (_TRANSFER, "truth.{}.pose_distance_px.all"),
    "hands missed": (_TRANSFER, "detection.{}.missed_detections.hands"),
    "face missed": (_TRANSFER, "detection.{}.missed_detections.face"),
    "flicker": (_TRANSFER, "temporal.background_flicker.{}"),
    "held-out SSIM": (_HELD_OUT, "{}.person.ssim"),
    "held-out L1": (_HELD_OUT, "{}.person.l1"),
}
"""Column of the table -> table of an experiment, and key of a system in its nested values."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("variants", nargs="*", help="GROUP or GROUP-NAME; all by default")
    parser.add_argument("--table", action="store_true", help="run nothing")
    arguments = parser.parse_args()
    rows = {(row["group"], row["variant"]): row for row in pd.read_csv(_TABLE).to_dict("records")}
    with Repo() as repo:
        of_commit = repo.experiments.ls(all_commits=True)
    finished = {name for experiments in of_commit.values() for name, _ in experiments}
    groups = yaml.safe_load(VARIANTS_FILE.read_text(encoding="utf-8"))
    for group, content in groups.items():
        for name, variant in content["variants"].items():
            experiment = f"{group}-{name}".replace("_", "-")
            is_named = not arguments.variants and not variant.get("optional")
            is_wanted = is_named or {group, experiment} & {*arguments.variants}
            if experiment not in finished and (arguments.table or not is_wanted):
                continue
            if experiment not in finished:
                _run(experiment, content, variant)
            row = rows[group, name] = _row(experiment, group, name, variant)
            row["time"] = round(row["steps"] * variant.get("step_cost", 1.0) / content["steps"], 2)
            if group == "recipes":
                files = Revision(Path(), experiment)
                rows[group, "nearest neighbors"] |= _metrics(files, "nearest_neighbours")
    table = pd.DataFrame(rows.values())
    table.to_csv(_TABLE, index=False)
    for group, of_group in table.groupby("group", sort=False):
        shown = of_group.drop(columns="group").dropna(axis="columns", how="all")
        shown = shown.astype(object).where(shown.notna(), "")
        print(f"{group}\n\n{markdown_table(list(shown), shown.values)}\n")  # noqa: T201


def _run(experiment: str, content: Mapping[str, dict], variant: Mapping[str, dict]) -> None:
    preset = with_preset(str(variant["preset"]))[1] if "preset" in variant else []
    values = {change.key: yaml.safe_load(change.new) for change in preset}
    values |= {**content["params"], **variant.get("params", {})}
    values["train_gan.steps"] = round(content["steps"] / variant.get("step_cost", 1.0))
    command = ["dvc", "exp", "run", "--temp", "--name", experiment]
    # JSON is YAML in one line, but for names of keys.
    texts = {key: v if isinstance(v, str) else json.dumps(v) for key, v in values.items()}
    command += [f"--set-param={key}={text}" for key, text in texts.items()]
    subprocess.run(command, check=True)


def _row(experiment: str, group: str, name: str, variant: Mapping[str, str]) -> dict[str, Any]:
    files = Revision(Path(), experiment)
    trainings = []
    for path in _TRAININGS:
        with suppress(MissingFileError):  # most have no face cycle
            trainings.append(json.loads(files.read(path)))
    minutes = sum(training.get("own_minutes", 0) for training in trainings)
    return {
        **{"group": group, "variant": name, "what it changes": variant["what"]},
        **_metrics(files, "ours"),
        **{"steps": trainings[0]["steps"], "CPU minutes": round(minutes, 1) or None},
    }


def _metrics(files: Revision, system: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="motiontransfer-") as folder:
        found = {
            path: nested(read_measurements(files.copy(path, Path(folder) / path.name)))
            for path in (_TRANSFER, _HELD_OUT)
        }
    return {
        column: reduce(getitem, key.format(system).split("."), found[path])
        for column, (path, key) in _METRICS.items()
    }


if __name__ == "__main__":
    main()
