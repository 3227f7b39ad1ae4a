"""Fork server: a process that has DVC loaded and forks for each command of it."""

import json
import os
import sys
from collections.abc import Callable


def serve(command: Callable[[list[str]], int]) -> None:
    """Fork for each line of standard input, a JSON list: environment, log, niceness, arguments.

    Each fork leads a process group. It is answered by a line with its id and, after it has ended,
    one with its exit status, negative for a signal.
    """
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
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        sys.stdout.write(f"{status}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    from motiontransfer.pipeline.dvc_api import run_dvc

    serve(run_dvc)
