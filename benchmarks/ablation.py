"""Variants of the recipe side by side: each an experiment of DVC, at equal training time.

    uv run python -m benchmarks.ablation          # run what lacks, then write the tables
    uv run python -m benchmarks.ablation --table  # only write them

Equal time is counted in steps: the table's number, over the CPU time of a step of the variant
relative to one without its changes (`step_cost`), both in turns on one core. So a busy machine
changes nothing, and a variant that was run is never run again. Variants are in
benchmarks/ablation.yaml; `dvc exp show` knows the same runs by the same names. Needs the pipeline
committed to git, and `uv run dvc repro` before.
"""

import argparse
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from operator import getitem
from pathlib import Path

import pandas as pd
import yaml
from dvc.api import DVCFileSystem
from dvc.repo import Repo
from PIL import Image

from benchmarks.machine import markdown_table
from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.project.params_editing import preset_changes
from motiontransfer.rendering.videos import contact_sheet
from motiontransfer.video.frame_store import FrameStore

VARIANTS_FILE = Path("benchmarks/ablation.yaml")
_PAGE, _TABLE, _PICTURE = (
    Path("docs") / name for name in ("ablation.md", "ablation.csv", "recipes.jpg")
)
_RESULT = Path("results/ada_as_ben/transfer.mp4")
_TRUTH = Path("data/truth/demo.mp4")
_NUM_MOMENTS = 6

_TRANSFER, _HELD_OUT = "results/ada_as_ben/metrics.json", "artifacts/metrics/evaluate/ada.json"
_TRAININGS = (
    *("artifacts/metrics/train_gan/ada.json", "artifacts/metrics/train_face_gan/ada.json"),
    "artifacts/metrics/train_face_cycle/ada_as_ben.json",
)
_METRICS = {
    "person shift-tolerant SSIM": (_TRANSFER, "truth.{}.person.shift_tolerant_ssim"),
    "face shift-tolerant SSIM": (_TRANSFER, "truth.{}.face.shift_tolerant_ssim"),
    "hands shift-tolerant SSIM": (_TRANSFER, "truth.{}.hands.shift_tolerant_ssim"),
    "sharpness": (_TRANSFER, "truth.{}.person.sharpness"),
    "person SSIM": (_TRANSFER, "truth.{}.person.ssim"),
    "person L1": (_TRANSFER, "truth.{}.person.l1"),
    "face SSIM": (_TRANSFER, "truth.{}.face.ssim"),
    "pose px": (_TRANSFER, "truth.{}.pose_distance_px.all"),
    "whole pose px, body": (_TRANSFER, "truth.{}.whole_pose_distance_px.body"),
    "hands missed": (_TRANSFER, "detection.{}.missed_detections.hands"),
    "face missed": (_TRANSFER, "detection.{}.missed_detections.face"),
    "flicker": (_TRANSFER, "temporal.background_flicker.{}"),
    "held-out SSIM": (_HELD_OUT, "{}.person.ssim"),
    "held-out L1": (_HELD_OUT, "{}.person.l1"),
}
"""Column of a table -> file of an experiment, and key of a system in it."""
_SHOWN = (
    *("variant", "what it changes", "person shift-tolerant SSIM", "face shift-tolerant SSIM"),
    *("hands shift-tolerant SSIM", "hands missed", "sharpness", "whole pose px, body"),
    *("held-out SSIM", "flicker", "steps", "CPU minutes"),
)
"""Columns of the page where a table has any; the CSV file has more."""

_INTRODUCTION = """# Ablation

Each row is a DVC experiment on the demo: trained on the target's clip, evaluated on the dance of
the ground-truth clip, one run each; `other_seed` shows the noise. Higher is better for SSIM;
flicker should equal the ground truth's; CPU minutes are those of the trainings on one thread.
[All columns](ablation.csv); command: `uv run python -m benchmarks.ablation`, or one table's with
its name: `uv run python -m benchmarks.ablation recipes`. All but the first are of an earlier
version.

![The recipes and the ground truth at the same frames](recipes.jpg)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One row of a table."""

    group: str
    """Which table."""
    name: str
    what: str
    """What it changes, in words."""
    params: Mapping[str, object]
    """Dotted key -> value, instead of what params.yaml has."""
    reference_steps: int
    """As many steps without its own changes take as long as this variant is trained."""
    step_cost: float
    """CPU time of a step, relative to one without its own changes."""
    optional: bool
    """Whether it is run only when named."""

    @property
    def experiment(self) -> str:
        """Its name among DVC's experiments."""
        return f"{self.group}-{self.name}".replace("_", "-")


def read_variants() -> list[Variant]:
    """All of benchmarks/ablation.yaml, in order."""
    groups = yaml.safe_load(VARIANTS_FILE.read_text(encoding="utf-8"))
    return [
        Variant(
            group=group,
            name=name,
            what=variant["what"],
            params={**content["params"], **_of_preset(variant), **variant.get("params", {})},
            reference_steps=content["steps"],
            step_cost=variant.get("step_cost", 1.0),
            optional=variant.get("optional", False),
        )
        for group, content in groups.items()
        for name, variant in content["variants"].items()
    ]


def _of_preset(variant: Mapping[str, str]) -> dict[str, object]:
    changes = preset_changes(variant["preset"]) if "preset" in variant else []
    return {change.key: yaml.safe_load(change.new) for change in changes}


def main() -> None:
    """Run the variants that lack, then write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("variants", nargs="*", help="GROUP or GROUP-NAME; all by default")
    parser.add_argument("--jobs", type=int, default=1, help="at once, each with its share of cores")
    parser.add_argument("--table", action="store_true", help="run nothing, write the tables")
    arguments = parser.parse_args()
    variants, finished = read_variants(), _finished_experiments()
    if not arguments.table:
        lacking = [
            variant
            for variant in variants
            if variant.experiment not in finished and _is_wanted(variant, arguments.variants)
        ]
        with ThreadPoolExecutor(arguments.jobs) as pool:
            list(pool.map(lambda variant: _run(variant, arguments.jobs), lacking))
        finished = _finished_experiments()
    _write_tables([variant for variant in variants if variant.experiment in finished])


def _is_wanted(variant: Variant, named: Sequence[str]) -> bool:
    return variant.experiment in named or (
        not variant.optional and (not named or variant.group in named)
    )


def _run(variant: Variant, jobs: int) -> None:
    steps = round(variant.reference_steps / variant.step_cost)
    command = ["dvc", "exp", "run", "--temp", "--name", variant.experiment]
    # JSON is YAML in one line.
    edits = {**variant.params, "train_gan.steps": steps}
    command += [f"--set-param={key}={json.dumps(value)}" for key, value in edits.items()]
    threads = max(1, (os.cpu_count() or 1) // jobs)
    print(f"{variant.experiment}: {' '.join(command)}", flush=True)  # noqa: T201
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": str(threads)})


def _finished_experiments() -> set[str]:
    """Names of DVC's experiments that came to their end, whatever commit they began from."""
    with Repo() as repo:
        of_commit = repo.experiments.ls(all_commits=True)
    return {name for experiments in of_commit.values() for name, _ in experiments}


def _write_tables(variants: Sequence[Variant]) -> None:
    """Write docs/ablation.md and .csv, and the recipes' results beside each other.

    Rows of variants that have no experiment here stay as they are.
    """
    rows = {(row["group"], row["variant"]): row for row in pd.read_csv(_TABLE).to_dict("records")}
    for variant in variants:
        files = DVCFileSystem(rev=variant.experiment)
        training = [json.loads(files.read_text(path)) for path in _TRAININGS]
        steps = training[0]["steps"]
        rows[variant.group, variant.name] = {
            **{"group": variant.group, "variant": variant.name, "what it changes": variant.what},
            **_metrics(files, "ours"),
            "steps": steps,
            "CPU minutes": round(sum(it.get("own_minutes", 0) for it in training), 1),
            "time": round(steps * variant.step_cost / variant.reference_steps, 2),
        }
    recipes = [variant for variant in variants if variant.group == "recipes"]
    if recipes:
        rows["recipes", "nearest neighbors"] |= _metrics(
            DVCFileSystem(rev=recipes[0].experiment), "nearest_neighbours"
        )
    table = pd.DataFrame(rows.values())
    table.to_csv(_TABLE, index=False)
    groups = yaml.safe_load(VARIANTS_FILE.read_text(encoding="utf-8"))
    sections = [_INTRODUCTION]
    for group, content in groups.items():
        of_group = table.loc[table["group"] == group, list(_SHOWN)]
        shown = of_group.dropna(axis="columns", how="all")
        cells = shown.astype(object).where(shown.notna(), "")
        sections.append(
            f"## {group.capitalize()}\n\n{content['what']}.\n\n"
            f"{markdown_table(list(cells), cells.values)}\n"
        )
    _PAGE.write_text("\n".join(sections), encoding="utf-8")
    if recipes:
        _write_picture([it for it in recipes if not it.name.endswith("_centred")])


def _metrics(files: DVCFileSystem, system: str) -> dict[str, float]:
    return {
        column: reduce(getitem, key.format(system).split("."), json.loads(files.read_text(path)))
        for column, (path, key) in _METRICS.items()
    }


def _write_picture(recipes: Sequence[Variant]) -> None:
    """A row of frames for each recipe, and the truth's."""
    videos = {}
    for recipe in recipes:
        videos[recipe.name] = Path("artifacts/ablation") / f"{recipe.experiment}.mp4"
        videos[recipe.name].parent.mkdir(parents=True, exist_ok=True)
        files = DVCFileSystem(rev=recipe.experiment)
        files.get_file(str(_RESULT), str(videos[recipe.name]))
    rows = {}
    for name, video in {**videos, "truth": _TRUTH}.items():
        with FrameStore(video) as store:
            moments = evenly_spaced(range(len(store)), count=_NUM_MOMENTS)
            rows[name] = [store[index] for index in moments]
    captions = [f"frame {index}" for index in moments]
    Image.fromarray(contact_sheet(rows, captions)).save(_PICTURE, quality=85)


if __name__ == "__main__":
    main()
