import sys
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from motiontransfer.core.errors import DisplayError, MissingLibraryError
from motiontransfer.live.devices import Window, recording, virtual_camera
from motiontransfer.video.frame_store import FrameStore
from tests.live.parts import source_of
from tests.people import SIZE, dance


@pytest.mark.parametrize("display", [None, ":987"])
def test_without_a_display_one_line_names_what_to_do(monkeypatch, display):
    """Also where one is named that is not there, where OpenCV would abort the process."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    if display is not None:
        monkeypatch.setenv("DISPLAY", display)
    with pytest.raises(DisplayError, match="--headless runs without one, --output FILE records"):
        Window()


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


def flat(level):
    return np.full((*SIZE, 3), level, np.uint8)


def levels(path):
    with FrameStore(path) as store:
        return [round(float(frame.mean()), -1) for frame in store.frames()]


def recorded(path, *frames):
    with recording(source_of(dance(1)), path) as record:
        for level, seconds in frames:
            record(flat(level), seconds)
    return path


def test_a_frame_is_shown_until_the_next_and_of_two_of_one_time_the_later(tmp_path):
    """The first from the beginning. Without a frame there is no file."""
    recorded(tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == []
    path = recorded(tmp_path / "a.mp4", (50, 0.08), (100, 0.12), (150, 0.24), (200, 0.28))
    assert levels(path) == [50, 50, 50, 100, 100, 100, 150, 200]
    path = recorded(tmp_path / "a.mp4", (50, 0.0), (100, 0.04), (150, 0.045), (200, 0.08))
    assert levels(path) == [50, 150, 200]
