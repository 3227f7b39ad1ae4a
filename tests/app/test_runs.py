import logging
import signal
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from motiontransfer.app import runs
from motiontransfer.app.runs import Queue, Run, end_sentence, read_log
from motiontransfer.app.views import advice, status
from motiontransfer.core.events import Failed, JsonLines, Made, Planned, Progress, Running
from motiontransfer.pipeline.runs import stages_that_run
from tests.command import started

TRAINING = Running(stage="train_gan@me", sentence="Training on the person", done=20, total=250)
EVENTS = [
    Planned(title="me_as_it", stages={"train_gan@me": 150.0}, seconds=150.0),
    Progress(title="me_as_it", share=0.02),
    Made(what="preview", files=("results/me_as_it/preview.mp4",)),
    Progress(title="me_as_it", share=0.3, seconds_left=120.0, running=(TRAINING,)),
]
ENDED = [
    Made(what="result", files=("results/me_as_it/transfer.mp4", "backgrounds/green.mp4")),
    Made(what="report", files=("results/me_as_it/report.html",)),
]


def printed(events):
    return "".join(
        f"{JsonLines().format(logging.makeLogRecord({'msg': event}))}\n" for event in events
    )


def test_a_log_tells_what_goes_on_and_what_is_ready():
    told = read_log(f"warning: no light\n{printed(EVENTS)}")
    assert (told.planned, told.progress) == (EVENTS[0], EVENTS[3])
    assert told.made == {"preview": [Path("results/me_as_it/preview.mp4")]}
    ended = read_log(printed(EVENTS + ENDED))
    assert ended.made["result"][0] == Path("results/me_as_it/transfer.mp4")
    assert read_log("").progress is None


def test_what_runs_is_said_in_sentences_with_one_forecast():
    run = Run(number=1, dancer="it.mp4", me="me.mp4", pid=1)
    named = partial(status, names={"it.mp4": "waltz"}, elsewhere=())
    assert "Getting ready …" in named(run, read_log(""))
    shown = named(run, read_log(printed(EVENTS[:2])))
    assert "<b>me performs waltz</b>: 2 %, about 2 min left" in shown  # the plan's
    shown = named(run, read_log(printed(EVENTS)))
    assert "<b>me performs waltz</b>: 30 %, about 2 min left" in shown
    assert "<div>Training on the person 20 of 250 …</div>" in shown
    assert "<summary>Stages</summary>train_gan@me" in shown
    shown = status(None, read_log(""), names={}, elsewhere=["train_gan@ada"])
    assert "A terminal is at work: Training on ada" in shown


def test_what_changes_and_what_is_made_again_for_it_is_listed():
    more = {"changed": ("render.height: null -> 720",), "again": ("me_as_a", "b_as_it")}
    plan = EVENTS[0].model_copy(update=more)
    shown = advice([plan])
    for part in ("Takes about 2 min", "Changes: render.height: null -&gt; 720", "me_as_a, b_as_it"):
        assert part in shown
    made = advice([plan.model_copy(update={"stages": {}, "changed": (), "again": ()})])
    assert "Is made already" in made
    assert "<li>" not in made


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
    ("events", "sentence"),
    [
        (ENDED, "Done."),
        ([Failed(message="decode@me: damaged"), Failed(message="2")], "It failed: decode@me: dam"),
        ([Failed(message="stopped", is_stopped=True)], "Stopped. Nothing is lost"),
        ([], "It was ended before it was done"),
    ],
)
def test_how_a_run_ended_is_one_sentence(events, sentence):
    assert end_sentence(read_log(printed(EVENTS + events))).startswith(sentence)


@pytest.fixture
def queue(tmp_path, monkeypatch):
    """A queue whose runs wait until `go` is there, and then are done."""
    monkeypatch.chdir(tmp_path)
    script = (
        "import pathlib, time\n"
        "print('began', flush=True)\n"
        "while not pathlib.Path('go').exists(): time.sleep(0.01)\n"
        f"print({printed(ENDED)!r})"
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
    """Also where a server that is started again finds what runs."""
    for dance in ("waltz", "tango", "waltz"):
        queue.add(dance, "me")
    queue.advance()
    again = Queue()
    for each in (queue, again):
        each.advance()
        assert states(each) == ["running", "waiting"]
    Path("go").touch()
    advance_until(queue, lambda: states(queue) == ["over", "over"])
    assert {run.outcome for run in queue.runs()} == {"Done."}


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
