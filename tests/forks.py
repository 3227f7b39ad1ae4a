"""Processes forked from one that has loaded DVC and PyTorch: that saves most of their time."""

import multiprocessing
import os
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        *("dvc.cli", "dvc.repo.reproduce", "asyncssh", "s3fs", "pytest"),
        *("motiontransfer.cli.app", "motiontransfer.project.sharing"),
        *("motiontransfer.training.distributed", "tests.training.trainings"),
    ]
)
MAINS = {"motiontransfer": "motiontransfer.cli.app", "dvc": "dvc.cli"}
"""Command -> the module of its `main`."""


def start_forked(command: list[str], *, cwd: Path, env: dict[str, str], output: Path):
    """Start a command in a fork of a process that has loaded DVC already: most of its time.

    What it prints goes to `output` with the suffixes .stdout and .stderr.
    """
    outputs = [output.with_suffix(suffix) for suffix in (".stdout", ".stderr")]
    process = FORKS.Process(target=_run, args=(command, cwd, env, *outputs))
    process.start()
    return process


def run_forked(command: list[str], *, cwd: Path, env: dict[str, str]):
    with TemporaryDirectory() as folder:
        output = Path(folder) / "told"
        process = start_forked(command, cwd=cwd, env=env, output=output)
        process.join()
        told = (output.with_suffix(suffix).read_text() for suffix in (".stdout", ".stderr"))
        return subprocess.CompletedProcess(command, process.exitcode, *told)


def _run(command: list[str], cwd: Path, env: dict[str, str], *outputs: Path) -> None:
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    for descriptor, path in enumerate(outputs, start=1):
        with path.open("w") as file:
            os.dup2(file.fileno(), descriptor)
    sys.argv = command
    # What it starts may be forked, too; multiprocessing has noted the real one.
    sys.executable = shutil.which("python", path=env["PATH"])
    main = import_module(MAINS[command[0]]).main
    sys.exit(main() if command[0] == "motiontransfer" else main(command[1:]))
