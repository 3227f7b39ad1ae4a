"""Training throughput and ETA: a progress bar on a terminal, otherwise log lines.

Time is counted over all sessions of a run, as checkpoints keep it.
"""

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor
from tqdm import tqdm

from motiontransfer.training.checkpoints import Checkpoint
from motiontransfer.training.schedule import Schedule

_logger = logging.getLogger(__name__)
_Item = TypeVar("_Item")

_LOG_EVERY_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """Steps and time of a finished training."""

    steps: int
    minutes: float
    waiting_minutes: float
    """How much of it was waited for frames."""

    def after(self, earlier: "Throughput") -> "Throughput":
        """What both took together."""
        return Throughput(
            steps=earlier.steps + self.steps,
            minutes=earlier.minutes + self.minutes,
            waiting_minutes=earlier.waiting_minutes + self.waiting_minutes,
        )

    @property
    def loader_share(self) -> float:
        """Share of the time that was spent waiting for frames."""
        return self.waiting_minutes / self.minutes

    @property
    def metrics(self) -> dict[str, int | float]:
        """For the stage's metrics."""
        return {
            "steps": self.steps,
            "minutes": round(self.minutes, 3),
            "steps_per_second": round(self.steps / self.minutes / 60, 3),
            "loader_share": round(self.loader_share, 4),
        }


class ProgressMeter:
    """Clock and progress of one run, from the checkpoint that it goes on from."""

    def __init__(self, description: str, schedule: Schedule, start: Checkpoint) -> None:
        """Start the clock where the checkpoint stopped it."""
        self._description, self._schedule, self._start = description, schedule, start
        self.waiting_minutes = start.waiting_minutes
        """How much of the time was waited for frames."""
        self._began = self._told = time.monotonic()
        self._bar: tqdm | None = None

    @property
    def minutes(self) -> float:
        """What all steps took, in this session and those before it."""
        return self._start.minutes + (time.monotonic() - self._began) / 60

    def waiting_for(self, items: Iterable[_Item]) -> Iterator[_Item]:
        """Yield the items, counting the time until each is there."""
        remaining = iter(items)
        while True:
            began = time.monotonic()
            try:
                item = next(remaining)
            except StopIteration:
                return
            self.waiting_minutes += (time.monotonic() - began) / 60
            yield item

    def show(self, done: int, losses: Mapping[str, float]) -> None:
        """Show how far and how fast training is, how long it will take, and its losses."""
        if sys.stderr.isatty():
            if self._bar is None:
                self._bar = self._open_bar()
            self._bar.set_postfix_str(self._status(done, losses), refresh=False)
            self._bar.update(done - self._bar.n)
        elif time.monotonic() - self._told >= _LOG_EVERY_SECONDS:
            self._told = time.monotonic()
            _logger.info(
                "%s: step %d of %d, %s",
                *(self._description, done, self._schedule.num_steps, self._status(done, losses)),
            )

    def checkpoint(self, done: int, state: Mapping[str, Tensor]) -> Checkpoint:
        """Return what to go on from after this step."""
        return Checkpoint(
            step=done, minutes=self.minutes, waiting_minutes=self.waiting_minutes, state=state
        )

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()

    def _open_bar(self) -> tqdm:
        return tqdm(
            desc=self._description,
            initial=self._start.step,
            total=self._schedule.num_steps,
            bar_format="{desc}: {percentage:3.0f}%|{bar:20}| {n_fmt}/{total_fmt} {postfix}",
            dynamic_ncols=True,
            leave=False,
        )

    def _status(self, done: int, losses: Mapping[str, float]) -> str:
        minutes = self.minutes
        steps_per_minute = (done - self._start.step) / (minutes - self._start.minutes)
        left = (self._schedule.num_steps - done) / steps_per_minute
        if self._schedule.max_minutes is not None:
            left = min(left, max(self._schedule.max_minutes - minutes, 0.0))
        time_left = tqdm.format_interval(round(60 * left))
        listed = ", ".join(f"{name} {value:.3g}" for name, value in losses.items())
        return f"{steps_per_minute / 60:.2f} steps/s, {time_left} left; {listed}"
