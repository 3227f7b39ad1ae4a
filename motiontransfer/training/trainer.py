"""Training loop: resume, step, log, sample, checkpoint, stop on a signal."""

import logging
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import NoReturn, Protocol, TypeVar, runtime_checkable

from jaxtyping import Float
from lightning_fabric import Fabric
from torch import Tensor

from motiontransfer.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from motiontransfer.training.config import Schedule
from motiontransfer.training.data import (
    Dataset,
    PinnedDataset,
    RankBatch,
    batches_ahead,
    rank_indices,
)
from motiontransfer.training.distributed import all_gather, barrier
from motiontransfer.training.run_log import (
    LossReport,
    Picture,
    ProgressMeter,
    RunLog,
    Throughput,
    open_log,
    silent_log,
)

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Which signal has come, if any."""

    def __init__(self) -> None:
        self.signal_number = 0
        """0: none."""


@contextmanager
def listening() -> Generator[StopRequest]:
    """Note the first signal to stop instead of obeying it."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request  # signals come to the main thread, and only it may say who gets them
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def put_back() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, _: FrameType | None) -> None:
        request.signal_number = number
        put_back()

    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # nohup, for example
            signal.signal(number, note)
    try:
        yield request
    finally:
        put_back()


def pass_on(signal_number: int) -> NoReturn:
    """End as the signal would have ended the process.

    Raises:
        KeyboardInterrupt: it was Ctrl-C, or whoever handles the signal returns.
    """
    signal.raise_signal(signal_number)
    raise KeyboardInterrupt


_logger = logging.getLogger(__name__)

Batch = TypeVar("Batch")
_Seen = TypeVar("_Seen", contravariant=True)


@runtime_checkable
class Task(Protocol[_Seen]):
    """What the loop drives."""

    def step(
        self, share: RankBatch[_Seen], *, step: int, learning_rate: float
    ) -> Mapping[str, Float[Tensor, ""]]:
        """Train on one batch and return named losses."""
        ...

    def state(self) -> dict[str, Tensor]:
        """Everything that changes from step to step."""
        ...

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Inverse of `state`."""
        ...


def fit(
    task: Task[Batch],
    *,
    fabric: Fabric,
    schedule: Schedule,
    dataset: Dataset[Batch],
    sample: Callable[[], Picture],
    folder: Path,
    description: str,
) -> Throughput:
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
    meter = ProgressMeter(description, schedule, start)
    batches = meter.waiting_for(_batches(dataset, fabric, schedule, start))
    unread: deque[LossReport] = deque()
    values: dict[str, float] = {}
    with closing(meter), listening() as request, _log(fabric, folder, start) as log:
        for done, share in enumerate(batches, start.step + 1):
            learning_rate = schedule.learning_rate_at(done - 1, minutes=minutes)
            losses = task.step(share, step=done - 1, learning_rate=learning_rate)
            stop, minutes = _agree(fabric, request, meter)
            over = schedule.is_over(done, minutes=minutes)
            logged = over or done % schedule.log_every_steps == 0
            kept = over or stop or done % schedule.checkpoint_every_steps == 0
            unread.append(LossReport(fabric, done, losses))
            # The last one can wait until the device is at work on the next step.
            while len(unread) > (0 if logged or kept else 1):
                values = unread.popleft().read(description)
            if fabric.is_global_zero:
                meter.show(done, values)
            if logged:
                log.add_values(done, values)
            if over or done % schedule.sample_every_steps == 0:
                log.add_picture(done, sample)
            if kept and fabric.is_global_zero:
                save_checkpoint(folder, meter.checkpoint(done, task.state()))
            if over or stop:
                break
    if stop:
        barrier(fabric)  # for the checkpoint
        if fabric.is_global_zero:
            message = "%s: stopped at step %d; the same command goes on from there"
            _logger.info(message, description, done)
        pass_on(stop)
    return Throughput(steps=done, minutes=meter.minutes, waiting_minutes=meter.waiting_minutes)


def _resume(task: Task[Batch], fabric: Fabric, folder: Path) -> Checkpoint:
    checkpoint = load_checkpoint(folder)
    barrier(fabric)  # whoever is done may remove it
    if checkpoint is None:
        return Checkpoint(step=0, minutes=0.0, waiting_minutes=0.0, state={})
    task.load_state(checkpoint.state)
    if fabric.is_global_zero:
        _logger.info("resuming at step %d from %s", checkpoint.step, folder)
    return replace(checkpoint, state={})  # which would stay in memory


def _batches(
    dataset: Dataset[Batch], fabric: Fabric, schedule: Schedule, start: Checkpoint
) -> Iterator[RankBatch[Batch]]:
    """Yield this rank's share of the remaining steps."""
    over = schedule.is_over(start.step, minutes=start.minutes)
    on_cpu = fabric.device.type == "cpu"
    return batches_ahead(
        dataset if on_cpu else PinnedDataset(dataset),
        schedule.order,
        steps=range(start.step, start.step if over else schedule.num_steps),
        indices=rank_indices(
            schedule.batch_size, rank=fabric.global_rank, world_size=fabric.world_size
        ),
        # A CPU's cores are needed for training; beside a GPU they have nothing better to do.
        num_readers=1 if on_cpu else 4,
    )


def _log(fabric: Fabric, folder: Path, start: Checkpoint) -> AbstractContextManager[RunLog]:
    return open_log(folder, step=start.step) if fabric.is_global_zero else silent_log()


def _agree(fabric: Fabric, request: StopRequest, meter: ProgressMeter) -> tuple[int, float]:
    """Return which signal has come to any process, if one has, and how long training has taken."""
    stop, minutes = all_gather(fabric, [float(request.signal_number), meter.minutes]).max(axis=0)
    return int(stop), float(minutes)
