"""Training runs: schedule, checkpoint folder, loop, results; resumed exactly after a stop.

Sections of params.yaml subclass `Schedule`, `RunParams` and `TrainingParams`, so that each field is
declared once.
"""

import logging
import math
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Protocol, TypeVar, runtime_checkable

import loky
import torch
from pydantic import Field
from torch import Tensor

from motiontransfer.models.discriminators import DiscriminatorConfig
from motiontransfer.models.generators import NumDownsamplings, NumResidualBlocks
from motiontransfer.params import Section
from motiontransfer.progress import ProgressMeter
from motiontransfer.training.checkpoint import (
    Checkpoint,
    Throughput,
    checkpoint_writer,
    load_checkpoint,
    run_folder,
)
from motiontransfer.training.data import BatchSampler, Dataset, RankBatch, TensorBatch, prefetch
from motiontransfer.training.distributed import (
    Devices,
    Precision,
    Runtime,
    all_gather,
    barrier,
    launched_runtime,
)
from motiontransfer.training.losses import Scalar
from motiontransfer.training.run_log import (
    MeanLosses,
    RunClock,
    copy_logs,
    log_losses,
    open_log,
    sample_name,
)
from motiontransfer.video.color import Frame

Batch = TypeVar("Batch", bound=TensorBatch)
_Batch = TypeVar("_Batch", bound=TensorBatch, contravariant=True)
_Data = TypeVar("_Data", bound=Dataset, contravariant=True)

_logger = logging.getLogger(__name__)
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Schedule(Section):
    """Length, batch size, learning rate and intervals of a training.

    With `max_minutes` the result depends on how fast the machine is. Without it it is a function of
    configuration and inputs, however often the run is stopped and resumed. The intervals decide no
    weights: with others, too, a stopped run goes on, as `run_key` reads what `repr` shows.
    """

    seed: int = Field(ge=0)
    steps: int = Field(ge=0)
    max_minutes: float | None = Field(gt=0)
    """Limit of the training's own time, all sessions together; None: no limit."""
    batch_size: int = Field(ge=1)
    """Items a step, of all ranks together."""
    learning_rate: float = Field(gt=0)
    lr_decay_start: float = Field(ge=0, le=1)
    """Share of the training at the full learning rate; it then falls linearly to zero."""
    log_every_steps: int = Field(ge=1, repr=False)
    sample_every_steps: int = Field(ge=1, repr=False)
    checkpoint_every_steps: int = Field(ge=1, repr=False)

    def learning_rate_at(self, step: int, *, minutes: float = 0.0) -> float:
        """Learning rate of a step, counted from 0, that begins after so many own minutes."""
        constant = self.steps * self.lr_decay_start
        progress = step
        if self.max_minutes is not None:
            progress = max(step, min(minutes / self.max_minutes, 1.0) * self.steps)
        if progress < constant or constant == self.steps:
            return self.learning_rate
        return self.learning_rate * (self.steps - progress) / (self.steps - constant)

    def is_over(self, done: int, *, minutes: float) -> bool:
        """True if training ends after these steps and own minutes."""
        late = self.max_minutes is not None and minutes >= self.max_minutes
        return late or done >= self.steps

    def seconds_left(self, minutes: float) -> float:
        """Own time that is left after so many minutes; infinite without `max_minutes`."""
        return math.inf if self.max_minutes is None else max(60 * (self.max_minutes - minutes), 0.0)

    def part(self, steps: int, *, share: float) -> "Schedule":
        """Return the schedule of some of the steps, which has this share of the time."""
        minutes = None if self.max_minutes is None else share * self.max_minutes
        return self.model_copy(update={"steps": steps, "max_minutes": minutes})


class RunParams(Schedule):
    """Base of every training stage's section: a schedule, and where it runs."""

    devices: Devices = Field(repr=False)
    precision: Precision = Field(repr=False)  # `run_key` adds what it comes to on this machine

    @property
    def schedule(self) -> Schedule:
        """What decides the weights: all but the device."""
        return self.fill(Schedule)

    def launched(self) -> AbstractContextManager[Runtime]:
        """The processes that train together, ended with the block."""
        return launched_runtime(
            precision=self.precision, devices=self.devices, batch_size=self.batch_size
        )


class TrainingParams(RunParams):
    """Base of the sections that train generators against discriminators: the networks' shapes."""

    num_filters: int = Field(ge=1, le=1024)
    num_downsamplings: NumDownsamplings
    num_residual_blocks: NumResidualBlocks
    discriminator_filters: int = Field(ge=1, le=1024)
    discriminator_layers: int = Field(ge=1, le=8)

    def discriminator(self, *, num_scales: int = 1) -> DiscriminatorConfig:
        return DiscriminatorConfig(
            num_filters=self.discriminator_filters,
            num_layers=self.discriminator_layers,
            num_scales=num_scales,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPaths:
    """Folders of a training run."""

    checkpoints: Path
    """Unfinished runs; outside DVC's outs."""
    models: Path
    """Folder of the weights."""
    logs: Path
    """Curves and sample images."""


@runtime_checkable
class Task(Protocol[_Batch, _Data]):
    """Networks with their optimizers and the training step."""

    description: str
    """For logs and errors."""

    def step(
        self, share: RankBatch[_Batch], *, step: int, learning_rate: float
    ) -> Mapping[str, Scalar]:
        """Train on one batch and return named losses."""

    def state(self) -> dict[str, Tensor]:
        """Everything that changes from step to step."""

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Inverse of `state`."""

    def sample(self, dataset: _Data) -> Frame:
        """Sample image of the networks' current output."""


_Task = TypeVar("_Task", bound=Task)
_Dataset = TypeVar("_Dataset", bound=Dataset)


def run_training(
    build: Callable[[], _Task],
    runtime: Runtime,
    *,
    schedule: Schedule,
    key: str,
    paths: RunPaths,
    prepare: Callable[[_Task, Path], tuple[_Dataset, Throughput]],
    write: Callable[[_Task, _Dataset], Mapping[str, object]],
) -> dict[str, object]:
    """Seed, build, train in the run's folder, write weights and logs; return metrics on rank 0.

    Args:
        build: initial weights come from torch's global generator, which is seeded for it.
        key: the run's, from `run_key`.
        prepare: returns the dataset, perhaps generated in the run's folder, and the time of a
            training before this one, from which the task starts.
        write: writes the weights, on the first rank only; returns further metrics.
    """
    torch.manual_seed(schedule.seed)
    task = build()
    with run_folder(runtime, paths.checkpoints, key) as folder:
        dataset, pretraining = prepare(task, folder)
        throughput = pretraining + fit(
            task, runtime=runtime, schedule=schedule, dataset=dataset, folder=folder
        )
        if not runtime.is_first:
            return {}
        copy_logs(folder, paths.logs)
        metrics = {**throughput.metrics, **write(task, dataset)}
    _logger.info(
        "%d steps in %.1f min, %.1f %% of it waiting for frames; weights in %s, curves and sample "
        "images in %s (`dvc plots show` draws them)",
        *(throughput.steps, throughput.minutes, 100 * throughput.loader_share),
        *(paths.models, paths.logs),
    )
    return metrics


def fit(
    task: Task[Batch, _Dataset],
    *,
    runtime: Runtime,
    schedule: Schedule,
    dataset: _Dataset,
    folder: Path,
) -> Throughput:
    """Train from the folder's last checkpoint, or from the start, to the end.

    After a signal to stop the current step is finished and checkpointed.

    Raises:
        TrainingError: a loss is not finite, or git has no commit yet.
        KeyboardInterrupt: Ctrl-C.
    """
    losses, values = MeanLosses(), {}
    start = _resume(task, losses, runtime, folder)
    done, minutes, stop = start.steps, start.own_minutes, 0
    clock = RunClock(start, on_cpu=runtime.device.type == "cpu")
    batches = clock.waiting_for(_batches(dataset, runtime, schedule, start))
    progress = ProgressMeter(task.description, total=schedule.steps, done=done)
    log = open_log(folder, step=done) if runtime.is_first else nullcontext()
    writer = checkpoint_writer(folder)
    with closing(progress), listening() as received, log as live, writer as write_checkpoint:
        for done, share in enumerate(batches, start.steps + 1):
            learning_rate = schedule.learning_rate_at(done - 1, minutes=minutes)
            losses.add(task.step(share, step=done - 1, learning_rate=learning_rate))
            # A signal on any rank stops all; the slowest rank's clock counts.
            numbers = [float(max(received, default=0)), clock.own_minutes]
            stop, minutes = all_gather(runtime, numbers).max(axis=0).tolist()
            over = schedule.is_over(done, minutes=minutes)
            logged = over or done % schedule.log_every_steps == 0
            checkpointed = over or stop or done % schedule.checkpoint_every_steps == 0
            if logged or checkpointed:
                values = losses.read(runtime, done=done, description=task.description)
            if logged:
                losses.reset()
            if live is not None:
                if logged:
                    log_losses(live, done, values)
                note = "".join(f", {name} {value:.3g}" for name, value in values.items())
                slowdown = clock.minutes / minutes if minutes else 1.0
                seconds_left = slowdown * schedule.seconds_left(minutes)
                progress.show(done, max_seconds_left=seconds_left, note=note)
                if over or done % schedule.sample_every_steps == 0:
                    live.log_image(sample_name(done), task.sample(dataset))
                if checkpointed:
                    state = {**task.state(), **losses.state()}
                    write_checkpoint(Checkpoint(clock.throughput(done), state))
            if over or stop:
                break
    if stop:
        barrier(runtime)  # for the checkpoint
        if runtime.is_first:
            message = "%s: stopped at step %d; the same command resumes there"
            _logger.info(message, task.description, done)
        signal.raise_signal(int(stop))  # ends the process as it would have without the handler
        raise KeyboardInterrupt
    if done < schedule.steps and runtime.is_first:
        message = "%s: max_minutes ended it after %d of %d steps; raise it for a better result"
        _logger.warning(message, task.description, done, schedule.steps)
    return replace(clock.throughput(done), planned_steps=schedule.steps)


def _resume(task: Task, losses: MeanLosses, runtime: Runtime, folder: Path) -> Throughput:
    """Load the last checkpoint, if there is one; return steps and time up to it."""
    checkpoint = load_checkpoint(folder)
    barrier(runtime)  # the first rank to get further may remove it
    if checkpoint is None:
        return Throughput()
    task.load_state(checkpoint.state)
    losses.load_state(checkpoint.state)
    if runtime.is_first:
        _logger.info("resuming at step %d from %s", checkpoint.throughput.steps, folder)
    return checkpoint.throughput


def _batches(
    dataset: Dataset[Batch], runtime: Runtime, schedule: Schedule, start: Throughput
) -> Iterator[RankBatch[Batch]]:
    """Yield this rank's share of the remaining steps."""
    over = schedule.is_over(start.steps, minutes=start.own_minutes)
    on_cpu = runtime.device.type == "cpu"
    sampler = BatchSampler(
        num_items=len(dataset),
        batch_size=schedule.batch_size,
        seed=schedule.seed,
        rank=runtime.rank,
        world_size=runtime.world_size,
    )
    return prefetch(
        dataset,
        sampler,
        steps=range(start.steps, start.steps if over else schedule.steps),
        num_readers=num_readers(
            runtime.device.type, num_cores=loky.cpu_count() // runtime.world_size
        ),
        pin_memory=not on_cpu,
    )


def num_readers(kind: str, *, num_cores: int) -> int:
    """Threads that read ahead; few beside a GPU, as Python runs one or what starts kernels."""
    return 1 if kind == "cpu" else min(max(num_cores - 1, 1), 8)


@contextmanager
def listening() -> Generator[list[int]]:
    """Collect the first SIGINT or SIGTERM instead of obeying it; a second one is obeyed."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received  # only the main thread receives signals and may set handlers
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, _: FrameType | None) -> None:
        received.append(number)
        restore()

    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # nohup, for example
            signal.signal(number, note)
    try:
        yield received
    finally:
        restore()
