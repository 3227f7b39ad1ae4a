"""Stages side by side, each in its part of the machine; a shell's commands stand in for DVC's."""

import json
import logging
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from motiontransfer.cli.options import printed_events
from motiontransfer.core import layout
from motiontransfer.core.errors import MotionTransferError
from motiontransfer.core.events import LOGGER, JsonLines, StageChanged, Step, read_events
from motiontransfer.core.storage import source_digests, write_json
from motiontransfer.pipeline import runs
from motiontransfer.pipeline.plan import longest_chains, plan, urgencies
from motiontransfer.pipeline.runs import LocalExecutor, RunState, run_stages, share_machine
from tests.command import isolated_environment
from tests.project.remotes import wait_for
from tests.project.small_project import small_project

PIPELINE = """\
stages:
  code: {cmd: touch code, outs: [code]}
  decode:
    foreach: [me]
    do:
      cmd: cat film/target data/me.mp4 > frames
      deps: [code, film/target, data/me.mp4]
      outs: [frames]
  train:
    foreach: [me]
    do: {cmd: cp frames weights, deps: [frames], outs: [weights]}
"""
FILM = """\
stages:
  film:
    foreach: [target, unused]
    do: {cmd: "cp ../code ../film/${item}", deps: [../code], outs: ["../film/${item}"]}
"""
SERVER = """\
import json, os, sys
from motiontransfer.pipeline.fork_server import serve
shells = json.loads(sys.argv[1])
serve(lambda call: os.execvp("sh", ["sh", "-c", shells.get(call[-1], ":"), call[-1]]))
"""
SERVER_WITHOUT_FORK = '''\
import sys
from motiontransfer.pipeline.fork_server import serve_without_fork
run = """
import json, os, sys
shells, name = json.loads(sys.argv[1]), sys.argv[-1]
os.execvp("sh", ["sh", "-c", shells.get(name, ":"), name])
"""
serve_without_fork([sys.executable, "-c", run, sys.argv[1]])
'''
BOTH = pytest.mark.parametrize("server", [SERVER, SERVER_WITHOUT_FORK], ids=["fork", "no fork"])
TRIANGLE = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}
SECONDS = 20
"""Much longer than a test may take."""


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runs, "_POLL_SECONDS", 0.02)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # nohup ignores it
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def server():
    return SERVER


@pytest.fixture
def run(monkeypatch, server):
    """Run `shell` for each stage, or what it has for a stage's name; return the progress."""

    def run(graph, shell, *, at_once=2, show=lambda progress: None, **options):
        shells = dict.fromkeys(graph, shell) if isinstance(shell, str) else shell
        seen = []
        monkeypatch.setattr(runs, "_FORK_SERVER", ("-c", server, json.dumps(shells)))
        executor = LocalExecutor([{"SHARE": str(index)} for index in range(at_once)])
        executor.urgency = options.pop("urgency", {})
        shows = {"show": lambda progress: seen.append(progress) or show(progress)}
        run_stages(graph, executor, **{"keep_going": True, **options}, **shows)
        return seen[-1]

    return run


@pytest.fixture
def run_and_fail(run):
    def run_and_fail(graph, shell, **options):
        """The last progress, and the error."""
        seen = []
        with pytest.raises(MotionTransferError) as told:
            run(graph, shell, show=seen.append, **options)
        return seen[-1], str(told.value)

    return run_and_fail


@pytest.fixture
def interrupted(run):
    def interrupted(graph, shell, *, when=lambda progress: True):
        """Press Ctrl-C as soon as that is so; all ends long before the commands would."""

        def show(progress):
            if when(progress):
                raise KeyboardInterrupt

        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            run(graph, shell, show=show)
        assert time.monotonic() - began < SECONDS / 2

    return interrupted


@pytest.fixture
def project(tmp_path, monkeypatch):
    """All of whose stages have run, and one that none needs."""
    files = {"dvc.yaml": PIPELINE, "demo/dvc.yaml": FILM, "data/me.mp4": "me"}
    root = small_project(tmp_path / "project", {**files, "film/.gitignore": ""}, monkeypatch)
    monkeypatch.chdir(root)
    for command in (["add", "data/me.mp4"], ["repro"]):
        environment = isolated_environment(tmp_path)
        subprocess.run(["dvc", *command], check=True, capture_output=True, env=environment)
    return root


@pytest.mark.slow
def test_what_changed_is_run_and_what_depends_on_it_if_the_project_needs_it(project):
    decode, train = "decode@me", {"train@me": ["decode@me"]}
    assert plan() == plan("decode", "train@me") == {}
    with pytest.raises(MotionTransferError, match="trian: no such stage; `dvc stage list` lists"):
        plan("trian")
    (project / "weights").unlink()
    assert plan() == {"train@me": []}
    assert plan(is_forecast=True) == {}
    (project / "data/me.mp4").write_text("you")
    assert plan() == {"data/me.mp4.dvc": [], decode: ["data/me.mp4.dvc"], **train}
    (project / "code").unlink()
    film = {"code": [], "demo/dvc.yaml:film@target": ["code"]}
    assert list(plan()) == [*film, "data/me.mp4.dvc", decode, "train@me"]
    assert sorted(plan()[decode]) == ["code", "data/me.mp4.dvc", "demo/dvc.yaml:film@target"]
    (project / "dvc.yaml").write_text(PIPELINE.replace("cat film", "cat -u film"))
    assert plan("decode@me", is_forecast=True) == {decode: []}
    assert plan(is_forecast=True) == {decode: [], **train}


@pytest.mark.slow
def test_after_an_update_what_has_other_code_is_forecast(project):
    decode, known = "decode@me", project / layout.code_file("decode")
    (project / "dvc.yaml").write_text(PIPELINE.replace("touch code", "touch  code"))
    for digests, more in (source_digests("stages.decode"), {}), ({}, {decode: ["code"]}):
        write_json(known, digests)
        assert plan(decode, is_forecast=True) == {"code": [], **more}


@pytest.mark.parametrize(
    ("cores", "at_once", "gpus", "expected"),
    [
        (2, 2, "", [("1", "1", None)] * 2),
        (2, 1, "", [("1", "2", None)]),  # as in training: one core is left
        (1, 2, "", [("1", "1", None)] * 2),
        (16, 4, "", [("4", "4", None)] * 4),
        (16, 2, "0,1,2,3", [("8", "8", "0,2"), ("8", "8", "1,3")]),
        (16, 3, "GPU-a,GPU-b", [("5", "5", "GPU-a"), ("5", "5", "GPU-b"), ("5", "5", "GPU-a")]),
    ],
)
def test_each_job_has_its_cores_and_gpus(monkeypatch, cores, at_once, gpus, expected):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("loky.cpu_count", lambda: cores)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
    names = ("OMP_NUM_THREADS", "LOKY_MAX_CPU_COUNT", "CUDA_VISIBLE_DEVICES")
    assert [tuple(map(share.get, names)) for share in share_machine(at_once)] == expected


def test_jobs_are_fewer_on_little_memory_and_a_number_of_threads_that_was_chosen_stays(monkeypatch):
    for gigabytes, expected in ((1, 1), (4, 2), (5, 2), (64, 3)):
        assert len(runs.share_cores(3, cores=8, memory=gigabytes * 2**30)) == expected
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert {share["OMP_NUM_THREADS"] for share in share_machine(4)} == {"3"}


def test_a_stage_runs_after_its_inputs_and_beside_what_does_not_need_it(run):
    meet = "touch in$0; for i in $(seq 500); do [ -e inb ] && [ -e inc ] && break; sleep 0.02; done"
    shells = {
        "a": "echo a >> order",
        **dict.fromkeys("bc", f"echo both >> order; {meet}; [ -e inb ] && [ -e inc ]"),
        "d": "echo d >> order",
    }
    progress = run(TRIANGLE, shells)
    assert Path("order").read_text().split() == ["a", "both", "both", "d"]
    assert set(progress.done) == set("abcd")


@BOTH
def test_no_more_run_at_once_than_there_are_shares_and_each_has_its_own(run):
    seen = []

    shell = "mkdir in$SHARE && echo $SHARE >> shares && sleep 0.1 && rmdir in$SHARE"
    stages = dict.fromkeys("abcdef", ())
    run(stages, shell, at_once=3, show=lambda progress: seen.append(len(progress.running)))
    assert max(seen) == 3
    assert set(Path("shares").read_text().split()) == {"0", "1", "2"}


def test_of_several_that_are_ready_the_most_urgent_one_runs(run):
    graph = {"a": [], "b": [], "c": [], "d": ["b"]}
    run(graph, "echo $0 >> order", at_once=1, urgency={"a": 1.0, "b": 5.0, "d": 2.0})
    assert Path("order").read_text().split() == ["b", "d", "a", "c"]


@BOTH
@pytest.mark.parametrize(("urgency", "difference"), [({"render@me": 2.0}, 10), ({}, 0)])
def test_beside_a_more_urgent_stage_others_begin_at_a_lower_priority(run, urgency, difference):
    graph = {"render@me": [], "evaluate@me": [], "report@me": ["render@me", "evaluate@me"]}
    run(graph, "sleep 0.1; nice > $0; sleep 0.4", urgency=urgency)
    niceness = {name: int(Path(name).read_text()) for name in graph}
    assert niceness["evaluate@me"] == min(niceness["render@me"] + difference, 19)
    assert niceness["report@me"] == niceness["render@me"]


def test_chains_are_as_long_as_the_longest_way_to_the_end_and_that_of_the_first_stage_is_urgent():
    graph = {"short": [], "long": [], "other": [], "first": ["short", "long"]}
    seconds = {"short": 1.0, "long": 2.0, "other": 60.0, "first": 3.0}
    order = urgencies(graph, seconds, first="first")
    assert sorted(graph, key=order.__getitem__) == ["other", "first", "short", "long"]
    seconds = {"a": 1.0, "b": 2.0, "c": 5.0, "d": 4.0, "unknown": 9.0}
    lengths = {"a": 10.0, "b": 6.0, "c": 9.0, "d": 4.0, "e": 0.0}
    assert longest_chains({**TRIANGLE, "e": []}, seconds) == lengths


def test_a_failure_stops_what_depends_on_it_and_nothing_else(run_and_fail):
    shells = {"b": "echo working; echo 'ERROR: b: no'; echo '  video'; echo ERROR: DVC; exit 3"}
    progress, told = run_and_fail({**TRIANGLE, "e": ["c"], "f": ["e"]}, shells)
    assert set(progress.done) == set("acef")
    assert told == "b: b: no video; its output: .dvc/tmp/jobs/b.log\nnot run: d"
    assert "working" in Path(".dvc/tmp/jobs/b.log").read_text()


def test_without_keep_going_only_what_runs_is_finished(run_and_fail):
    shells = {"bad": "sleep 0.2; exit 1", "good": "sleep 0.6"}
    graph = {"bad": [], "good": [], **{f"next{index}": ["good"] for index in range(300)}}
    progress, told = run_and_fail(graph, shells, keep_going=False)
    assert [*progress.done] == ["good"]
    named = ", ".join(f"next{number}" for number in range(8))
    assert told == f"bad: ?; its output: .dvc/tmp/jobs/bad.log\nnot run: {named} and 292 more"


BUSY = (
    "echo \"ERROR: failed to reproduce 'a': '$PWD/data/film' is busy, it is being blocked by:\"; "
    "echo '  (PID 42): dvc repro'; exit 1"
)


def test_what_another_process_uses_or_runs_is_waited_for_and_told(run, monkeypatch, caplog):
    caplog.set_level("INFO", LOGGER)
    monkeypatch.setattr(runs, "_WAIT_SECONDS", 0.01)
    shell = f"echo $0 >> order; [ $(grep -c a order) -gt 3 ] && exit 0; {BUSY}"
    assert set(run({"a": [], "b": ["a"]}, {"a": shell}).done) == {"a", "b"}
    assert Path("order").read_text().split() == ["a"] * 4
    assert caplog.messages == ["a waits: process 42 uses data/film"]
    looks = iter([{"c": 42}, {"c": 42}, {"c": 42}, {"b": 43}])
    monkeypatch.setattr(runs, "stages_that_run", lambda: next(looks))
    runs.log_of("c").write_text("what process 42 has printed\n")
    run({"c": []}, "echo $0 >> order")
    assert Path("order").read_text().split() == [*"aaaa", "c"]
    assert runs.log_of("c").read_text() == "what process 42 has printed\n"
    assert caplog.messages[1:] == ["c waits: process 42 runs it"]


def test_an_interrupt_ends_the_wait(interrupted):
    log = runs.log_of("a")
    waits = "waits: process 42 uses"
    interrupted({"a": []}, BUSY, when=lambda _: log.read_text().startswith(waits))


def pid_in(path):
    return int(wait_for(lambda: path.exists() and path.read_text()))


def is_over(pid):
    for _ in range(100):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


@BOTH
@pytest.mark.parametrize(
    "shell",
    [
        f"sleep {SECONDS} & echo $! > pid; kill -KILL $$",
        f"echo $$ > pid; sleep 0.3; kill -KILL $PPID; sleep {SECONDS}",  # the server
    ],
)
def test_of_what_is_killed_one_stage_fails_and_its_command_does_not_go_on(run_and_fail, shell):
    progress, told = run_and_fail({"a": [], "b": []}, {"a": shell}, at_once=1)
    assert told.startswith("a: killed by SIGKILL; ")
    assert [*progress.done] == ["b"]
    assert is_over(pid_in(Path("pid")))


@BOTH
def test_an_interrupt_reaches_commands_and_lets_dvc_finish(interrupted):
    """As DVC, a shell waits for its command, and here tells that it was let go on."""
    shell = f"{shlex.quote(sys.executable)} -c 'import os, time; open(\"pid\" + \"'$0'\", \"w\")" \
        f".write(str(os.getpid())); time.sleep({SECONDS})'; echo $? > status$0"  # fmt: skip

    def both_run(progress):
        return progress.running and all(Path(f"pid{name}").exists() for name in "ab")

    interrupted({"a": [], "b": [], "c": ["a"]}, shell, when=both_run)
    for name in "ab":
        assert int(Path(f"status{name}").read_text()) != 0
        assert is_over(pid_in(Path(f"pid{name}")))
    assert not Path("statusc").exists()


def test_a_command_that_dvc_starts_after_the_interrupt_is_stopped_too(interrupted):
    interrupted({"a": []}, f"sleep 0.3; sleep {SECONDS}; echo after > after")
    assert Path("after").exists()


FORKS = """\
import os, signal, time
signal.signal(signal.SIGINT, lambda *_: None)
if pid := os.fork():
    os.waitpid(pid, 0)
else:
    open("forked", "w")
    time.sleep(0.3)
    os.execvp("sleep", ["sleep", "%d"])
"""


def test_an_interrupt_that_a_fork_loses_before_it_has_its_program_comes_again(interrupted):
    script = FORKS % SECONDS
    shell = f"{shlex.quote(sys.executable)} -c {shlex.quote(script)}; exit 1"
    interrupted({"a": []}, shell, when=lambda _: Path("forked").exists())


def test_a_second_interrupt_kills(run, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    def interrupt_twice(progress):
        pid_in(Path("pid"))
        monkeypatch.setattr(runs.psutil, "Process", interrupt)
        interrupt()

    with pytest.raises(KeyboardInterrupt):
        run({"a": []}, f"echo $$ > pid; sleep {SECONDS}", show=interrupt_twice)
    pid = pid_in(Path("pid"))
    monkeypatch.undo()
    assert is_over(pid)


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_a_stage_that_dvc_runs_is_recorded(tmp_path, monkeypatch, start):
    monkeypatch.setenv("MOTIONTRANSFER_START", start)
    stages = """\
    stages:
      a:
        cmd: >-
          tr "\\0" " " < /proc/$PPID/cmdline > dvc; timeout 5 cat > a;
          while [ ! -e go ]; do sleep 0.05; done
        outs: [a]
      bad: {cmd: "echo ERROR: no video >&2; exit 3"}
    """
    monkeypatch.chdir(small_project(tmp_path / "project", {"dvc.yaml": stages}, monkeypatch))

    def show(progress):
        if "a" in progress.running and Path("a").exists():
            Path("go").touch()

    with pytest.raises(MotionTransferError, match=r"^bad: no video; its output: .*bad\.log$"):
        run_stages({"a": [], "bad": []}, LocalExecutor(), keep_going=True, show=show)
    assert list(plan()) == ["bad"]
    assert "Running stage 'a'" in Path(".dvc/tmp/jobs/a.log").read_text()
    # A fork has the server's own arguments, none.
    assert Path("dvc").read_text().endswith("fork_server ") == (start == "fork")


def test_dvc_that_was_loaded_before_runs_the_first_stage(monkeypatch):
    started = []
    monkeypatch.setattr(runs, "_FORK_SERVER", ("-c", SERVER, json.dumps({"a": ":", "b": ":"})))
    monkeypatch.setattr(
        runs,
        "_start_server",
        lambda start=runs._start_server: started.append(start()) or started[-1],
    )
    executor = LocalExecutor()
    executor.load()
    assert len(started) == 1
    run_stages({"a": [], "b": ["a"]}, executor, keep_going=True, show=lambda progress: None)
    assert [server.returncode for server in started] == [0]


def test_an_interrupted_stage_is_not_recorded_and_those_before_it_are(tmp_path, monkeypatch):
    stages = """\
    stages:
      a: {cmd: "touch a", outs: [a]}
      long: {cmd: "echo $$ > pid; exec sleep 20", deps: [a], outs: [b]}
    """
    monkeypatch.chdir(small_project(tmp_path / "project", {"dvc.yaml": stages}, monkeypatch))

    def interrupt(progress):
        if "long" in progress.running and Path("pid").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_stages({"a": [], "long": ["a"]}, LocalExecutor(), keep_going=True, show=interrupt)
    assert is_over(pid_in(Path("pid")))
    assert list(plan()) == ["long"]


@pytest.mark.parametrize("as_json", [False, True])
def test_each_change_of_a_stage_is_reported_once(run_and_fail, capsys, as_json):
    graph = {"a": [], "b": ["a"], "c": ["b"]}
    with printed_events(as_json=as_json):
        run_and_fail(graph, {"c": "exit 1"}, level=logging.INFO)
    printed = capsys.readouterr().out
    events = [event for event in read_events(printed) if isinstance(event, StageChanged)]
    assert ([*map(str, events)] if as_json else printed.splitlines()) == [
        "0 of 3: a runs",
        "1 of 3: a is done",
        "1 of 3: b runs",
        "2 of 3: b is done",
        "2 of 3: c runs",
        "2 of 3: c failed",
    ]


def test_what_runs_is_told_with_the_last_step_of_its_log(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    step = Step(description="train", done=2, total=9, rate=1.0, seconds_left=7.0)
    events = runs.log_of("train@me").with_suffix(".jsonl")
    events.parent.mkdir(parents=True)
    events.write_text(f"{JsonLines().format(logging.makeLogRecord({'msg': step}))}\n")
    (run,) = runs.running(RunState(graph={}, running={"train@me": 0.0}), {})
    assert str(run) == "train@me 2 of 9"
