"""Where there is no display, one line says so."""

import sys
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from motiontransfer.errors import DisplayError, MissingLibraryError
from motiontransfer.live.display import Window, virtual_camera, write_text


@pytest.mark.parametrize("display", [None, ":987"])
def test_without_a_display_one_line_names_what_to_do(monkeypatch, display):
    """Also where one is named that is not there, where OpenCV would abort the process."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    if display is not None:
        monkeypatch.setenv("DISPLAY", display)
    with pytest.raises(DisplayError, match="--headless runs without one, --output FILE records"):
        Window()


def test_text_is_in_the_lower_left_corner_of_a_copy():
    image = np.full((60, 200, 3), 100, np.uint8)
    written = write_text(image, "25 fps")
    assert (image == 100).all()
    rows, columns = np.nonzero((written != 100).any(axis=2))
    assert rows.min() > 35
    assert columns.max() < 80
    assert written.min() < 40
    assert written.max() > 200


class Loopback:
    """Stands for pyvirtualcam's camera."""

    def __init__(self, **how):
        self.how, self.sent, self.is_open = how, [], False
        Loopback.opened = self

    def __enter__(self):
        self.is_open = True
        return self

    def __exit__(self, *_):
        self.is_open = False

    def send(self, frame):
        self.sent.append(frame)


def test_a_virtual_camera_gets_the_frames(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyvirtualcam", SimpleNamespace(Camera=Loopback))
    frame = np.zeros((48, 40, 3), np.uint8)
    with virtual_camera((48, 40), Fraction(25)) as send:
        send(frame, 0.0)
        assert Loopback.opened.is_open
    assert Loopback.opened.how == {"width": 40, "height": 48, "fps": 25.0}
    assert Loopback.opened.sent[0] is frame
    assert not Loopback.opened.is_open


def test_without_a_virtual_camera_one_line_says_what_to_do(monkeypatch):
    def missing(**_):
        raise RuntimeError("v4l2loopback:\nno device")

    monkeypatch.setitem(sys.modules, "pyvirtualcam", SimpleNamespace(Camera=missing))
    with pytest.raises(DisplayError, match=r"^no virtual camera: v4l2loopback: no device; "):
        virtual_camera((48, 40), Fraction(25)).__enter__()
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    with pytest.raises(MissingLibraryError, match="uv sync --extra camera"):
        virtual_camera((48, 40), Fraction(25)).__enter__()
