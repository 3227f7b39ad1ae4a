"""A run that is stopped and taken up ends as one that never was."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from motiontransfer.errors import TrainingError
from motiontransfer.training.checkpoints import load_checkpoint
from motiontransfer.training.dataset import batch_indices
from motiontransfer.training.loop import copy_logs
from tests.training.counting import CountingTask, run, schedule

_BE_KILLED = """
import sys
from pathlib import Path
from tests.training.counting import CountingTask, run
run(CountingTask(kill_at=int(sys.argv[2])), Path(sys.argv[1]))
"""


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
            tuple(batch_indices(step, num_items=7, batch_size=2, seed=1)),
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
    assert load_checkpoint(folder)[0] == 8


def test_the_end_is_logged_once_where_it_is_due_anyway(tmp_path):
    run(CountingTask(), tmp_path, num_steps=6, checkpoint_every_steps=3)
    assert logged_steps(tmp_path) == [3, 6]
    assert load_checkpoint(tmp_path)[0] == 3


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
    root = Path(__file__).parents[2]
    killed = subprocess.run(
        [sys.executable, "-c", _BE_KILLED, str(folder), "7"],
        env={**os.environ, "PYTHONPATH": str(root)},
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -9, killed.stderr.decode()
    assert logged_steps(folder) == [3, 6]
    assert load_checkpoint(folder)[0] == 4
    task = CountingTask()
    run(task, folder)
    assert task.value == whole[0].value
    assert curves(folder)[0] == curves(whole[1])[0]


def test_a_half_written_row_is_written_again(tmp_path, whole):
    folder = tmp_path / "failed"
    with pytest.raises(RuntimeError, match="went down"):
        run(CountingTask(fail_at=7), folder)
    curve = folder / "live/plots/metrics/generator/l1.tsv"
    curve.write_text(curve.read_text() + "1")  # of a row for step 12, say
    (curve.parent / "other.tsv").write_text("")
    run(CountingTask(), folder)
    assert logged_steps(folder) == [3, 6, 9, 11]
    assert logged_steps(folder, "generator/other") == [6, 9, 11]


def test_logs_without_a_checkpoint_are_of_nobody(tmp_path):
    with pytest.raises(RuntimeError, match="went down"):
        run(CountingTask(fail_at=3), tmp_path)
    assert logged_steps(tmp_path) == [3]
    run(CountingTask(), tmp_path)
    assert logged_steps(tmp_path) == [3, 6, 9, 11]


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_checkpoint(tmp_path):
    text = r"count: a loss is not finite at step 9: generator/l1 nan, generator/other 2\.5; "
    with pytest.raises(TrainingError, match=text):
        run(CountingTask(nan_at=8), tmp_path)
    assert load_checkpoint(tmp_path)[0] == 8
    assert logged_steps(tmp_path) == [3, 6]


def test_no_checkpoint_is_taken_where_a_loss_is_not_finite(tmp_path):
    """Even where that step is not logged: nobody could go on from there."""
    with pytest.raises(TrainingError, match="not finite at step 8: generator/l1 nan"):
        run(CountingTask(nan_at=7), tmp_path, log_every_steps=100)
    assert load_checkpoint(tmp_path)[0] == 4


def test_the_learning_rate_is_constant_and_then_falls_to_zero():
    rates = [
        schedule(num_steps=8, constant_fraction=0.5).learning_rate_at(step) for step in range(8)
    ]
    assert rates == [0.5, 0.5, 0.5, 0.5, 0.5, 0.375, 0.25, 0.125]


def test_the_learning_rate_may_fall_all_the_time_or_never():
    falling = schedule(num_steps=4, constant_fraction=0.0)
    constant = schedule(constant_fraction=1.0)
    assert [falling.learning_rate_at(step) for step in range(4)] == [0.5, 0.375, 0.25, 0.125]
    assert {constant.learning_rate_at(step) for step in range(11)} == {0.5}


def test_logs_are_copied_and_take_the_place_of_older_ones(tmp_path, whole):
    destination = tmp_path / "logs"
    (destination / "images").mkdir(parents=True)
    (destination / "images/step_999999.png").touch()
    copy_logs(whole[1], destination)
    assert sorted(str(p.relative_to(destination)) for p in destination.rglob("*.*")) == [
        *(f"images/step_{step:06d}.png" for step in (5, 10, 11)),
        *(f"metrics/generator/{name}.tsv" for name in ("l1", "other")),
    ]


def test_a_repository_without_a_commit_is_told_what_to_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "-q"], check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], check=True)
    with pytest.raises(TrainingError, match=r"Empty git repo; commit once"):
        run(CountingTask(), tmp_path / "run")
