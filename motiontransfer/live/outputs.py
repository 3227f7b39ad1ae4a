"""Outputs of a live session: a window, a virtual camera, and a recording signed at its end."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from functools import partial
from importlib import import_module
from pathlib import Path

import cv2
import numpy as np

from motiontransfer.errors import DisplayError, MissingLibraryError
from motiontransfer.video.color import AnyFrame, Frame
from motiontransfer.video.writer import in_thread, video_writer

Sign = Callable[[Path, Path], None]
"""Writes a signed copy, at the first path, of the file at the second."""

_TITLE = "motiontransfer"
_LARGEST_HEIGHT_PX = 540  # as it opens
_TEXT_PX = 14
_TEXT, _TEXT_BACKGROUND = (236, 238, 242), (20, 21, 24)
_PROBE_SECONDS = 30


class Window:
    """A window, and the keys that are pressed in it."""

    def __init__(self) -> None:
        """Open it.

        Raises:
            DisplayError: there is no display.
        """
        # Without a display the library behind OpenCV's windows aborts the process: another tries.
        command = [sys.executable, "-c", "import cv2; cv2.namedWindow('probe', cv2.WINDOW_NORMAL)"]
        is_linux = sys.platform == "linux"
        if is_linux and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise _no_display("neither DISPLAY nor WAYLAND_DISPLAY is set")
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=_PROBE_SECONDS)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            raise _no_display("OpenCV cannot open a window") from error
        cv2.namedWindow(_TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        self._has_size = False

    def __enter__(self) -> "Window":
        return self

    def __exit__(self, *_: object) -> None:
        cv2.destroyWindow(_TITLE)

    def show(self, image: AnyFrame) -> None:
        """Show an image; the first also gives the window its size."""
        if not self._has_size:
            scale = min(1.0, _LARGEST_HEIGHT_PX / image.shape[0])
            cv2.resizeWindow(_TITLE, *(round(scale * side) for side in image.shape[1::-1]))
            self._has_size = True
        cv2.imshow(_TITLE, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))

    def key(self) -> str:
        """The key that was pressed, `q` where the window was closed, or nothing."""
        code = cv2.waitKey(1) & 0xFF
        if self._has_size and cv2.getWindowProperty(_TITLE, cv2.WND_PROP_VISIBLE) < 1:
            return "q"
        return chr(code) if code < 128 else ""


def _no_display(reason: str) -> DisplayError:
    return DisplayError(
        f"no window can be opened: {reason}; --headless runs without one, --output FILE records"
    )


def write_text(image: AnyFrame, text: str) -> AnyFrame:
    """Return the image with a line of text in its lower left corner."""
    written = np.ascontiguousarray(image).copy()
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, _TEXT_PX / 30
    (width, height), _ = cv2.getTextSize(text, font, scale, 1)
    bottom, margin = image.shape[0], _TEXT_PX // 3
    top = (width + 2 * margin, bottom - height - 2 * margin)
    cv2.rectangle(written, (0, bottom), top, _TEXT_BACKGROUND, cv2.FILLED)
    cv2.putText(written, text, (margin, bottom - margin), font, scale, _TEXT, 1, cv2.LINE_AA)
    return written


@contextmanager
def virtual_camera(
    size: tuple[int, int], frame_rate: Fraction
) -> Generator[Callable[[Frame, float], None]]:
    """Yield a function that sends a frame to a virtual camera, from which other programs read.

    Raises:
        MissingLibraryError: pyvirtualcam is not installed.
        DisplayError: this machine has no such camera.
    """
    try:
        pyvirtualcam = import_module("pyvirtualcam")  # an extra, which type checkers would miss
    except ImportError as error:
        raise MissingLibraryError(
            "pyvirtualcam is not installed; `uv sync --extra camera` installs it"
        ) from error
    try:
        camera = pyvirtualcam.Camera(width=size[1], height=size[0], fps=float(frame_rate))
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise DisplayError(
            f"no virtual camera: {reason}; on Linux `modprobe v4l2loopback` makes one"
        ) from error
    with camera:
        yield lambda frame, _: camera.send(frame)


class Recorder:
    """Records frames, each shown from its time until that of the next, at a constant rate.

    The first is shown from the beginning. At the end of the block, however it ends, the file is
    whole; without a frame there is none.
    """

    def __init__(
        self,
        path: Path,
        *,
        frame_rate: Fraction,
        sound: Path | None = None,
        sound_offset_seconds: float = 0.0,
        crf: int = 18,
        sign: Sign | None = None,
    ) -> None:
        self._path, self._frame_rate, self._sign = path, frame_rate, sign
        self._scratch = ExitStack()
        unsigned = path
        if sign is not None:
            folder = tempfile.TemporaryDirectory(prefix="motiontransfer-")
            unsigned = Path(self._scratch.enter_context(folder)) / f"unsigned{path.suffix}"
        self._unsigned, self._writing = unsigned, ExitStack()
        self._open = partial(
            video_writer,
            unsigned,
            frame_rate=frame_rate,
            sound=sound,
            sound_offset_seconds=sound_offset_seconds,
            crf=crf,
        )
        self._write: Callable[[Frame], None] | None = None
        self._last: Frame | None = None
        self._num_written = 0

    def record(self, frame: Frame, seconds: float) -> None:
        """Show a frame from this time on."""
        if self._last is None:
            write = self._writing.enter_context(self._open())
            self._write = self._writing.enter_context(in_thread(write))
            self._last = frame
        self._repeat_until(round(seconds * self._frame_rate))
        self._last = frame

    def _repeat_until(self, index: int) -> None:
        assert self._write is not None
        assert self._last is not None
        while self._num_written < index:
            self._write(self._last)
            self._num_written += 1

    def __enter__(self) -> Callable[[Frame, float], None]:
        return self.record

    def __exit__(self, *_: object) -> None:
        """Finish the file, also after an error."""
        with self._scratch:
            if self._last is None:
                return
            with self._writing:
                self._repeat_until(self._num_written + 1)
            if self._sign is not None:
                self._sign(self._path, self._unsigned)
