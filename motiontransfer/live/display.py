"""A window for source, pose and result side by side, and a virtual camera for the result."""

import os
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from fractions import Fraction
from importlib import import_module

import cv2
import numpy as np

from motiontransfer.errors import DisplayError, MissingLibraryError
from motiontransfer.video.color import AnyFrame, Frame

_TITLE = "motiontransfer"
_LARGEST_HEIGHT_PX = 540  # at first
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
        """Show an image."""
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
    """Yield what sends a frame to a virtual camera, which other programs find among the cameras.

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
