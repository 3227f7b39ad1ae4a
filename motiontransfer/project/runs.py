"""Stages that would run, and their run: one `dvc repro`, or independent stages in parallel.

DVC holds .dvc/tmp/lock while it reads the graph, hashes files and writes dvc.lock, and not while a
stage's command runs. What the commands read and write is in .dvc/tmp/rwlock, which changes under
that lock. So stages that do not depend on each other may run at once, if each process waits for the
lock: without `--wait-for-lock`, 6 of 16 short stages fail when eight run at once.

dvc.lock is overwritten in place. Therefore an interrupt goes to the commands and not to DVC, which
then records nothing, or records to the end what was finished.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path
from tempfile import TemporaryDirectory

import loky
import psutil
from dvc.repo import lock_repo
from dvc.repo.reproduce import plan_repro

from motiontransfer.errors import MotionTransferError
from motiontransfer.project.doctor import memory_bytes
from motiontransfer.project.remote import errors_of_dvc, opened
from motiontransfer.storage import write_text

Graph = Mapping[str, Collection[str]]
"""Stage -> stages whose outputs it reads."""

_JOB_MEMORY = 2 * 2**30  # three hours of footage take 1.6 GiB (benchmarks/README.md)
_POLL_SECONDS = 0.05
_READ_BY_DVC = ("params.yaml", "dvc.yaml", "dvc.lock", ".dvcignore")
_CODE = ("motiontransfer", "stages", "demo")
_SELDOM_CHANGE = {"code", "check_params"}
"""Stages whose outputs are mostly the same as before."""


@dataclass(frozen=True, kw_only=True)
class Job:
    process: subprocess.Popen
    variables: Mapping[str, str]
    log: Path
    began: float = field(default_factory=time.monotonic)

    def printed(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace").strip()

    def kill(self) -> None:
        """Kill what is left of it: if DVC was killed, its command goes on."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


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
        MissingFileError: there is no project.
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


def dvc_repro(*arguments: str) -> list[str]:
    """Command that waits while another DVC reads or writes dvc.lock."""
    return [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", *arguments]


def share_machine(jobs: int) -> list[dict[str, str]]:
    """Environment variables that give each job its part of the cores and GPUs.

    There are `jobs` of them, or one for each 2 GiB of memory where that is fewer.

    A sum of floats can depend on how many threads share it, and so a training's last bits: outputs
    are those of `dvc repro` with the same OMP_NUM_THREADS. On two cores that is its default.
    """
    jobs = max(min(jobs, memory_bytes() // _JOB_MEMORY), 1)
    cores = loky.cpu_count()
    part = max(cores // jobs, 1)
    # As in training without this: one core is for what reads, draws and encodes meanwhile.
    threads = os.environ.get("OMP_NUM_THREADS", str(min(part, max(cores - 1, 1))))
    share = {"OMP_NUM_THREADS": threads, "LOKY_MAX_CPU_COUNT": str(part)}
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        import torch

        visible = ",".join(map(str, range(torch.cuda.device_count())))
    if not visible:
        return [share] * jobs
    gpus = visible.split(",")
    own = [gpus[index::jobs] or [gpus[index % len(gpus)]] for index in range(jobs)]
    return [share | {"CUDA_VISIBLE_DEVICES": ",".join(each)} for each in own]


def run_stages(
    graph: Graph,
    shares: Sequence[Mapping[str, str]],
    *,
    keep_going: bool,
    show: Callable[[Progress], None],
    command: Callable[[str], Sequence[str]],
) -> None:
    """Run each stage once those before it are done; of several, the one that was ready first.

    After a failure all goes on that does not depend on it; without `keep_going` only what runs.

    Args:
        shares: environment variables of each of the stages that run at once.
        show: called a few times a second.

    Raises:
        MotionTransferError: a stage failed; or Ctrl-C, after all have ended. A second one kills.
    """
    progress, ready, free = Progress(graph=graph), [], [*shares]
    sorter = TopologicalSorter(graph)
    sorter.prepare()
    try:
        while True:
            ready += sorter.get_ready()
            while ready and free and (keep_going or not progress.failed):
                name = ready.pop(0)
                progress.running[name] = _start(name, command(name), free.pop())
            show(progress)
            if not progress.running:
                break
            time.sleep(_POLL_SECONDS)
            for name, job in [*progress.running.items()]:
                if job.process.poll() is not None:
                    free.append(progress.running.pop(name).variables)
                    if error := _error_of(job):
                        progress.failed[name] = f"{error}; its output: {job.log}"
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


def _start(name: str, command: Sequence[str], variables: Mapping[str, str]) -> Job:
    """Start it out of reach of the terminal's Ctrl-C, which would interrupt DVC too."""
    log = Path(".dvc/tmp/jobs") / f"{name.replace('/', '_')}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(
            command, env={**os.environ, **variables}, process_group=0,
            stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
        )  # fmt: skip
    return Job(process=process, variables=variables, log=log)


def _error_of(job: Job) -> str | None:
    """Why an ended job failed; None if it did not."""
    status = job.process.returncode
    if not status:
        return None
    job.kill()
    return f"killed by {signal.Signals(-status).name}" if status < 0 else _error_in(job.printed())


def _error_in(output: str) -> str:
    """The first error, as the stage's own comes before DVC's, with the indented lines below it."""
    error = re.search(r"^ERROR: (.*(?:\n\s+\S.*)*)", output, re.M)
    return " ".join(error[1].split()) if error else output.rpartition("\n")[2] or "?"


def _interrupt(jobs: Collection[Job]) -> None:
    """Interrupt the commands, also those that DVC is about to start, until all jobs have ended."""
    told: set[int] = set()
    try:
        while running := [job.process.pid for job in jobs if job.process.poll() is None]:
            for pid in running:
                with suppress(psutil.NoSuchProcess):
                    for command in psutil.Process(pid).children(recursive=True):
                        if command.pid not in told:
                            told.add(command.pid)
                            command.send_signal(signal.SIGINT)
            time.sleep(_POLL_SECONDS)
    finally:
        for job in jobs:
            job.kill()
