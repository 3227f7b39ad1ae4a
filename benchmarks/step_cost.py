"""What a training step of each variant costs, beside one without its changes: CPU time.

`uv run python -m benchmarks.step_cost [EXPERIMENT ...]` after `uv run dvc repro` writes
benchmarks/step_costs.json, which benchmarks/ablation.py reads. The stage itself is run, for a few
steps. The two share one core, which switches between them all the time: what else the machine does
slows both alike.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import yaml

from benchmarks.ablation import COSTS_FILE, read_variants
from motiontransfer.storage import write_json

TARGET = "ada"
_FIRST, _TIMED = 4, 32  # a multiple of 16, since R1 is taken every 16 steps
_CHILD = "--child"


def main(named: list[str]) -> None:
    """Measure the variants named, or all that can be run without more files."""
    costs = json.loads(COSTS_FILE.read_text(encoding="utf-8")) if COSTS_FILE.exists() else {}
    for variant in read_variants():
        if variant.experiment not in named and (named or variant.optional):
            continue
        changed, plain = _of_training(variant.params), _of_training(variant.of_group)
        costs[variant.experiment] = 1.0 if changed == plain else _cost(changed, plain)
        print(f"{variant.experiment}: {costs[variant.experiment]}", flush=True)  # noqa: T201
        write_json(COSTS_FILE, costs)


def _of_training(params: Mapping[str, object]) -> dict[str, object]:
    """Of the section train_gan, those that can change what a step costs."""
    section = {
        key.partition(".")[2]: v for key, v in params.items() if key.startswith("train_gan.")
    }
    return {name: value for name, value in section.items() if name != "seed"}


def _cost(changed: Mapping[str, object], plain: Mapping[str, object]) -> float:
    """CPU time of a step with the one section over that of a step with the other, both at once."""
    with tempfile.TemporaryDirectory(prefix="motiontransfer-") as scratch:
        processes = [
            _start(Path(scratch) / name, params)
            for name, params in (("changed", changed), ("plain", plain))
        ]
        cost, plain_cost = (_printed(process) for process in processes)
    return round(cost / plain_cost, 3)


def _start(folder: Path, params: Mapping[str, object]) -> subprocess.Popen[str]:
    """Begin the stage in a folder of its own, on the first core that we may use."""
    content = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    content["train_gan"].update(params)
    steps = _FIRST + _TIMED
    content["train_gan"].update(steps=steps, sample_every_steps=steps, checkpoint_every_steps=steps)
    (folder / "artifacts").mkdir(parents=True)
    for name in ("frames", "keypoints"):
        (folder / "artifacts" / name).symlink_to(Path("artifacts", name).resolve())
    (folder / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.step_cost", _CHILD],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path.cwd())},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _printed(process: subprocess.Popen[str]) -> float:
    output, told = process.communicate()
    if process.returncode:
        raise SystemExit(f"a training failed, exit status {process.returncode}:\n{told}")
    return float(output)


def _time_stage() -> None:
    """Run the stage here, and print the CPU seconds of a step."""
    from motiontransfer.training.gan import GanTask
    from stages.train_gan import main as train

    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    whole_step, ended = GanTask.step, []

    def step(*arguments: object, **options: object) -> object:
        losses = whole_step(*arguments, **options)  # ty: ignore[invalid-argument-type]
        ended.append(time.process_time())
        return losses

    GanTask.step = step  # ty: ignore[invalid-assignment]
    train(TARGET)
    print((ended[-1] - ended[_FIRST - 1]) / _TIMED)  # noqa: T201


if __name__ == "__main__":
    if sys.argv[1:] == [_CHILD]:
        _time_stage()
    else:
        main(sys.argv[1:])
