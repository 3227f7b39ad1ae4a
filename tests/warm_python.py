"""Stages, `dvc`, `motiontransfer` and workers, forked from a process with libraries loaded.

That saves most of their time. What stands first in `warm_path()` hands arguments, folder,
environment and open files to that process, which forks once for each call; the project's own
modules are loaded anew for stages if one was edited since. A signal to the caller goes to the fork,
and a caller that is killed takes the fork with it.
"""

import atexit
import fcntl
import gc
import importlib
import multiprocessing
import os
import pkgutil
import resource
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_OWN = ("motiontransfer", "stages", "demo", "tests")
_STAGE_SERVER = "motiontransfer.pipeline.stage_server"
_RUN = (
    *("dvc", "demo", "motiontransfer", "motiontransfer.pipeline.fork_server", "stages"),
    *("loky.backend.popen_loky_posix", "moto.server", "tests.core.as_on_windows"),
    _STAGE_SERVER,
)
_SPAWNED = "--multiprocessing-fork"
"""Last argument of a process that multiprocessing spawns, after `-c` and the code that it runs."""
_SET_ASIDE = {}
_LOADED = set()
_CALLER = """#!{python} -IS
import os, signal, socket, sys
arguments = [*{before}, *sys.argv[1:]]
is_module = arguments[:1] == ["-m"] and arguments[1] in {modules}
if not is_module and {spawned!r} not in arguments:
    os.execv({python!r}, [{python!r}, *arguments])
descriptors = [int(number) for number in os.listdir("/proc/self/fd")]
descriptors = [number for number in descriptors if os.path.exists(f"/proc/self/fd/{{number}}")]
server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
server.connect({address!r})
call = repr((arguments, os.getcwd(), dict(os.environ), descriptors, os.getpid()))
socket.send_fds(server, [call.encode()], descriptors)
for number in (signal.SIGINT, signal.SIGTERM):
    if signal.getsignal(number) != signal.SIG_IGN:
        signal.signal(number, lambda number, _: server.send(b"%d" % number))
sys.exit(int(server.recv(16) or 1))
"""


def warm_path() -> str:
    """PATH with them first, then those of this environment."""
    folders = (_warm_folder(), Path(sys.executable).parent, os.environ["PATH"])
    return os.pathsep.join(map(str, folders))


def warm_workers(monkeypatch) -> None:
    """Fork what this process starts, too."""
    monkeypatch.setenv("PATH", warm_path())
    monkeypatch.setattr(sys, "executable", shutil.which("python"))


@cache
def _warm_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="warm-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    command = [sys.executable, "-m", "tests.warm_python", str(folder / "socket")]
    server = subprocess.Popen(
        command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        process_group=0,
    )  # fmt: skip
    atexit.register(server.wait)
    atexit.register(server.stdin.close)  # before: it is told to end
    assert server.stdout.readline() == "ready\n"
    commands = {"python": [], **{name: ["-m", name] for name in ("dvc", "motiontransfer")}}
    for name, before in commands.items():
        which = {"before": before, "modules": _RUN, "spawned": _SPAWNED}
        address = str(folder / "socket")
        caller = _CALLER.format(python=sys.executable, address=address, **which)
        (folder / name).write_text(caller)
        (folder / name).chmod(0o755)
    return folder


def _serve(address: str) -> None:
    """Fork for each caller until standard input is closed."""
    fork_for_callers = importlib.import_module(_STAGE_SERVER).fork_for_callers
    _load_libraries()  # last: it sets aside what is this project's
    gc.freeze()
    # What it prints is for the process that waits.
    fork_for_callers(address, _run, ready=lambda: print("ready", flush=True))  # noqa: T201


def _load_libraries() -> None:
    """Import whatever a stage or a command imports, and set aside what is this project's."""
    _LOADED.update(_code_of(_ROOT))
    importlib.import_module("motiontransfer.core.stage_runner").set_up_libraries()
    for package in ("stages", "demo"):
        for module in pkgutil.iter_modules([str(_ROOT / package)]):
            if module.name != "__main__":
                importlib.import_module(f"{package}.{module.name}")
    for name in (
        *("dvc.cli", "dvc.repo.reproduce", "asyncssh", "gradio", "s3fs"),
        *("motiontransfer.cli.app", "motiontransfer.pipeline.sharing", "tests.seen"),
    ):
        importlib.import_module(name)
    for name in [*sys.modules]:
        if name.partition(".")[0] in _OWN:
            _SET_ASIDE[name] = sys.modules.pop(name)


def _run(call: bytes, descriptors: list[int]) -> None:
    arguments, folder, environment, numbers, pid = eval(call)  # of _CALLER
    _renumber(descriptors, numbers)
    sys.stdin = os.fdopen(0, closefd=False)  # multiprocessing has closed its own
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.path[0] = folder
    sys.executable = shutil.which("python", path=environment["PATH"])  # what it starts is forked
    multiprocessing.set_executable(sys.executable)
    is_spawned = arguments[-1] == _SPAWNED
    sys.argv = arguments[-2:] if is_spawned else arguments[1:]
    sys.orig_argv = [sys.executable, *arguments]
    if arguments[1].startswith("loky."):
        os.getpid = lambda: pid  # a worker that leaves says so by the number its pool knows
    if threads := environment.get("OMP_NUM_THREADS"):  # read when the library is loaded
        sys.modules["torch"].set_num_threads(int(threads))
    if arguments[1] == "motiontransfer" or _code_of(Path(folder)) in (_LOADED, set()):
        sys.modules.update(_SET_ASIDE)
    if arguments[1] == "stages" and (file := environment.get("TEST_SECTIONS")):
        _note_sections(file, stage=arguments[2])
    writes = arguments[1] == "stages" or arguments[1].startswith("loky.")
    if writes and (most := environment.get("TEST_MOST_BYTES")):  # of a file: the disk is full
        sys.dont_write_bytecode = True
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(most), int(most)))
    status: object = 1
    try:
        if arguments[1] == "stages" and arguments[2] in environment.get("TEST_PAUSED", "").split():
            time.sleep(20)  # in which it is stopped
        if is_spawned:
            exec(arguments[-2])  # of multiprocessing
        elif arguments[1] == "motiontransfer":
            if environment.get("TEST_SEES_SOMEBODY"):
                importlib.import_module("tests.seen").see_somebody(setattr)
            importlib.import_module("motiontransfer.cli.app").main()
        else:
            sys.modules.pop(_STAGE_SERVER, None)  # runpy warns of what is there
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as end:
        status = end.code or 0
    except BaseException:  # noqa: BLE001 - as an interpreter does
        traceback.print_exc()
    # Tearing down all that was loaded would take as long as half of a stage.
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else 1)


def _note_sections(file: str, *, stage: str) -> None:
    """Append stage, file and key to a file whenever this process reads a value of params."""
    params = importlib.import_module("motiontransfer.core.params")
    value_of = params._value_of

    def noted(key: str, path: Path) -> object:
        with Path(file).open("a") as notes:
            notes.write(f"{stage} {path.name} {key}\n")
        return value_of(key, path)

    params._value_of = noted


def _renumber(descriptors: Sequence[int], numbers: Sequence[int]) -> None:
    """Give open files the numbers that they have in the caller.

    What had these numbers stays open: of one of them the server waits for the end.
    """
    aside = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, 200) for descriptor in descriptors]
    for descriptor in descriptors:
        os.close(descriptor)
    for descriptor, number in zip(aside, numbers, strict=True):
        if number > 2:
            with suppress(OSError):  # nothing had it
                fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 200)
        os.dup2(descriptor, number)
        os.close(descriptor)


def _code_of(root: Path) -> set[tuple]:
    """Name, size and time of each file of a project's code."""
    return {
        (package, path.relative_to(root / package), path.stat().st_size, path.stat().st_mtime)
        for package in ("demo", "motiontransfer", "stages")
        for path in (root / package).rglob("*.py")
    }


if __name__ == "__main__":
    _serve(sys.argv[1])
