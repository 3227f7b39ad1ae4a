"""Worker processes on this machine.

Hides loky, which comes with joblib: it outlives a worker's death, keeps workers for the next call,
and starts them with one thread each.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from typing import TypeVar

import joblib
from joblib.externals.loky import get_reusable_executor, process_executor
from joblib.externals.loky.process_executor import TerminatedWorkerError

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_IDLE_SECONDS = 60  # after which workers end: who has loaded MediaPipe should be used again


class LocalWorkers:
    """Processes on this machine, kept for the next call."""

    def __init__(self, num_workers: int) -> None:
        """Count them: 0 for one a core."""
        self.killed: tuple[type[Exception], ...] = (TerminatedWorkerError,)
        self.num_workers = num_workers or joblib.cpu_count()
        self.max_running = self.num_workers + 1  # one in store for whoever is free next

    def start(self, num_items: int) -> None:
        """Start as many processes as are needed."""
        self.num_workers = min(self.num_workers, num_items)
        self._executor = get_reusable_executor(
            max_workers=self.num_workers,
            timeout=_IDLE_SECONDS,
            initializer=_keep_workers_that_grow,
            env={"OMP_NUM_THREADS": "1"},
        )

    def submit(self, function: Callable[[_Item], _Result], item: _Item) -> Future[_Result]:
        """Hand an item out."""
        try:
            return self._executor.submit(function, item)
        except TerminatedWorkerError as error:  # killed before this item; told after what came well
            future = Future()
            future.set_exception(error)
            return future

    def drop(self, futures: Sequence[Future]) -> None:
        """Cancel what is not begun, and wait for the rest, which cannot be interrupted."""
        running = [future for future in futures if not future.cancel()]
        wait(running)
        if len(running) < len(futures):  # loky counts what was cancelled as running, for a while
            self._executor.shutdown()


def _keep_workers_that_grow() -> None:
    """In a worker: loky takes 300 MB more than the first item needed for a leak, and ends it."""
    process_executor._USE_PSUTIL = False
