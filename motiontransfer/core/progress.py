"""Progress of a loop or a run: a tqdm bar on a terminal, a line now and then in a log."""

import logging
import math
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import TypeVar

from tqdm import tqdm

_logger = logging.getLogger(__name__)
_Item = TypeVar("_Item")

_FIRST_LINE_SECONDS, _LOG_EVERY_SECONDS = 3.0, 20.0
_LEAST_SHARE = 0.2  # of a run, after which the time left is known to a third (docs/log.md)


class ProgressMeter:
    """Display of how many steps are done, their rate and the ETA."""

    _bar_format = "{desc}: {percentage:3.0f}%|{bar:20}| {n_fmt}/{total_fmt}{postfix}"

    def __init__(self, description: str, *, total: int | float, done: int = 0) -> None:
        """Start the clock; `done` steps are of an earlier session."""
        self._description, self._total, self._first = description, total, done
        self._began = time.monotonic()
        self._next_line = self._began + _FIRST_LINE_SECONDS
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
        if self._bar.disable and now < self._next_line:
            return
        steps_per_second = (done - self._first) / max(now - self._began, 1e-9)
        seconds_left = min((self._total - done) / steps_per_second, max_seconds_left)
        of, status = self._told(done, steps_per_second, seconds_left)
        if self._bar.disable:
            self._next_line = now + _LOG_EVERY_SECONDS
            _logger.info("%s: %s%s%s", self._description, of, status, note)
        else:
            self._bar.set_postfix_str(f"{status}{note}".removeprefix(", "), refresh=False)
            self._bar.update(done - self._bar.n)

    def _told(self, done: int | float, rate: float, seconds_left: float) -> tuple[str, str]:
        """How much is done, which a bar shows by itself, and what follows it."""
        time_left = tqdm.format_interval(round(seconds_left))
        return f"{done} of {self._total}", f", {rate:.2f}/s, {time_left} left"

    def close(self) -> None:
        self._bar.close()


class RunMeter(ProgressMeter):
    """Display of the share of a run that is done and, once it is known to a third, the time left.

    The total is 1.
    """

    _bar_format = "|{bar:20}| {percentage:.0f} %{postfix}"

    def _told(self, done: int | float, rate: float, seconds_left: float) -> tuple[str, str]:  # noqa: ARG002
        about = f"{seconds_left / 60:.0f} min"
        if seconds_left < 90:
            about = f"{max(round(seconds_left, -1), 10):.0f} s"
        return f"{100 * done:.0f} %", f", about {about} left" if done > _LEAST_SHARE else ""


def track(items: Iterable[_Item], description: str, *, total: int) -> Iterator[_Item]:
    """Yield the items, showing how many are done and the ETA."""
    with closing(ProgressMeter(description, total=total)) as progress:
        for done, item in enumerate(items, 1):
            yield item
            progress.show(done)
