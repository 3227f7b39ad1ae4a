"""Work in threads beside the caller's, whose order and results are those of the caller's thread."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

_Arguments = ParamSpec("_Arguments")
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_MAX_PENDING = 8


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
