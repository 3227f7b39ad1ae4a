"""Running DVC's own commands from ours: the same program, with its last words as the error."""

import os
import subprocess
import sys
from pathlib import Path

from motiontransfer.errors import MotionTransferError


def dvc_program() -> list[str]:
    """DVC as this Python has it, whatever is in the PATH."""
    return [sys.executable, "-m", "dvc"]


def dvc_environment() -> dict[str, str]:
    """The environment, with this Python's folder first: stages call `python`."""
    here = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": f"{here}{os.pathsep}{os.environ.get('PATH', '')}"}


def run_dvc(root: Path, *arguments: str) -> str:
    """Run a DVC command in a project and return what it prints.

    Raises:
        MotionTransferError: it failed; the message is DVC's.
    """
    done = subprocess.run(
        [*dvc_program(), *arguments],
        cwd=root,
        env=dvc_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        told = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        cause = told[-1].removeprefix("ERROR: ") if told else f"status {done.returncode}"
        raise MotionTransferError(f"dvc {arguments[0]} failed: {cause}")
    return done.stdout
