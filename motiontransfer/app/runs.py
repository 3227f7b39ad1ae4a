"""Queue of dances: one `motiontransfer dance` at a time, in a process that outlives the page.

The queue is a file of JSON, so that it survives the server. A run is told from its log: how long it
will take, what is ready, and how it ended.
"""

import logging
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import psutil
from filelock import FileLock
from pydantic import BaseModel, ConfigDict, TypeAdapter

from motiontransfer.core.params import Scene
from motiontransfer.core.storage import write_text
from motiontransfer.pipeline.runs import last_line, log_of

_logger = logging.getLogger(__name__)

FOLDER = Path(".dvc/tmp/app")
_CLOCK_SECONDS = 2.0  # that the start of a process may differ: it moves with the clock that is set
_NUM_KEPT = 20  # of those that ended

_PROGRESS = re.compile(r"^\S+: (\d+) %(?:, about (.*?) left)?", re.MULTILINE)
_MADE = re.compile(r"^(preview|result|report): (\S.*)$", re.MULTILINE)
_TRANSFER = re.compile(r"^(\S+): \d+ stages?, about ", re.MULTILINE)
_ERROR = re.compile(r"^ERROR: (.*?)(?:; its output: \S+)?$", re.MULTILINE)
_LOSSES = re.compile(r"(?<=[\d:] left), .*")


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "motiontransfer", *arguments]


def environment() -> dict[str, str]:
    """Environment of a command that prints UTF-8, whatever the system's encoding."""
    return {**os.environ, "PYTHONUTF8": "1"}


class Run(BaseModel):
    """A dance that waits, or that was begun."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int
    dancer: str
    """Film of the dance, a path as `dance` takes it."""
    me: str
    scene: Scene = "target"
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
    def summary(self) -> "LogSummary":
        log = self.log
        return read_log(log.read_text(encoding="utf-8", errors="replace") if log.exists() else "")


_RUNS = TypeAdapter(list[Run])


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSummary:
    """What the log of a run tells."""

    transfer: str = ""
    share_done: float = 0.0
    time_left: str = ""
    made: dict[str, Path] = field(default_factory=dict)
    """Files of the preview, the result (the first: in its own room) and the report, once ready."""
    error: str = ""


def read_log(printed: str) -> LogSummary:
    """Read what `dance` prints without a terminal."""
    percent, left = (_PROGRESS.findall(printed) or [("0", "")])[-1]
    made = {what: Path(path) for what, path in reversed(_MADE.findall(printed))}
    return LogSummary(
        transfer=next(iter(_TRANSFER.findall(printed)), ""),
        share_done=1.0 if "report" in made else int(percent) / 100,
        time_left=left,
        made=made,
        error=next(iter(_ERROR.findall(printed)), ""),
    )


def end_sentence(summary: LogSummary) -> str:
    """How a run ended, in one sentence."""
    if "report" in summary.made:
        return "Done."
    if summary.error.startswith("stopped"):
        return "Stopped. Nothing is lost: Make goes on from there."
    if summary.error:
        return f"It failed: {summary.error}"
    return "It was ended before it was done. Nothing is lost: Make goes on from there."


def activity(stage: str) -> str:
    """Last line that a stage that runs has printed, without losses."""
    log = log_of(stage)
    return _LOSSES.sub("", last_line(log)) if log.exists() else ""


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

    def add(self, dancer: str, me: str, scene: Scene = "target") -> None:
        """Add a dance at the end, unless it waits or runs already."""
        with self._lock:
            runs = self.runs()
            begun = {(run.dancer, run.me, run.scene) for run in runs if run.state != "over"}
            if (dancer, me, scene) not in begun:
                number = max((run.number for run in runs), default=0) + 1
                self._write([*runs, Run(number=number, dancer=dancer, me=me, scene=scene)])

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
                command("dance", "--scene", run.scene, run.dancer, run.me), env=environment(),
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
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
