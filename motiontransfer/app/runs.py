"""Queue of dances: one `motiontransfer dance` at a time, in a process that outlives the page.

The queue is a file of JSON, so that it survives the server. The events of a run are its log:
how long it will take, what is ready, and how it ended.
"""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import psutil
from filelock import FileLock
from pydantic import BaseModel, ConfigDict, TypeAdapter

from motiontransfer.core.errors import MotionTransferError
from motiontransfer.core.events import Event, Failed, Made, Planned, Progress, read_events
from motiontransfer.core.storage import write_text

_logger = logging.getLogger(__name__)

FOLDER = Path(".dvc/tmp/app")
_CLOCK_SECONDS = 2.0  # that the start of a process may differ: it moves with the clock that is set
_NUM_KEPT = 20  # of those that ended
_LAST = 200  # characters of what a program prints that ends without an error of its own


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "motiontransfer", *arguments]


def reported(*arguments: str) -> list[Event]:
    """What a command reports.

    Raises:
        MotionTransferError: it has failed.
    """
    done = subprocess.run(
        command(*arguments, "--events"), env=environment(), stdin=subprocess.DEVNULL,
        capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    if done.returncode:
        failed = read_log(done.stdout).failed
        told = failed.message if failed else f"it failed: {done.stderr.strip()[-_LAST:]}"
        raise MotionTransferError(told)
    return [*read_events(done.stdout)]


def environment() -> dict[str, str]:
    """Environment of a command that prints UTF-8, whatever the system's encoding."""
    return {**os.environ, "PYTHONUTF8": "1"}


class Run(BaseModel):
    """A dance that waits, or that was begun."""

    model_config = ConfigDict(frozen=True)  # keys of earlier versions are ignored

    number: int
    dancer: str
    """Film of the dance, a path as `dance` takes it."""
    me: str
    options: tuple[str, ...] = ()
    """Of `dance`."""
    pid: int | None = None
    began: float | None = None
    """When its process was made: another one may get the same pid."""
    outcome: str = ""
    """How it ended."""

    @property
    def state(self) -> Literal["waiting", "running", "over"]:
        return "over" if self.outcome else "waiting" if self.pid is None else "running"

    @property
    def log(self) -> Path:
        return FOLDER / f"{self.number}.log"

    @property
    def summary(self) -> "Summary":
        log = self.log
        return read_log(log.read_text(encoding="utf-8", errors="replace") if log.exists() else "")


_RUNS = TypeAdapter(list[Run])


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a run has reported."""

    planned: Planned | None = None
    progress: Progress | None = None
    """The last."""
    made: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    """Files of the preview, the result (the first: in its own room) and the report, once ready."""
    failed: Failed | None = None
    """The first."""


def read_log(printed: str) -> Summary:
    """Read what `dance --events` has printed so far."""
    events = [*read_events(printed)]
    plans = [event for event in events if isinstance(event, Planned)]
    steps = [event for event in events if isinstance(event, Progress)]
    failures = [event for event in events if isinstance(event, Failed)]
    return Summary(
        planned=plans[-1] if plans else None,
        progress=steps[-1] if steps else None,
        made={event.what: [*map(Path, event.files)] for event in events if isinstance(event, Made)},
        failed=failures[0] if failures else None,
    )


def end_sentence(summary: Summary) -> str:
    """How a run ended, in one sentence."""
    failed = summary.failed
    if "report" in summary.made:
        return "Done."
    if failed is None:
        return "It was ended before it was done. Nothing is lost: Make goes on from there."
    if failed.is_stopped:
        return "Stopped. Nothing is lost: Make goes on from there."
    return f"It failed: {failed.message}"


class Queue:
    """All calls may come from several threads, and processes: `delete` beside an open page."""

    def __init__(self) -> None:
        self._file = FOLDER / "runs.json"
        self._lock = FileLock(FOLDER / "runs.lock")
        self._child: subprocess.Popen | None = None

    def runs(self) -> list[Run]:
        """Those that are over, then what runs, then those that wait."""
        if not self._file.exists():
            return []
        return _RUNS.validate_json(self._file.read_bytes())

    def add(self, dancer: str, me: str, options: Sequence[str] = ()) -> None:
        """Add a dance at the end, unless it waits or runs already."""
        with self._lock:
            runs = self.runs()
            begun = [(run.dancer, run.me, run.options) for run in runs if run.state != "over"]
            if (dancer, me, wanted := tuple(options)) not in begun:
                number = max((run.number for run in runs), default=0) + 1
                new = Run(number=number, dancer=dancer, me=me, options=wanted)
                self._write([*runs, new])

    def remove(self, dancer: str, me: str) -> None:
        """Take a dance out that waits."""
        waits = dancer, me, "waiting"
        with self._lock:
            kept = [run for run in self.runs() if (run.dancer, run.me, run.state) != waits]
            self._write(kept)

    def forget(self) -> None:
        """Take out what does not run and whose films are no longer there, with its log."""
        with self._lock:
            runs = self.runs()
            kept = [
                run
                for run in runs
                if run.state == "running"
                or all(Path(file).exists() for file in (run.me, run.dancer))
            ]
            if kept != runs:
                for run in [run for run in runs if run not in kept]:
                    run.log.unlink(missing_ok=True)
                self._write(kept)

    def stop(self) -> None:
        """Interrupt what runs, as Ctrl-C does."""
        for process in filter(None, map(_process, self.runs())):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGINT)

    def advance(self) -> None:
        """Note what has ended, and begin the next if nothing runs."""
        with self._lock:
            if self._child is not None:
                self._child.poll()
            before = self.runs()
            runs = [
                run.model_copy(update={"outcome": end_sentence(run.summary)})
                if run.state == "running" and _process(run) is None
                else run
                for run in before
            ]
            waiting = next((run for run in runs if run.state == "waiting"), None)
            if waiting and all(run.state != "running" for run in runs):
                runs[runs.index(waiting)] = self._begin(waiting)
            if runs != before:
                self._write(runs)

    def _begin(self, run: Run) -> Run:
        """Start its process in a session of its own: the end of the server does not end it."""
        with run.log.open("w") as log:
            self._child = subprocess.Popen(
                command("dance", "--events", *run.options, run.dancer, run.me),
                env=environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        began = psutil.Process(self._child.pid).create_time()
        return run.model_copy(update={"pid": self._child.pid, "began": began})

    def _write(self, runs: list[Run]) -> None:
        over = [run for run in runs if run.state == "over"]
        for old in over[:-_NUM_KEPT]:
            runs.remove(old)
            old.log.unlink(missing_ok=True)
        write_text(self._file, _RUNS.dump_json(runs, indent=2).decode())


def _process(run: Run) -> psutil.Process | None:
    """Process of a run that goes on; another one may have its pid since."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(run.pid)
        is_same = abs(process.create_time() - (run.began or 0)) < _CLOCK_SECONDS
        if is_same and process.status() != psutil.STATUS_ZOMBIE:
            return process
    return None


def keep_going(queue: Queue) -> None:
    try:
        queue.advance()
    except OSError as error:  # a disk that is full now may not be later
        _logger.warning("the queue waits: %s", error)
