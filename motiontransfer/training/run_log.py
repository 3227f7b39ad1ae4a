"""Training logs: losses, throughput and ETA, sample images."""

import logging
import math
import shutil
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from dvclive import Live
from jaxtyping import Float, UInt8
from lightning_fabric import Fabric
from scmrepo.exceptions import SCMError
from torch import Tensor
from tqdm import tqdm

from motiontransfer.errors import TrainingError
from motiontransfer.models.generators import FrameGenerator, HalfResolutionGenerator, roll_out
from motiontransfer.pose.rendering import PoseMapStyle, draw_rgb
from motiontransfer.storage import replacing
from motiontransfer.training.checkpoint import Checkpoint
from motiontransfer.training.clips import TargetClip
from motiontransfer.training.config import Schedule
from motiontransfer.training.distributed import all_gather
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.tensors import tensor_to_frames


class LossReport:
    """The losses of one step, by name."""

    def __init__(self, fabric: Fabric, done: int, losses: Mapping[str, Float[Tensor, ""]]) -> None:
        """Send them off.

        Args:
            done: the number of steps that are done with this one.
        """
        self._fabric, self._done, self._names = fabric, done, list(losses)
        stacked = torch.stack(list(losses.values()))
        self._values = stacked.to("cpu", non_blocking=True)
        self._arrived = torch.cuda.Event() if stacked.is_cuda else None
        if self._arrived is not None:
            self._arrived.record()

    def read(self, description: str) -> dict[str, float]:
        """Return their means over the processes, all of which must ask.

        Args:
            description: what is being trained, for the error.

        Raises:
            TrainingError: one of them is not finite, in whichever process.
        """
        if self._arrived is not None:
            self._arrived.synchronize()
        means = all_gather(self._fabric, self._values.tolist()).mean(axis=0)
        values = dict(zip(self._names, means.tolist(), strict=True))
        if not all(math.isfinite(value) for value in values.values()):
            listed = ", ".join(f"{name} {value:g}" for name, value in values.items())
            raise TrainingError(
                f"{description}: a loss is not finite at step {self._done}: {listed}; the last "
                "checkpoint is kept; lower the learning rate, or use precision 32-true"
            )
        return values


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


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPaths:
    """Where a training run keeps things."""

    checkpoints: Path
    """Runs that are not finished; outside DVC's outs."""

    models: Path
    """The target's weights."""

    logs: Path
    """Curves and sample pictures."""


def log_results(throughput: Throughput, paths: RunPaths) -> None:
    """Log what a training took and where its results are, in one line."""
    _logger.info(
        "%d steps in %.1f min, %.1f %% of it waiting for frames; weights in %s, curves and sample "
        "pictures in %s (`dvc plots show` draws them)",
        *(throughput.steps, throughput.minutes, 100 * throughput.loader_share),
        *(paths.models, paths.logs),
    )


Picture = UInt8[np.ndarray, "height width 3"]


def sample_grid(
    generator: FrameGenerator | HalfResolutionGenerator,
    clip: TargetClip,
    *,
    frame_indices: list[int],
    style: PoseMapStyle,
    device: torch.device,
) -> Picture:
    """One column a frame: its pose, the real frame, what is generated after one of lead-in."""
    keypoints = clip.keypoints
    columns = []
    with FrameStore(clip.frames) as store:
        for index in frame_indices:
            lead_in = slice(max(index - 1, 0), index + 1)
            *_, generated = roll_out(
                generator,
                keypoints.points[lead_in],
                keypoints.score[lead_in],
                skeleton=keypoints.skeleton,
                size=keypoints.image_size,
                style=style,
                device=device,
            )
            pose = draw_rgb(
                keypoints.points[index],
                keypoints.score[index],
                skeleton=keypoints.skeleton,
                size=keypoints.image_size,
                line_width_px=style.line_width_px,
            )
            columns.append(np.concatenate([pose, store[index], *tensor_to_frames(generated[None])]))
    return np.concatenate(columns, axis=1)


def spread(frames: range, *, count: int) -> list[int]:
    """At most `count` frame indices, evenly spread, first and last among them."""
    positions = np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)
    return [frames[int(position)] for position in positions]


class RunLog:
    """What is logged under the number of steps that are done with it."""

    def __init__(self, live: Live | None) -> None:
        self._live = live
        """None: another process logs."""

    def add_values(self, done: int, values: Mapping[str, float]) -> None:
        """Add a point to the curve of each name."""
        if self._live is not None:
            self._live.step = done
            for name, value in values.items():
                self._live.log_metric(name, value, timestamp=False)

    def add_picture(self, done: int, draw: Callable[[], Picture]) -> None:
        """Add a sample picture, which is drawn only where it is logged."""
        if self._live is not None:
            self._live.log_image(_picture_name(done), draw())


@contextmanager
def silent_log() -> Generator[RunLog]:
    """For the processes that do not log."""
    yield RunLog(None)


@contextmanager
def open_log(run: Path, *, step: int) -> Generator[RunLog]:
    """Go on with a run's log after some step: what was logged later is trained and logged again.

    Raises:
        TrainingError: git has no commit yet.
    """
    if step == 0:
        # Logs without a checkpoint are of a run that never reached one.
        shutil.rmtree(run / "live", ignore_errors=True)
    _forget_after(run / "live/plots", step)
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
        yield RunLog(live)


def copy_logs(run: Path, destination: Path) -> None:
    """Copy curves and sample pictures of a finished run to where DVC expects them."""
    shutil.rmtree(destination, ignore_errors=True)  # of a run that may have been longer
    shutil.copytree(run / "live/plots", destination)


def _picture_name(step: int) -> str:
    return f"step_{step:06d}.png"


def _forget_after(plots: Path, step: int) -> None:
    for path in sorted((plots / "images").glob("*.png")):
        if path.name > _picture_name(step):
            path.unlink()
    for path in sorted((plots / "metrics").rglob("*.tsv")):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [row for row in lines[1:] if row.endswith("\n") and int(row.split("\t")[0]) <= step]
        if not kept:
            path.unlink()
            continue
        with replacing(path) as temporary:
            temporary.write_text("".join([lines[0], *kept]), encoding="utf-8")
