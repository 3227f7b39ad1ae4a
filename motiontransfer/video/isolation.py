"""Process isolation for decoding untrusted media: limits on memory and time, crashes as errors."""

import gc
import multiprocessing
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, suppress
from functools import partial
from multiprocessing.connection import Connection
from typing import ParamSpec, TypeVar

from motiontransfer.core.errors import VideoError
from motiontransfer.core.parallel import end_with_parent, start_method

if sys.platform != "win32":
    import resource

MEMORY_BYTES = 8 * 2**30  # 8K with sixteen reference frames takes a quarter of it
SECONDS_PER_FRAME = 300
_SECONDS_TO_END = 2
_STARTING = threading.RLock()  # the child of a fork, which has it, too, may start others
"""One at a time: filelock raises where threads fork at once."""
_send: Callable[[str, object], None] | None = None
"""To the parent of a process that this module started."""

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
    context = multiprocessing.get_context(start_method())
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(  # ty: ignore[missing-attribute] - each context has it
        target=_run, args=(receiver, sender, function, arguments, named), daemon=is_daemon
    )
    with _STARTING:
        process.start()
    sender.close()
    try:
        while True:
            try:
                if not receiver.poll(SECONDS_PER_FRAME):
                    process.kill()
                    raise VideoError(
                        _fault(arguments[0], f"showed no progress for {SECONDS_PER_FRAME} s")
                    )
                kind, result = receiver.recv()
            except EOFError:
                process.join()
                raise VideoError(_fault(arguments[0], _death(process.exitcode))) from None
            if kind == "progress":
                continue
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
    if _send:
        _send("progress", None)


def _run(
    receiver: Connection,
    sender: Connection,
    function: Callable[..., Iterator[object]],
    arguments: tuple[object, ...],
    named: Mapping[str, object],
) -> None:
    global _send
    gc.freeze()  # a decoder of the parent waits for threads that are not here when it is freed
    receiver.close()  # of the parent, which is the only one to read
    threading.Thread(target=end_with_parent, daemon=True).start()
    if sys.platform != "win32":
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        limit = MEMORY_BYTES if most == resource.RLIM_INFINITY else min(MEMORY_BYTES, most)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, most))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sending = threading.Lock()  # progress may come from another thread

    def send(kind: str, result: object) -> None:
        with sending:
            sender.send((kind, result))

    _send = send
    with suppress(KeyboardInterrupt, BrokenPipeError):
        try:
            for result in function(*arguments, **named):
                send("item", result)
            send("end", None)
        except Exception as error:  # noqa: BLE001 - raised again by the parent
            error.add_note(traceback.format_exc())
            send("error", error)


def _fault(media: object, cause: str) -> str:
    file = " or ".join(map(str, media.values())) if isinstance(media, Mapping) else media
    return f"{file}: decoding it {cause}; the file is damaged or hostile: convert it, or leave it"


def _death(exit_code: int | None) -> str:
    number = -(exit_code or 0)
    name = signal.Signals(number).name if number > 0 else f"status {exit_code}"
    if name == "SIGKILL":
        return "was killed, perhaps for lack of memory"
    return f"crashed ({name})"
