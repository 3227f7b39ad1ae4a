"""Commands in forks of one process that has loaded DVC already: that saves most of their time."""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

from tests.forks import FORKS

MAINS = {"motiontransfer": "motiontransfer.cli.app", "dvc": "dvc.cli"}


def run_warm(command: list[str], *, cwd: Path, env: dict[str, str], output: Path):
    """Run a command; it has an environment, a working folder and output of its own."""
    outputs = [output.with_suffix(suffix) for suffix in (".stdout", ".stderr")]
    process = FORKS.Process(target=_run, args=(command, cwd, env, *outputs))
    process.start()
    process.join()
    return subprocess.CompletedProcess(
        command, process.exitcode, *(path.read_text() for path in outputs)
    )


def _run(command: list[str], cwd: Path, env: dict[str, str], *outputs: Path) -> None:
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    for descriptor, path in enumerate(outputs, start=1):
        with path.open("w") as file:
            os.dup2(file.fileno(), descriptor)
    sys.argv = command
    main = import_module(MAINS[command[0]]).main
    sys.exit(main() if command[0] == "motiontransfer" else main(command[1:]))
