import signal
import sys
import time
from pathlib import Path

import pytest

from motiontransfer.app import runs
from motiontransfer.app.runs import Queue, Run, activity, end_sentence, read_log
from motiontransfer.app.views import status
from motiontransfer.pipeline.runs import stages_that_run
from tests.command import started

LOG = """\
looks at the films
me.mp4: 00:12, 1080x1920 px, 30 frames a second, H.264, with sound
me_as_it: 6 stages, about 2.5 min on this CPU
me_as_it: 2 %, check_params
preview: results/me_as_it/preview.mp4
me_as_it: 30 %, about 2 min left, decode@it, train_gan@me
"""
ENDED = """\
result: results/me_as_it/transfer.mp4
result: results/me_as_it/backgrounds/green.mp4
report: results/me_as_it/report.html
"""


def test_a_log_tells_what_goes_on_and_what_is_ready():
    told = read_log(LOG)
    assert told.transfer == "me_as_it"
    assert told.share_done == 0.3
    assert told.time_left == "2 min"
    assert told.made == {"preview": Path("results/me_as_it/preview.mp4")}
    ended = read_log(LOG + ENDED)
    assert ended.share_done == 1
    assert ended.made["result"] == Path("results/me_as_it/transfer.mp4")
    assert read_log("").share_done == 0


def test_of_a_training_its_step_is_told_and_not_its_losses(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    log = runs.log_of("train_gan@me")
    log.parent.mkdir(parents=True)
    log.write_text("began\ntrain_gan me: 20 of 250, 2.6/s, 01:09 left, generator/l1 2.5, a/b 1.2")
    assert activity("train_gan@me") == "train_gan me: 20 of 250, 2.6/s, 01:09 left"
    run = Run(number=1, dancer="it.mp4", me="me.mp4", pid=1)
    shown = status(run, read_log(LOG), ["train_gan@me"])
    assert "<b>me_as_it</b>: 30 %, about 2 min left" in shown
    assert "train_gan@me: train_gan me: 20 of 250, 2.6/s, 01:09 left<" in shown


@pytest.fixture
def stage(tmp_path):
    """A stage of a project that goes on until the test ends."""
    (tmp_path / "stages.py").write_text("print('began', flush=True)\nimport time; time.sleep(60)")
    stage = started(sys.executable, "-m", "stages", "train_gan", "ada", cwd=tmp_path)
    assert stage.stdout.readline() == "began\n"
    yield stage
    stage.kill()
    stage.communicate()


def test_stages_that_run_are_those_of_this_project(stage, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert stages_that_run() == {"train_gan@ada": stage.pid}
    monkeypatch.chdir("/")
    assert stages_that_run() == {}


@pytest.mark.parametrize(
    ("printed", "sentence"),
    [
        (ENDED, "Done."),
        (
            "ERROR: decode@me: me.mp4: damaged; its output: .dvc/tmp/jobs/a.log\nERROR: not run: x",
            "It failed: decode@me: me.mp4: damaged",
        ),
        ("ERROR: stopped; the same command goes on from there", "Stopped. Nothing is lost"),
        ("Traceback (most recent call last):", "It was ended before it was done"),
        ("", "It was ended before it was done"),
    ],
)
def test_how_a_run_ended_is_one_sentence(printed, sentence):
    assert end_sentence(read_log(LOG + printed)).startswith(sentence)


@pytest.fixture
def queue(tmp_path, monkeypatch):
    """A queue whose runs wait until `go` is there, and then are done."""
    monkeypatch.chdir(tmp_path)
    script = (
        "import pathlib, time\n"
        "print('began', flush=True)\n"
        "while not pathlib.Path('go').exists(): time.sleep(0.01)\n"
        "print('report: report.html')"
    )
    monkeypatch.setattr(runs, "command", lambda *_: [sys.executable, "-c", script])
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    queue = Queue()
    yield queue
    Path("go").touch()
    advance_until(queue, lambda: queue._child is None or queue._child.poll() is not None)
    signal.signal(signal.SIGINT, before)


def advance_until(queue, is_so):
    until = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < until
        queue.advance()
        time.sleep(0.01)


def states(queue):
    return [run.state for run in queue.runs()]


def test_one_runs_at_a_time_in_the_order_added_and_none_is_added_twice(queue):
    for dance in ("waltz", "tango", "waltz"):
        queue.add(dance, "me")
    queue.advance()
    queue.advance()
    assert states(queue) == ["running", "waiting"]
    Path("go").touch()
    advance_until(queue, lambda: states(queue) == ["over", "over"])
    assert {run.outcome for run in queue.runs()} == {"Done."}


def test_a_server_that_is_started_again_finds_what_runs_and_goes_on_with_the_next(queue):
    for dance in ("waltz", "tango"):
        queue.add(dance, "me")
    queue.advance()
    again = Queue()
    again.advance()
    assert states(again) == ["running", "waiting"]
    Path("go").touch()
    advance_until(queue, lambda: states(queue) == ["over", "over"])  # the child is the first's


def test_what_waits_can_be_taken_out_and_what_runs_only_be_stopped(queue):
    for dance in ("waltz", "tango"):
        queue.add(dance, "me")
    running, waiting = queue.runs()
    advance_until(queue, lambda: running.log.exists() and running.log.read_text() == "began\n")
    for run in (running, waiting):
        queue.remove(run.dancer, run.me)
    assert states(queue) == ["running"]
    queue.stop()
    advance_until(queue, lambda: states(queue) == ["over"])
    assert "KeyboardInterrupt" in running.log.read_text()


@pytest.mark.parametrize(("moved", "state"), [(1, "running"), (60, "over")])
def test_a_process_that_got_the_pid_of_a_run_is_not_taken_for_it(queue, moved, state):
    """A clock that is set moves when a process began."""
    queue.add("waltz", "me")
    queue.advance()
    file = runs.FOLDER / "runs.json"
    (run,) = queue.runs()
    assert run.began is not None
    file.write_text(file.read_text().replace(str(run.began), str(run.began - moved)))
    queue.advance()
    assert states(queue) == [state]
