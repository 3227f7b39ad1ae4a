"""Run of the stages of a graph, several at once.

DVC holds .dvc/tmp/lock while it reads the graph, hashes files and writes dvc.lock, and not while a
stage's command runs. What the commands read and write is in .dvc/tmp/rwlock, which changes under
that lock. So stages that do not depend on each other may run at once, if each DVC waits for the
lock.

dvc.lock is overwritten in place. Therefore an interrupt goes to the commands and not to DVC, which
then records nothing, or records to the end what was finished.
"""

import ctypes
import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path

import loky
import psutil

from motiontransfer.core import events
from motiontransfer.core.errors import MotionTransferError
from motiontransfer.core.events import (
    Failed,
    Note,
    Running,
    StageChanged,
    StageState,
    Step,
    emit,
    read_events,
)
from motiontransfer.core.parallel import memory_bytes
from motiontransfer.core.stages import sentence_of
from motiontransfer.core.storage import params_lock
from motiontransfer.pipeline.plan import Graph

_JOB_MEMORY = 2 * 2**30  # bytes; three hours of footage take 1.6 GiB (benchmarks/README.md)
_POLL_SECONDS = 0.2  # what is shown costs 3 ms each time
_MOST_NAMED = 8  # stages of those that did not run: of hundreds, all names say nothing
_REPRO = ("--wait-for-lock", "repro")  # it waits while another DVC reads or writes dvc.lock
_FORK_SERVER = ("-m", "motiontransfer.pipeline.fork_server")
_LAST_BYTES = 4096  # of a stage's events: the last one is far shorter
_BUSY = re.compile(r"'(?P<path>[^']+)' is busy, it is being blocked by: \(PID (?P<pid>\d+)\)")
_WAIT_SECONDS = 1.0  # until it is looked again whether another process still runs
_KILLED = 9  # the number of SIGKILL, which Windows lacks
_NICENESS = 10  # of what must not slow others down: a tenth of their share of a core


@dataclass(frozen=True, kw_only=True)
class RunState:
    """Which stages of a graph run, are done, or failed; the others wait."""

    graph: Graph
    running: dict[str, float] = field(default_factory=dict)
    """When each began, seconds of the monotonic clock."""
    done: dict[str, float] = field(default_factory=dict)
    """Seconds that each took."""
    failed: dict[str, str] = field(default_factory=dict)

    def waiting(self) -> list[str]:
        begun = {*self.running, *self.done, *self.failed}
        return [name for name in self.graph if name not in begun]


def run_stages(
    graph: Graph,
    executor: "LocalExecutor",
    *,
    keep_going: bool,
    show: Callable[[RunState], None],
    level: int = logging.DEBUG,
) -> RunState:
    """Run each stage once those before it are done; of several, the most urgent, then the first.

    After a failure all goes on that does not depend on it; without `keep_going` only what runs.

    Args:
        show: called a few times a second.
        level: of the events that tell of each stage that it begins and how it ends.

    Raises:
        MotionTransferError: a stage failed.
        KeyboardInterrupt: Ctrl-C, after all have ended. A second one kills.
    """
    progress, ready, free = RunState(graph=graph), [], [*executor.shares]
    sorter, futures = TopologicalSorter(graph), {}
    sorter.prepare()

    def tell(stage: str, state: StageState) -> None:
        done, total = len(progress.done), len(graph)
        emit(StageChanged(stage=stage, state=state, done=done, total=total), level=level)

    with closing(executor), ThreadPoolExecutor(len(free)) as threads:
        try:
            while True:
                ready += sorter.get_ready()
                ready.sort(key=lambda name: -executor.urgency.get(name, 0.0))
                while ready and free and (keep_going or not progress.failed):
                    name, share = ready.pop(0), free.pop()
                    progress.running[name] = time.monotonic()
                    _begin_log(name)
                    futures[threads.submit(executor.run, name, share)] = name, share
                    tell(name, "runs")
                show(progress)
                if not futures:
                    break
                for future in wait(futures, _POLL_SECONDS, FIRST_COMPLETED).done:
                    name, share = futures.pop(future)
                    free.append(share)
                    began, log = progress.running.pop(name), log_of(name)
                    try:
                        future.result()
                    except MotionTransferError as error:
                        emit(Failed(message=f"{name}: {error}", log=str(log)))
                        progress.failed[name] = f"{error}; its output: {log}"
                        tell(name, "failed")
                    else:
                        progress.done[name] = time.monotonic() - began
                        tell(name, "is done")
                        sorter.done(name)
        finally:
            _stop(executor, futures)
    if progress.failed:
        lines = [f"{name}: {error}" for name, error in progress.failed.items()]
        if waiting := progress.waiting():
            more = len(waiting) - _MOST_NAMED
            names = ", ".join(waiting[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
            lines.append(f"not run: {names}")
        raise MotionTransferError("\n".join(lines))
    return progress


def _stop(executor: "LocalExecutor", futures: Collection[Future]) -> None:
    """Interrupt what runs until all of it has ended; kill it on another Ctrl-C."""
    try:
        while wait(futures, _POLL_SECONDS).not_done:
            executor.interrupt()
    except KeyboardInterrupt:
        executor.kill()
        raise


class LocalExecutor:
    """Runs each stage by a `dvc repro` of its own on this machine, forked from one that is loaded.

    Each is run in a thread of the caller's. Loading DVC takes as long as what it does for a stage.
    Where there is no fork, each loads it.
    """

    def __init__(self, shares: Sequence[Mapping[str, str]] = ({},)) -> None:
        """Prepare to run stages.

        Args:
            shares: environment variables of each of the stages that run at once.
        """
        self.shares: Sequence[Mapping[str, str]] = shares
        self.urgency: Mapping[str, float] = {}
        """Of stages, seconds until all that waits for them is done; one that begins beside a more
        urgent one has a lower priority."""
        self._begun: dict[str, float] = {}  # when, of those that run
        self._idle: list[subprocess.Popen] = []  # fork servers, each for one stage at a time
        self._running: set[int] = set()
        self._interrupted: set[tuple[int | str, ...]] = set()  # pid and arguments
        self._stops = threading.Event()

    def load(self) -> None:
        """Load DVC, beside what goes on here."""
        self._idle.append(_start_server())

    def run(self, stage: str, share: Mapping[str, str]) -> None:
        """Run and record a stage, once no other process runs it or uses what it reads and writes.

        Raises:
            MotionTransferError: it failed.
        """
        told = ""
        self._begun[stage] = time.monotonic()
        try:
            while waits_for := _runner_of(stage) or self._run_unless_busy(stage, share):
                if waits_for != told:
                    told = waits_for
                    emit(Note(text=f"{stage} waits: {told}"))
                if self._stops.wait(_WAIT_SECONDS):
                    raise MotionTransferError("interrupted")
        finally:
            del self._begun[stage]

    def _run_unless_busy(self, stage: str, share: Mapping[str, str]) -> str:
        """Run a stage, and say which process is in the way, if one is."""
        with params_lock() if stage == "check_params" else nullcontext():  # which reads it all
            status = self._run_once(stage, share)
        if not status:
            return ""
        log = log_of(stage)
        killed = f"killed by {signal.Signals(-status).name}" if status < 0 else ""
        error = killed or first_error(log) or last_line(log) or "?"
        if busy := _BUSY.search(error):
            waits_for = f"process {busy['pid']} uses {os.path.relpath(busy['path'])}"
            log.write_text(f"waits: {waits_for}\n")
            return waits_for
        raise MotionTransferError(error)

    def _run_once(self, stage: str, share: Mapping[str, str]) -> int:
        """Run DVC out of reach of the terminal's Ctrl-C, and kill what it leaves if it fails."""
        server = self._idle.pop() if self._idle else _start_server()
        assert server.stdin
        assert server.stdout
        now = time.monotonic()
        left = [self.urgency.get(name, 0.0) - now + at for name, at in [*self._begun.items()]]
        is_nice = self.urgency.get(stage, 0.0) < max(left)
        environment = {**share, events.VARIABLE: str(_events_of(stage).resolve())}
        request = (
            environment,
            str(log_of(stage)),
            _NICENESS * is_nice,
            [*_REPRO, "--single-item", stage],
        )
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        group = int(server.stdout.readline())
        self._running.add(group)
        answer = server.stdout.readline()  # none from a server that was killed
        self._running.remove(group)
        if answer:
            self._idle.append(server)
        else:
            server.communicate()
        status = int(answer or -_KILLED)
        if status:
            _kill_group(group)
        return status

    def interrupt(self) -> None:
        """Interrupt each command once; called again until all calls of `run` have ended.

        So those are reached, too, that DVC is about to start. A fork may lose a signal until it has
        its own program: with other arguments it is another command.
        """
        self._stops.set()
        for pid in [*self._running]:
            for process in _children(pid):
                with suppress(psutil.Error):
                    command = process.pid, *process.cmdline()
                    if command not in self._interrupted:
                        self._interrupted.add(command)
                        process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        self._stops.set()
        for group in [*self._running]:
            _kill_group(group)

    def close(self) -> None:
        """End what is kept for further stages."""
        while self._idle:
            self._idle.pop().communicate()  # at the end of its input it ends


def _start_server() -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, *_FORK_SERVER],
        process_group=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def dvc_repro(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "dvc", *_REPRO, *arguments]


def share_machine(jobs: int) -> list[dict[str, str]]:
    """Environment variables that give each job its part of the cores and GPUs.

    There are `jobs` of them, or one for each 2 GiB of memory where that is fewer.

    A sum of floats can depend on how many threads share it, and so can a training's last bits.
    Outputs are those of `dvc repro` with the same OMP_NUM_THREADS, its default on two cores.
    """
    shares = share_cores(jobs, cores=loky.cpu_count(), memory=memory_bytes())
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        visible = ",".join(map(str, range(_num_gpus())))
    if not visible:
        return shares
    gpus, jobs = visible.split(","), len(shares)
    own = [gpus[index::jobs] or [gpus[index % len(gpus)]] for index in range(jobs)]
    return [
        share | {"CUDA_VISIBLE_DEVICES": ",".join(each)}
        for share, each in zip(shares, own, strict=True)
    ]


def _num_gpus() -> int:
    """Number of GPUs that PyTorch finds, which takes two seconds to load."""
    try:
        # NVIDIA's driver
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return 0
    import torch

    return torch.cuda.device_count()


def num_at_once() -> int:
    """Number of stages that this machine carries at once: one a core, of which each has memory."""
    cores = loky.cpu_count()
    return len(share_cores(cores, cores=cores, memory=memory_bytes()))


def share_cores(jobs: int, *, cores: int, memory: int) -> list[dict[str, str]]:
    """Environment variables that give each job its part of a machine with so many bytes."""
    jobs = max(min(jobs, memory // _JOB_MEMORY), 1)
    part = max(cores // jobs, 1)
    # As in training without this: one core is for what reads, draws and encodes meanwhile.
    threads = os.environ.get("OMP_NUM_THREADS", str(min(part, max(cores - 1, 1))))
    return [{"OMP_NUM_THREADS": threads, "LOKY_MAX_CPU_COUNT": str(part)}] * jobs


def log_of(name: str) -> Path:
    """What a stage prints when it runs."""
    return Path(".dvc/tmp/jobs") / f"{re.sub('[/:]', '_', name)}.log"


def _begin_log(stage: str) -> None:
    log = log_of(stage)
    log.parent.mkdir(parents=True, exist_ok=True)
    log.touch()
    if not _runner_of(stage):  # whose log it is
        log.write_text("")
        _events_of(stage).unlink(missing_ok=True)


def _events_of(stage: str) -> Path:
    return log_of(stage).with_suffix(".jsonl")


def running(progress: RunState, who: Mapping[str, str]) -> tuple[Running, ...]:
    """What runs now, by what each stage has reported last.

    Args:
        who: what to call videos and subjects, see `sentence_of`.
    """
    found = []
    for stage in sorted(progress.running):
        file, steps = _events_of(stage), (0, 0)
        if file.exists():
            with file.open("rb") as stream:
                stream.seek(max(file.stat().st_size - _LAST_BYTES, 0))
                printed = stream.read().decode(errors="replace")
            known = [event for event in read_events(printed) if isinstance(event, Step)]
            steps = (known[-1].done, known[-1].total) if known else steps
        sentence = sentence_of(stage, who)
        found.append(Running(stage=stage, sentence=sentence, done=steps[0], total=steps[1]))
    return tuple(found)


def stages_that_run() -> dict[str, int]:
    """Process of each stage of this project that runs, whoever began it."""
    commands = {
        process.pid: process.info["cmdline"] or []
        for process in psutil.process_iter(["cmdline", "cwd"])
        if process.info["cwd"] == str(Path.cwd())
    }
    return {
        "@".join(words[3:]): pid
        for pid, words in commands.items()
        if words[1:3] == ["-m", "stages"]
    }


def _runner_of(stage: str) -> str:
    """Which process runs a stage, as one does whose DVC was killed."""
    pid = stages_that_run().get(stage)
    return f"process {pid} runs it" if pid else ""


def _children(pid: int) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).children(recursive=True)
    return []


def _kill_group(pid: int) -> None:
    """Kill a process and all that it started: a command goes on if DVC is killed."""
    if sys.platform == "win32":
        for process in _children(pid):
            process.kill()
    else:
        with suppress(ProcessLookupError, PermissionError):  # macOS: all that is left has ended
            os.killpg(pid, signal.SIGKILL)


def last_line(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]


def first_error(log: Path) -> str | None:
    """The first error printed, with the indented lines below it: a stage's comes before DVC's."""
    printed = log.read_text(encoding="utf-8", errors="replace")
    error = re.search(r"^ERROR: (.*(?:\n\s+\S.*)*)", printed, re.MULTILINE)
    return " ".join(error[1].split()) if error else None
