"""Ordered parallel map over processes of this machine (loky) or of a Ray cluster.

Items and results travel by value, so a cluster needs no common disk. Each worker computes with one
thread, because a floating-point sum depends on how it is split up: the same bytes come out with any
number of workers.
"""

import importlib
import os
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from itertools import chain, islice
from types import ModuleType
from typing import Literal, TypeVar
from weakref import WeakKeyDictionary

import loky
from pydantic import Field, model_validator

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
_CONNECT_SECONDS = 10
MAX_RETRIES = 2  # of a Ray task whose worker or machine is lost


class Compute(Section):
    """Section `compute`, explained in params.yaml; it does not affect results."""

    backend: Literal["local", "ray"]
    address: str | None
    num_workers: int = Field(ge=0)

    @model_validator(mode="after")
    def _address_has_an_effect(self) -> "Compute":
        if self.address is not None and self.backend != "ray":
            raise ValueError(f"address has no effect with backend: {self.backend}; expected null")
        return self


def run_parallel(
    function: Callable[[_Item], _Result], items: Iterable[_Item], *, compute: Compute
) -> Iterator[_Result]:
    """Yield function(item) for each item, in order and as they come.

    At most two items a worker are taken before the first of them is yielded.

    Args:
        function: can be imported by the workers.
        items: `str(item)` names it in errors.

    Raises:
        ComputeError: no workers are available, or one was killed.
        MotionTransferError: raised by the function; no result comes after it.
    """
    remaining = iter(items)
    first = list(islice(remaining, compute.num_workers or loky.cpu_count()))
    if not first:
        return
    pool = _RayPool(compute) if compute.backend == "ray" else _LocalPool(len(first))
    waiting: deque[tuple[str, Future[_Result | MotionTransferError]]] = deque()
    try:
        for item in chain(first, remaining):
            if len(waiting) == pool.max_waiting:
                yield _next_result(waiting)
            waiting.append((str(item), pool.submit(function, item)))
        while waiting:
            yield _next_result(waiting)
    except pool.killed as error:
        unfinished = [name for name, future in waiting if not future.done() or future.exception()]
        raise ComputeError(
            "a worker was killed, perhaps out of memory, at "
            f"{' or '.join(unfinished[: pool.num_workers])}; lower compute.num_workers, or free "
            "memory"
        ) from error
    finally:
        if waiting:
            pool.stop([future for _, future in waiting])


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


class _LocalPool:
    """Processes of this machine, kept for the next call."""

    def __init__(self, num_workers: int) -> None:
        self.num_workers, self.max_waiting = num_workers, 2 * num_workers
        self.killed: tuple[type[Exception], ...] = (loky.BrokenProcessPool,)
        self._executor = loky.get_reusable_executor(
            max_workers=num_workers, timeout=_IDLE_SECONDS, env=_WORKER_ENVIRONMENT
        )

    def submit(self, function: Callable[[_Item], _Result], item: _Item) -> Future:
        return self._executor.submit(_call, function, item)

    def stop(self, futures: Iterable[Future]) -> None:
        wait([future for future in futures if not future.cancel()])
        self._executor.shutdown()  # cancelled items would count as running for a while


class _RayPool:
    """Ray tasks of one thread each; Ray repeats those whose worker or machine was lost."""

    def __init__(self, compute: Compute) -> None:
        self._ray = import_ray()
        if not self._ray.is_initialized():
            connect_ray(self._ray, compute.address)
        num_cores = int(self._ray.cluster_resources().get("CPU", 1))
        self.num_workers = compute.num_workers or num_cores
        self.max_waiting = compute.num_workers or 2 * num_cores
        errors = self._ray.exceptions
        self.killed: tuple[type[Exception], ...] = (
            *(errors.WorkerCrashedError, errors.OutOfMemoryError),
            *(errors.NodeDiedError, errors.ObjectLostError),
        )
        self._call = self._ray.remote(num_cpus=1, max_retries=MAX_RETRIES)(_call)
        self._tasks: WeakKeyDictionary[Future, object] = WeakKeyDictionary()

    def submit(self, function: Callable[[_Item], _Result], item: _Item) -> Future:
        task = self._call.options(name=str(item)).remote(function, item)
        future = task.future()
        self._tasks[future] = task
        return future

    def stop(self, futures: Iterable[Future]) -> None:
        for future in futures:
            self._ray.cancel(self._tasks[future])


def connect_ray(
    ray: ModuleType,
    address: str | None,
    *,
    setting: str = "compute.address",
    log_to_driver: bool = False,
) -> None:
    """Join a Ray cluster that runs, or the one on this machine, or start one.

    Args:
        setting: what names the address, in errors.
        log_to_driver: print here what tasks print.

    Raises:
        ComputeError: there is no such cluster.
    """
    try:
        if address is not None:  # a cluster that does not answer: Ray itself would try for minutes
            host, _, port = address.removeprefix("ray://").rpartition(":")
            socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()
        ray.init(address, log_to_driver=log_to_driver, configure_logging=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise ComputeError(
            f"{setting}: no Ray cluster at {address}: {' '.join(str(error).split())}; "
            "expected ray://host:10001 or host:6379 of one that runs, or null; if it wants a "
            "token, set RAY_AUTH_MODE=token here too"
        ) from error


def import_ray(setting: str = "compute.backend: ray") -> ModuleType:
    """Import Ray.

    Raises:
        ComputeError: it is not installed.
    """
    # Below `uv run`, Ray would make an environment for its workers; they have the one they are in.
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    try:
        return importlib.import_module("ray")
    except ModuleNotFoundError as error:
        raise ComputeError(
            f"{setting}: the package ray is not installed; `uv sync --extra ray` installs it"
        ) from error
