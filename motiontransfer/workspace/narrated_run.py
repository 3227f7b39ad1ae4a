"""Running `dvc repro` and saying how far it is.

Hides how that is read off DVC's own lines, which are passed on as they come: the command is the
plain one, and so are what it does and its exit status. How long stages took is kept for next time.
"""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from motiontransfer.workspace.amounts import time_text
from motiontransfer.workspace.dvc_command import dvc_environment, dvc_program
from motiontransfer.workspace.run_plan import PlannedStage
from motiontransfer.workspace.run_times import RunTime, add_run_time

_STARTED = re.compile(r"Running stage '(?P<stage>[^']+)'")
_SKIPPED = re.compile(r"Stage '(?P<stage>[^']+)' (?P<how>didn't change|is cached)")
_RECORDED = re.compile(r"(Updating|Generating) lock file ")


class Narrator:
    """Follows a run by DVC's lines."""

    def __init__(
        self,
        planned: Sequence[PlannedStage],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Expect these stages, in this order."""
        self.finished: dict[str, float] = {}
        """Stages that ran to their end, and the seconds they took."""
        self.restored: list[str] = []
        """Stages that did not run because the cache has what they would make."""
        self._left = {stage.name: stage for stage in planned}
        self._total, self._clock = len(planned), clock
        self._done = 0
        self._running: tuple[str, float] | None = None

    def hear(self, line: str) -> str | None:
        """Take a line of DVC's and return what to say after it, if anything."""
        if match := _STARTED.search(line):
            return self._start(match["stage"])
        if match := _SKIPPED.search(line):
            if self._left.pop(match["stage"], None):
                self._done += 1
                if match["how"] == "is cached":
                    self.restored.append(match["stage"])
        elif _RECORDED.search(line) and self._running is not None:
            name, began = self._running
            self.finished[name] = self._clock() - began
            self._running = None
        return None

    def _start(self, name: str) -> str:
        self._done += 1
        self._running = (name, self._clock())
        stage = self._left.pop(name, None)
        what = f"{name}: {stage.description}" if stage and stage.description else name
        told = [f"[{self._done} of {max(self._total, self._done)}] {what}"]
        if stage is not None and stage.seconds is not None:
            told.append(f"about {time_text(stage.seconds)}")
            rest = [stage.seconds, *(it.seconds for it in self._left.values())]
            known = [seconds for seconds in rest if seconds is not None]
            if len(known) == len(rest) > 1:
                told.append(f"{time_text(sum(known))} until all is done")
        return "; ".join(told)


def run_narrated(
    root: Path,
    arguments: Sequence[str],
    narrator: Narrator,
    *,
    tell: Callable[[str], None],
    say: Callable[[str], None],
) -> int:
    """Run `dvc repro` with arguments of its own; return its exit status.

    Args:
        tell: takes DVC's lines.
        say: takes ours.
    """
    process = subprocess.Popen(
        [dvc_program()[0], "-u", *dvc_program()[1:], "repro", *arguments],
        cwd=root,
        env={**dvc_environment(), **({"TQDM_DISABLE": "1"} if "CI" in os.environ else {})},
        stdout=subprocess.PIPE,  # stderr stays the terminal's: stages draw their bars there
        text=True,
        errors="replace",
    )
    assert process.stdout is not None
    with _signals_left_to(process), process.stdout as lines:
        for line in lines:
            tell(line.rstrip("\n"))
            told = narrator.hear(line)
            if told is not None:
                say(told)
        status = process.wait()
    return status if status >= 0 else 128 - status


def keep_run_times(root: Path, narrator: Narrator, modelled: Callable[[str], float | None]) -> None:
    """Keep how long the finished stages took.

    Args:
        modelled: what the model expected of a stage; None: nothing.
    """
    for stage, seconds in narrator.finished.items():
        expected = modelled(stage)
        if expected is not None:
            add_run_time(
                root, RunTime(stage=stage, seconds=round(seconds, 2), modelled_seconds=expected)
            )


@contextmanager
def _signals_left_to(process: subprocess.Popen) -> Generator[None]:
    """Ctrl-C reaches DVC by itself, and we wait for what it does; a polite end is passed on."""
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, signal.SIG_IGN),
        signal.SIGTERM: signal.signal(signal.SIGTERM, lambda *_: process.terminate()),
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
