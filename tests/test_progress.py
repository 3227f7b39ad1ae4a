"""Progress is a bar on a terminal and a line now and then in a log."""

import io
import logging
import sys

import pytest

from motiontransfer import progress
from motiontransfer.progress import track


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize(
    ("seconds_each", "lines"),
    [
        # after three items, 24 s: seven more take 56 s; after six, 48 s: four more take 32 s
        (
            8,
            [
                "frames: 3 of 10, about 56 s left",
                "frames: 6 of 10, about 32 s left",
                "frames: 9 of 10, about 8 s left",
            ],
        ),
        (1, []),
    ],
)
def test_a_log_gets_a_line_now_and_then_with_the_time_that_is_left(
    clock, caplog, capsys, seconds_each, lines
):
    caplog.set_level(logging.INFO)
    for _ in track(range(10), "frames", total=10, log_every_seconds=20.0):
        clock[0] += seconds_each
    assert caplog.messages == lines
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_bar_and_no_lines(monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    frames = track(range(3), "frames", total=3, log_every_seconds=0.0)
    assert list(frames) == [0, 1, 2]
    assert "frames" in terminal.getvalue()
    assert "3" in terminal.getvalue()
    assert not caplog.records


def test_items_come_as_they_are_and_are_taken_one_at_a_time():
    taken = []
    items = track((taken.append(i) or i for i in range(5)), "items", total=5)
    assert next(items) == 0
    assert taken == [0]
    assert list(items) == [1, 2, 3, 4]
    assert list(track([], "letters", total=0)) == []
