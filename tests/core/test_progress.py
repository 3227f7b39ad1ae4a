import io
import logging
import re
import sys

import pytest

from motiontransfer.core import progress
from motiontransfer.core.events import LOGGER, Running, Step
from motiontransfer.core.progress import ProgressMeter, RunMeter, track
from motiontransfer.core.stages import sentence_of

DECODING = [Running(stage="decode@me", sentence=sentence_of("decode@me"))]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_log_gets_a_line_within_seconds_and_then_every_20(clock, caplog, capsys):
    caplog.set_level(logging.INFO)
    for seconds in (0.1, 8):  # a short loop is silent
        for _ in track(range(10), "frames", total=10):
            clock[0] += seconds
    assert caplog.messages == [
        "frames: 1 of 10, 0.12/s, 01:12 left",
        "frames: 4 of 10, 0.12/s, 00:48 left",
        "frames: 7 of 10, 0.12/s, 00:24 left",
        "frames: 10 of 10, 0.12/s, 00:00 left",
    ]
    assert capsys.readouterr().err == ""


def test_programs_get_an_event_each_second(clock, caplog):
    caplog.set_level(logging.DEBUG, LOGGER)
    for _ in track(range(50), "frames", total=50):
        clock[0] += 0.125  # a binary fraction: sums are exact
    steps = [record.msg.done for record in caplog.records if isinstance(record.msg, Step)]
    assert steps == [1, 9, 17, 24, 32, 40, 48]  # that of 3 s is a line, too
    assert [record.levelname for record in caplog.records].count("INFO") == 1


def test_the_rate_is_of_this_session_and_the_eta_is_limited(clock, caplog):
    caplog.set_level(logging.INFO)
    meter = ProgressMeter("train", total=110, done=10)
    clock[0] += 4
    meter.show(12, note=", l1 0.5")
    clock[0] += 56
    meter.show(14, max_seconds_left=30.0)
    assert caplog.messages == [
        "train: 12 of 110, 0.50/s, 03:16 left, l1 0.5",
        "train: 14 of 110, 0.07/s, 00:30 left",
    ]


def test_a_terminal_gets_a_bar_and_no_lines(clock, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(progress, "_FIRST_LINE_SECONDS", 0.0)
    meter, of_run = ProgressMeter("train", total=11, done=4), RunMeter("me", total=1.0)
    clock[0] += 120
    meter.show(7, note=", l1 0.123")
    of_run.show_run(0.3, DECODING)
    for each in (meter, of_run):
        each._bar.refresh()
        each.close()
    shown = sys.stderr.getvalue()
    assert "train:  64%" in shown
    assert re.search(r" 7/11, \d+\.\d\d/s, \d\d:\d\d left, l1 0\.123", shown)
    assert "|######              | 30 %, about 5 min left, Reading the film of me" in shown
    assert not caplog.records


def test_of_a_run_the_time_left_is_told_in_round_words_once_it_is_known(clock, caplog):
    caplog.set_level(logging.INFO)
    meter = RunMeter("me", total=1.0)
    for done in (0.05, 0.15, 0.3, 0.8, 0.985):
        clock[0] = 100.0 + 400 * done
        meter.show_run(done, DECODING)
    assert caplog.messages == [
        "me: 5 %, Reading the film of me",
        "me: 15 %, Reading the film of me",
        "me: 30 %, about 5 min left, Reading the film of me",
        "me: 80 %, about 80 s left, Reading the film of me",
        "me: 98 %, about 10 s left, Reading the film of me",
    ]
