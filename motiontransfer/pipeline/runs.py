"""Stages that would run, what they take, and their run, also of several at once.

Forecasts are within a factor of two: what each stage takes was measured on one machine
(benchmarks/README.md), and a moment of arithmetic tells how fast this one is now. Nothing was
measured of trainings on a GPU.

DVC holds .dvc/tmp/lock while it reads the graph, hashes files and writes dvc.lock, and not while a
stage's command runs. What the commands read and write is in .dvc/tmp/rwlock, which changes under
that lock. So stages that do not depend on each other may run at once, if each process waits for the
lock: without `--wait-for-lock`, 6 of 16 short stages fail when eight run at once.

dvc.lock is overwritten in place. Therefore an interrupt goes to the commands and not to DVC, which
then records nothing, or records to the end what was finished.
"""

import json
import os
import re
import select
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import cache, partial
from graphlib import TopologicalSorter
from pathlib import Path
from tempfile import TemporaryDirectory
from timeit import repeat

import loky
import numpy as np
import psutil
from dvc.repo import lock_repo
from dvc.repo.reproduce import plan_repro

from motiontransfer.core.errors import MotionTransferError
from motiontransfer.core.parallel import memory_bytes
from motiontransfer.core.params import PARAMS_FILE, Transfer, Video, load_section
from motiontransfer.core.storage import write_text
from motiontransfer.pipeline.remote import errors_of_dvc, opened
from motiontransfer.puppet.masks import MOST_MASKS
from motiontransfer.video.isolation import run_isolated
from motiontransfer.video.reader import read_metadata

Graph = Mapping[str, Collection[str]]
"""Stage -> stages whose outputs it reads."""

_JOB_MEMORY = 2 * 2**30  # three hours of footage take 1.6 GiB (benchmarks/README.md)
_POLL_SECONDS = 0.05
_READ_BY_DVC = ("params.yaml", "dvc.yaml", "dvc.lock", ".dvcignore")
_CODE = ("motiontransfer", "stages", "demo")
_REPRO = ("dvc", "--wait-for-lock", "repro")
_SELDOM_CHANGE = {"code", "check_params"}
"""Stages whose outputs are mostly the same as before."""

_COPIES = 2  # in the project and in DVC's cache
_REFERENCE_SECONDS = 0.005  # of `_slowness`'s arithmetic where the rates were measured
_OF_FILM = {"decode", "detect_keypoints"}  # whose frames all cores share
_NETWORK_SIZES = {"train_gan": "decode.size", "train_face_gan": "train_face_gan.crop_size"}
_RATES = {  # CPU seconds to start, per frame and per megapixel of a frame; megabytes of the latter
    "code": (1.0, 0.0, 0.0, 0.0, 0.0),
    "decode": (6.0, 0.005, 0.01, 0.08, 0.0),
    "detect_keypoints": (8.0, 0.038, 0.0, 0.01, 0.0),
    "segment_person": (5.0, 0.015, 0.0, 0.005, 0.0),
    "fit_appearance": (5.0, 0.04, 0.15, 0.0, 0.3),  # frames: references
    "train_gan": (12.0, 1.05e-7, 0.0, 0.0, 0.0),  # frames: steps x items x filters x pixels
    "train_face_gan": (10.0, 2.1e-7, 0.0, 0.0, 0.0),
    "evaluate": (8.0, 0.03, 0.0, 0.0, 0.0),
    "normalize": (2.0, 0.0, 0.0, 0.0, 0.0),
    "render": (8.0, 0.03, 0.03, 0.04, 0.0),
    "encode": (6.0, 0.045, 0.125, 0.035, 0.015),
    "evaluate_transfer": (7.0, 0.1, 0.03, 0.01, 0.0),
    "report": (6.0, 0.01, 0.04, 0.03, 0.0),
}
_OTHERS = (5.0, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, kw_only=True)
class Job:
    process: subprocess.Popen
    """Leads the group of all that it started."""
    poll: Callable[[], int | None]
    """Returns the stage's exit status, negative for a signal, once it ended; till then None."""
    log: Path
    began: float = field(default_factory=time.monotonic)

    def printed(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace").strip()

    def kill(self) -> None:
        """Kill what is left of it: if DVC was killed, its command goes on."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()  # closes its pipes too


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Which stages of a graph run, are done, or failed; the others wait."""

    graph: Graph
    running: dict[str, Job] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    def waiting(self) -> list[str]:
        begun = {*self.running, *self.done, *self.failed}
        return [name for name in self.graph if name not in begun]


@contextmanager
def rehearsal(root: Path = Path()) -> Generator[Path]:
    """Yield a folder where params.yaml can be edited and DVC plans as in the project."""
    with TemporaryDirectory() as folder:
        copy = Path(folder)
        (copy / ".dvc").mkdir()
        write_text(copy / ".dvc/config", "[core]\n    no_scm = true\n    analytics = false\n")
        for path in filter(Path.exists, (root / name for name in _READ_BY_DVC)):
            shutil.copy(path, copy)
        for path in filter(Path.exists, map(Path, _CODE)):
            (copy / path).symlink_to(path.resolve())
        yield copy


def plan(target: str = "", *, root: Path = Path(), is_forecast: bool = False) -> Graph:
    """Stages that `dvc repro` would run for one of dvc.yaml's, or for all, in its order.

    Args:
        is_forecast: what will probably run. Missing outputs are taken as unchanged, as they can be
            restored, and a run that goes on meanwhile is not in the way.

    Raises:
        MotionTransferError: DVC cannot read dvc.yaml.
    """
    with (
        errors_of_dvc("dvc.yaml"),
        rehearsal(root) if is_forecast else nullcontext(root) as folder,
        opened(folder) as repo,
        lock_repo(repo),
    ):
        names = {it: _name(it.path_in_repo, it.addressing) for it in repo.index.stages}
        own = {it: name for it, name in names.items() if it.path_in_repo == "dvc.yaml"}
        to_run: dict[str, list[str]] = {}
        for stage in plan_repro(
            repo.index.graph, [it for it, name in own.items() if target in ("", name)]
        ):
            upstream = list(repo.index.graph.successors(stage))
            running = [names[it] for it in upstream if names[it] in to_run]
            if (
                not all(out.hash_info for out in stage.outs)  # it never ran
                or set(running) - (_SELDOM_CHANGE if is_forecast else set())
                or stage.changed(allow_missing=is_forecast, upstream=upstream)
            ):
                to_run[names[stage]] = running
        return to_run


def _name(file: str, address: str) -> str:
    """A stage's name, behind its file where that is another than ./dvc.yaml."""
    name = address.rpartition("dvc.yaml:")[2] if file.endswith("dvc.yaml") else ""
    return name if file == "dvc.yaml" else f"{file}:{name}".rstrip(":")


def forecast(stages: Iterable[str], *, root: Path = Path()) -> dict[str, tuple[float, float]]:
    """Seconds and megabytes of stages, e.g. `decode@me`, with the params in `root`."""
    param = partial(load_section, path=root / PARAMS_FILE)

    @cache
    def film(name: str) -> tuple[float, float, float, float]:
        """Frames, megapixels of the film and of what is about kept of it, and its megabytes."""
        path = videos[name].path
        if not path.is_file():
            return 330.0, 0.07, 0.07, 1.0  # of the demo, not yet filmed
        metadata, num_bytes = run_isolated(read_metadata, path), path.stat().st_size
        (height, width), frames = metadata.size, float(metadata.num_frames or 0)
        kept = height * min(height, width)
        return frames, height * width / 1e6, kept / 1e6, num_bytes / 1e6

    def amount(stage: str, key: str) -> tuple[float, float]:
        """Frames, and megapixels of each."""
        if stage in _NETWORK_SIZES:
            size = param(int | tuple[int, int], _NETWORK_SIZES[stage])
            names = ("steps", "batch_size", "num_filters")
            steps, items, filters = (param(float, f"{stage}.{name}") for name in names)
            return steps * items * filters * int(np.resize(size, 2).prod()), 0.0
        if key in transfers:
            return film(transfers[key].source)[0], amount("", transfers[key].target)[1]
        if stage in _OF_FILM:
            return film(key)[:2]
        films = [film(name) for name, video in videos.items() if video.subject == key]
        frames = sum((it[0] for it in films), 0.0)
        if stage == "segment_person":
            frames = min(frames, float(MOST_MASKS))
        if stage == "fit_appearance":
            frames = min(frames, param(float, "fit_appearance.references"))
        return frames, max((it[2] for it in films), default=0.0)

    videos = param(dict[str, Video], "videos")
    transfers = param(dict[str, Transfer], "transfers")
    slowness, forecasts = _slowness(), {}
    for stage in stages:
        group, _, key = stage.partition("@")
        start, per_frame, per_megapixel, frame_mb, megapixel_mb = _RATES.get(group, _OTHERS)
        frames, size = amount(group, key)
        seconds = slowness * frames * (per_frame + size * per_megapixel)
        if group in _OF_FILM:
            seconds /= loky.cpu_count()
        if group in _NETWORK_SIZES and (limit := param(float | None, f"{group}.max_minutes")):
            seconds = min(seconds, 60 * limit)
        megabytes = frames * (frame_mb + size * megapixel_mb)
        megabytes += film(key)[3] if group == "decode" else 0.0
        forecasts[stage] = (slowness * start + seconds, _COPIES * megabytes)
    return forecasts


def in_words(forecasts: Mapping[str, tuple[float, float]]) -> str:
    """Sum of what `forecast` returns."""
    seconds, megabytes = map(sum, zip((0.0, 0.0), *forecasts.values(), strict=True))
    return (
        f"{len(forecasts)} stages, about {seconds / 60:.2g} min and {megabytes / 1e3:.2g} GB on "
        "this machine, within a factor of two"
    )


def _slowness() -> float:
    """How much longer one core takes now than one of the rates' machine."""
    numbers = np.ones((512, 512))
    seconds = repeat(lambda: np.fft.fft2(numbers), number=1, repeat=25)
    return statistics.median(seconds) / _REFERENCE_SECONDS


def dvc_repro(*arguments: str) -> list[str]:
    """Command that waits while another DVC reads or writes dvc.lock."""
    return [sys.executable, "-m", *_REPRO, *arguments]


def run_dvc_repro(
    name: str, *arguments: str, show: Callable[[Progress], None] = lambda _: None
) -> None:
    """Run one `dvc repro` over all its stages, as `run_stages` does a job of this name."""
    once = partial(start, command=lambda _: dvc_repro(*arguments), variables={})
    run_stages({name: ()}, [once], keep_going=False, show=show)


def share_machine(jobs: int) -> list[dict[str, str]]:
    """Environment variables that give each job its part of the cores and GPUs.

    There are `jobs` of them, or one for each 2 GiB of memory where that is fewer.

    A sum of floats can depend on how many threads share it, and so a training's last bits: outputs
    are those of `dvc repro` with the same OMP_NUM_THREADS. On two cores that is its default.
    """
    shares = share_cores(jobs, cores=loky.cpu_count(), memory=memory_bytes())
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        import torch

        visible = ",".join(map(str, range(torch.cuda.device_count())))
    if not visible:
        return shares
    gpus, jobs = visible.split(","), len(shares)
    own = [gpus[index::jobs] or [gpus[index % len(gpus)]] for index in range(jobs)]
    return [
        share | {"CUDA_VISIBLE_DEVICES": ",".join(each)}
        for share, each in zip(shares, own, strict=True)
    ]


def share_cores(jobs: int, *, cores: int, memory: int) -> list[dict[str, str]]:
    """Environment variables that give each job its part of a machine with so many bytes."""
    jobs = max(min(jobs, memory // _JOB_MEMORY), 1)
    part = max(cores // jobs, 1)
    # As in training without this: one core is for what reads, draws and encodes meanwhile.
    threads = os.environ.get("OMP_NUM_THREADS", str(min(part, max(cores - 1, 1))))
    return [{"OMP_NUM_THREADS": threads, "LOKY_MAX_CPU_COUNT": str(part)}] * jobs


def run_stages(
    graph: Graph,
    starters: Sequence[Callable[[str], Job]],
    *,
    keep_going: bool,
    show: Callable[[Progress], None],
) -> None:
    """Run each stage once those before it are done; of several, the one that was ready first.

    After a failure all goes on that does not depend on it; without `keep_going` only what runs.

    Args:
        starters: each starts a stage once the one that it started before has ended.
        show: called a few times a second.

    Raises:
        MotionTransferError: a stage failed; or Ctrl-C, after all have ended. A second one kills.
    """
    progress, ready, free, taken = Progress(graph=graph), [], [*starters], {}
    sorter = TopologicalSorter(graph)
    sorter.prepare()
    try:
        while True:
            ready += sorter.get_ready()
            while ready and free and (keep_going or not progress.failed):
                name = ready.pop(0)
                taken[name] = free.pop()
                progress.running[name] = taken[name](name)
            show(progress)
            if not progress.running:
                break
            time.sleep(_POLL_SECONDS)
            for name, job in [*progress.running.items()]:
                if (status := job.poll()) is not None:
                    free.append(taken.pop(name))
                    del progress.running[name]
                    if status:
                        progress.failed[name] = f"{_error_of(job, status)}; its output: {job.log}"
                    else:
                        progress.done.append(name)
                        sorter.done(name)
    except KeyboardInterrupt as error:
        raise MotionTransferError("stopped; the same command goes on from there") from error
    finally:
        _interrupt(progress.running.values())
    if progress.failed:
        lines = [f"{name}: {error}" for name, error in progress.failed.items()]
        if waiting := progress.waiting():
            lines.append(f"not run: {', '.join(waiting)}")
        raise MotionTransferError("\n".join(lines))


def start(
    name: str, *, command: Callable[[str], Sequence[str]], variables: Mapping[str, str]
) -> Job:
    """Start the command for a stage.

    It is out of reach of the terminal's Ctrl-C, which would interrupt DVC too.
    """
    log = _new_log(name)
    with log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(
            command(name), env={**os.environ, **variables}, process_group=0,
            stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
        )  # fmt: skip
    return Job(process=process, poll=process.poll, log=log)


@contextmanager
def dvc_server(variables: Mapping[str, str]) -> Generator[Callable[[str], Job]]:
    """Yield a function that starts `dvc repro` of a stage, in one process until a stage fails."""
    server: subprocess.Popen | None = None

    def start_next(name: str) -> Job:
        nonlocal server
        if server is None or server.poll() is not None:
            server = subprocess.Popen(
                [sys.executable, "-m", "motiontransfer.pipeline.dvc_server"],
                env={**os.environ, **variables}, process_group=0, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            )  # fmt: skip
        log = _new_log(name)
        assert server.stdin
        server.stdin.write(json.dumps([str(log), *_REPRO, "--single-item", name]) + "\n")
        server.stdin.flush()
        return Job(process=server, poll=partial(_answer_of, server), log=log)

    try:
        yield start_next
    finally:
        if server:
            server.communicate()  # without further requests it ends


def _answer_of(server: subprocess.Popen) -> int | None:
    """Exit status of what it was asked for, or its own if it was killed."""
    assert server.stdout
    if not select.select([server.stdout], [], [], 0)[0]:
        return None
    answer = server.stdout.readline()
    return int(answer) if answer else server.wait()


def _new_log(name: str) -> Path:
    """Empty it, also for who reads it before anything is printed."""
    log = Path(".dvc/tmp/jobs") / f"{name.replace('/', '_')}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("")
    return log


def _error_of(job: Job, status: int) -> str:
    """Why it failed."""
    job.kill()
    number = -status if status < 0 else status - 128  # as a shell tells of its command
    if number in [*signal.Signals]:
        return f"killed by {signal.Signals(number).name}"
    return _error_in(job.printed())


def _error_in(output: str) -> str:
    """The first error, as the stage's own comes before DVC's, with the indented lines below it."""
    error = re.search(r"^ERROR: (.*(?:\n\s+\S.*)*)", output, re.M)
    return " ".join(error[1].split()) if error else output.rpartition("\n")[2] or "?"


def _interrupt(jobs: Collection[Job]) -> None:
    """Interrupt the commands, also those that DVC is about to start, until all jobs have ended."""
    told: set[int] = set()
    try:
        running = [*jobs]
        while running := [job for job in running if job.poll() is None]:
            for job in running:
                with suppress(psutil.NoSuchProcess):
                    for command in psutil.Process(job.process.pid).children(recursive=True):
                        if command.pid not in told:
                            told.add(command.pid)
                            command.send_signal(signal.SIGINT)
            time.sleep(_POLL_SECONDS)
    finally:
        for job in jobs:
            job.kill()
