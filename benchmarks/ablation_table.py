"""The tables and the picture of benchmarks/ablation.py, made from DVC's experiments."""

from collections.abc import Mapping
from pathlib import Path

import dvc.api
import numpy as np
import pandas as pd
from dvc.api import DVCFileSystem

from motiontransfer.evaluation.plots import write_picture
from motiontransfer.media.frame_store import FrameStore
from motiontransfer.rendering.composition import contact_sheet, evenly_spaced

TABLE_FILE = Path("docs/ablation.csv")
PAGE_FILE = Path("docs/ablation.md")
PICTURE_FILE = Path("docs/recipes.jpg")
_RESULT = "results/ada_as_ben/transfer.mp4"
_TRUTH = "data/truth/demo.mp4"
_COLUMNS = 6

METRICS = {
    "person SSIM": "results/ada_as_ben/metrics.json:truth.ours.person.ssim",
    "person L1": "results/ada_as_ben/metrics.json:truth.ours.person.l1",
    "pose px": "results/ada_as_ben/metrics.json:truth.ours.pose_distance_px.all",
    "hands missed": "results/ada_as_ben/metrics.json:detection.ours.missed_detections.hands",
    "face missed": "results/ada_as_ben/metrics.json:detection.ours.missed_detections.face",
    "flicker": "results/ada_as_ben/metrics.json:temporal.background_flicker.ours",
    "held-out SSIM": "artifacts/metrics/evaluate/ada.json:ours.person.ssim",
    "held-out L1": "artifacts/metrics/evaluate/ada.json:ours.person.l1",
    "steps": "artifacts/metrics/train_gan/ada.json:steps",
}
"""Column of a table -> metric of an experiment."""

BASELINE = {
    "person SSIM": "results/ada_as_ben/metrics.json:truth.nearest_neighbours.person.ssim",
    "person L1": "results/ada_as_ben/metrics.json:truth.nearest_neighbours.person.l1",
    "pose px": "results/ada_as_ben/metrics.json:truth.nearest_neighbours.pose_distance_px.all",
    "held-out SSIM": "artifacts/metrics/evaluate/ada.json:nearest_neighbours.person.ssim",
    "held-out L1": "artifacts/metrics/evaluate/ada.json:nearest_neighbours.person.l1",
}
"""The same of the nearest neighbours, which are the same in all experiments."""

_INTRODUCTION = """# Recipes and their parts, compared

Each row is an experiment of DVC on the demo: trained on the target's clip, then asked for the dance
that the truth clip shows. All rows of a table train for the same time, counted in steps: as many as
cost what the first row's cost (`benchmarks/step_costs.json`). One run each; `other_seed` shows how
much of a difference is chance. Higher is better for SSIM, lower for all others.

```
uv run dvc repro
uv run python -m benchmarks.step_cost
uv run python -m benchmarks.ablation
```
"""


def write_tables(experiments: Mapping[str, tuple[str, str, str]]) -> None:
    """Write docs/ablation.csv and .md, and the recipes' results beside each other.

    Args:
        experiments: name of an experiment -> its group, its name there, and what it changes.
    """
    found = {str(row["Experiment"]): row for row in dvc.api.exp_show() if row.get("Experiment")}
    rows = [
        {"group": group, "variant": name, "what it changes": what}
        | {column: found[experiment].get(metric) for column, metric in METRICS.items()}
        for experiment, (group, name, what) in experiments.items()
        if experiment in found
    ]
    any_run = found[next(iter(experiments))]
    rows.append(
        {"group": "recipes", "variant": "nearest neighbours", "what it changes": "no network"}
        | {column: any_run.get(metric) for column, metric in BASELINE.items()}
    )
    table = pd.DataFrame(rows)
    table.to_csv(TABLE_FILE, index=False)
    sections = [
        f"\n## {group.capitalize()}\n\n{_markdown(of_group.drop(columns='group'))}"
        for group, of_group in table.groupby("group", sort=False)
    ]
    picture = "\n![The recipes at the same moments, and the truth](recipes.jpg)\n"
    PAGE_FILE.write_text(_INTRODUCTION + picture + "".join(sections), encoding="utf-8")
    recipes = {name: e for e, (group, name, _) in experiments.items() if group == "recipes"}
    _write_picture({name: e for name, e in recipes.items() if e in found})


def _markdown(table: pd.DataFrame) -> str:
    lines = [list(table.columns), ["---"] * len(table.columns)]
    lines += [["" if pd.isna(value) else str(value) for value in row] for row in table.values]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _write_picture(experiments: Mapping[str, str]) -> None:
    """A row of frames for each recipe, and the truth's."""
    rows: dict[str, list[np.ndarray]] = {}
    scratch = Path("artifacts/ablation")
    scratch.mkdir(parents=True, exist_ok=True)
    for name, revision in experiments.items():
        video = scratch / f"{name}.mp4"
        DVCFileSystem(rev=revision).get_file(_RESULT, str(video))
        rows[name] = _frames(video)
    rows["truth"] = _frames(Path(_TRUTH))
    moments = [f"frame {index}" for index in _moments(Path(_TRUTH))]
    write_picture(PICTURE_FILE, contact_sheet(rows, moments))


def _moments(video: Path) -> list[int]:
    with FrameStore(video) as store:
        return evenly_spaced(len(store), _COLUMNS)


def _frames(video: Path) -> list[np.ndarray]:
    with FrameStore(video) as store:
        return [store[index] for index in _moments(video)]


if __name__ == "__main__":
    raise SystemExit("run `python -m benchmarks.ablation --table`")
