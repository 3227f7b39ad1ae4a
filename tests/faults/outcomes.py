"""Stages on bad input, each case in a process and a folder of its own, and how they ended."""

import contextlib
import importlib
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from motiontransfer.stage_runner import run
from stages.code import stage_modules

Outcome = Literal["handled", "refused", "altered", "wrong", "crashed", "hung"]
COLUMNS: tuple[Outcome, ...] = ("handled", "refused", "altered", "wrong", "crashed", "hung")
"""Altered: other pictures than before the damage, from a format that has no checksums."""
LIMIT_SECONDS = 60.0
_MADE = ("artifacts", "results")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Bad input of a stage."""

    name: str
    prepare: Callable[[], object]
    """Called in an empty folder; it writes params.yaml and files."""
    stages: tuple[tuple[str, ...], ...] = ()
    """Arguments of `python -m stages`, one after the other until one fails."""
    check: Callable[[], object] = lambda: None
    """Called after all succeeded; an AssertionError is a wrong result."""
    expected: Literal["handled", "refused", "either"] = "either"
    has_checksums: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a case ended."""

    case: Case
    outcome: Outcome
    output: str
    seconds: float


def load_stages() -> None:
    """Import what forks then have."""
    for module in stage_modules().values():
        importlib.import_module(module)


def run_cases(cases: Sequence[Case]) -> Iterator[Ending]:
    """Run cases one after another in a fork of this process; one that dies is replaced."""
    done = 0
    while done < len(cases):
        with tempfile.TemporaryDirectory(prefix="faults-") as folder:
            for ending in _run_until_death(cases[done:], Path(folder)):
                done += 1
                yield ending


def _run_until_death(cases: Sequence[Case], folder: Path) -> Iterator[Ending]:
    receiver, sender = multiprocessing.Pipe(duplex=False)
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        for number, case in enumerate(cases):
            sender.send(_run_in_child(case, folder / str(number)))
        os._exit(0)
    sender.close()
    for number, case in enumerate(cases):
        outcome: Outcome = "hung"
        begun = time.monotonic()
        is_dead = False
        try:
            if receiver.poll(LIMIT_SECONDS):
                outcome = receiver.recv()
        except EOFError:
            outcome, is_dead = "crashed", True
        output = (folder / str(number) / "output").read_text(errors="replace")
        shutil.rmtree(folder / str(number), ignore_errors=True)
        seconds = time.monotonic() - begun
        yield Ending(case=case, outcome=outcome, output=output, seconds=seconds)
        if is_dead or outcome == "hung":
            break
    receiver.close()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _run_in_child(case: Case, folder: Path) -> Outcome:
    (folder / "work").mkdir(parents=True)
    os.chdir(folder / "work")
    descriptor = os.open(folder / "output", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    sys.stdout = sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    try:
        case.prepare()
        outcome = _outcome(case)
        told = (folder / "output").read_text(errors="replace")
    except AssertionError:
        traceback.print_exc()
        return "wrong" if case.has_checksums else "altered"
    except BaseException:  # noqa: BLE001 - the child's last words
        traceback.print_exc()
        return "crashed"
    is_clean = "Traceback" not in told and ("ERROR: " in told) == (outcome == "refused")
    return outcome if is_clean else "crashed"


def _outcome(case: Case) -> Outcome:
    for arguments in case.stages:
        before = _made()
        status = run("stages", list(arguments))
        if status:
            assert _made() == before, f"left behind: {_made() - before}"
            assert case.expected != "handled"
            return "refused"
    assert case.expected != "refused"
    case.check()
    assert not [path for path in _made() if ".tmp" in path.name]
    return "handled"


def _made() -> set[Path]:
    """Files of outputs; the folders above them may stay."""
    return {path for root in _MADE for path in Path(root).rglob("*") if not path.is_dir()}


def table(endings: Iterable[tuple[str, Ending]]) -> str:
    """Counts by group, as Markdown."""
    counts: dict[str, Counter[str]] = {}
    for group, ending in endings:
        counts.setdefault(group, Counter())[ending.outcome] += 1
    counts["all"] = sum(counts.values(), Counter())
    rows = [
        [group, str(count.total()), *(str(count[column]) for column in COLUMNS)]
        for group, count in counts.items()
    ]
    header = ["input", "tried", *COLUMNS]
    return "\n".join(
        f"| {' | '.join(row)} |" for row in (header, ["---", *["---:"] * (len(header) - 1)], *rows)
    )
