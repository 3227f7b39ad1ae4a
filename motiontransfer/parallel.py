"""Work shared out among processes: on this machine, or on a Ray cluster.

Hides who the workers are and how they are reached. What they are given and what they return travels
by value, so they need no common disk; results come in the order of the items, however many workers
there are. A worker computes with one thread, because a sum depends on how it is split up.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import partial
from itertools import chain, islice
from typing import Literal, Protocol, TypeVar, runtime_checkable

from pydantic import Field, model_validator

from motiontransfer.errors import ComputeError, MotionTransferError
from motiontransfer.local_workers import LocalWorkers
from motiontransfer.params import Section
from motiontransfer.ray_workers import RayWorkers

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Compute(Section):
    """Section `compute` of params.yaml: who does the work. It changes nothing but the time."""

    backend: Literal["local", "ray"]
    """Processes on this machine, or tasks on a Ray cluster (extra `ray`)."""

    address: str | None
    """Of the cluster, `ray://host:10001` or `host:6379`; None: the one on this machine, started if
    there is none."""

    num_workers: int = Field(ge=0)
    """How many work at once; 0: one for each core of this machine or of the cluster."""

    @model_validator(mode="after")
    def _address_has_an_effect(self) -> "Compute":
        if self.address is not None and self.backend != "ray":
            raise ValueError(f"address has no effect with backend: {self.backend}; expected null")
        return self


def run_parallel(
    function: Callable[[_Item], _Result], items: Iterable[_Item], *, compute: Compute
) -> Iterator[_Result]:
    """Yield function(item) for each item, in order and as they come.

    Items are taken when a worker is about to be free, and no more than two results a worker wait
    for whoever takes them.

    Args:
        function: can be imported by the workers.
        items: `str(item)` names it in errors.

    Raises:
        ComputeError: no workers can be had, or one was killed.
        MotionTransferError: what the function raises; no result comes after it.
    """
    remaining, call = iter(items), partial(_call, function)
    workers: _Workers = (
        RayWorkers(compute.address, compute.num_workers)
        if compute.backend == "ray"
        else LocalWorkers(compute.num_workers)
    )
    first = list(islice(remaining, workers.num_workers))
    if not first:
        return
    workers.start(len(first))
    waiting: deque[tuple[str, Future[_Result | MotionTransferError]]] = deque()
    try:
        for item in chain(first, remaining):
            waiting.append((str(item), workers.submit(call, item)))
            while waiting and not _has_room(waiting, workers):
                if waiting[0][1].done():
                    yield _outcome(waiting, workers)
                else:
                    wait(_unfinished(waiting), return_when=FIRST_COMPLETED)
        while waiting:
            yield _outcome(waiting, workers)
    finally:
        workers.drop(_unfinished(waiting))


def _unfinished(waiting: Iterable[tuple[str, Future]]) -> list[Future]:
    return [future for _, future in waiting if not future.done()]


def _has_room(waiting: deque[tuple[str, Future]], workers: "_Workers") -> bool:
    """Whether one more item may be handed out."""
    running = len(_unfinished(waiting))
    return running < workers.max_running and len(waiting) <= 2 * workers.num_workers


@runtime_checkable
class _Workers(Protocol):
    num_workers: int
    """How many work at once."""

    max_running: int
    """How many items may be with the workers at once."""

    killed: tuple[type[Exception], ...]
    """What a killed worker's future raises."""

    def start(self, num_items: int) -> None:
        """Get ready for items of which there are at least so many."""
        ...

    def submit(self, function: Callable[[_Item], _Result], item: _Item) -> Future[_Result]: ...

    def drop(self, futures: Sequence[Future]) -> None:
        """Stop working on what nobody will take any more."""
        ...


def _outcome(
    waiting: deque[tuple[str, Future[_Result | MotionTransferError]]], workers: _Workers
) -> _Result:
    """Take the first result, waiting for it."""
    suspects = [name for name, future in waiting if not _ended_well(future)][: workers.num_workers]
    _, future = waiting.popleft()
    try:
        outcome = future.result()
    except workers.killed as error:
        raise ComputeError(
            f"a worker was killed, perhaps out of memory, at {' or '.join(suspects)}; lower "
            "compute.num_workers, or free memory"
        ) from error
    if isinstance(outcome, MotionTransferError):
        raise outcome
    return outcome


def _ended_well(future: Future) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None


def _call(function: Callable[[_Item], _Result], item: _Item) -> _Result | MotionTransferError:
    """Run in a worker: a fault of the user's comes back as a value, without the way it took."""
    try:
        return function(item)
    except MotionTransferError as error:
        return error
