"""Training loop: schedule, Adam and EMA, checkpoints, logs; resumed exactly after a stop.

Sections of params.yaml subclass `RunParams` and `TrainingParams`, so that each field is declared
once. Gradients are averaged over the ranks. The exponential moving average of the weights
(Yazici et al. 2019) is the result.
"""

import copy
import logging
import signal
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Generic, TypeVar

import loky
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from motiontransfer.core.arrays import Frame
from motiontransfer.core.params import load_section
from motiontransfer.core.progress import ProgressMeter
from motiontransfer.models.layers import to_device
from motiontransfer.models.runtime import Runtime
from motiontransfer.training.adam import Adam
from motiontransfer.training.checkpoint import (
    Checkpoint,
    load_checkpoint,
    load_module_state,
    save_checkpoint,
)
from motiontransfer.training.data import Batch, BatchSampler, Dataset, TensorBatch, prefetch
from motiontransfer.training.distributed import (
    all_gather,
    all_reduce_mean,
    barrier,
    joined_runtime,
    processes_to_start,
    run_with_torchrun,
)
from motiontransfer.training.params import LoggingParams, RunParams, Schedule
from motiontransfer.training.paths import RunPaths
from motiontransfer.training.run_log import (
    Log,
    MeanLosses,
    RunClock,
    Scalar,
    Throughput,
    show_log_anew,
)

TaskBatch = TypeVar("TaskBatch", bound=TensorBatch)
Data = TypeVar("Data", bound=Dataset)
LossesOf = Mapping[str, Mapping[str, Scalar]]
"""The losses of each network, by name."""

_logger = logging.getLogger(__name__)
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A training: what computes it, how long it is, and where it keeps what."""

    runtime: Runtime
    schedule: Schedule
    paths: RunPaths


def launch(
    params: RunParams, train: Callable[[Run], Mapping[str, object]], *, paths: RunPaths
) -> None:
    """Train in all processes together; the first one writes counts and metrics."""
    count = processes_to_start(params.devices, batch_size=params.batch_size)
    if count > 1:
        run_with_torchrun(count)
        return
    schedule = params.schedule(load_section(LoggingParams, "logging"))
    with joined_runtime(precision=params.precision, batch_size=params.batch_size) as runtime:
        counts = train(Run(runtime=runtime, schedule=schedule, paths=paths))
        if runtime.is_first:
            paths.write_counts(counts)


class AdamTask(ABC, Generic[TaskBatch, Data]):
    """Networks with Adam, the EMA of the first one's weights, and their training step."""

    description: str
    """For logs and errors."""
    adam_steps = 1
    """Of the first network on each gradient."""

    def __init__(
        self,
        runtime: Runtime,
        networks: Mapping[str, nn.Module],
        *,
        betas: tuple[float, float],
        ema_decay: float,
    ) -> None:
        """Move the networks to the device; with a decay of 0, the EMA is the network itself."""
        self.runtime, self._ema_decay = runtime, ema_decay
        self._networks = {name: to_device(each, runtime.device) for name, each in networks.items()}
        self._averaged = next(iter(networks))
        self.ema = self._networks[self._averaged]
        if ema_decay > 0:
            self.ema = copy.deepcopy(self.ema).requires_grad_(False)
        self._optimizers = {
            name: Adam(network.parameters(), betas=betas)
            for name, network in self._networks.items()
        }

    @abstractmethod
    def step(self, batch: TaskBatch, *, step: int, learning_rate: float) -> Mapping[str, Scalar]:
        """Train on this rank's share of a batch and return named losses."""

    @abstractmethod
    def sample(self, dataset: Data) -> Frame:
        """Sample image of the networks' current output."""

    def update(self, losses_of: LossesOf, *, step: int, learning_rate: float) -> dict[str, Scalar]:
        """Step each network on the sum of its losses; return all losses by full name.

        All gradients are taken at the same weights, then averaged over the ranks.
        """
        # The graph of the first network's losses holds those of the others, and is freed last.
        gradients_of = {
            name: torch.autograd.grad(
                torch.stack(list(losses_of[name].values())).sum(),
                list(self._networks[name].parameters()),
                retain_graph=name != self._averaged,
            )
            for name in reversed(self._networks)
        }
        for name, gradients in gradients_of.items():
            means = all_reduce_mean(self.runtime, gradients)
            for _ in range(self.adam_steps if name == self._averaged else 1):
                self._optimizers[name].step(means, learning_rate=learning_rate)
        self.update_ema(step=step)
        return {
            f"{network}/{name}": loss.detach()
            for network, losses in losses_of.items()
            for name, loss in losses.items()
        }

    def update_ema(self, *, step: int) -> None:
        """Update the moving average of the weights after a step; no network has other state."""
        network = self._networks[self._averaged]
        if self.ema is network:
            return
        # The EMA of the first steps would otherwise be mostly the random initial weights.
        decay = min(self._ema_decay, (1 + step) / (10 + step))
        update = get_ema_multi_avg_fn(decay)
        update(list(self.ema.parameters()), list(network.parameters()), None)

    def state(self) -> dict[str, Tensor]:
        """Everything that changes from step to step."""
        state = self.ema.state_dict(prefix=f"{self._averaged}_ema.")
        for name, network in self._networks.items():
            state |= network.state_dict(prefix=f"{name}.")
            state |= self._optimizers[name].state(f"{name}_optimizer")
        return state

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        load_module_state(f"{self._averaged}_ema", self.ema, state)
        for name, network in self._networks.items():
            load_module_state(name, network, state)
            self._optimizers[name].load_state(f"{name}_optimizer", state)


def fit(task: AdamTask, dataset: Dataset, run: Run, folder: Path) -> Throughput:
    """Train from the folder's last checkpoint, or from the start, to the end.

    After a signal to stop the current step is finished and checkpointed. Logs and metrics are
    those of the steps up to now.

    Raises:
        KeyboardInterrupt: Ctrl-C.
    """
    runtime, schedule, losses, values = task.runtime, run.schedule, MeanLosses(), {}
    start = _resume(task, losses, folder)
    done, minutes, stop = start.steps, start.own_minutes, 0
    clock = RunClock(start, on_cpu=runtime.device.type == "cpu")
    batches = clock.waiting_for(_batches(dataset, runtime, schedule, start))
    progress = ProgressMeter(task.description, total=schedule.steps, done=done)
    with closing(progress), delayed_signals() as received:
        log = Log(folder, run.paths.logs, step=done) if runtime.is_first else None
        for done, batch in enumerate(batches, start.steps + 1):
            learning_rate = schedule.learning_rate_at(done - 1, minutes=minutes)
            losses.add(task.step(batch, step=done - 1, learning_rate=learning_rate))
            # A signal on any rank stops all; the slowest rank's clock counts.
            times = clock.throughput(done)
            numbers = [float(max(received, default=0)), times.own_minutes]
            stop, minutes = all_gather(runtime, numbers).max(axis=0).tolist()
            over = schedule.is_over(done, minutes=minutes)
            logged = over or done % schedule.steps_between_logs == 0
            checkpointed = over or stop or done % schedule.checkpoint_every_steps == 0
            if logged or checkpointed:
                values = losses.read(runtime, done=done, description=task.description)
            if logged:
                losses.reset()
            if log is not None:
                if logged:
                    log.add(done, values)
                note = "".join(f", {name} {value:.3g}" for name, value in values.items())
                slowdown = times.minutes / minutes if minutes else 1.0
                seconds_left = slowdown * schedule.seconds_left(minutes)
                progress.show(done, max_seconds_left=seconds_left, note=note)
                is_sampled = over or done % schedule.sample_every_steps == 0
                if is_sampled:
                    log.add_sample(done, task.sample(dataset))
                if logged or is_sampled or stop:
                    log.show(at_once=bool(over or stop))
                if checkpointed:
                    state = {**task.state(), **losses.state()}
                    save_checkpoint(folder, Checkpoint(clock.throughput(done), state))
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


def save_results(throughput: Throughput, run: Run, folder: Path) -> dict[str, int | float]:
    """Copy the logs of a run whose weights are written, log all paths; return its metrics."""
    show_log_anew(folder, run.paths.logs)
    _logger.info(
        "%d steps in %.0f s, %.1f %% of it waiting for frames; weights in %s, curves and sample "
        "images in %s (`dvc plots show` draws them)",
        *(throughput.steps, 60 * throughput.minutes, 100 * throughput.loader_share),
        *(run.paths.models, run.paths.logs),
    )
    return throughput.metrics


def _resume(task: AdamTask, losses: MeanLosses, folder: Path) -> Throughput:
    """Load the last checkpoint, if there is one; return steps and time up to it."""
    checkpoint = load_checkpoint(folder)
    barrier(task.runtime)  # the first rank to get further may remove it
    if checkpoint is None:
        return Throughput()
    task.load_state(checkpoint.state)
    losses.load_state(checkpoint.state)
    if task.runtime.is_first:
        _logger.info("resuming at step %d from %s", checkpoint.throughput.steps, folder)
    return checkpoint.throughput


def _batches(
    dataset: Dataset[Batch], runtime: Runtime, schedule: Schedule, start: Throughput
) -> Iterator[Batch]:
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
def delayed_signals() -> Generator[list[int]]:
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
