"""Folder of a training run: atomic checkpoints for exact resume, curves, sample images, times.

The folder's name is a hash of all that determines the result: changed inputs start anew, unchanged
ones resume. It is outside DVC's outs, which DVC deletes before each run.
"""

import hashlib
import logging
import math
import os
import shutil
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeVar

import torch
from dvclive import Live
from filelock import FileLock, Timeout
from jaxtyping import Float
from pydantic import TypeAdapter
from scmrepo.exceptions import SCMError
from torch import Tensor, nn

from motiontransfer.core.errors import CheckpointError, DamagedFileError, TrainingError
from motiontransfer.core.storage import replacing, sha256_of, source_files
from motiontransfer.models.runtime import Runtime
from motiontransfer.models.weights import read_tensors, write_tensors
from motiontransfer.training.distributed import all_gather
from motiontransfer.video.tensors import CPU

Scalar = Float[Tensor, ""]
_Item = TypeVar("_Item")

_logger = logging.getLogger(__name__)

_PREFIX, _COUNT = "mean_losses.", "count"  # names in a checkpoint
_MAX_CHECKPOINTS = 2  # a run: one is left if a file is damaged
_MAX_RUNS = 3  # a training: to go back to earlier params


def run_key(runtime: Runtime, config: Sequence[object], files: Sequence[Path], *, code: str) -> str:
    """Hash of all that decides a run's result, but the number of processes.

    Args:
        config: values whose `repr` shows all that decides.
        files: whose bytes decide.
        code: the module that trains, as in `__name__`; all that it imports counts.
    """
    digest = hashlib.sha256(repr([*config, runtime.device.type, runtime.precision]).encode())
    for path in [*files, *source_files(code)]:
        digest.update(bytes.fromhex(sha256_of(path)))
    return digest.hexdigest()[:16]


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


@dataclass(frozen=True, slots=True)
class Checkpoint:
    throughput: Throughput
    """Steps done, and their time."""
    state: Mapping[str, Tensor]
    """Everything that changes from step to step."""


@contextmanager
def run_folder(runtime: Runtime, root: Path, key: str) -> Generator[Path]:
    """Lock the folder of one run; on success it is removed, on an error or kill it stays.

    Of the runs in the same place that did not end, the latest ones are kept, and any that another
    process has locked.

    Raises:
        CheckpointError: another training has locked it.
    """
    folder = root / key
    with ExitStack() as stack:
        is_locked = True
        if runtime.is_first:
            folder.mkdir(parents=True, exist_ok=True)
            is_locked = _try_lock(stack, folder)
        if not all_gather(runtime, [float(is_locked)])[0, 0]:
            raise CheckpointError(
                f"{folder}: another process is training this very run; wait for it, or stop it "
                "(`fuser` on the folder's lock file names it)"
            )
        if runtime.is_first:
            for path in folder.rglob(".*.tmp*"):  # of a process that was killed while it wrote
                path.unlink()
            _remove_old_runs(folder)
        yield folder
        if runtime.is_first:
            shutil.rmtree(folder)  # while it is locked: no process can begin in it


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Add a checkpoint, and remove all but the last two."""
    throughput = checkpoint.throughput
    # Copied: safetensors refuses tensors that share memory, as an EMA that is the network.
    state = {name: each.detach().to(CPU, copy=True) for name, each in checkpoint.state.items()}
    with replacing(folder / f"step_{throughput.steps:08d}.safetensors") as temporary:
        write_tensors(temporary, state, description=asdict(throughput))
        # Its name must not survive a power cut that its bytes do not survive.
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
    for path in _checkpoint_files(folder)[:-_MAX_CHECKPOINTS]:
        path.unlink()


def load_checkpoint(folder: Path) -> Checkpoint | None:
    """Return the last checkpoint, or None where the run has none yet."""
    files = _checkpoint_files(folder)
    if not files:
        return None
    path = files[-1]
    try:
        state, description = read_tensors(path)
    except DamagedFileError as error:
        before = f"step {int(files[-2].stem[5:])}" if len(files) > 1 else "the start"
        raise CheckpointError(f"{path}: damaged; remove it to go on from {before}") from error
    return Checkpoint(TypeAdapter(Throughput).validate_python(description), state)


def load_module_state(prefix: str, module: nn.Module, state: Mapping[str, Tensor]) -> None:
    module.load_state_dict({name: state[f"{prefix}.{name}"] for name in module.state_dict()})


def adam_state(prefix: str, optimizer: torch.optim.Adam) -> dict[str, Tensor]:
    """Moments and step counts of Adam under a prefix; empty before the first step."""
    return {
        f"{prefix}.{index}.{name}": torch.as_tensor(value)
        for index, moments in optimizer.state_dict()["state"].items()
        for name, value in moments.items()
    }


def load_adam_state(prefix: str, optimizer: torch.optim.Adam, state: Mapping[str, Tensor]) -> None:
    """Inverse of `adam_state`; learning rates are the schedule's business."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    moments: dict[int, dict[str, Tensor]] = {}
    for full_name, value in state.items():
        if full_name.startswith(f"{prefix}."):
            index, name = full_name.removeprefix(f"{prefix}.").split(".", 1)
            moments.setdefault(int(index), {})[name] = laid_out_like(parameters[int(index)], value)
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})


def laid_out_like(parameter: Tensor, values: Tensor) -> Tensor:
    """Return values in a parameter's memory format, which fused Adam takes for granted."""
    if values.shape != parameter.shape or values.stride() == parameter.stride():
        return values
    return torch.empty_like(parameter).copy_(values)


def _remove_old_runs(current: Path) -> None:
    others = [lock.parent for lock in current.parent.glob("*/lock") if lock.parent != current]
    others.sort(key=lambda path: path.stat().st_mtime_ns)
    for folder in others[: 1 - _MAX_RUNS]:
        with ExitStack() as stack:
            if _try_lock(stack, folder):
                shutil.rmtree(folder)
                _logger.info("%s: removed: there are %d later runs", folder, _MAX_RUNS)


def _try_lock(stack: ExitStack, folder: Path) -> bool:
    """Lock a folder until the stack is left; False where another process has locked it."""
    try:
        stack.enter_context(FileLock(folder / "lock").acquire(blocking=False))
    except Timeout:
        return False
    return True


def _checkpoint_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("step_*.safetensors"))


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
