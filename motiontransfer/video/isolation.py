"""Process isolation for decoding untrusted media: limits on memory and time, crashes as errors."""

import gc
import multiprocessing
import os
import resource
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, suppress
from functools import partial
from multiprocessing.connection import Connection
from typing import ParamSpec, TypeVar

from motiontransfer.core.errors import VideoError

MEMORY_BYTES = 8 * 2**30  # 8K with sixteen reference frames takes a quarter of it
SECONDS_PER_FRAME = 300
_SECONDS_TO_END = 2
_STARTING = threading.RLock()  # the child of a fork, which has it, too, may start others
"""One at a time: filelock raises where threads fork at once."""

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


def run_isolated(
    function: Callable[_Parameters, _Result],
    *arguments: _Parameters.args,
    **named: _Parameters.kwargs,
) -> _Result:
    """Call a function, whose first argument is a media file or several by name, in a child process.

    Raises:
        VideoError: the process crashed, took more memory than there is, or decoded no frame for
            300 s.
        Exception: whatever the function raises.
    """
    with closing(_results(partial(_one, function), arguments, named)) as results:
        return next(results)


def iterate_isolated(
    function: Callable[_Parameters, Iterator[_Result]],
    *arguments: _Parameters.args,
    **named: _Parameters.kwargs,
) -> Generator[_Result]:
    """Iterate in a child process, as `run_isolated` calls; it begins with the first item."""
    return _results(function, arguments, named, is_daemon=True)  # at exit it may wait for a reader


def _one(
    function: Callable[..., _Result], *arguments: object, **named: object
) -> Generator[_Result]:
    yield function(*arguments, **named)


def _results(
    function: Callable[..., Iterator[_Result]],
    arguments: tuple[object, ...],
    named: Mapping[str, object],
    *,
    is_daemon: bool = False,
) -> Generator[_Result]:
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(
        target=_run, args=(receiver, sender, function, arguments, named), daemon=is_daemon
    )
    with _STARTING, warnings.catch_warnings():
        # The threads that live here are those of idle libraries.
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    sender.close()
    try:
        while True:
            try:
                kind, result = receiver.recv()
            except EOFError:
                process.join()
                raise VideoError(_death(arguments[0], process.exitcode)) from None
            if kind == "error":
                raise result
            if kind == "end":
                return
            yield result
    finally:
        receiver.close()
        process.join(_SECONDS_TO_END)  # Ctrl-C reaches it, too
        process.terminate()
        process.join()


def restart_time_limit() -> None:
    """Give a process of `run_isolated` 300 s from now; without effect in others."""
    if signal.alarm(0):
        signal.alarm(SECONDS_PER_FRAME)


def _run(
    receiver: Connection,
    sender: Connection,
    function: Callable[..., Iterator[object]],
    arguments: tuple[object, ...],
    named: Mapping[str, object],
) -> None:
    gc.freeze()  # a decoder of the parent waits for threads that are not here when it is freed
    receiver.close()  # of the parent, which is the only one to read
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    limit = MEMORY_BYTES if most == resource.RLIM_INFINITY else min(MEMORY_BYTES, most)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, most))
    signal.signal(signal.SIGTERM, signal.default_int_handler)

    def send(kind: str, result: object) -> None:
        signal.alarm(0)  # the parent takes its time
        sender.send((kind, result))
        signal.alarm(SECONDS_PER_FRAME)

    with suppress(KeyboardInterrupt, BrokenPipeError):
        signal.alarm(SECONDS_PER_FRAME)
        try:
            for result in function(*arguments, **named):
                send("item", result)
            send("end", None)
        except Exception as error:  # noqa: BLE001 - raised again by the parent
            error.add_note(traceback.format_exc())
            send("error", error)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _death(media: object, exit_code: int | None) -> str:
    number = -(exit_code or 0)
    file = " or ".join(map(str, media.values())) if isinstance(media, Mapping) else media
    if number == signal.SIGALRM:
        cause = f"showed no progress for {SECONDS_PER_FRAME} s"
    elif number == signal.SIGKILL:
        cause = "was killed, perhaps for lack of memory"
    else:
        name = signal.Signals(number).name if number > 0 else f"status {exit_code}"
        cause = f"crashed ({name})"
    return f"{file}: decoding it {cause}; the file is damaged or hostile: convert it, or leave it"
