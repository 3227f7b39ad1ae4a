"""The browser's camera: live transfer, or a coach, in a process of its own, while frames come."""

import base64
import json
import math
import multiprocessing
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import nullcontext, suppress
from fractions import Fraction
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from motiontransfer.core.arrays import AnyFrame, Frame
from motiontransfer.core.errors import MotionTransferError

LOADING = "<p>Loads the networks …</p>"
FRAME_RATE = 30
"""Frames that a page sends a second, at most."""
_RESULT_SECONDS = 0.025  # that a result is waited for, of this frame or one before
_IDLE_SECONDS = 5.0  # without a frame, after which the session ends
_PAGE_SECONDS = 2.0  # without a frame, after which a page is closed or reloaded: another may begin
_FAULT_SECONDS = 2.0  # after a fault, for frames that were on their way: none begins a session
_SECONDS_TO_END = 2
_QUALITY = 85  # of the JPEG


class _Failed(NamedTuple):
    """The session that has failed last."""

    of: tuple
    told: str
    seconds: float
    """When, of the monotonic clock."""


class Live:
    """The session that runs, of one page at a time."""

    name, loading, wait_seconds = "Live", LOADING, _RESULT_SECONDS

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: tuple = ()  # page, target, size
        self._is_ready = False
        self._process: multiprocessing.process.BaseProcess | None = None
        self._answered = 0.0  # when the page got its last answer
        self._failed = _Failed(of=(), told="", seconds=-math.inf)

    def perform(self, page: str, target: str, frame: Frame) -> str | None:
        """Take a frame of a page's camera; return what is to be seen, None if nothing new is.

        Raises:
            MotionTransferError: another page has the session, or it failed.
        """
        of = page, target, frame.shape[:2]
        with self._lock:
            if of == self._failed.of and time.monotonic() < self._failed.seconds + _FAULT_SECONDS:
                raise MotionTransferError(self._failed.told)
            if self._of[:1] != (page,) and self._is_in_use():
                raise MotionTransferError(f"{self.name} runs in another page: stop it there first")
            try:
                return self._answer(of, frame)
            except MotionTransferError as error:
                self._failed = _Failed(of, str(error), time.monotonic())
                raise
            finally:
                self._answered = time.monotonic()

    def press(self, key: str) -> None:
        """Pass a key of `live`'s window on."""
        with self._lock, suppress(OSError):
            if self._is_ready:
                self._connection.send(key)

    def end(self) -> int | None:
        """End the session; return the status of its process."""
        if self._process is None:
            return None
        self._connection.close()
        self._process.join(_SECONDS_TO_END)
        self._process.terminate()
        self._process.join()
        self._of = ()
        return self._process.exitcode

    def _is_in_use(self) -> bool:
        is_there = time.monotonic() - self._answered < _PAGE_SECONDS
        return is_there and self._process is not None and self._process.is_alive()

    def _begin(self, of: tuple) -> None:
        self.end()
        context = multiprocessing.get_context("spawn")
        self._connection, others = context.Pipe()
        # A daemon may have no processes of its own, in which photos are read.
        self._process = context.Process(target=self._work(), args=(*of[1:], others))
        self._process.start()
        others.close()
        self._of, self._is_ready = of, False

    def _work(self) -> Callable[..., None]:
        return _perform

    def _view(self, made: bytes) -> str:
        data = base64.b64encode(made).decode()
        return f'<img src="data:image/jpeg;base64,{data}" alt="" class="live">'

    def _answer(self, of: tuple, frame: Frame) -> str | None:
        if self._of != of:
            self._begin(of)
        try:
            return self._show(frame)
        except (EOFError, OSError) as error:
            if self.end():
                told = f"{self.name} has failed; the terminal says why"
                raise MotionTransferError(told) from error
        self._begin(of)  # no frames had come, and it had ended
        return self.loading

    def _show(self, frame: Frame) -> str | None:
        if self._is_ready:
            self._connection.send(frame)
        shown = None if self._is_ready else self.loading
        wait = self.wait_seconds
        while self._connection.poll(wait):
            match self._connection.recv():
                case None:
                    self._is_ready = True
                case str(fault):
                    self.end()
                    raise MotionTransferError(fault)
                case made:
                    shown = self._view(made)
            wait = 0
        return shown


class CoachView(Live):
    """What is to be drawn over the camera's picture and said of it, as JSON, of one guide."""

    name, wait_seconds = "Film", 5.0
    loading = json.dumps({"told": ["loads the detector …"]})

    def _work(self) -> Callable[..., None]:
        return _coach

    def _view(self, made: bytes) -> str:
        return made.decode()


def _coach(guide: str, _: tuple[int, int], browser: Connection) -> None:
    """Answer each frame of the page by what the coach says of it."""
    from motiontransfer.live.coach import open_coach  # it loads MediaPipe: only here

    with suppress(EOFError, ConnectionError, KeyboardInterrupt):  # the server has ended
        try:
            with open_coach(guide) as coach:
                browser.send(None)
                while browser.poll(_IDLE_SECONDS):
                    said = coach.look(browser.recv(), seconds=time.monotonic())
                    browser.send(json.dumps(said).encode())
        except MotionTransferError as error:
            browser.send(str(error))


def _perform(target: str, size: tuple[int, int], browser: Connection) -> None:
    """Answer the page's frames by what the window of `live` shows, as JPEG."""
    import cv2  # these load PyTorch: only here

    from motiontransfer.live.command import run_live
    from motiontransfer.live.devices import Load, Source

    keys: deque[str] = deque()

    class Page:
        def show(self, image: AnyFrame) -> None:
            bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
            jpeg = cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, _QUALITY))[1]
            browser.send(jpeg.tobytes())

        def key(self) -> str:
            return keys.popleft() if keys else ""

    def stream() -> Generator[tuple[None, Load]]:
        browser.send(None)  # all is loaded
        while browser.poll(_IDLE_SECONDS):
            item = browser.recv()
            if isinstance(item, str):
                keys.append(item)
            else:
                yield None, lambda frame=item: frame

    source = Source(
        name="the browser's camera", stream=stream, frame_rate=Fraction(FRAME_RATE), size=size
    )
    with suppress(EOFError, ConnectionError, KeyboardInterrupt):  # the server has ended
        try:
            who = [Path(target)] if Path(target).suffix else target  # a photo, as no name has a dot
            run_live(who, lambda: source, open_window=lambda: nullcontext(Page()))
        except MotionTransferError as error:
            browser.send(str(error))
