"""Throughput, ETA and losses while training runs."""

import io
import logging
import sys
import time

import pytest

from motiontransfer.training import run_log
from motiontransfer.training.checkpoint import Checkpoint
from motiontransfer.training.run_log import ProgressMeter
from tests.training.counting import schedule

LOSSES = {"generator/l1": 0.123456, "discriminator/adversarial": 25.0}


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves."""
    now = [1000.0]
    monkeypatch.setattr(run_log.time, "monotonic", lambda: now[0])
    return now


def start(step=0, minutes=0.0, waiting_minutes=0.0):
    return Checkpoint(step=step, minutes=minutes, waiting_minutes=waiting_minutes, state={})


def test_minutes_are_those_of_all_sessions(clock):
    meter = ProgressMeter("train", schedule(), start(minutes=2.0, waiting_minutes=0.5))
    clock[0] += 90
    assert meter.minutes == 3.5
    kept = meter.checkpoint(7, {})
    assert (kept.step, kept.minutes, kept.waiting_minutes) == (7, 3.5, 0.5)


def test_only_the_time_until_an_item_is_there_is_waited(clock):
    def items():
        for number in range(3):
            clock[0] += 6
            yield number

    meter, got = ProgressMeter("train", schedule(), start()), []
    for item in meter.waiting_for(items()):
        got.append(item)
        clock[0] += 54
    assert got == [0, 1, 2]
    assert meter.waiting_minutes == pytest.approx(0.3)
    assert meter.minutes == pytest.approx(3.0)


def test_a_log_gets_a_line_now_and_then(clock, caplog):
    caplog.set_level(logging.INFO)
    meter = ProgressMeter("train", schedule(num_steps=110), start(step=10, minutes=5.0))
    for done in range(11, 18):
        clock[0] += 10
        meter.show(done, LOSSES)
    # after two steps, 20 s: 98 more take 980 s; after four, 40 s: 96 more take 960 s
    losses = "generator/l1 0.123, discriminator/adversarial 25"
    assert [record.message for record in caplog.records] == [
        f"train: step 12 of 110, 0.10 steps/s, 16:20 left; {losses}",
        f"train: step 14 of 110, 0.10 steps/s, 16:00 left; {losses}",
        f"train: step 16 of 110, 0.10 steps/s, 15:40 left; {losses}",
    ]


def test_what_is_left_is_what_ends_first(clock, caplog):
    caplog.set_level(logging.INFO)
    meter = ProgressMeter("train", schedule(num_steps=110, max_minutes=6.0), start(minutes=5.0))
    clock[0] += 24
    meter.show(3, {})
    clock[0] += 60
    meter.show(4, {})
    assert "0:36 left" in caplog.records[0].message
    assert "00:00 left" in caplog.records[1].message


def test_a_terminal_gets_a_bar_with_losses_and_no_lines(monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(run_log, "_LOG_EVERY_SECONDS", 0.0)
    meter = ProgressMeter("train", schedule(), start(step=4))
    meter.show(5, LOSSES)
    time.sleep(0.15)  # tqdm draws ten times a second at most
    meter.show(7, LOSSES)
    meter.close()
    shown = terminal.getvalue()
    assert "train:  64%" in shown
    assert "7/11" in shown
    assert " steps/s, 00:00 left" in shown
    assert "generator/l1 0.123" in shown
    assert not caplog.records
