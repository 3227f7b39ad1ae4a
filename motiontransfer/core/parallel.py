"""Ordered work in other threads, and in processes of this machine.

Order and results are those of the caller's thread. A worker process computes with one thread,
because a floating-point sum depends on how it is split up. The bytes are the same with any number
of workers.

loky starts workers, and keeps them for the next call. They load their libraries, a second of each.
So a stage of `dance` forks its workers: `fork_workers`.
"""

import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Literal, ParamSpec, TypeVar

from motiontransfer.core.errors import ComputeError, MotionTransferError

_Arguments = ParamSpec("_Arguments")
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_MAX_PENDING = 8
_forks_workers = False
_IDLE_SECONDS = 60  # workers outlive a call: loading MediaPipe takes seconds
KEPT_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "33554432", "MALLOC_TRIM_THRESHOLD_": "134217728"}
"""Environment variables that glibc reads as a process begins, also for its forks. Else it gives
memory back to the system, and asks for it again, at each image of another size."""
_WORKER_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    # loky ends a worker that takes more memory than this beyond its first item's, as leaking.
    "LOKY_MAX_MEMORY_LEAK_SIZE": "1e15",
    **KEPT_MEMORY,
}


@contextmanager
def in_thread(function: Callable[_Arguments, object]) -> Generator[Callable[_Arguments, None]]:
    """Yield a function that calls another one in a thread, in order.

    It returns at once, but waits where eight calls are pending. What the other one raises comes
    out of a later call or at the end of the block. Where the block fails, pending calls are
    dropped.
    """
    pending: deque[Future] = deque()

    def call(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> None:
        if len(pending) == _MAX_PENDING:
            pending.popleft().result()
        pending.append(pool.submit(function, *args, **kwargs))

    with ThreadPoolExecutor(max_workers=1) as pool:
        try:
            yield call
            for future in pending:
                future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def map_ahead(
    function: Callable[[_Item], _Result],
    items: Iterable[_Item],
    *,
    num_threads: int,
    initializer: Callable[[], object] | None = None,
) -> Generator[_Result]:
    """Yield function(item) of each item, in order, while as many threads compute those after it.

    Items are taken in the caller's thread, as many ahead as there are threads. What the function
    raises comes out in its result's place. No thread is left when the generator ends or is closed.

    Args:
        num_threads: 0: the caller's thread computes each result when it is asked for.
        initializer: called in each thread first.
    """
    if num_threads == 0:
        yield from map(function, items)
        return
    pending: deque[Future[_Result]] = deque()
    with ThreadPoolExecutor(num_threads, initializer=initializer) as pool:
        try:
            for item in items:
                pending.append(pool.submit(function, item))
                if len(pending) > num_threads:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def run_parallel(
    function: Callable[[_Item], _Result], items: Iterable[_Item], *, num_workers: int | None
) -> Iterator[_Result]:
    """Yield function(item) for each item, in order and as they come.

    At most two items a worker are taken before the first of them is yielded.

    Args:
        function: can be imported by the workers.
        items: `str(item)` names it in errors.
        num_workers: 0: one for each core; None: the work is done here, as it takes less time than
            starting workers.

    Raises:
        ComputeError: a worker was killed.
        MotionTransferError: raised by the function; no result comes after it.
    """
    if num_workers is None:
        yield from map(function, items)
        return
    import loky  # here: who needs threads alone may lack it

    remaining = iter(items)
    first = list(islice(remaining, num_workers or loky.cpu_count()))
    if not first:
        return
    executor, call = _pool(len(first)), partial(_call, function)
    waiting: deque[tuple[str, Future[_Result | MotionTransferError]]] = deque()
    try:
        for item in chain(first, remaining):
            if len(waiting) == 2 * len(first):
                yield _next_result(waiting)
            waiting.append((str(item), executor.submit(call, item)))
        while waiting:
            yield _next_result(waiting)
    except BrokenProcessPool as error:
        unfinished = [name for name, future in waiting if not future.done() or future.exception()]
        raise ComputeError(
            "a worker was killed, perhaps out of memory, at "
            f"{' or '.join(unfinished[: len(first)])}; lower compute.num_workers, or free memory"
        ) from error
    finally:
        if waiting:
            wait([future for _, future in waiting if not future.cancel()])
        if waiting or isinstance(executor, ProcessPoolExecutor):
            executor.shutdown()  # cancelled items would count as running for a while


def fork_workers() -> None:
    """Fork the workers of this process from now on, on Linux, with all that it has loaded.

    Only where MediaPipe does not run beside: its threads are not in a fork, which would crash.
    """
    global _forks_workers
    _forks_workers = start_method() == "fork"


def _pool(num_workers: int) -> Executor:
    if _forks_workers:
        context = multiprocessing.get_context("fork")
        return ProcessPoolExecutor(num_workers, context, initializer=_begin_worker)
    import loky

    return loky.get_reusable_executor(
        max_workers=num_workers, timeout=_IDLE_SECONDS, env=_WORKER_ENVIRONMENT
    )


def _begin_worker() -> None:
    """Make a fork a worker of one thread, which ends with its parent."""
    gc.freeze()  # a decoder of the parent waits for threads that are not here when it is freed
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=end_with_parent, daemon=True).start()
    os.environ.update(_WORKER_ENVIRONMENT)
    if torch := sys.modules.get("torch"):  # its threads are not here
        torch.set_num_threads(1)


def end_with_parent() -> None:
    """End this process, which multiprocessing started, as soon as its parent has ended."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def end_workers() -> None:
    """End the workers that are kept for the next call.

    A process that multiprocessing started waits at its end until they have been idle for a minute.
    """
    if not _forks_workers:
        import loky

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


cpu_clock = time.perf_counter if sys.platform == "win32" else time.thread_time
"""Seconds that this thread computed; on Windows, where that is counted by 16 ms, that passed."""


def start_method() -> Literal["fork", "spawn"]:
    """How this project starts processes; MOTIONTRANSFER_START=spawn does without fork on Linux.

    Elsewhere system libraries of a process that has loaded much may crash in a fork of it.
    """
    asked = os.environ.get("MOTIONTRANSFER_START")
    return "fork" if sys.platform == "linux" and asked != "spawn" else "spawn"


def memory_bytes() -> int:
    """Memory of the machine, or of the container, where that is less."""
    import psutil  # here: who needs threads alone may lack it

    of_machine = psutil.virtual_memory().total
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
    except OSError:
        return of_machine
    return min(of_machine, int(limit)) if limit.isdigit() else of_machine
