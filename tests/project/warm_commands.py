"""Commands in forks of one process that has loaded DVC already: that saves most of their time.

Each fork has its own environment, folder and output, as a command of its own would. Run as a
program, this file is that process: it reads one request a line and answers with the status.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

PROGRAMS = ("motiontransfer", "dvc")


class WarmCommands:
    """The process that forks, and how it is asked."""

    def __init__(self, folder: Path) -> None:
        self._output = [folder / "stdout", folder / "stderr"]
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, command: list[str], *, cwd: Path, env: dict[str, str]):
        request = [command, str(cwd), env, *map(str, self._output)]
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        status = int(self._process.stdout.readline())
        return subprocess.CompletedProcess(
            command, status, *(path.read_text() for path in self._output)
        )

    def stop(self) -> None:
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def _serve() -> None:
    import asyncssh  # noqa: F401 - loaded for the forks
    import dvc.cli
    import dvc.repo.reproduce
    import s3fs  # noqa: F401 - loaded for the forks

    from motiontransfer.cli.app import main
    from motiontransfer.project import sharing  # noqa: F401 - for the forks

    mains = {"motiontransfer": main, "dvc": dvc.cli.main}
    for line in sys.stdin:
        command, folder, environment, stdout, stderr = json.loads(line)
        child = os.fork()
        if not child:
            os.chdir(folder)
            os.environ.clear()
            os.environ.update(environment)
            with open(stdout, "w") as out, open(stderr, "w") as err:  # noqa: PTH123 - descriptors
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            _run(mains[command[0]], command)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.write(1, f"{status}\n".encode())


def _run(main, command: list[str]) -> None:
    status: object = 1
    try:
        sys.argv = command
        status = main() if command[0] == "motiontransfer" else main(command[1:])
    except SystemExit as end:
        status = end.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status if isinstance(status, int) else 0)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    _serve()
