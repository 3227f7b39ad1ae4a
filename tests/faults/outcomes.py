"""Stages on bad input, each case in a process and a folder of its own, and how they ended."""

import contextlib
import importlib
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from motiontransfer.core.stage_runner import run
from stages.code import stage_modules

LIMIT_SECONDS = 300.0
"""Many times what a case takes: a machine may be busy."""
_MADE = ("artifacts", "results")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Bad input of a stage."""

    name: str
    prepare: Callable[[], object]
    """Called in an empty folder; it writes params.yaml and files."""
    stages: tuple[tuple[str, ...], ...] = (("check_params",),)
    """Arguments of `python -m stages`, one after the other until one fails."""
    check: Callable[[], object] = lambda: None
    """Called after all succeeded; an AssertionError is a wrong result."""
    expected: Literal["handled", "refused", "either"] = "either"


def bad_endings(cases: Sequence[Case]) -> list[tuple[str, str]]:
    """(name, output) of each case that was neither handled rightly nor refused in one clear line.

    Cases run one after another in a fork of this process; one that dies is replaced.
    """
    for module in stage_modules().values():
        importlib.import_module(module)
    bad, done = [], 0
    while done < len(cases):
        with tempfile.TemporaryDirectory(prefix="faults-") as folder:
            for is_good, output in _run_until_death(cases[done:], Path(folder)):
                bad += [] if is_good else [(cases[done].name, output)]
                done += 1
    return bad


def _run_until_death(cases: Sequence[Case], folder: Path) -> Iterator[tuple[bool, str]]:
    receiver, sender = multiprocessing.Pipe(duplex=False)
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        for number, case in enumerate(cases):
            sender.send(_is_good_in_child(case, folder / str(number)))
        os._exit(0)
    sender.close()
    for number in range(len(cases)):
        is_over, is_good = False, False
        try:
            is_over = not receiver.poll(LIMIT_SECONDS)  # it hangs
            is_good = not is_over and receiver.recv()
        except EOFError:  # it crashed
            is_over = True
        output = (folder / str(number) / "output").read_text(errors="replace")
        shutil.rmtree(folder / str(number), ignore_errors=True)
        yield is_good, output
        if is_over:
            break
    receiver.close()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _is_good_in_child(case: Case, folder: Path) -> bool:
    (folder / "work").mkdir(parents=True)
    os.chdir(folder / "work")
    descriptor = os.open(folder / "output", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    sys.stdout = sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    try:
        case.prepare()
        is_refused = _is_refused(case)
    except BaseException:  # noqa: BLE001 - the child's last words
        traceback.print_exc()
        return False
    told = (folder / "output").read_text(errors="replace")
    return "Traceback" not in told and ("ERROR: " in told) == is_refused


def _is_refused(case: Case) -> bool:
    for arguments in case.stages:
        before = _made()
        if run("stages", list(arguments)):
            assert _made() == before, f"left behind: {_made() - before}"
            assert case.expected != "handled"
            return True
    assert case.expected != "refused"
    case.check()
    assert not [path for path in _made() if ".tmp" in path.name]
    return False


def _made() -> set[Path]:
    """Files of outputs; the folders above them may stay."""
    return {path for root in _MADE for path in Path(root).rglob("*") if not path.is_dir()}
