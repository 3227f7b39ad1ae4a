"""Ordered parallel map over processes of this machine (loky).

Each worker computes with one thread, because a floating-point sum depends on how it is split up:
the same bytes come out with any number of workers.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from itertools import chain, islice
from typing import TypeVar

import loky
from pydantic import Field

from motiontransfer.errors import ComputeError, MotionTransferError
from motiontransfer.params import Section

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_IDLE_SECONDS = 60  # workers outlive a call: loading MediaPipe takes seconds
_WORKER_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    # loky ends a worker that takes more memory than this beyond its first item's, as leaking.
    "LOKY_MAX_MEMORY_LEAK_SIZE": "1e15",
}


class Compute(Section):
    """Section `compute`, explained in params.yaml; it does not affect results."""

    num_workers: int = Field(ge=0)


def run_parallel(
    function: Callable[[_Item], _Result], items: Iterable[_Item], *, compute: Compute
) -> Iterator[_Result]:
    """Yield function(item) for each item, in order and as they come.

    At most two items a worker are taken before the first of them is yielded.

    Args:
        function: can be imported by the workers.
        items: `str(item)` names it in errors.

    Raises:
        ComputeError: a worker was killed.
        MotionTransferError: raised by the function; no result comes after it.
    """
    remaining = iter(items)
    first = list(islice(remaining, compute.num_workers or loky.cpu_count()))
    if not first:
        return
    executor = loky.get_reusable_executor(
        max_workers=len(first), timeout=_IDLE_SECONDS, env=_WORKER_ENVIRONMENT
    )
    waiting: deque[tuple[str, Future[_Result | MotionTransferError]]] = deque()
    try:
        for item in chain(first, remaining):
            if len(waiting) == 2 * len(first):
                yield _next_result(waiting)
            waiting.append((str(item), executor.submit(_call, function, item)))
        while waiting:
            yield _next_result(waiting)
    except loky.BrokenProcessPool as error:
        unfinished = [name for name, future in waiting if not future.done() or future.exception()]
        raise ComputeError(
            "a worker was killed, perhaps out of memory, at "
            f"{' or '.join(unfinished[: len(first)])}; lower compute.num_workers, or free memory"
        ) from error
    finally:
        if waiting:
            wait([future for _, future in waiting if not future.cancel()])
            executor.shutdown()  # cancelled items would count as running for a while


def end_workers() -> None:
    """End the local workers that are kept for the next call.

    A process that multiprocessing started waits at its end until they have been idle for a minute.
    """
    loky.get_reusable_executor().shutdown()


def _call(function: Callable[[_Item], _Result], item: _Item) -> _Result | MotionTransferError:
    """Run in a worker; an error of the user's comes back as a value, without a remote traceback."""
    try:
        return function(item)
    except MotionTransferError as error:
        return error


def _next_result(waiting: deque[tuple[str, Future[_Result | MotionTransferError]]]) -> _Result:
    outcome = waiting[0][1].result()
    waiting.popleft()
    if isinstance(outcome, MotionTransferError):
        raise outcome
    return outcome
