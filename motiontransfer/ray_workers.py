"""Workers on a Ray cluster.

Hides Ray: how a cluster is reached, and that it repeats a task whose worker or machine was lost. It
gives a worker one thread by itself. The machines of a cluster need what is installed here, in the
same versions, and no common disk.
"""

import importlib
import os
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from types import ModuleType
from typing import TypeVar
from weakref import WeakKeyDictionary

from motiontransfer.errors import ComputeError

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_KNOCK_SECONDS = 10
_MAX_RETRIES = 2  # of a task whose worker or machine is lost


class RayWorkers:
    """Tasks on a Ray cluster; Ray itself repeats those whose worker or machine was lost."""

    def __init__(self, address: str | None, num_workers: int) -> None:
        """Connect; the arguments are those of `Compute`."""
        self._ray = import_ray()
        if not self._ray.is_initialized():
            self._connect(address)
        cores = int(self._ray.cluster_resources().get("CPU", 1))
        self.num_workers = num_workers or cores
        self.max_running = num_workers or cores + 1
        exceptions = self._ray.exceptions
        self.killed: tuple[type[Exception], ...] = (
            *(exceptions.WorkerCrashedError, exceptions.OutOfMemoryError),
            *(exceptions.NodeDiedError, exceptions.ObjectLostError),
        )
        self._apply = self._ray.remote(num_cpus=1, max_retries=_MAX_RETRIES)(_apply)
        self._tasks: WeakKeyDictionary[Future, object] = WeakKeyDictionary()

    def _connect(self, address: str | None) -> None:
        try:
            if address is not None:
                _knock(address)
            self._ray.init(address, log_to_driver=False, configure_logging=False)
        except (OSError, ValueError, RuntimeError) as error:
            raise ComputeError(
                f"compute.address: no Ray cluster at {address}: {' '.join(str(error).split())}; "
                "expected ray://host:10001 or host:6379 of one that runs, or null; if it wants a "
                "token, set RAY_AUTH_MODE=token here too"
            ) from error

    def start(self, num_items: int) -> None:
        """They run already."""

    def submit(self, function: Callable[[_Item], _Result], item: _Item) -> Future[_Result]:
        """Hand an item out."""
        task = self._apply.options(name=str(item)).remote(function, item)
        future = task.future()
        self._tasks[future] = task
        return future

    def drop(self, futures: Sequence[Future]) -> None:
        """Cancel tasks."""
        for future in futures:
            self._ray.cancel(self._tasks[future])


def _apply(function: Callable[[_Item], _Result], item: _Item) -> _Result:
    return function(item)


def _knock(address: str) -> None:
    """Connect and hang up: Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    socket.create_connection((host, int(port)), timeout=_KNOCK_SECONDS).close()


def import_ray() -> ModuleType:
    """Ray, for those who start a cluster.

    Raises:
        ComputeError: it is not installed.
    """
    # Below `uv run`, Ray would make an environment for its workers; they have the one they are in.
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    try:
        return importlib.import_module("ray")
    except ModuleNotFoundError as error:
        raise ComputeError(
            "compute.backend: ray: the package ray is not installed; `uv sync --extra ray` "
            "installs it, or set backend: local"
        ) from error
