"""Variants of the recipe side by side: each an experiment of DVC, at equal training time.

`uv run python -m benchmarks.ablation --minutes 4` runs what lacks, one after the other, and writes
benchmarks/ablation.md and .csv; `--table` only writes them. Variants are in
benchmarks/ablation.yaml; `dvc exp show` knows the same runs by the same names.
"""

import argparse
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dvc.api
import pandas as pd
import yaml

FOLDER = Path("benchmarks")
_UNREACHED = 1_000_000  # steps: training ends by its time

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
"""Column of the table -> metric of an experiment."""


def main() -> None:
    """Run the variants that lack, then write the table."""
    arguments = _arguments()
    variants = yaml.safe_load((FOLDER / "ablation.yaml").read_text(encoding="utf-8"))
    if not arguments.table:
        finished = set(_rows())
        wanted = arguments.variants or [n for n in variants if not variants[n].get("optional")]
        names = [name for name in wanted if _experiment(name) not in finished]
        with ThreadPoolExecutor(arguments.jobs) as pool:
            list(pool.map(lambda name: _run(name, variants[name]["params"], arguments), names))
    table = _table(list(variants))
    table.to_csv(FOLDER / "ablation.csv")
    text = _markdown(table, {name: variant["what"] for name, variant in variants.items()})
    (FOLDER / "ablation.md").write_text(text, encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("variants", nargs="*", help="names in ablation.yaml; all by default")
    parser.add_argument("--minutes", type=float, default=4.0, help="of training, for each variant")
    parser.add_argument("--jobs", type=int, default=1, help="at once, each with its share of cores")
    parser.add_argument("--table", action="store_true", help="run nothing, write the table")
    return parser.parse_args()


def _experiment(name: str) -> str:
    return f"ablation-{name.replace('_', '-')}"


def _run(name: str, params: Mapping[str, object], arguments: argparse.Namespace) -> None:
    edits = {"train_gan.max_minutes": arguments.minutes, "train_gan.steps": _UNREACHED, **params}
    command = ["dvc", "exp", "run", "--temp", "--name", _experiment(name)]
    # JSON is YAML in one line.
    command += [f"--set-param={key}={json.dumps(value)}" for key, value in edits.items()]
    threads = max(1, (os.cpu_count() or 1) // arguments.jobs)
    print(f"{name}: {' '.join(command)}", flush=True)  # noqa: T201
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": str(threads)})


def _rows() -> dict[str, Mapping[str, object]]:
    """Experiment's name -> its params and metrics."""
    return {str(row["Experiment"]): row for row in dvc.api.exp_show() if row.get("Experiment")}


def _table(variants: Sequence[str]) -> pd.DataFrame:
    rows = _rows()
    found = {name: rows[_experiment(name)] for name in variants if _experiment(name) in rows}
    return pd.DataFrame(
        {column: [found[name].get(metric) for name in found] for column, metric in METRICS.items()},
        index=pd.Index(list(found), name="variant"),
    )


def _markdown(table: pd.DataFrame, what: Mapping[str, str]) -> str:
    header = ["variant", "what it changes", *table.columns]
    lines = [header, ["---"] * len(header)]
    lines += [[name, what[name], *map(str, table.loc[name])] for name in table.index]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


if __name__ == "__main__":
    main()
