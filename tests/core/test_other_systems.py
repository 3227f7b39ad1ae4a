"""What other systems lack is not asked for when modules are imported."""

import subprocess
import sys

import pytest

# The libraries are those of this system: they are loaded before.
AS_ON_WINDOWS = """
import importlib, os, pkgutil, signal, sys
import motiontransfer, stages

def load():
    for package in (motiontransfer, stages):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)

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
print("loaded", "motiontransfer.video.isolation" in sys.modules)
"""


@pytest.mark.slow
def test_all_modules_load_without_the_names_that_windows_lacks():
    done = subprocess.run([sys.executable, "-c", AS_ON_WINDOWS], capture_output=True, text=True)
    assert done.stdout == "loaded True\n", done.stderr[-2000:]
