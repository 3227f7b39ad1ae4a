"""What a training step of each variant costs, beside one of the default: CPU time of one thread.

`uv run python -m benchmarks.step_cost [EXPERIMENT ...]` after `uv run dvc repro` writes
benchmarks/step_costs.json, which benchmarks/ablation.py reads. The stage itself is run for few and
for more steps, and the difference counts, so that what happens once does not. The default is
measured anew before and after each variant, because a busy machine slows all by turns.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import yaml

from benchmarks.ablation import COSTS_FILE, read_variants
from motiontransfer.storage import write_json

TARGET = "ada"
_FEW, _MORE = 16, 32  # multiples of 16, since R1 is taken every 16 steps


def main(named: list[str]) -> None:
    """Measure the variants named, or all that can be run without more files."""
    costs = json.loads(COSTS_FILE.read_text(encoding="utf-8")) if COSTS_FILE.exists() else {}
    before = _step_seconds({})
    for variant in read_variants():
        if variant.experiment not in named and (named or variant.optional):
            continue
        costs[variant.experiment] = 1.0
        if changed := _of_training(variant.params):
            of_variant, after = _step_seconds(changed), _step_seconds({})
            costs[variant.experiment] = round(2 * of_variant / (before + after), 3)
            before = after
        print(f"{variant.experiment}: {costs[variant.experiment]}", flush=True)  # noqa: T201
        write_json(COSTS_FILE, costs)


def _of_training(params: Mapping[str, object]) -> dict[str, object]:
    """Of the section train_gan, those that can change what a step costs."""
    section = {
        key.partition(".")[2]: v for key, v in params.items() if key.startswith("train_gan.")
    }
    return {name: value for name, value in section.items() if name != "seed"}


def _step_seconds(params: Mapping[str, object]) -> float:
    few, more = (_cpu_seconds(params, steps) for steps in (_FEW, _MORE))
    return (more - few) / (_MORE - _FEW)


def _cpu_seconds(params: Mapping[str, object], steps: int) -> float:
    """Run the stage in a folder of its own; return the CPU time that it took."""
    content = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    content["train_gan"].update(params)
    content["train_gan"].update(steps=steps, sample_every_steps=steps, checkpoint_every_steps=steps)
    with tempfile.TemporaryDirectory(prefix="motiontransfer-") as scratch:
        folder = Path(scratch)
        (folder / "artifacts").mkdir()
        for name in ("frames", "keypoints"):
            (folder / "artifacts" / name).symlink_to(Path("artifacts", name).resolve())
        (folder / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path.cwd())}
        command = [sys.executable, "-m", "stages", "train_gan", TARGET]
        began = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, cwd=folder, env=environment, check=True, stderr=subprocess.DEVNULL)
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime


if __name__ == "__main__":
    main(sys.argv[1:])
