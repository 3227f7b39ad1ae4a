"""Nine transfers at a tiny size: `dvc repro`, two jobs, and a Ray cluster of two nodes here.

    uv run python -m benchmarks.jobs [--steps N] [--ways sequential jobs ray]

Six videos and three targets: 96 stages, each of a few seconds, of which most is starting up, or
with N steps in each of 15 trainings. Each way begins with an empty cache, each stage has one
thread. CPU seconds are those of all processes, Ray's own included.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import psutil

from benchmarks.machine import recorded
from tests.pipeline.test_jobs import recorded as hashes
from tests.ray_cluster import ray_machines
from tests.tiny_project import copy_project, edit_yaml

_CLIPS = Path("demo/clips")
_TARGETS, _SOURCES = ("ada", "bea", "cleo"), ("ben", "dan", "eve")
_WAYS = {
    "sequential": ["dvc", "repro"],
    "jobs": ["motiontransfer", "repro", "--jobs", "2"],
    "ray": ["motiontransfer", "repro", "--ray"],
}


def main() -> None:
    """Run the same graph in three ways and compare dvc.lock."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--ways", nargs="+", choices=_WAYS, default=[*_WAYS])
    arguments = parser.parse_args()
    programs = Path(sys.executable).parent
    os.environ |= {"OMP_NUM_THREADS": "1", "DVC_NO_ANALYTICS": "1"}
    os.environ["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"
    with recorded("jobs") as rows, tempfile.TemporaryDirectory(prefix="motiontransfer-") as root:
        _write_project(Path(root) / "first", steps=arguments.steps)
        expected, seconds = {}, {}
        for way in arguments.ways:
            command = [*_WAYS[way]]
            project = Path(shutil.copytree(Path(root) / "first", Path(root) / way))
            with ExitStack() as stack:
                if "--ray" in command:
                    machines = [Path(root) / name for name in ("one", "two")]
                    for machine in machines:
                        machine.mkdir()
                    address, _ = stack.enter_context(ray_machines(*machines))
                    command.append(address)
                began, before = time.perf_counter(), _cpu_seconds()
                variables = os.environ | {"PYTHONPATH": str(project)}
                subprocess.run(command, cwd=project, env=variables, check=True)
                seconds[way], used = time.perf_counter() - began, _cpu_seconds() - before
            made = hashes(project)
            expected = expected or made
            rows.append(
                {
                    "": way,
                    "s": round(seconds[way]),
                    "times as fast": round(seconds[arguments.ways[0]] / seconds[way], 2),
                    "CPU s": round(used),
                    "load before": round(psutil.getloadavg()[0], 1),
                    "outputs": len(made),
                    "other bytes": sum(made.get(path) != md5 for path, md5 in expected.items()),
                }
            )


def _write_project(folder: Path, *, steps: int | None) -> None:
    """A project with the demo's two clips, filmed, under six names."""
    copy_project(folder)
    (folder / ".dvc").mkdir()
    remote = f"['remote \"team\"']\n    url = {folder.parent / 'remote'}\n"
    settings = "[core]\n    no_scm = true\n    analytics = false\n    remote = team\n"
    (folder / ".dvc/config").write_text(settings + remote)
    videos = {}
    for clip, subjects in (("target", _TARGETS), ("source", _SOURCES)):
        variables = os.environ | {"PYTHONPATH": str(folder)}
        subprocess.run(
            [sys.executable, "-m", "stages", "code"], cwd=folder, env=variables, check=True
        )
        command = [sys.executable, "-m", "demo", "film", clip]
        subprocess.run(command, cwd=folder, env=variables, check=True)
        for name in subjects:
            path = f"data/videos/{name}.mp4"
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / _CLIPS / f"{clip}.mp4", folder / path)
            videos[name] = {"path": path, "subject": name, "crop": "none"}
    shutil.rmtree(folder / "artifacts")
    shutil.rmtree(folder / _CLIPS)
    transfers = {
        f"{target}_as_{source}": {
            **{"source": source, "source_subject": source, "target": target, "truth": "none"}
        }
        for target in _TARGETS
        for source in _SOURCES
    }
    entries = {"videos": videos, "subjects": [*videos], "targets": [*_TARGETS]}

    def edit(params: dict) -> None:
        params.update(entries, transfers=transfers)
        for training in ("train_gan", "train_face_gan", "train_face_cycle"):
            params[training]["steps"] = steps or params[training]["steps"]

    edit_yaml(folder / "params.yaml", edit)


def _cpu_seconds() -> float:
    """Of this process and all that it ever started."""
    this = psutil.Process()
    return sum(sum(it.cpu_times()[:4]) for it in (this, *this.children(recursive=True)))


if __name__ == "__main__":
    main()
