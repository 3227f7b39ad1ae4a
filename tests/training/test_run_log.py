from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from motiontransfer.core.errors import TrainingError
from motiontransfer.training import run_log
from motiontransfer.training.run_log import Throughput
from tests.training.small import runtime, schedule


def mean_of(*steps):
    losses = run_log.MeanLosses()
    for values in steps:
        losses.add({name: torch.tensor(value) for name, value in values.items()})
    return losses


def read(losses):
    return losses.read(runtime(), done=12, description="train")


def test_losses_are_means_by_name_in_their_order_of_copies():
    losses, loss = mean_of({"l1": 0.5, "adversarial": 2.0}), torch.tensor(1.0)
    losses.add({"l1": loss, "adversarial": torch.tensor(-1.0)})
    loss += 1
    assert list(read(losses).items()) == [("l1", 0.75), ("adversarial", 0.5)]
    losses.reset()
    losses.add({"l1": torch.tensor(3.0)})
    assert read(losses) == {"l1": 3.0}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize(("before", "steps"), [([], "step 12"), ([3.0, 3.0], "steps 10 to 12")])
def test_a_loss_that_is_not_finite_is_named_with_its_steps(value, before, steps):
    losses = mean_of(*({"a": number, "b": 3.0} for number in [*before, value]))
    text = rf"^train: .* in {steps}: a {value}, b 3; the last checkpoint is kept; "
    with pytest.raises(TrainingError, match=text):
        read(losses)


@pytest.mark.parametrize(
    ("steps", "apart"), [(11, 25), (40, 1), (79, 1), (80, 2), (400, 10), (1000, 25), (20_000, 25)]
)
def test_a_training_of_forty_steps_or_more_has_a_curve_of_forty_points_or_more(steps, apart):
    assert schedule(steps=steps, log_every_steps=25).steps_between_logs == apart


@pytest.mark.parametrize(("on_cpu", "own_minutes"), [(True, 1.0 + 3 * 0.1 + 3 * 0.3), (False, 4.0)])
def test_time_is_that_of_all_sessions_and_waiting_is_part_of_it(monkeypatch, on_cpu, own_minutes):
    """Each item is waited for 6 s, and computed with for 18 s of 54: the rest others have."""
    now = SimpleNamespace(wall=1000.0, computed=50.0)
    monkeypatch.setattr(run_log.time, "monotonic", lambda: now.wall)
    monkeypatch.setattr(run_log.time, "thread_time", lambda: now.computed)

    def items():
        for number in range(3):
            now.wall += 6
            yield number

    start = Throughput(steps=4, minutes=2.0, own_minutes=1.0, waiting_minutes=0.5)
    clock = run_log.RunClock(start, on_cpu=on_cpu)
    for _ in clock.waiting_for(items()):
        now.wall += 54
        now.computed += 18
    done = clock.throughput(7)
    assert (done.steps, done.minutes) == (7, 5.0)
    assert (done.own_minutes, done.waiting_minutes) == pytest.approx((own_minutes, 0.8))
    assert replace(done, planned_steps=8).metrics == {
        **{"steps": 7, "planned_steps": 8, "minutes": 5.0, "own_minutes": round(own_minutes, 3)},
        **{"steps_per_second": 0.023, "loader_share": 0.16},
    }
    more = replace(done, planned_steps=8) + Throughput(steps=1, planned_steps=2, minutes=1.0)
    assert more == replace(done, steps=8, planned_steps=10, minutes=6.0)


@pytest.fixture
def run(tmp_path):
    """A run that logged until step 9."""
    log = run_log.Log(tmp_path / "run", tmp_path / "shown", step=0)
    for done in (3, 6, 9):
        log.add(done, {"generator/l1": done / 2})
        log.add_sample(done, np.zeros((4, 4, 3), np.uint8))
    return tmp_path / "run"


def rows(run):
    return (run / "live/plots/metrics/generator/l1.tsv").read_text().splitlines()


def test_what_a_kill_left_half_written_is_removed_or_ignored(run):
    curve = run / "live/plots/metrics/generator/l1.tsv"
    curve.write_text(curve.read_text() + "1")  # of a row for step 12, say
    (curve.parent / "other.tsv").write_text("")
    run_log.Log(run, run.parent / "shown", step=20).add(21, {"generator/other": 1.0})
    assert len(rows(run)) == 4
    assert (curve.parent / "other.tsv").read_text().split() == ["step", "other", "21", "1.0"]


def test_what_is_new_is_shown_once_a_second_and_when_asked_at_once(run, monkeypatch):
    seconds, shown = [0.0], run.parent / "shown"
    monkeypatch.setattr(run_log.time, "monotonic", lambda: seconds[0])
    log, last = run_log.Log(run, shown, step=9), []
    for step, now, at_once in ((10, 5.0, False), (11, 5.9, False), (12, 5.9, True), (13, 7, False)):
        seconds[0] = now
        log.add(step, {"generator/l1": 1.0})
        log.show(at_once=at_once)
        curve = (shown / "metrics/generator/l1.tsv").read_text().splitlines()
        last.append(int(curve[-1].split("\t")[0]))
    assert last == [10, 10, 12, 13]
