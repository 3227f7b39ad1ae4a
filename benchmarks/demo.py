"""The demo from scratch at several commits: CPU seconds and peak memory of each stage, metrics.

    uv run python -m benchmarks.demo            # the last commit
    uv run python -m benchmarks.demo v1.0 HEAD  # two commits, one after the other
    uv run python -m benchmarks.demo v1.0 HEAD --films DANCER ME  # `dance` of these, and no demo

Each commit is cloned and reproduced by this interpreter and its packages. CPU time, which other
programs on the machine change least, is that of a stage's process with its children.
Python imports `sitecustomize` at its start, whatever the commit: here it measures.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.machine import recorded
from motiontransfer.core.params import flattened

PROJECT = Path(__file__).parents[1]

_AT_EXIT = """
import atexit, json, os, resource, sys, time
from multiprocessing import util

command = sys.orig_argv
module, *arguments = command[command.index("-m") + 1 :] if "-m" in command else [""]

def _record(began, stage):
    of = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    row = {
        "stage": " ".join(stage),
        "seconds": time.time() - began,
        "cpu_seconds": sum(each.ru_utime + each.ru_stime for each in of),
        "peak_mib": max(each.ru_maxrss for each in of) / 1024,
    }
    with open(os.environ["STAGES_LOG"], "a") as log:
        log.write(json.dumps(row) + "\\n")

if module in ("stages", "demo"):
    @atexit.register
    def _at_exit(began=time.time(), starter=os.getpid()):
        if os.getpid() == starter and "motiontransfer.core.stage_runner" in sys.modules:
            _record(began, arguments)  # it ran here, not in a fork of the stage server

if module == "motiontransfer.pipeline.stage_server":
    @lambda in_fork: util.register_after_fork(util, in_fork)
    def _in_fork(_, server=os.getpid()):
        began = time.time()
        if os.getppid() == server:  # not what a stage starts
            util.Finalize(None, lambda: _record(began, sys.argv[1:]), exitpriority=0)
"""


def main() -> None:
    """Print a table of stages, a row each, and the transfer's metrics at each commit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commits", nargs="*", default=["HEAD"])
    parser.add_argument("--films", nargs=2, type=Path, metavar=("DANCER", "ME"))
    arguments = parser.parse_args()
    commits, films = arguments.commits, arguments.films or ()
    with tempfile.TemporaryDirectory(prefix="motiontransfer-") as scratch, recorded("demo") as rows:
        of_commit = {commit: reproduce(Path(scratch), commit, films=films) for commit in commits}
        metrics = {commit: project / "results" for commit, (project, _) in of_commit.items()}
        stages = {name: None for _, runs in of_commit.values() for name in runs}
        for stage in [*stages, "total"]:
            row: dict[str, object] = {"stage": stage}
            for commit, (_, runs) in of_commit.items():
                chosen = list(runs.values()) if stage == "total" else [runs.get(stage)]
                found = [run for run in chosen if run is not None]
                row[f"{commit}: s"] = round(sum(run["seconds"] for run in found), 1)
                row[f"{commit}: CPU s"] = round(sum(run["cpu_seconds"] for run in found), 1)
                row[f"{commit}: MiB"] = round(max((run["peak_mib"] for run in found), default=0))
            rows.append(row)
        for commit, folder in metrics.items():
            for file in sorted(folder.glob("*/metrics.json")):
                print(f"\n{commit}: {file.parent.name}: {headlines(file)}")  # noqa: T201


def reproduce(
    scratch: Path, commit: str, *, films: Sequence[Path] = ()
) -> tuple[Path, dict[str, dict[str, float]]]:
    """Clone and run the pipeline, or the dance of two films.

    Returns:
        The project, and each stage's time and memory in order.
    """
    project, log = scratch / commit.replace("/", "_"), scratch / f"{commit.replace('/', '_')}.jsonl"
    subprocess.run(["git", "clone", "-q", PROJECT, project], check=True)
    subprocess.run(["git", "checkout", "-q", commit], cwd=project, check=True)
    (scratch / "sitecustomize.py").write_text(_AT_EXIT, encoding="utf-8")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(scratch), "STAGES_LOG": str(log)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # containers set it: each start would compile
    command = ["-m", "dvc", "repro"]
    if films:
        command = ["-c", "from motiontransfer.cli.app import main; main()", "dance"]
        command += [str(film.resolve()) for film in films]
    began, told = time.monotonic(), ""
    with subprocess.Popen(
        [sys.executable, "-u", *command],
        cwd=project, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        for line in process.stdout or ():
            print(line, end="", flush=True)  # noqa: T201
            if line.startswith(("preview:", "result:", "report:")):
                told += f"{commit}: {time.monotonic() - began:.0f} s: {line}"
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    print(told)  # noqa: T201
    runs = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    return project, {run.pop("stage"): run for run in runs}


def headlines(file: Path) -> str:
    """The metrics in one line."""
    metrics = json.loads(file.read_text(encoding="utf-8"))
    return ", ".join(f"{name} {value:.4g}" for name, value in flattened(metrics).items())


if __name__ == "__main__":
    main()
