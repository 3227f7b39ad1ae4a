"""Progress of a loop: a tqdm bar on a terminal, a line with rate and ETA now and then in a log."""

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


class ProgressMeter:
    """Display of how many steps are done, their rate and the ETA."""

    def __init__(self, description: str, *, total: int, done: int = 0, unit: str = "") -> None:
        """Start the clock; `done` steps are of an earlier session. The unit follows the total."""
        self._description, self._total, self._first = description, total, done
        self._unit = unit
        self._began = time.monotonic()
        self._next_line = self._began + _FIRST_LINE_SECONDS
        self._bar = tqdm(
            desc=description,
            initial=done,
            total=total,
            unit=unit,
            bar_format="{desc}: {percentage:3.0f}%|{bar:20}| {n_fmt}/{total_fmt}{unit} {postfix}",
            disable=None,
            dynamic_ncols=True,
            leave=False,
        )

    def show(self, done: int, *, max_seconds_left: float = math.inf, note: str = "") -> None:
        """Show progress; `max_seconds_left` limits the ETA, `note` follows it."""
        now = time.monotonic()
        if self._bar.disable and now < self._next_line:
            return
        steps_per_second = (done - self._first) / max(now - self._began, 1e-9)
        seconds_left = min((self._total - done) / steps_per_second, max_seconds_left)
        time_left = tqdm.format_interval(round(seconds_left))
        status = f"{steps_per_second:.2f}/s, {time_left} left{note}"
        if self._bar.disable:
            self._next_line = now + _LOG_EVERY_SECONDS
            of = f"{done} of {self._total}{self._unit}"
            _logger.info("%s: %s, %s", self._description, of, status)
        else:
            self._bar.set_postfix_str(status, refresh=False)
            self._bar.update(done - self._bar.n)

    def close(self) -> None:
        self._bar.close()


def track(items: Iterable[_Item], description: str, *, total: int) -> Iterator[_Item]:
    """Yield the items, showing how many are done and the ETA."""
    with closing(ProgressMeter(description, total=total)) as progress:
        for done, item in enumerate(items, 1):
            yield item
            progress.show(done)
