"""Queue of dances: one `motiontransfer dance` at a time, in a process that outlives the page.

The queue is a file of JSON, so that it survives the server. A run is told from its log: which
stages go, how long they will take, what is ready, and how it ended.
"""

import logging
import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal

import psutil
from pydantic import BaseModel, ConfigDict, TypeAdapter

from motiontransfer.core.storage import write_text
from motiontransfer.pipeline.runs import last_line, log_of

_logger = logging.getLogger(__name__)

FOLDER = Path(".dvc/tmp/app")
_CLOCK_SECONDS = 2.0  # that the start of a process may differ: it moves with the clock that is set
_POLL_SECONDS = 0.5
_NUM_KEPT = 20  # of those that ended

_PROGRESS = re.compile(r"^\S+: (\d+) of (\d+), .*?, ([\d:]+) left(?:, (.*))?$", re.MULTILINE)
_MADE = re.compile(r"^(preview|result|report): (\S.*)$", re.MULTILINE)
_TRANSFER = re.compile(r"^(\S+): \d+ stages?, about ", re.MULTILINE)
_ERROR = re.compile(r"^ERROR: (.*)$", re.MULTILINE)
_LOSSES = re.compile(r"(?<=[\d:] left), .*")
_OUTPUT = re.compile(r"; its output: \S+$")


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "motiontransfer", *arguments]


class Run(BaseModel):
    """A dance that waits, or that was begun."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int
    dancer: str
    """Film of the dance, a path as `dance` takes it."""
    me: str
    pid: int | None = None
    began: float | None = None
    """When its process was made: another one may get the same pid."""
    is_over: bool = False

    @property
    def state(self) -> Literal["waiting", "running", "over"]:
        return "over" if self.is_over else "waiting" if self.pid is None else "running"

    @property
    def log(self) -> Path:
        return FOLDER / f"{self.number}.log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the log of a run tells."""

    transfer: str = ""
    stages: tuple[str, ...] = ()
    """That go on, as far as it was told."""
    share_done: float = 0.0
    time_left: str = ""
    made: dict[str, Path] = field(default_factory=dict)
    """Files of the preview, the result and the report, once they are ready."""
    error: str = ""


def read_log(printed: str) -> Told:
    """Read what `dance` prints without a terminal."""
    transfers, progress = _TRANSFER.findall(printed), _PROGRESS.findall(printed)
    errors = [_OUTPUT.sub("", line) for line in _ERROR.findall(printed)]
    done, total, left, note = progress[-1] if progress else ("0", "1", "", "")
    made: dict[str, Path] = {}
    for what, path in _MADE.findall(printed):
        made.setdefault(what, Path(path))  # the first result is that in its own room
    return Told(
        transfer=transfers[-1] if transfers else "",
        stages=tuple(note.split(", ")) if note else (),
        share_done=1.0 if "report" in made else min(int(done) / int(total), 0.99),
        time_left=left,
        made=made,
        error=errors[0] if errors else "",
    )


def told_by(run: Run) -> Told:
    if not run.log.exists():
        return Told()
    status = run.log.stat()
    return _told_by(run.log, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=2 * _NUM_KEPT)  # most have ended
def _told_by(log: Path, *_: int) -> Told:
    return read_log(log.read_text(encoding="utf-8", errors="replace"))


def outcome(told: Told) -> str:
    """How a run ended, in one sentence."""
    if "report" in told.made:
        return "Done."
    if told.error.startswith("stopped"):
        return "Stopped. Nothing is lost: Make goes on from there."
    if told.error:
        return f"It failed: {told.error}"
    return "It was ended before it was done. Nothing is lost: Make goes on from there."


def activity(stage: str) -> str:
    """Last line that a stage that runs has printed, without losses."""
    log = log_of(stage)
    return _LOSSES.sub("", last_line(log)) if log.exists() else ""


class Queue:
    """All calls may come from several threads."""

    def __init__(self) -> None:
        self._file = FOLDER / "queue.json"
        self._lock = threading.Lock()
        self._child: subprocess.Popen | None = None

    def runs(self) -> list[Run]:
        if not self._file.exists():
            return []
        return TypeAdapter(list[Run]).validate_json(self._file.read_text(encoding="utf-8"))

    def add(self, dancer: str, me: str) -> Run:
        """Add a dance at the end, unless it waits or runs already."""
        with self._lock:
            runs = self.runs()
            for run in runs:
                if not run.is_over and (run.dancer, run.me) == (dancer, me):
                    return run
            number = max((run.number for run in runs), default=0) + 1
            new = Run(number=number, dancer=dancer, me=me)
            self._write([*runs, new])
            return new

    def remove(self, number: int) -> None:
        """Take a dance out that waits."""
        with self._lock:
            runs = self.runs()
            self._write([run for run in runs if run.number != number or run.state != "waiting"])

    def stop(self) -> None:
        """Interrupt what runs, as Ctrl-C does."""
        for run in self.runs():
            if run.state == "running" and run.pid and _goes_on(run):
                with suppress(ProcessLookupError):
                    os.killpg(run.pid, signal.SIGINT)

    def advance(self) -> None:
        """Note what has ended, and begin the next if nothing runs."""
        with self._lock:
            if self._child is not None and self._child.poll() is not None:
                self._child = None
            before = self.runs()
            runs = [
                run.model_copy(update={"is_over": True})
                if run.state == "running" and not _goes_on(run)
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
                command("dance", run.dancer, run.me),
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        began = psutil.Process(self._child.pid).create_time()
        return run.model_copy(update={"pid": self._child.pid, "began": began})

    def _write(self, runs: list[Run]) -> None:
        over = [run for run in runs if run.is_over]
        for old in over[:-_NUM_KEPT]:
            runs.remove(old)
            old.log.unlink(missing_ok=True)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        write_text(self._file, TypeAdapter(list[Run]).dump_json(runs, indent=2).decode())


def _goes_on(run: Run) -> bool:
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(run.pid)
        is_same = abs(process.create_time() - (run.began or 0)) < _CLOCK_SECONDS
        return is_same and process.status() != psutil.STATUS_ZOMBIE
    return False


def keep_going(queue: Queue, over: threading.Event) -> None:
    """Advance a queue until it is told that this is over."""
    while not over.wait(_POLL_SECONDS):
        try:
            queue.advance()
        except OSError as error:  # a disk that is full now may not be later
            _logger.warning("the queue waits: %s", error)
