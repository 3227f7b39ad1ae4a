"""Loads all modules of the project, then again as on Windows."""

import importlib
import os
import pkgutil
import signal
import sys

import motiontransfer
import stages


def load() -> None:
    for package in (motiontransfer, stages):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)


if __name__ == "__main__":
    load()
    for name in [name for name in sys.modules if name.startswith(("motiontransfer.", "stages."))]:
        del sys.modules[name]
    for module, names in (
        (os, "fork killpg nice setpgid sched_getaffinity sysconf getuid geteuid"),
        (signal, "SIGALRM SIGHUP SIGKILL alarm"),
    ):
        for name in names.split():
            vars(module).pop(name)
    for name in ("resource", "fcntl", "pwd", "grp", "termios"):
        sys.modules[name] = None
    sys.platform = "win32"
    load()
    print("loaded", "motiontransfer.video.isolation" in sys.modules)  # noqa: T201 - for the test
