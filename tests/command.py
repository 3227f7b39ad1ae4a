"""The `motiontransfer` command as a shell runs it, and the environment of other processes."""

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from motiontransfer.cli.app import main
from tests.warm_python import warm_path

DVC_FOLDERS = ("SITE_CACHE", "GLOBAL_CONFIG", "SYSTEM_CONFIG")


def run_command(monkeypatch, *arguments):
    """Run it in this process with these arguments; return its status."""
    monkeypatch.setattr(sys, "argv", ["motiontransfer", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code


def started(*command, **how) -> subprocess.Popen[str]:
    """A process with its output and errors as text; Ctrl-C stops it, under nohup, too."""
    return subprocess.Popen(
        [*map(str, command)], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL), **how,
    )  # fmt: skip


def isolated_environment(folder: Path) -> dict[str, str]:
    """This environment without the user's settings of git, DVC and AWS; caches are in a folder."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "GIT_", "DVC_"))}
    return {
        **kept,
        "PATH": warm_path(),
        **{f"DVC_{name}_DIR": str(folder / name) for name in DVC_FOLDERS},
        **{"DVC_NO_ANALYTICS": "1", "PYTHONWARNINGS": "ignore"},
        **{f"GIT_CONFIG_{level}": os.devnull for level in ("GLOBAL", "SYSTEM")},
        **{f"GIT_{who}_NAME": "Ada" for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_EMAIL": "ada@example.org" for who in ("AUTHOR", "COMMITTER")},
    }
