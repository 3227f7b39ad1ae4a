"""Time of commands with nothing to do, in projects of a team's size, made of files of a few bytes.

    uv run python -m benchmarks.graph FOLDER [--checkouts . ../before] [--sizes 2,1 12,4 40,10]
        [--commands "dvc repro" "motiontransfer repro" ...] [--repeats 3]

A size is films and targets; each target performs each film that is not its own, but for one. Each
stage is recorded as run, by `dvc commit`. Of several checkouts each has its projects, of the same
films, and commands take turns. Projects stay in FOLDER. Seconds are the least of the repeats.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path

import yaml
from dvc.repo import Repo

from benchmarks.machine import recorded, usage_of

_COPIED = (".dvcignore", ".gitignore", "dvc.yaml", "stages", "motiontransfer", "presets", "demo")
_COMMANDS = ("dvc repro", "dvc status", "motiontransfer repro")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--checkouts", nargs="+", type=Path, default=[Path()])
    parser.add_argument("--sizes", nargs="+", default=["2,1", "12,4", "40,10"])
    parser.add_argument("--commands", nargs="+", default=_COMMANDS)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    with recorded("graph") as rows:
        for size in arguments.sizes:
            films, targets = map(int, size.split(","))
            projects = {}
            for checkout in arguments.checkouts:
                folder = arguments.folder.resolve() / f"{checkout.resolve().name}_{size}"
                if not (folder / "dvc.lock").exists():
                    make_project(folder, checkout.resolve(), films=films, targets=targets)
                projects[checkout] = folder, len(_stages(folder))
            for command in arguments.commands:
                used = {checkout: [] for checkout in projects}
                for _, (checkout, (folder, _)) in product(
                    range(arguments.repeats), projects.items()
                ):
                    os.environ["PYTHONPATH"] = str(folder)
                    used[checkout].append(usage_of(_python(command), folder=folder))
                for checkout, (_, num_stages) in projects.items():
                    row = {
                        **{"checkout": checkout.resolve().name, "films": films},
                        **{"targets": targets, "stages": num_stages, "command": command},
                        "s": round(min(each.seconds for each in used[checkout]), 2),
                        "CPU s": round(min(each.cpu_seconds for each in used[checkout]), 2),
                        "peak MiB": round(max(each.peak_mib for each in used[checkout])),
                    }
                    rows.append(row)
                    print(*row.values(), file=sys.stderr, flush=True)  # noqa: T201 - it takes minutes


def _python(command: str) -> list[str]:
    name, *rest = shlex.split(command)
    return [sys.executable, "-m", name, *rest]


def make_project(folder: Path, checkout: Path, *, films: int, targets: int) -> None:
    """Write a project with a checkout's code and graph, in git, whose stages are recorded."""
    for name in _COPIED:
        ignored = shutil.ignore_patterns("__pycache__", "clips", "*.lock", "dvc.yaml")
        if (checkout / name).is_dir():
            shutil.copytree(checkout / name, folder / name, ignore=ignored)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(checkout / name, folder / name)
    params = yaml.safe_load((checkout / "params.yaml").read_text(encoding="utf-8"))
    names = [f"film_{index:02}" for index in range(films)]
    pairs = [(each, film) for film in names for each in names[:targets] if each != film][1:]
    people = {
        "videos": {
            name: {"path": f"data/videos/{name}.mp4", "subject": name, "crop": "none"}
            for name in names
        },
        **{"subjects": names, "targets": names[:targets], "trained": names[:targets]},
        "transfers": {
            f"{target}_as_{film}": {
                **{"source": film, "source_subject": film, "target": target, "truth": "none"}
            }
            for target, film in pairs or [(names[0], names[-1])]
        },
        **{"guides": {}, "detectors": []},
    }
    if (checkout / "films.yaml").exists():
        people = {"films": {**people, "scenes": {}, "in_film": {}, "face_cycles": {}}}
        _write(folder / "films.yaml", yaml.safe_dump(people, sort_keys=False))
    else:
        params |= people
    _write(folder / "params.yaml", yaml.safe_dump(params, sort_keys=False))
    for name in ("truth/none", "backgrounds/film", "backgrounds/green", "backgrounds/alpha"):
        _write(folder / "data" / name, "")
    for name in names:
        _write(folder / f"data/videos/{name}.mp4", name)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    subprocess.run(["dvc", "init", "-q"], cwd=folder, check=True)
    _write(folder / ".dvc/config", "[core]\n    analytics = false\n")
    _make_outputs(folder)
    subprocess.run(["dvc", "commit", "-fq"], cwd=folder, check=True)


def _stages(folder: Path) -> list:
    with Repo(str(folder)) as repo:
        return [stage for stage in repo.index.stages if stage.path_in_repo == "dvc.yaml"]


def _make_outputs(folder: Path) -> None:
    """Write what stages read of each other, then outputs that none reads by name."""
    stages = _stages(folder)
    deps = [dep.def_path for stage in stages for dep in stage.deps]
    paths = [path for path in deps if path.startswith(("artifacts", "results"))]
    outs = [out.def_path for stage in stages for out in stage.outs]
    for path in sorted({*paths, *outs}):
        is_folder = any(other.startswith(f"{path}/") for other in [*paths, *outs])
        if not is_folder:
            _write(folder / (path if Path(path).suffix else f"{path}/file"), path)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
