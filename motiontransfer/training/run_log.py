"""Log of a training run: mean losses, times, curves and sample images."""

import math
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from motiontransfer.core.arrays import Frame
from motiontransfer.core.errors import TrainingError
from motiontransfer.core.storage import replacing, write_text
from motiontransfer.models.runtime import Runtime
from motiontransfer.rendering.videos import write_image
from motiontransfer.training.distributed import all_gather

Scalar = Float[Tensor, ""]
_Item = TypeVar("_Item")

_PLOTS = Path("live/plots")
_PREFIX, _COUNT = "mean_losses.", "count"  # names in a checkpoint
_SHOWN_SECONDS = 1.0  # between times at which logs are copied to where they are read


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


class Log:
    """Curves and sample images of a run, in its folder `live/plots`, and their copy for DVC."""

    def __init__(self, run: Path, shown: Path, *, step: int) -> None:
        """Continue after some step; later entries are removed, as they will be repeated."""
        self._run, self._shown, self._shown_at = run, shown, -math.inf
        self._plots = run / _PLOTS
        if step == 0:
            shutil.rmtree(self._plots, ignore_errors=True)  # of a run without a checkpoint
        for path in sorted((self._plots / "images").glob("*.png")):
            if path.name > _sample_name(step):
                path.unlink()
        for path in sorted((self._plots / "metrics").rglob("*.tsv")):
            _truncate(path, step)
        show_log_anew(run, shown)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Add a point to each curve, by name."""
        for name, value in values.items():
            path = self._plots / "metrics" / f"{name}.tsv"
            path.parent.mkdir(parents=True, exist_ok=True)
            header = "" if path.exists() else f"step\t{path.stem}\n"
            with path.open("a", encoding="utf-8", newline="\n") as file:
                file.write(f"{header}{step}\t{value}\n")

    def add_sample(self, step: int, image: Frame) -> None:
        write_image(self._plots / "images" / _sample_name(step), image)

    def show(self, *, at_once: bool) -> None:
        """Copy what is new, at once or if the last time is a second ago."""
        if at_once or time.monotonic() > self._shown_at + _SHOWN_SECONDS:
            show_log(self._run, self._shown)
            self._shown_at = time.monotonic()


def _sample_name(done: int) -> str:
    return f"step_{done:06d}.png"


def _truncate(path: Path, step: int) -> None:
    """Keep the whole rows of a curve up to a step: a kill may have left half of one."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    rows = [row for row in lines[1:] if row.endswith("\n") and int(row.split("\t")[0]) <= step]
    if not rows:
        path.unlink()
        return
    write_text(path, "".join([lines[0], *rows]))


def show_log(run: Path, shown: Path) -> None:
    """Copy new curves and sample images of a run, and of a run inside it, to where DVC reads them.

    The log itself stays beside the checkpoints: DVC deletes a stage's outputs before it runs again.
    """
    for plots in sorted(run.rglob(_PLOTS.as_posix())):
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
