"""The loop around a training task: resume, step, log, sample, checkpoint.

Hides when each of these happens. A task knows its networks and its step; the loop knows nothing of
them. What is logged goes to a folder inside the run's, so that a resumed run's curves are whole,
and is copied to the outs at the end.
"""

import logging
import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
from dvclive import Live
from jaxtyping import Float
from scmrepo.exceptions import SCMError
from torch import Tensor

from motiontransfer.errors import TrainingError
from motiontransfer.progress import track
from motiontransfer.storage import replacing
from motiontransfer.training.checkpoints import load_checkpoint, save_checkpoint
from motiontransfer.training.dataset import Dataset, batches_ahead

_logger = logging.getLogger(__name__)


Batch = TypeVar("Batch", contravariant=True)


@runtime_checkable
class Task(Protocol[Batch]):
    """What the loop drives."""

    def step(
        self, batch: Batch, *, step: int, learning_rate: float
    ) -> Mapping[str, Float[Tensor, ""]]:
        """Train on one batch and return named losses."""
        ...

    def state(self) -> dict[str, Tensor]:
        """Everything that changes from step to step."""
        ...

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Inverse of `state`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How long and how fast to train, in which order, and when to look."""

    seed: int
    num_steps: int
    batch_size: int
    learning_rate: float
    constant_fraction: float
    """Share of the steps at the full learning rate; it then falls linearly to zero."""
    log_every_steps: int
    sample_every_steps: int
    checkpoint_every_steps: int

    def learning_rate_at(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        constant = self.num_steps * self.constant_fraction
        if step < constant:
            return self.learning_rate
        return self.learning_rate * (self.num_steps - step) / (self.num_steps - constant)


def fit(
    task: Task[Batch],
    *,
    schedule: Schedule,
    dataset: Dataset[Batch],
    sample: Callable[[], np.ndarray],
    folder: Path,
    description: str,
) -> None:
    """Train from the folder's last checkpoint, or from the start, to the last step.

    Args:
        sample: a picture of what the networks make now.
        folder: where checkpoints and logs of this run lie.

    Raises:
        TrainingError: a loss is not finite, or git has no commit yet.
    """
    start = _resume(task, folder)
    with _open_log(folder / "live", resume=start > 0) as live:
        live.step = start
        batches = batches_ahead(
            dataset,
            start_step=start,
            num_steps=schedule.num_steps,
            batch_size=schedule.batch_size,
            seed=schedule.seed,
        )
        remaining = track(batches, description, total=schedule.num_steps - start)
        for step, batch in enumerate(remaining, start):
            losses = task.step(batch, step=step, learning_rate=schedule.learning_rate_at(step))
            done = step + 1
            if done % schedule.log_every_steps == 0 or done == schedule.num_steps:
                _log(live, _finite(losses, done, description), done)
            if done % schedule.sample_every_steps == 0 or done == schedule.num_steps:
                live.log_image(f"step_{done:06d}.png", sample())
            if done % schedule.checkpoint_every_steps == 0 and done < schedule.num_steps:
                _finite(losses, done, description)
                save_checkpoint(folder, step=done, state=task.state())


def copy_logs(folder: Path, destination: Path) -> None:
    """Copy curves and sample pictures of a finished run to where DVC expects them."""
    shutil.rmtree(destination, ignore_errors=True)  # of a run that may have been longer
    shutil.copytree(folder / "live" / "plots", destination)


def _resume(task: Task[Batch], folder: Path) -> int:
    checkpoint = load_checkpoint(folder)
    if checkpoint is None:
        # Logs without a checkpoint are of a run that never reached one.
        shutil.rmtree(folder / "live", ignore_errors=True)
        return 0
    start, state = checkpoint
    task.load_state(state)
    _forget_after(folder / "live" / "plots" / "metrics", start)
    _logger.info("resuming at step %d from %s", start, folder)
    return start


def _open_log(folder: Path, *, resume: bool) -> Live:
    try:
        return Live(str(folder), resume=resume, save_dvc_exp=False, dvcyaml=None, report=None)
    except SCMError as error:
        raise TrainingError(
            f"DVCLive cannot log here: {error}; commit once (git add -A && git commit -m start), "
            "or do without git: dvc config --local core.no_scm true"
        ) from error


def _forget_after(curves: Path, step: int) -> None:
    """Drop what was logged after the checkpoint: those steps are trained and logged again."""
    for path in sorted(curves.rglob("*.tsv")):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [row for row in lines[1:] if row.endswith("\n") and int(row.split("\t")[0]) <= step]
        if not kept:
            path.unlink()
            continue
        with replacing(path) as temporary:
            temporary.write_text("".join([lines[0], *kept]), encoding="utf-8")


def _finite(
    losses: Mapping[str, Float[Tensor, ""]], done: int, description: str
) -> dict[str, float]:
    values = {name: float(loss) for name, loss in losses.items()}
    if not all(math.isfinite(value) for value in values.values()):
        listed = ", ".join(f"{name} {value:g}" for name, value in values.items())
        raise TrainingError(
            f"{description}: a loss is not finite at step {done}: {listed}; the last checkpoint is "
            "kept; lower the learning rate, or use precision 32-true"
        )
    return values


def _log(live: Live, values: Mapping[str, float], done: int) -> None:
    live.step = done
    for name, value in values.items():
        live.log_metric(name, value, timestamp=False)
