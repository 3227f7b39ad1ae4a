"""Nine transfers at a tiny size by `dvc repro` and by two jobs: time, and the same outputs.

    uv run python -m benchmarks.jobs [--steps N]

Six videos and three targets are 87 stages of a few seconds, of which most is starting up. With
`--steps` each of 15 trainings has N steps. Each way begins with an empty cache, each stage has one
thread. CPU seconds are those of all processes.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import yaml

from benchmarks.machine import recorded
from benchmarks.transfer.project import read_sections, write_sections

_ROOT = Path(__file__).parents[1]
_COPIED = (
    ".dvcignore",
    ".gitignore",
    "dvc.yaml",
    "params.yaml",
    "films.yaml",
    "stages",
    "motiontransfer",
    "demo",
    "data",
)
_CLIPS = Path("demo/clips")
_TARGETS, _SOURCES = ("ada", "bea", "cleo"), ("ben", "dan", "eve")
_WAYS = {"dvc repro": ["dvc", "repro"], "two jobs": ["motiontransfer", "repro", "--jobs", "2"]}
_SIZE = 128  # pixels, of frames
_OTHER_BYTES = ("results/", "artifacts/plots_page")
"""Outputs of which no two runs make the same bytes: signed videos, their pages, and times."""
_NETWORK = {
    **{"num_filters": 4, "num_residual_blocks": 1},
    **{"discriminator_filters": 4, "discriminator_layers": 2},
}
_SMALL = {
    "demo/params.yaml": {
        "film": {"side": _SIZE, "samples": 1},
        "target": {"seconds": 1.2, "poses": 1, "change_seconds": 0.04, "hold_seconds": 0.04},
        "source": {"seconds": 0.6},
    },
    "params.yaml": {
        "decode": {"size": [_SIZE, _SIZE]},
        "fit_appearance": {"references": 8},
        "train_gan": {**_NETWORK, "num_downsamplings": 2},
        "train_face_gan": {**_NETWORK, "crop_size": 32},
        "split": {"gap_frames": 2},
        "compute": {"num_workers": 1},
    },
}


def main() -> None:
    """Run the same graph in each way and compare dvc.lock."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=4)
    steps = parser.parse_args().steps
    programs = Path(sys.executable).parent
    os.environ |= {"OMP_NUM_THREADS": "1", "DVC_NO_ANALYTICS": "1"}
    os.environ["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"
    with recorded("jobs") as rows, tempfile.TemporaryDirectory(prefix="motiontransfer-") as root:
        _write_project(Path(root) / "first", steps=steps)
        expected, first = {}, 0.0
        for way, command in _WAYS.items():
            project = Path(shutil.copytree(Path(root) / "first", Path(root) / command[0]))
            began, before = time.perf_counter(), _cpu_seconds()
            variables = os.environ | {"PYTHONPATH": str(project)}
            subprocess.run(command, cwd=project, env=variables, check=True)
            seconds, used = time.perf_counter() - began, _cpu_seconds() - before
            made, first = _hashes(project), first or seconds
            expected = expected or made
            rows.append(
                {
                    "": way,
                    "s": round(seconds),
                    "times as fast": round(first / seconds, 2),
                    "CPU s": round(used),
                    "load before": round(psutil.getloadavg()[0], 1),
                    "outputs": len(made),
                    "other bytes": sum(made.get(path) != md5 for path, md5 in expected.items()),
                }
            )


def _hashes(project: Path) -> dict[str, str]:
    """Hash of each output in the locks, of those that are the same in all runs."""
    return {
        out["path"]: out["md5"]
        for file in project.glob("**/dvc.lock")
        for stage in yaml.safe_load(file.read_text())["stages"].values()
        for out in stage["outs"]
        if not out["path"].startswith(_OTHER_BYTES) and "/train_" not in out["path"]
    }


def _write_project(folder: Path, *, steps: int) -> None:
    """A project with the demo's two clips, filmed small, under six names."""
    for name in _COPIED:
        (shutil.copytree if (_ROOT / name).is_dir() else shutil.copy)(
            _ROOT / name, _made(folder) / name
        )
    for file, changes in _SMALL.items():
        _edit(folder / file, changes)
    (folder / ".dvc").mkdir()
    (folder / ".dvc/config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    variables = os.environ | {"PYTHONPATH": str(folder)}
    commands = [["stages", "code"], *(["demo", "film", clip] for clip in ("target", "source"))]
    for command in commands:
        subprocess.run([sys.executable, "-m", *command], cwd=folder, env=variables, check=True)
    videos = {}
    for clip, subjects in (("target", _TARGETS), ("source", _SOURCES)):
        for name in subjects:
            path = f"data/videos/{name}.mp4"
            shutil.copy(
                folder / _CLIPS / f"{clip}.mp4", _made((folder / path).parent) / f"{name}.mp4"
            )
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
    trainings = ("train_gan", "train_face_gan")
    _edit(folder / "params.yaml", {name: {"steps": steps} for name in trainings})
    films = {"videos": videos, "subjects": [*videos], "transfers": transfers}
    films |= {key: [*_TARGETS] for key in ("targets", "trained")}
    write_sections(folder, read_sections(folder) | films)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _edit(file: Path, changes: dict[str, dict]) -> None:
    """Change values of sections of a YAML file."""
    content = yaml.safe_load(file.read_text())
    for section, values in changes.items():
        content[section] |= values
    file.write_text(yaml.safe_dump(content, sort_keys=False))


def _cpu_seconds() -> float:
    """Of this process and all that it ever started."""
    this = psutil.Process()
    processes = (this, *this.children(recursive=True))
    return sum(sum(process.cpu_times()[:4]) for process in processes)


if __name__ == "__main__":
    main()
