"""Log of a training run: mean losses, times, DVCLive's curves and sample images."""

import math
import shutil
import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeVar

import torch
from dvclive import Live
from jaxtyping import Float
from scmrepo.exceptions import SCMError
from torch import Tensor

from motiontransfer.core.errors import TrainingError
from motiontransfer.core.storage import replacing
from motiontransfer.models.runtime import Runtime
from motiontransfer.training.distributed import all_gather

Scalar = Float[Tensor, ""]
_Item = TypeVar("_Item")

_PREFIX, _COUNT = "mean_losses.", "count"  # names in a checkpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """Steps and time of a training, all its sessions together."""

    steps: int = 0
    planned_steps: int = 0
    """Steps of the schedule, once the training ended: more than `steps` if it was cut short."""
    minutes: float = 0.0
    own_minutes: float = 0.0
    """Time without that in which other programs had the processor."""
    waiting_minutes: float = 0.0

    def __add__(self, other: "Throughput") -> "Throughput":
        others = asdict(other)
        return Throughput(**{name: value + others[name] for name, value in asdict(self).items()})

    @property
    def loader_share(self) -> float:
        return self.waiting_minutes / self.minutes

    @property
    def metrics(self) -> dict[str, int | float]:
        return {
            "steps": self.steps,
            "planned_steps": self.planned_steps,
            "minutes": round(self.minutes, 3),
            "own_minutes": round(self.own_minutes, 3),
            "steps_per_second": round(self.steps / self.minutes / 60, 3),
            "loader_share": round(self.loader_share, 4),
        }


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
    """Time of a training over all its sessions, its own part of it, and that spent waiting.

    On a CPU the own part is the CPU time of the thread that trains, and its waits for batches.
    """

    def __init__(self, start: Throughput, *, on_cpu: bool) -> None:
        self._start, self._waiting_seconds = start, 0.0
        self._work_clock = time.thread_time if on_cpu else time.monotonic
        self._began, self._work_began = time.monotonic(), self._work_clock()

    def throughput(self, done: int) -> Throughput:
        """Times up to now; to be called in the thread that trains."""
        passed = time.monotonic() - self._began
        own = min(self._work_clock() - self._work_began + self._waiting_seconds, passed)
        session = Throughput(
            minutes=passed / 60, own_minutes=own / 60, waiting_minutes=self._waiting_seconds / 60
        )
        return replace(self._start + session, steps=done)

    def waiting_for(self, items: Iterable[_Item]) -> Iterator[_Item]:
        """Yield the items, counting the time until each is there."""
        remaining = iter(items)
        while True:
            began = time.monotonic()
            try:
                item = next(remaining)
            except StopIteration:
                return
            self._waiting_seconds += time.monotonic() - began
            yield item


@contextmanager
def open_log(run: Path, *, step: int) -> Generator[Live]:
    """Continue a run's log after some step; later entries are removed, as they will be repeated."""
    if step == 0:
        shutil.rmtree(run / "live", ignore_errors=True)  # of a run without a checkpoint
    _truncate(run / "live/plots", step)
    # DVCLive reads its last values again, and a kill may have left half of them.
    (run / "live/metrics.json").unlink(missing_ok=True)
    try:
        live = Live(
            str(run / "live"), resume=step > 0, save_dvc_exp=False, dvcyaml=None, report=None
        )
    except SCMError as error:
        raise TrainingError(
            f"DVCLive cannot log here: {error}; `git status` says why; commit once where nothing is"
            " committed yet, or do without git: dvc config --local core.no_scm true"
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


def show_log(run: Path, shown: Path) -> None:
    """Copy new curves and sample images of a run, and of a run inside it, to where DVC reads them.

    The log itself stays beside the checkpoints: DVC deletes a stage's outputs before it runs again.
    """
    for plots in sorted(run.rglob("live/plots")):
        part = shown / plots.parents[1].relative_to(run)
        for path in sorted(plots.rglob("*.*")):
            copy = part / path.relative_to(plots)
            if not copy.exists() or copy.stat().st_size != path.stat().st_size:
                with replacing(copy) as temporary:
                    shutil.copyfile(path, temporary)


def show_log_anew(run: Path, shown: Path) -> None:
    """Replace what is shown, which may be of another run."""
    shutil.rmtree(shown, ignore_errors=True)
    show_log(run, shown)


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
