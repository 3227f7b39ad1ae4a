"""Stage server: a process that has stages' libraries loaded and forks for each stage.

Loading takes as long as half of many stages. `python -m stages` hands its arguments, environment
and open files over. A signal to it goes to the fork, and if it is killed, so is the fork.
"""

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory

from motiontransfer.core.parallel import KEPT_MEMORY, end_workers, fork_workers, start_method

_VARIABLE = "MOTIONTRANSFER_STAGE_SERVER"
"""Of the environment: the server's address."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_LOADED_LATE = ("filming.quality_plot", "pose.plots", "puppet.fit.fitting", "puppet.plot")
"""Modules that stages load as they begin, not where params are checked."""


def run_by_server(arguments: Sequence[str]) -> int | None:
    """Exit status of a stage that a server has run; None: there is none, or it is still loading."""
    environment = {**os.environ}
    address = environment.pop(_VARIABLE, "")
    if not address:
        return None
    assert sys.platform != "win32"
    call = json.dumps((arguments, environment, os.getpgrp(), os.nice(0)))
    with _new_socket() as server:
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            server.connect(address)
            socket.send_fds(server, [call.encode()], [0, 1, 2])
        except OSError:
            return None
        finally:
            for number in _SIGNALS:
                signal.signal(number, lambda number, _: server.send(b"%d" % number))
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        status = int(server.recv(16) or 1)
    if status < 0:
        signal.raise_signal(-status)
    return status


@contextmanager
def server_of(stages: Collection[str]) -> Generator[dict[str, str]]:
    """Yield environment variables by which stages find a server until the end of the block.

    There are none without fork. The server has the environment of this process. That of stages may
    differ by no variable that a library reads as it loads, such as OMP_NUM_THREADS.
    """
    if start_method() == "spawn":
        yield {}
        return
    named = {stage.partition("@")[0] for stage in stages}
    groups = sorted(name for name in named if Path(f"stages/{name}.py").exists())  # no films' own
    with TemporaryDirectory(prefix="motiontransfer-") as folder:
        address = str(Path(folder) / "stages")
        command = [sys.executable, "-m", "motiontransfer.pipeline.stage_server", address, *groups]
        own = {**os.environ, **KEPT_MEMORY}
        with subprocess.Popen(command, process_group=0, stdin=subprocess.PIPE, env=own) as server:
            try:
                yield {_VARIABLE: address}
            finally:
                server.terminate()  # it may still load


def fork_for_callers(
    address: str, run: Callable[[bytes, list[int]], object], ready: Callable[[], object]
) -> None:
    """Fork for each caller until standard input is closed.

    Args:
        run: called in the fork with what a caller sent, and its open files.
        ready: called once callers can connect.
    """
    assert sys.platform != "win32"
    running: dict[socket.socket, BaseProcess] = {}
    with _new_socket() as listener:
        listener.bind(address)
        listener.listen()
        ready()
        while True:
            ended = {fork.sentinel: caller for caller, fork in running.items()}
            found = select.select([listener, sys.stdin, *running, *ended], [], [])[0]
            if sys.stdin in found:
                break
            for one in found:
                if one in ended:
                    _return_status(ended[one], running.pop(ended[one]))
                elif one is listener:
                    caller, _ = listener.accept()
                    with suppress(OSError):  # it was killed before it called
                        running[caller] = _forked(caller, run)
                elif isinstance(one, socket.socket):
                    told = b""  # of a caller that was killed
                    with suppress(OSError):
                        told = one.recv(16)
                    os.kill(running[one].pid or 0, int(told or signal.SIGKILL))
    for fork in running.values():
        fork.kill()


def _new_socket() -> socket.socket:
    assert sys.platform != "win32"
    return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def _forked(caller: socket.socket, run: Callable[[bytes, list[int]], object]) -> BaseProcess:
    """Run what a caller wants in another process."""
    assert sys.platform != "win32"
    call, given, _, _ = socket.recv_fds(caller, 1 << 20, 64)

    def run_here() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        run(call, given)

    fork = get_context("fork").Process(target=run_here)
    # Python forgets a signal that a fork gets before its interpreter is set up.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    fork.start()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    for descriptor in given:
        os.close(descriptor)
    return fork


def _return_status(caller: socket.socket, fork: BaseProcess) -> None:
    fork.join()
    with suppress(OSError):
        caller.send(b"%d" % fork.exitcode)
    caller.close()
    fork.close()


def _load(stages: Sequence[str]) -> None:
    from motiontransfer.core.stage_runner import set_up_libraries

    set_up_libraries()
    late = (f"motiontransfer.{name}" for name in _LOADED_LATE)
    for module in (*(f"stages.{stage}" for stage in stages), *late):
        importlib.import_module(module)
    gc.freeze()


def _run_stage(call: bytes, descriptors: Sequence[int]) -> None:
    assert sys.platform != "win32"
    arguments, environment, group, niceness = json.loads(call)
    os.setpgid(0, group)
    os.nice(niceness - os.nice(0))
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[1:] = arguments
    fork_workers()
    try:
        runpy.run_module("stages", run_name="__main__", alter_sys=True)
    finally:
        end_workers()


if __name__ == "__main__":
    _load(sys.argv[2:])
    fork_for_callers(sys.argv[1], _run_stage, ready=lambda: None)
