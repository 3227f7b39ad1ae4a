"""Stages that are forked from a process which has loaded them."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from motiontransfer.pipeline.stage_server import server_of
from tests.project.remotes import wait_for

ROOT = Path(__file__).parents[2]
STAGE = """\
import json, os, sys, time
from pathlib import Path

from motiontransfer.core.errors import MotionTransferError

loaded_by = os.getpid()


def main(key):
    about = {"loaded_by": loaded_by, "pid": os.getpid(), "group": os.getpgrp()}
    about |= {"niceness": os.nice(0), "own": os.environ["OWN"]}
    Path(f"{key}.json").write_text(json.dumps(about))
    print(key, "runs", flush=True)
    if key == "bad":
        raise MotionTransferError("no")
    if key == "killed":
        os.kill(os.getpid(), 9)
    if key == "long":
        time.sleep(60)
"""
SECONDS = 20
"""Much longer than a test may take."""


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Start the stage in a project of its own, with variables, at a lower priority."""
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages/__init__.py").touch()
    shutil.copy(ROOT / "stages/__main__.py", tmp_path / "stages")
    (tmp_path / "stages/tell.py").write_text(STAGE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def start(key, environment):
        return subprocess.Popen(
            ["nice", "-n", "3", sys.executable, "-m", "stages", "tell", key],
            env={**os.environ, **environment, "OWN": key}, process_group=0, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    return start


@pytest.fixture
def served(start, monkeypatch):
    """The same, once the server has loaded the stage."""
    monkeypatch.setattr("motiontransfer.pipeline.stage_server._LOADED_LATE", ())
    with server_of(["tell@here", "data/videos/me.mp4.dvc", "film@me"]) as environment:
        (address,) = environment.values()
        wait_for(Path(address).exists)
        yield lambda key: start(key, environment)


def told(key):
    return json.loads(Path(f"{key}.json").read_text())


def test_a_stage_is_forked_from_a_process_that_has_loaded_it(served):
    caller = served("good")
    assert caller.communicate(timeout=SECONDS) == ("good runs\n", None)
    assert caller.returncode == 0
    about = told("good")
    assert len({about["loaded_by"], about["pid"], caller.pid}) == 3
    assert (about["group"], about["own"]) == (caller.pid, "good")
    assert about["niceness"] == os.nice(0) + 3


@pytest.mark.parametrize(("key", "status"), [("bad", 1), ("killed", -signal.SIGKILL)])
def test_its_status_is_the_callers(served, key, status):
    caller = served(key)
    printed, _ = caller.communicate(timeout=SECONDS)
    assert caller.returncode == status
    assert ("ERROR: tell bad: no" in printed) == (key == "bad")


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)]
)
def test_a_signal_to_the_caller_goes_to_the_fork_and_no_fork_is_left(served, number, status):
    with served("long") as caller:
        assert caller.stdout.readline() == "long runs\n"
        fork = psutil.Process(told("long")["pid"])
        caller.send_signal(number)
        assert caller.wait(SECONDS) == status
    wait_for(lambda: not fork.is_running() or fork.status() == psutil.STATUS_ZOMBIE)


SIGNALED_FORKS = """
import os, signal, socket, time
from motiontransfer.pipeline.stage_server import _forked

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
for _ in range(20):
    ours, callers = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, callers, open(os.devnull) as given:
        socket.send_fds(callers, [b"call"], [given.fileno()])
        fork = _forked(ours, lambda *_: time.sleep(2))
        os.kill(fork.pid, signal.SIGINT)
        fork.join()
        assert fork.exitcode == 1, fork.exitcode
"""


def test_a_signal_that_a_fork_gets_as_it_begins_is_not_lost():
    """Of 100 forks that were sent one at once, on a machine that was busy, half lost it."""
    found = subprocess.run([sys.executable, "-c", SIGNALED_FORKS], stderr=subprocess.PIPE)
    assert not found.returncode, found.stderr.decode()


def test_without_a_server_a_stage_loads_by_itself(start):
    for environment in ({}, {"MOTIONTRANSFER_STAGE_SERVER": "still loading"}):
        caller = start("good", environment)
        assert caller.communicate(timeout=SECONDS)[0] == "good runs\n"
        assert told("good")["loaded_by"] == told("good")["pid"] == caller.pid


def test_where_nothing_is_forked_there_is_no_server(monkeypatch):
    monkeypatch.setenv("MOTIONTRANSFER_START", "spawn")
    with server_of(["tell@here", "data/videos/me.mp4.dvc", "film@me"]) as environment:
        assert environment == {}
