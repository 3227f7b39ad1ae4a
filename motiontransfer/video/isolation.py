"""Process isolation for decoding untrusted media: limits on memory and time, crashes as errors."""

import multiprocessing
import os
import resource
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import ParamSpec, TypeVar

from motiontransfer.errors import VideoError

MEMORY_BYTES = 8 * 2**30  # 8K with sixteen reference frames takes a quarter of it
SECONDS_PER_FRAME = 300
_SECONDS_TO_END = 2

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
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(sender, function, arguments, named))
    with warnings.catch_warnings():  # the threads that live here are those of idle libraries
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    sender.close()
    try:
        succeeded, outcome = receiver.recv()
    except EOFError:
        process.join()
        raise VideoError(_death(arguments[0], process.exitcode)) from None
    except BaseException:
        process.join(_SECONDS_TO_END)  # Ctrl-C reaches it, too
        process.terminate()
        raise
    finally:
        process.join()
        receiver.close()
    if succeeded:
        return outcome
    raise outcome


def restart_time_limit() -> None:
    """Give a process of `run_isolated` 300 s from now; without effect in others."""
    if signal.alarm(0):
        signal.alarm(SECONDS_PER_FRAME)


def _run(
    sender: Connection,
    function: Callable[..., object],
    arguments: tuple[object, ...],
    named: dict[str, object],
) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    limit = MEMORY_BYTES if most == resource.RLIM_INFINITY else min(MEMORY_BYTES, most)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, most))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.alarm(SECONDS_PER_FRAME)
    try:
        outcome = True, function(*arguments, **named)
    except KeyboardInterrupt:
        return
    except Exception as error:  # noqa: BLE001 - raised again by the parent
        error.add_note(traceback.format_exc())
        outcome = False, error
    signal.alarm(0)
    sender.send(outcome)


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
