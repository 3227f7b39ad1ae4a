"""Training logs: mean losses, elapsed time, DVCLive curves, sample images."""

import math
import shutil
import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import torch
from dvclive import Live
from jaxtyping import Float
from scmrepo.exceptions import SCMError
from torch import Tensor

from motiontransfer.errors import TrainingError
from motiontransfer.storage import replacing
from motiontransfer.training.checkpoint import Throughput
from motiontransfer.training.distributed import Runtime, all_gather

Scalar = Float[Tensor, ""]
_Item = TypeVar("_Item")

_PREFIX, _COUNT = "mean_losses.", "count"


class MeanLosses:
    """Mean of each loss since the last logged step, summed on the device without a transfer."""

    def __init__(self) -> None:
        self._count = 0
        self._sums: dict[str, Tensor] = {}

    def add(self, losses: Mapping[str, Scalar]) -> None:
        self._count += 1
        for name, loss in losses.items():
            self._sums[name] = self._sums.get(name, 0) + loss.detach().double()

    def read(self, runtime: Runtime, *, done: int, description: str) -> dict[str, float]:
        """Return the means over steps and ranks, all of which have to call this after `done` steps.

        Raises:
            TrainingError: one of them is not finite, on whichever rank.
        """
        totals = torch.stack(list(self._sums.values())).tolist()
        means = (all_gather(runtime, totals).mean(axis=0) / self._count).tolist()
        values = dict(zip(self._sums, means, strict=True))
        if not all(math.isfinite(value) for value in means):
            steps = (
                f"steps {done - self._count + 1} to {done}" if self._count > 1 else f"step {done}"
            )
            listed = ", ".join(f"{name} {value:g}" for name, value in values.items())
            raise TrainingError(
                f"{description}: a loss is not finite in {steps}: {listed}; the last checkpoint is "
                "kept; lower the learning rate, or use precision 32-true"
            )
        return values

    def reset(self) -> None:
        self._count, self._sums = 0, {}

    def state(self) -> dict[str, Tensor]:
        """Count and sums, for a checkpoint."""
        sums = {f"{_PREFIX}{name}": total for name, total in self._sums.items()}
        return {f"{_PREFIX}{_COUNT}": torch.tensor(self._count), **sums}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        sums = {
            name.removeprefix(_PREFIX): value
            for name, value in state.items()
            if name.startswith(_PREFIX)
        }
        self._count, self._sums = int(sums.pop(_COUNT)), sums


class RunClock:
    """Time of a training over all its sessions, its own part of it, and that spent waiting."""

    def __init__(self, start: Throughput, *, on_cpu: bool) -> None:
        """Start in the thread that trains, after earlier sessions; off the CPU all time counts."""
        self._start, self._began = start, time.monotonic()
        self._work_clock = time.thread_time if on_cpu else time.monotonic
        self._work_began = self._work_clock()
        self._waiting_minutes = start.waiting_minutes

    @property
    def minutes(self) -> float:
        return self._start.minutes + (time.monotonic() - self._began) / 60

    @property
    def own_minutes(self) -> float:
        """Minutes in which this thread, which runs all passes on a CPU, computed or had to wait.

        Not those in which others had its core, or that of a thread that works for it.
        """
        computing = (self._work_clock() - self._work_began) / 60
        waiting = self._waiting_minutes - self._start.waiting_minutes
        passed = self.minutes - self._start.minutes
        return self._start.own_minutes + min(computing + waiting, passed)

    def throughput(self, done: int) -> Throughput:
        return Throughput(
            steps=done,
            minutes=self.minutes,
            own_minutes=self.own_minutes,
            waiting_minutes=self._waiting_minutes,
        )

    def waiting_for(self, items: Iterable[_Item]) -> Iterator[_Item]:
        """Yield the items, counting the time until each is there."""
        remaining = iter(items)
        while True:
            began = time.monotonic()
            try:
                item = next(remaining)
            except StopIteration:
                return
            self._waiting_minutes += (time.monotonic() - began) / 60
            yield item


@contextmanager
def open_log(run: Path, *, step: int) -> Generator[Live]:
    """Continue a run's log after some step; later entries are removed, as they will be repeated."""
    if step == 0:
        # The run that logged here never reached a checkpoint.
        shutil.rmtree(run / "live", ignore_errors=True)
    _truncate(run / "live/plots", step)
    # The last values: DVCLive reads them again, and a kill may have left half of them.
    (run / "live/metrics.json").unlink(missing_ok=True)
    try:
        live = Live(
            str(run / "live"), resume=step > 0, save_dvc_exp=False, dvcyaml=None, report=None
        )
    except SCMError as error:
        raise TrainingError(
            f"DVCLive cannot log here: {error}; commit once (git add -A && git commit -m start), "
            "or do without git: dvc config --local core.no_scm true"
        ) from error
    with live:
        live.step = step
        yield live


def log_losses(live: Live, done: int, values: Mapping[str, float]) -> None:
    live.step = done
    for name, value in values.items():
        live.log_metric(name, value, timestamp=False)


def sample_name(done: int) -> str:
    return f"step_{done:06d}.png"


def copy_logs(run: Path, destination: Path) -> None:
    """Copy curves and sample images of a finished run, and of a run inside it, for DVC."""
    shutil.rmtree(destination, ignore_errors=True)  # of a run that may have been longer
    for plots in sorted(run.rglob("live/plots")):
        part = plots.parents[1].relative_to(run)
        shutil.copytree(plots, destination / part, dirs_exist_ok=True)


def _truncate(plots: Path, step: int) -> None:
    for path in sorted((plots / "images").glob("*.png")):
        if path.name > sample_name(step):
            path.unlink()
    for path in sorted((plots / "metrics").rglob("*.tsv")):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        rows = [row for row in lines[1:] if row.endswith("\n") and int(row.split("\t")[0]) <= step]
        if not rows:
            path.unlink()
            continue
        with replacing(path) as temporary:
            temporary.write_text("".join([lines[0], *rows]), encoding="utf-8")
