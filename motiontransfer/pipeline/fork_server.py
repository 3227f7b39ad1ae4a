"""Fork server: a process that has DVC loaded and forks for each command of it.

Off Linux libraries may crash after a fork: there it loads nothing and starts a new process instead.
"""

import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from motiontransfer.core.parallel import start_method


def serve(command: Callable[[list[str]], int]) -> None:
    """Fork for each line of standard input, a JSON list: environment, log, niceness, arguments.

    Each fork leads a process group. It is answered by a line with its id and, after it has ended,
    one with its exit status, negative for a signal.
    """
    assert sys.platform != "win32"
    gc.freeze()
    gc.disable()  # in forks, which are short: a quarter of their time
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os.setpgid(0, 0)
            environment, log, niceness, arguments = json.loads(line)
            os.environ.update(environment)
            os.nice(niceness)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            output = os.open(log, os.O_WRONLY | os.O_APPEND)
            os.dup2(output, 1)
            os.dup2(output, 2)
            sys.exit(command(arguments))
        _answer(pid)
        _answer(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def serve_without_fork(command: Sequence[str]) -> None:
    """Do as `serve` by new processes, of a command before the arguments."""
    for line in sys.stdin:
        environment, log, niceness, arguments = json.loads(line)
        with Path(log).open("ab") as output:
            process = subprocess.Popen(
                [*command, *arguments], env={**os.environ, **environment}, process_group=0,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        if niceness and sys.platform != "win32":
            with suppress(psutil.NoSuchProcess):
                psutil.Process(process.pid).nice(os.nice(0) + niceness)
        _answer(process.pid)
        _answer(process.wait())


def _answer(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    own = sys.argv[1:]
    if not own and start_method() == "spawn":
        serve_without_fork([sys.executable, "-m", "motiontransfer.pipeline.fork_server"])
    else:
        from motiontransfer.pipeline.dvc_api import run_dvc

        sys.exit(run_dvc(own) if own else serve(run_dvc))
