"""The loop around a training task: resume, step, look, log, sample, keep.

Hides when each of these happens, and that no step is lost. A task knows its networks and its step;
the loop knows nothing of them. There is no best checkpoint beside the last ones: frames that chose
it would no longer be held out.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

from jaxtyping import Float
from lightning_fabric import Fabric
from torch import Tensor

from motiontransfer.training.batches import (
    Dataset,
    Part,
    PinnedDataset,
    batches_ahead,
    share_of,
)
from motiontransfer.training.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from motiontransfer.training.loss_report import LossReport
from motiontransfer.training.pace import Pace
from motiontransfer.training.processes import tell_all, wait_for_all
from motiontransfer.training.run_log import RunLog, open_log, silent_log
from motiontransfer.training.samples import Picture
from motiontransfer.training.schedule import Schedule
from motiontransfer.training.stopping import StopRequest, listening, pass_on

_logger = logging.getLogger(__name__)

Batch = TypeVar("Batch")
_Seen = TypeVar("_Seen", contravariant=True)


@runtime_checkable
class Task(Protocol[_Seen]):
    """What the loop drives."""

    def step(
        self, parts: Iterable[Part[_Seen]], *, step: int, learning_rate: float
    ) -> Mapping[str, Float[Tensor, ""]]:
        """Train on one batch and return named losses."""
        ...

    def state(self) -> dict[str, Tensor]:
        """Everything that changes from step to step."""
        ...

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Inverse of `state`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """What a finished training took."""

    steps: int
    minutes: float
    waiting_minutes: float
    """How much of it was waited for frames."""

    def after(self, earlier: "Effort") -> "Effort":
        """What both took together."""
        return Effort(
            steps=earlier.steps + self.steps,
            minutes=earlier.minutes + self.minutes,
            waiting_minutes=earlier.waiting_minutes + self.waiting_minutes,
        )

    @property
    def metrics(self) -> dict[str, int | float]:
        """For the stage's metrics."""
        return {
            "steps": self.steps,
            "minutes": round(self.minutes, 3),
            "steps_per_second": round(self.steps / self.minutes / 60, 3),
            "loader_share": round(self.waiting_minutes / self.minutes, 4),
        }


def fit(
    task: Task[Batch],
    *,
    fabric: Fabric,
    schedule: Schedule,
    dataset: Dataset[Batch],
    sample: Callable[[], Picture],
    folder: Path,
    description: str,
) -> Effort:
    """Train from the folder's last checkpoint, or from the start, to the end.

    A signal to stop is obeyed after the step that is under way; the step is kept.

    Args:
        sample: a picture of what the networks make now.
        folder: where checkpoints and logs of this run lie.

    Raises:
        TrainingError: a loss is not finite, or git has no commit yet.
        KeyboardInterrupt: Ctrl-C.
    """
    start = _resume(task, fabric, folder)
    done, minutes, stop = start.step, start.minutes, 0
    pace = Pace(description, schedule, start)
    batches = pace.waiting_for(_batches(dataset, fabric, schedule, start))
    unread: deque[LossReport] = deque()
    values: dict[str, float] = {}
    with closing(pace), listening() as request, _log(fabric, folder, start) as log:
        for done, parts in enumerate(batches, start.step + 1):
            learning_rate = schedule.learning_rate_at(done - 1, minutes=minutes)
            losses = task.step(parts, step=done - 1, learning_rate=learning_rate)
            stop, minutes = _agree(fabric, request, pace)
            over = schedule.is_over(done, minutes=minutes)
            logged = over or done % schedule.log_every_steps == 0
            kept = over or stop or done % schedule.checkpoint_every_steps == 0
            unread.append(LossReport(fabric, done, losses))
            # The last one can wait until the device is at work on the next step.
            while len(unread) > (0 if logged or kept else 1):
                values = unread.popleft().read(description)
            if fabric.is_global_zero:
                pace.show(done, values)
            if logged:
                log.add_values(done, values)
            if over or done % schedule.sample_every_steps == 0:
                log.add_picture(done, sample)
            if kept and fabric.is_global_zero:
                save_checkpoint(folder, pace.checkpoint(done, task.state()))
            if over or stop:
                break
    if stop:
        wait_for_all(fabric)  # for the checkpoint
        if fabric.is_global_zero:
            message = "%s: stopped at step %d; the same command goes on from there"
            _logger.info(message, description, done)
        pass_on(stop)
    return Effort(steps=done, minutes=pace.minutes, waiting_minutes=pace.waiting_minutes)


def _resume(task: Task[Batch], fabric: Fabric, folder: Path) -> Checkpoint:
    checkpoint = load_checkpoint(folder)
    wait_for_all(fabric)  # whoever is done may remove it
    if checkpoint is None:
        return Checkpoint(step=0, minutes=0.0, waiting_minutes=0.0, state={})
    task.load_state(checkpoint.state)
    if fabric.is_global_zero:
        _logger.info("resuming at step %d from %s", checkpoint.step, folder)
    return replace(checkpoint, state={})  # which would stay in memory


def _batches(
    dataset: Dataset[Batch], fabric: Fabric, schedule: Schedule, start: Checkpoint
) -> Iterator[list[Part[Batch]]]:
    """Yield this process' share of the steps that are left."""
    over = schedule.is_over(start.step, minutes=start.minutes)
    on_cpu = fabric.device.type == "cpu"
    return batches_ahead(
        dataset if on_cpu else PinnedDataset(dataset),
        schedule.order,
        steps=range(start.step, start.step if over else schedule.num_steps),
        share=share_of(
            schedule.batch_size,
            process=fabric.global_rank,
            num_processes=fabric.world_size,
            accumulate=schedule.accumulate,
        ),
        # A CPU's cores are needed for training; beside a GPU they have nothing better to do.
        num_readers=1 if on_cpu else 4,
    )


def _log(fabric: Fabric, folder: Path, start: Checkpoint) -> AbstractContextManager[RunLog]:
    return open_log(folder, step=start.step) if fabric.is_global_zero else silent_log()


def _agree(fabric: Fabric, request: StopRequest, pace: Pace) -> tuple[int, float]:
    """Return which signal has come to any process, if one has, and how long training has taken."""
    stop, minutes = tell_all(fabric, [float(request.signal_number), pace.minutes]).max(axis=0)
    return int(stop), float(minutes)
