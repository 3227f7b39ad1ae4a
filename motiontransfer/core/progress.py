"""Progress of a loop or a run: a tqdm bar on a terminal, an event now and then in a log."""

import logging
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from typing import TypeVar

from tqdm import tqdm

from motiontransfer.core.events import Progress, Running, Step, emit

_Item = TypeVar("_Item")

_FIRST_LINE_SECONDS, _LOG_EVERY_SECONDS = 3.0, 20.0
_EVENT_EVERY_SECONDS = 1.0  # for programs that show them
_LEAST_SHARE = 0.2  # of a run, after which the time left is known to a third (docs/log)


class ProgressMeter:
    """Display of how many steps are done, their rate and the ETA."""

    _bar_format = "{desc}: {percentage:3.0f}%|{bar:20}| {n_fmt}/{total_fmt}{postfix}"

    def __init__(self, description: str, *, total: int | float, done: int = 0) -> None:
        """Start the clock; `done` steps are of an earlier session."""
        self._description, self._total, self._first = description, total, done
        self._began = time.monotonic()
        self._next_line = self._began + _FIRST_LINE_SECONDS
        self._next_event = self._began
        self._bar = tqdm(
            desc=description,
            initial=done,
            total=total,
            bar_format=self._bar_format,
            disable=None,
            dynamic_ncols=True,
            leave=False,
        )

    def show(
        self, done: int | float, *, max_seconds_left: float = math.inf, note: str = ""
    ) -> None:
        """Show progress; `max_seconds_left` limits the ETA, `note` follows it."""
        now = time.monotonic()
        is_line = bool(self._bar.disable) and now >= self._next_line
        if self._bar.disable and not is_line and now < self._next_event:
            return
        rate = (done - self._first) / max(now - self._began, 1e-9)
        seconds_left = min((self._total - done) / max(rate, 1e-9), max_seconds_left)
        event = self._event(done, rate, seconds_left, note)
        if is_line:
            self._next_line = now + _LOG_EVERY_SECONDS
        if is_line or now >= self._next_event:
            self._next_event = now + _EVENT_EVERY_SECONDS
            emit(event, level=logging.INFO if is_line else logging.DEBUG)
        if not self._bar.disable:
            self._bar.set_postfix_str(event.status.removeprefix(", "), refresh=False)
            self._bar.update(done - self._bar.n)

    def _event(
        self, done: int | float, rate: float, seconds_left: float, note: str
    ) -> Step | Progress:
        return Step(
            description=self._description, done=done, total=self._total, rate=rate,
            seconds_left=seconds_left, note=note,
        )  # fmt: skip

    def close(self) -> None:
        self._bar.close()


class RunMeter(ProgressMeter):
    """Display of the share of a run that is done and, once it is known to a third, the time left.

    The total is 1.
    """

    _bar_format = "|{bar:20}| {percentage:.0f} %{postfix}"
    _running: Sequence[Running] = ()

    def show_run(self, share: float, running: Sequence[Running]) -> None:
        """Show how far a run is, and the stages that run."""
        self._running = running
        self.show(share)

    def _event(self, done: int | float, rate: float, seconds_left: float, note: str) -> Progress:  # noqa: ARG002
        return Progress(
            title=self._description, share=done,
            seconds_left=seconds_left if done > _LEAST_SHARE else None,
            running=tuple(self._running),
        )  # fmt: skip


def track(items: Iterable[_Item], description: str, *, total: int) -> Iterator[_Item]:
    """Yield the items, showing how many are done and the ETA."""
    with closing(ProgressMeter(description, total=total)) as progress:
        for done, item in enumerate(items, 1):
            yield item
            progress.show(done)
