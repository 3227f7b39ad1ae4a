"""A run that is stopped and taken up ends as one that never was."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from motiontransfer.errors import TrainingError
from motiontransfer.training.checkpoint import load_checkpoint, save_checkpoint
from motiontransfer.training.data import batch_indices
from tests.training.counting import CountingTask, run, schedule

_BE_STOPPED = """
import logging, sys
from pathlib import Path
from tests.training.counting import CountingTask, run
logging.basicConfig(level=logging.INFO, format="%(message)s")
try:
    run(CountingTask(stop_at=int(sys.argv[2]), stop_by=sys.argv[3]), Path(sys.argv[1]))
except KeyboardInterrupt:
    sys.exit(130)
"""


def in_another_process(code, *arguments):
    root = Path(__file__).parents[2]
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(root)},
        cwd=arguments[0].parent,
        capture_output=True,
        text=True,
        check=False,
    )


def curves(folder):
    """Every curve's text, and every picture's grey level."""
    plots = folder / "live/plots"
    texts = {str(p.relative_to(plots)): p.read_text() for p in sorted(plots.rglob("*.tsv"))}
    pictures = {p.name: int(np.asarray(Image.open(p)).max()) for p in sorted(plots.rglob("*.png"))}
    return texts, pictures


def logged_steps(folder, name="generator/l1"):
    lines = (folder / f"live/plots/metrics/{name}.tsv").read_text().splitlines()
    return [int(line.split("\t")[0]) for line in lines[1:]]


@pytest.fixture
def whole(tmp_path):
    """A task whose run was not interrupted, and its folder."""
    task, folder = CountingTask(), tmp_path / "whole"
    run(task, folder)
    return task, folder


def test_every_step_is_taken_once_on_its_batch_at_its_learning_rate(whole):
    task, _ = whole
    assert task.seen == [
        (
            step,
            tuple(batch_indices(step, num_items=7, order=schedule().order)),
            schedule().learning_rate_at(step),
        )
        for step in range(11)
    ]


def test_things_happen_at_their_intervals_and_at_the_end(whole):
    _, folder = whole
    texts, pictures = curves(folder)
    assert set(texts) == {"metrics/generator/l1.tsv", "metrics/generator/other.tsv"}
    # the value of a step is logged under the number of steps that are done with it
    assert texts["metrics/generator/other.tsv"].split() == [
        *("step", "other", "3", "2.0", "6", "5.0", "9", "8.0", "11", "10.0"),
    ]
    assert pictures == {"step_000005.png": 5, "step_000010.png": 10, "step_000011.png": 11}
    assert load_checkpoint(folder).step == 11


def test_the_end_is_logged_once_where_it_is_due_anyway(tmp_path):
    run(CountingTask(), tmp_path, num_steps=6, checkpoint_every_steps=3)
    assert logged_steps(tmp_path) == [3, 6]
    assert load_checkpoint(tmp_path).step == 6


@pytest.mark.parametrize("fail_at", [0, 3, 4, 7, 8, 10])
def test_a_run_that_failed_goes_on_to_the_same_end(tmp_path, whole, fail_at):
    """Before any checkpoint, right after one, and after steps that are logged once more."""
    folder = tmp_path / "failed"
    with pytest.raises(RuntimeError, match="went down"):
        run(CountingTask(fail_at=fail_at), folder)
    task = CountingTask()
    run(task, folder)
    first_step = fail_at // 4 * 4
    assert [step for step, _, _ in task.seen] == list(range(first_step, 11))
    assert task.value == whole[0].value
    texts, pictures = curves(folder)
    assert texts == curves(whole[1])[0]
    assert pictures.keys() == curves(whole[1])[1].keys()


def test_a_run_that_failed_twice_goes_on_to_the_same_end(tmp_path, whole):
    folder = tmp_path / "failed"
    for fail_at in (7, 10):
        with pytest.raises(RuntimeError, match="went down"):
            run(CountingTask(fail_at=fail_at), folder)
    task = CountingTask()
    run(task, folder)
    assert task.value == whole[0].value
    assert curves(folder)[0] == curves(whole[1])[0]


def test_a_run_that_was_killed_goes_on_to_the_same_end(tmp_path, whole):
    folder = tmp_path / "killed"
    killed = in_another_process(_BE_STOPPED, folder, "7", "SIGKILL")
    assert killed.returncode == -9, killed.stderr
    assert logged_steps(folder) == [3, 6]
    assert load_checkpoint(folder).step == 4
    task = CountingTask()
    run(task, folder)
    assert task.value == whole[0].value
    assert curves(folder)[0] == curves(whole[1])[0]


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_checkpoint(tmp_path):
    text = r"count: a loss is not finite at step 9: generator/l1 nan, generator/other 2\.5; "
    with pytest.raises(TrainingError, match=text):
        run(CountingTask(nan_at=8), tmp_path)
    assert load_checkpoint(tmp_path).step == 8
    assert logged_steps(tmp_path) == [3, 6]


def test_no_checkpoint_is_taken_where_a_loss_is_not_finite(tmp_path):
    """Even where that step is not logged: nobody could go on from there."""
    with pytest.raises(TrainingError, match="not finite at step 8: generator/l1 nan"):
        run(CountingTask(nan_at=7), tmp_path, log_every_steps=100)
    assert load_checkpoint(tmp_path).step == 4


def test_a_loss_that_is_not_finite_is_found_though_nothing_is_due(tmp_path):
    """At the step after it: on a GPU the loss is read while that one is computed."""
    task = CountingTask(nan_at=5)
    with pytest.raises(TrainingError, match="not finite at step 6: generator/l1 nan"):
        run(task, tmp_path, log_every_steps=100, checkpoint_every_steps=100)
    assert [step for step, _, _ in task.seen] == list(range(7))


def test_a_loss_that_is_not_finite_is_found_though_the_next_step_is_due(tmp_path):
    with pytest.raises(TrainingError, match="not finite at step 5: generator/l1 nan"):
        run(CountingTask(nan_at=4), tmp_path)
    assert logged_steps(tmp_path) == [3]


def test_what_a_run_took_is_counted(whole, tmp_path):
    throughput = run(CountingTask(), tmp_path / "again")
    assert throughput.steps == 11
    assert 0 < throughput.waiting_minutes < throughput.minutes < 1
    assert throughput.metrics["steps"] == 11
    assert throughput.metrics["steps_per_second"] == pytest.approx(
        11 / throughput.minutes / 60, rel=0.01
    )
    assert throughput.metrics["loader_share"] == pytest.approx(
        throughput.waiting_minutes / throughput.minutes, abs=1e-3
    )


def test_time_is_counted_over_all_sessions(tmp_path):
    with pytest.raises(RuntimeError, match="went down"):
        run(CountingTask(fail_at=5), tmp_path)
    kept = load_checkpoint(tmp_path)
    save_checkpoint(tmp_path, replace(kept, minutes=7.0, waiting_minutes=3.0))
    throughput = run(CountingTask(), tmp_path)
    assert 7 < throughput.minutes < 8
    assert 3 < throughput.waiting_minutes < 4


def test_training_ends_when_its_time_is_over(tmp_path, monkeypatch):
    """A step takes half a minute of a clock that the task moves."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    class Slow(CountingTask):
        def step(self, share, *, step, learning_rate):
            now[0] += 30
            return super().step(share, step=step, learning_rate=learning_rate)

    task = Slow()
    throughput = run(task, tmp_path, num_steps=1000, max_minutes=2.0)
    assert (throughput.steps, throughput.minutes) == (4, 2)
    assert [rate for _, _, rate in task.seen] == [0.5, 0.5, 0.5, 0.25]
    assert logged_steps(tmp_path) == [3, 4]
    assert load_checkpoint(tmp_path).step == 4
    # taken up, it has nothing left to do
    again = CountingTask()
    assert run(again, tmp_path, num_steps=1000, max_minutes=2.0).steps == 4
    assert again.seen == []
    assert again.value == task.value


def test_a_run_that_is_done_is_not_trained_again(tmp_path, whole):
    """As when it was killed while its outs were written."""
    task = CountingTask()
    before = curves(whole[1])
    assert run(task, whole[1]).steps == 11
    assert task.seen == []
    assert task.value == whole[0].value
    assert curves(whole[1]) == before


@pytest.mark.parametrize(("number", "status"), [("SIGINT", 130), ("SIGTERM", -15)])
def test_a_signal_stops_after_the_step_and_loses_none(tmp_path, whole, number, status):
    stopped = in_another_process(_BE_STOPPED, tmp_path / "stopped", "6", number)
    assert stopped.returncode == status, stopped.stderr
    line = "count: stopped at step 7; the same command goes on from there"
    assert [each for each in stopped.stderr.splitlines() if "interrupted" not in each] == [line]
    assert load_checkpoint(tmp_path / "stopped").step == 7
    task = CountingTask()
    run(task, tmp_path / "stopped")
    assert [step for step, _, _ in task.seen] == list(range(7, 11))
    assert task.value == whole[0].value
    assert curves(tmp_path / "stopped")[0] == curves(whole[1])[0]
