"""Variants of the recipe side by side: each an experiment of DVC, at equal training time.

    uv run python -m benchmarks.ablation          # run what lacks, then write the tables
    uv run python -m benchmarks.ablation --table  # only write them

Equal time is counted in steps: the table's number, over the CPU time of a step of the variant
beside one without its changes, both in turns on one core (benchmarks/step_costs.json). So a busy
machine changes nothing, and a variant that was run is never run again. Variants are in
benchmarks/ablation.yaml; `dvc exp show` knows the same runs by the same names. Needs the pipeline
committed to git, and `uv run dvc repro` before.
"""

import argparse
import json
import os
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from benchmarks.ablation_table import Row, finished_experiments, write_tables

VARIANTS_FILE = Path("benchmarks/ablation.yaml")
COSTS_FILE = Path("benchmarks/step_costs.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One row of a table."""

    group: str
    """Which table."""
    name: str
    what: str
    """What it changes, in words."""
    of_group: Mapping[str, object]
    """What all of the table have: dotted key -> value, instead of what params.yaml says."""
    own: Mapping[str, object]
    """What this one has beside."""
    reference_steps: int
    """As many steps without its own changes take as long as this variant is trained."""
    optional: bool
    """Whether it is run only when named."""

    @property
    def params(self) -> dict[str, object]:
        """All that it changes."""
        return {**self.of_group, **self.own}

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
            of_group=content["params"],
            own=variant["params"],
            reference_steps=content["steps"],
            optional=variant.get("optional", False),
        )
        for group, content in groups.items()
        for name, variant in content["variants"].items()
    ]


def main() -> None:
    """Run the variants that lack, then write the tables."""
    arguments = _arguments()
    variants = read_variants()
    costs = json.loads(COSTS_FILE.read_text(encoding="utf-8"))
    if not arguments.table:
        finished = finished_experiments()
        wanted = [v for v in variants if _is_wanted(v, arguments.variants)]
        lacking = [v for v in wanted if v.experiment not in finished]
        with ThreadPoolExecutor(arguments.jobs) as pool:
            list(pool.map(lambda it: _run(it, costs[it.experiment], arguments.jobs), lacking))
    write_tables(
        [
            Row(
                group=variant.group,
                name=variant.name,
                what=variant.what,
                experiment=variant.experiment,
                step_time=costs.get(variant.experiment, np.nan) / variant.reference_steps,
            )
            for variant in variants
        ]
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("variants", nargs="*", help="GROUP or GROUP-NAME; all by default")
    parser.add_argument("--jobs", type=int, default=1, help="at once, each with its share of cores")
    parser.add_argument("--table", action="store_true", help="run nothing, write the tables")
    return parser.parse_args()


def _is_wanted(variant: Variant, named: list[str]) -> bool:
    return variant.experiment in named or (
        not variant.optional and (not named or variant.group in named)
    )


def _run(variant: Variant, cost: float, jobs: int) -> None:
    edits = {**variant.params, "train_gan.steps": round(variant.reference_steps / cost)}
    command = ["dvc", "exp", "run", "--temp", "--name", variant.experiment]
    # JSON is YAML in one line.
    command += [f"--set-param={key}={json.dumps(value)}" for key, value in edits.items()]
    threads = max(1, (os.cpu_count() or 1) // jobs)
    print(f"{variant.experiment}: {' '.join(command)}", flush=True)  # noqa: T201
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": str(threads)})


if __name__ == "__main__":
    main()
