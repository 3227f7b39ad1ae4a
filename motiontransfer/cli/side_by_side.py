"""Stages that run side by side for a command, and how far they are."""

import math
import signal
import sys
import time
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from types import MappingProxyType
from typing import TYPE_CHECKING

from tqdm.contrib.logging import logging_redirect_tqdm

from motiontransfer.core import layout
from motiontransfer.core.events import Note, emit
from motiontransfer.core.progress import RunMeter

if TYPE_CHECKING:
    from motiontransfer.pipeline.plan import Graph
    from motiontransfer.pipeline.runs import LocalExecutor, RunState


_SHARED = "if they were shared: Ctrl-C, and `motiontransfer join` fetches what the dance needs"


def run_side_by_side(
    wanted: Sequence[str],
    title: str,
    forecasts: Mapping[str, float],
    *,
    tell: Callable[[str], None],
    who: Mapping[str, str] = MappingProxyType({}),
    keep_going: bool = False,
    executor: "LocalExecutor | None" = None,
) -> Mapping[str, float]:
    """Run stages with all that they depend on, as many at once as there are cores for.

    What the first one depends on goes before all others; then, of those that can run, the one on
    which the longest chain depends. Beside it others begin at a lower priority.

    Trainings have the threads that they have under `dvc repro`, so that outputs are the same.

    Returns:
        Seconds that each took.

    Args:
        tell: called with each wanted stage once its outputs are there, which may be now.
        who: what to call videos and subjects.
        keep_going: after a failure, with what does not depend on it.
        executor: one of `executor_of`.
    """
    from motiontransfer.pipeline.plan import forecast, lost, plan, planned, urgencies
    from motiontransfer.pipeline.remote import has_remote
    from motiontransfer.pipeline.runs import run_stages

    graph = plan(*wanted)
    if unforeseen := graph.keys() - forecasts.keys():
        more = forecast(lost(unforeseen))
        forecasts = {**more, **forecasts}
        if more:
            emit(planned(f"{title}: outputs that are not here", more))
            if has_remote():
                emit(Note(text=_SHARED))
    for stage in wanted:
        if stage not in graph:
            tell(stage)
    tells = {stage: tell for stage in wanted if stage in graph}
    urgency = urgencies(graph, forecasts, first=wanted[0])
    with (
        endings_as_interrupt(),
        nullcontext(executor) if executor else executor_of(graph) as runs_stages,
        metered(title, forecasts, jobs=len(runs_stages.shares), tell=tells, who=who) as show,
    ):
        runs_stages.urgency = urgency
        return run_stages(graph, runs_stages, keep_going=keep_going, show=show).done


@contextmanager
def executor_of(stages: Collection[str]) -> Generator["LocalExecutor"]:
    """Yield an executor for as many stages at once as there are cores for.

    It begins to load what they need, which takes seconds, beside what is done in the block.
    """
    from motiontransfer.pipeline.runs import LocalExecutor, num_at_once
    from motiontransfer.pipeline.stage_server import server_of

    with (
        server_of(stages) as environment,
        closing(LocalExecutor([environment] * num_at_once())) as executor,
    ):
        executor.load()
        yield executor


@contextmanager
def endings_as_interrupt() -> Generator[None]:
    """Take SIGTERM and a closed terminal for Ctrl-C, of which stages and recordings are told."""
    endings = [signal.SIGTERM]
    if sys.platform != "win32":
        endings.append(signal.SIGHUP)
    before = {ending: signal.signal(ending, signal.default_int_handler) for ending in endings}
    try:
        yield
    finally:
        for ending, handler in before.items():
            signal.signal(ending, handler)


@contextmanager
def metered(
    title: str,
    forecasts: Mapping[str, float],
    *,
    jobs: int,
    tell: Mapping[str, Callable[[str], None]] = MappingProxyType({}),
    who: Mapping[str, str] = MappingProxyType({}),
) -> Generator[Callable[["RunState"], None]]:
    """Yield a function that shows in one line how far a run of these stages is.

    Args:
        jobs: how many stages run at once.
        tell: of stages, called once they are done.
        who: what to call videos and subjects.
    """
    from motiontransfer.pipeline.plan import seconds_side_by_side
    from motiontransfer.pipeline.runs import running

    meter, untold = RunMeter(title, total=1.0), [*tell]

    def still_takes(graph: "Graph", spent: Mapping[str, float]) -> float:
        left = {each: max(forecasts.get(each, 0.0) - spent.get(each, 0.0), 0.0) for each in graph}
        return seconds_side_by_side(graph, left, jobs=jobs)

    def show(progress: "RunState") -> None:
        now = time.monotonic()
        spent = {stage: now - began for stage, began in progress.running.items()}
        there = [stage for stage, seconds in spent.items() if _has_result(stage, seconds)]
        for stage in [stage for stage in untold if stage in (*progress.done, *there)]:
            untold.remove(stage)
            tell[stage](stage)
        spent |= dict.fromkeys(progress.done, math.inf)
        left = still_takes(progress.graph, spent) / max(still_takes(progress.graph, {}), 1.0)
        if progress.running:
            meter.show_run(min(max(1 - left, 0.001), 0.99), running(progress, who))

    with closing(meter), logging_redirect_tqdm():
        yield show


def _has_result(stage: str, seconds: float) -> bool:
    """Whether a stage has made its transfer's video in so many seconds, and goes on beyond it."""
    group, _, transfer = stage.partition("@")
    file = layout.results_folder(transfer) / layout.TRANSFER_FILE
    return group == "encode" and file.exists() and time.time() - file.stat().st_mtime < seconds
