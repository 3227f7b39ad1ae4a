"""Graceful shutdown on SIGINT and SIGTERM.

The first signal is only recorded, so that the step can be finished and checkpointed; a second one
has its usual effect. After the checkpoint the recorded signal is raised again, so that the process
ends with 130 or 143 in a shell.
"""

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Which signal has come, if any."""

    def __init__(self) -> None:
        self.signal_number = 0
        """0: none."""


@contextmanager
def listening() -> Generator[StopRequest]:
    """Note the first signal to stop instead of obeying it."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request  # signals come to the main thread, and only it may say who gets them
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def put_back() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, _: FrameType | None) -> None:
        request.signal_number = number
        put_back()

    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # nohup, for example
            signal.signal(number, note)
    try:
        yield request
    finally:
        put_back()


def pass_on(signal_number: int) -> NoReturn:
    """End as the signal would have ended the process.

    Raises:
        KeyboardInterrupt: it was Ctrl-C, or whoever handles the signal returns.
    """
    signal.raise_signal(signal_number)
    raise KeyboardInterrupt
