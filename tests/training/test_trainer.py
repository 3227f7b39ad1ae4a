import logging
import math
import shutil
import signal
import time

import numpy as np
import pytest
from PIL import Image

from motiontransfer.core.errors import TrainingError
from motiontransfer.training import params, run_log
from motiontransfer.training.checkpoint import load_checkpoint
from motiontransfer.training.data import BatchSampler
from motiontransfer.training.trainer import delayed_signals, num_readers
from tests.digests import digests
from tests.training.small import COUNTING, CountingTask, count, paths, schedule


def curves(folder):
    """Every curve's text, and every picture's grey level."""
    plots = folder / "live/plots"
    texts = texts_of(plots)
    pictures = {p.name: int(np.asarray(Image.open(p)).max()) for p in sorted(plots.rglob("*.png"))}
    return texts, pictures


def texts_of(plots):
    return {str(p.relative_to(plots)): p.read_text() for p in sorted(plots.rglob("*.tsv"))}


def logged_steps(folder, name="generator/l1"):
    lines = (folder / f"live/plots/metrics/{name}.tsv").read_text().splitlines()
    return [int(line.split("\t")[0]) for line in lines[1:]]


def steps_of(folder):
    return load_checkpoint(folder).throughput.steps


@pytest.fixture(scope="module", autouse=True)
def _logs_as_often_as_told():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(params, "LEAST_LOGGED", 1)
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A task whose run was not interrupted, and its folder."""
    task, folder = CountingTask(), tmp_path_factory.mktemp("count") / "whole"
    count(task, folder)
    return task, folder


def test_every_step_is_taken_once_on_its_batch_at_its_learning_rate(whole):
    items = BatchSampler(num_items=7, batch_size=2, seed=1).items
    rate = schedule(**COUNTING).learning_rate_at
    assert whole[0].seen == [(step, tuple(items(step)), rate(step)) for step in range(11)]


def test_things_happen_at_their_intervals_and_once_at_the_end(whole, tmp_path):
    _, folder = whole
    texts, pictures = curves(folder)
    assert set(texts) == {"metrics/generator/l1.tsv", "metrics/generator/other.tsv"}
    # the mean of the steps since the last row, under the number of steps done
    assert texts["metrics/generator/other.tsv"].split() == [
        *("step", "other", "3", "1.0", "6", "4.0", "9", "7.0", "11", "9.5")
    ]
    assert pictures == {"step_000005.png": 5, "step_000010.png": 10, "step_000011.png": 11}
    assert steps_of(folder) == 11
    count(CountingTask(), tmp_path, steps=6, checkpoint_every_steps=3)  # where it is due anyway
    assert (logged_steps(tmp_path), steps_of(tmp_path)) == ([3, 6], 6)


@pytest.mark.parametrize("fail_at", [[0], [4], [7], [10], [7, 10]])
def test_a_run_that_failed_goes_on_to_the_same_end(tmp_path, whole, fail_at):
    """Before any checkpoint, right after one, after steps that are logged once more, and twice."""
    folder = tmp_path / "failed"
    for step in fail_at:
        with pytest.raises(RuntimeError, match="went down"):
            count(CountingTask(fail_at=step), folder)
    task = CountingTask()
    count(task, folder)
    first_step = fail_at[-1] // 4 * 4
    assert [step for step, _, _ in task.seen] == list(range(first_step, 11))
    assert task.value == whole[0].value
    texts, pictures = curves(folder)
    assert texts == curves(whole[1])[0]
    assert pictures.keys() == curves(whole[1])[1].keys()


def test_curves_are_shown_while_it_trains_and_go_on_after_kills(tmp_path, whole, monkeypatch):
    """DVC deletes them before each run; those up to the checkpoint come back."""
    monkeypatch.setattr(run_log, "_SHOWN_SECONDS", -1.0)
    shown = paths(tmp_path / "outs").logs
    for fail_at, steps, pictures in ((7, [3, 6], [5]), (4, [3], []), (10, [3, 6, 9], [5, 10])):
        shutil.rmtree(shown, ignore_errors=True)
        with pytest.raises(RuntimeError, match="went down"):
            count(CountingTask(fail_at=fail_at), tmp_path)
        rows = (shown / "metrics/generator/l1.tsv").read_text().splitlines()[1:]
        assert [int(row.split("\t")[0]) for row in rows] == steps
        assert [path.name for path in sorted((shown / "images").glob("*"))] == [
            f"step_{step:06d}.png" for step in pictures
        ]
    shutil.rmtree(shown)
    (shown / "images").mkdir(parents=True)
    (shown / "images/step_999999.png").touch()  # of an earlier run
    count(CountingTask(), tmp_path)
    assert texts_of(shown) == curves(whole[1])[0]
    assert digests(shown).keys() == digests(tmp_path / "live/plots").keys()


@pytest.mark.parametrize(
    ("nan_at", "log_every_steps", "steps", "checkpoint", "logged"),
    [
        (8, 3, "steps 7 to 9", 8, [3, 6]),
        (6, 3, "steps 7 to 8", 4, [3, 6]),  # before the checkpoint, though it is not logged
        (7, 100, "steps 1 to 8", 4, []),
        (4, 1, "step 5", 4, [1, 2, 3, 4]),
    ],
)
def test_a_loss_that_is_not_finite_is_found_when_logged_and_never_checkpointed(
    tmp_path, nan_at, log_every_steps, steps, checkpoint, logged
):
    with pytest.raises(TrainingError, match=rf"^count: .* {steps}: generator/l1 nan, "):
        count(CountingTask(nan_at=nan_at), tmp_path, log_every_steps=log_every_steps)
    assert steps_of(tmp_path) == checkpoint
    curve = tmp_path / "live/plots/metrics/generator/l1.tsv"
    assert (logged_steps(tmp_path) if curve.exists() else []) == logged


@pytest.mark.parametrize(("beside", "rate", "left"), [(1, "0.03", "00:30"), (5, "0.01", "02:30")])
def test_training_ends_when_its_own_time_is_over(tmp_path, monkeypatch, caplog, beside, rate, left):
    """A step takes half a minute of the processor, which as many programs share."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: beside * now[0])
    monkeypatch.setattr(time, "thread_time", lambda: now[0])
    caplog.set_level(logging.INFO)

    class Slow(CountingTask):
        def step(self, batch, *, step, learning_rate):
            now[0] += 30
            return super().step(batch, step=step, learning_rate=learning_rate)

    task = Slow()
    throughput = count(task, tmp_path, steps=1000, max_minutes=2.0)
    assert (throughput.steps, throughput.planned_steps) == (4, 1000)
    assert (throughput.own_minutes, throughput.minutes) == (2, 2 * beside)
    assert f"3 of 1000, {rate}/s, {left} left, generator/l1 " in caplog.text
    assert "max_minutes ended it after 4 of 1000 steps" in caplog.text
    assert [rate for _, _, rate in task.seen] == [0.5, 0.5, 0.5, 0.25]
    assert logged_steps(tmp_path) == [3, 4]
    assert steps_of(tmp_path) == 4
    # resumed, it has nothing left to do
    again, before = CountingTask(), curves(tmp_path)
    assert count(again, tmp_path, steps=1000, max_minutes=2.0).steps == 4
    assert (again.seen, again.value) == ([], task.value)
    assert curves(tmp_path) == before


@pytest.fixture
def obeyed(monkeypatch):
    """SIGTERM is handled by the test, which remembers it; SIGINT as if it were never ignored."""
    came = []
    handlers = {signal.SIGTERM: lambda number, _: came.append(number)}
    handlers[signal.SIGINT] = signal.default_int_handler
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    yield came
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_a_run_that_gets_a_signal_keeps_the_step_and_passes_it_on(tmp_path, obeyed, number):
    with pytest.raises(KeyboardInterrupt):
        count(CountingTask(stop_at=6, stop_by=number), tmp_path)
    assert obeyed == ([signal.SIGTERM] if number == "SIGTERM" else [])
    assert steps_of(tmp_path) == 7


def test_a_second_signal_is_obeyed(obeyed):
    with delayed_signals() as request:
        signal.raise_signal(signal.SIGTERM)
        assert obeyed == []
        signal.raise_signal(signal.SIGTERM)
        assert obeyed == [signal.SIGTERM]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert request == [signal.SIGTERM]


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_signals_that_were_ignored_stay_so(tmp_path, number):
    """As under nohup, and in a shell's background."""
    before = signal.signal(signal.Signals[number], signal.SIG_IGN)
    try:
        count(CountingTask(stop_at=6, stop_by=number), tmp_path)
        assert signal.getsignal(signal.Signals[number]) is signal.SIG_IGN
    finally:
        signal.signal(signal.Signals[number], before)
    assert steps_of(tmp_path) == 11


def test_cores_read_ahead_beside_a_gpu_but_not_too_many():
    assert num_readers("cpu", num_cores=64) == 1
    readers = [num_readers("cuda", num_cores=cores) for cores in (64, 9, 4, 1, 0)]
    assert readers == [8, 8, 3, 1, 1]


def plan_of(**changes):
    return schedule(**{**COUNTING, **changes})


@pytest.mark.parametrize(
    ("steps", "lr_decay_start", "rates"),
    [
        (8, 0.5, [0.5, 0.5, 0.5, 0.5, 0.5, 0.375, 0.25, 0.125]),
        (4, 0.0, [0.5, 0.375, 0.25, 0.125]),
        (4, 1.0, [0.5] * 4),
    ],
)
def test_the_learning_rate_is_constant_and_then_falls_to_zero(steps, lr_decay_start, rates):
    plan = plan_of(steps=steps, lr_decay_start=lr_decay_start)
    assert [plan.learning_rate_at(step) for step in range(steps)] == rates


def test_with_a_time_limit_the_learning_rate_follows_whichever_is_further():
    """Three quarters of the time or of the steps are over; a step may end after the time."""
    plan = plan_of(steps=100, max_minutes=10.0, lr_decay_start=0.5)
    moments = {
        0.5: [(0, 0.0), (0, 5.0)],
        0.25: [(0, 7.5), (75, 0.0), (60, 7.5), (75, 6.0)],
        0.0: [(10, 10.0), (10, 11.0)],
    }
    for rate, at in moments.items():
        rates = [plan.learning_rate_at(step, minutes=minutes) for step, minutes in at]
        assert rates == pytest.approx([rate] * len(at))


def test_training_is_over_when_steps_or_minutes_are():
    plan, unlimited = plan_of(steps=8, max_minutes=2.0), plan_of(steps=8)
    ends = [(7, 1.99), (8, 0.0), (1, 2.0)]
    assert [plan.is_over(step, minutes=it) for step, it in ends] == [False, True, True]
    assert [plan.seconds_left(minutes) for minutes in (0.0, 0.5, 11.0)] == [120, 90, 0]
    assert not unlimited.is_over(7, minutes=1e6)
    assert unlimited.seconds_left(1e6) == math.inf
