"""The learning rate is constant and then falls to zero, by steps or by time."""

import math

import pytest

from tests.training import small


def schedule(**changes):
    return small.schedule(**{**small.COUNTING, **changes})


@pytest.mark.parametrize(
    ("steps", "lr_decay_start", "rates"),
    [
        (8, 0.5, [0.5, 0.5, 0.5, 0.5, 0.5, 0.375, 0.25, 0.125]),
        (4, 0.0, [0.5, 0.375, 0.25, 0.125]),
        (4, 1.0, [0.5] * 4),
    ],
)
def test_the_learning_rate_is_constant_and_then_falls_to_zero(steps, lr_decay_start, rates):
    plan = schedule(steps=steps, lr_decay_start=lr_decay_start)
    assert [plan.learning_rate_at(step) for step in range(steps)] == rates


@pytest.mark.parametrize(
    ("step", "minutes", "rate"),
    [
        (0, 0.0, 0.5),
        (0, 5.0, 0.5),
        (0, 7.5, 0.25),  # three quarters of the time are over
        (75, 0.0, 0.25),  # three quarters of the steps are done
        (60, 7.5, 0.25),  # what is further counts
        (75, 6.0, 0.25),
        (10, 10.0, 0.0),
        (10, 11.0, 0.0),  # a step that took longer than was left
    ],
)
def test_with_a_time_limit_the_learning_rate_follows_whichever_is_further(step, minutes, rate):
    plan = schedule(steps=100, max_minutes=10.0, lr_decay_start=0.5)
    assert plan.learning_rate_at(step, minutes=minutes) == pytest.approx(rate)


@pytest.mark.parametrize("changes", [{"max_minutes": None}, {"lr_decay_start": 1.0}])
def test_without_a_time_limit_or_decay_the_time_does_not_count(changes):
    plan = schedule(**{"steps": 8, "max_minutes": 1.0, **changes})
    assert plan.learning_rate_at(3, minutes=1e6) == 0.5


def test_time_is_left_until_the_limit_and_without_one_for_ever():
    plan = schedule(steps=8, max_minutes=10.0)
    assert [plan.seconds_left(minutes) for minutes in (0.0, 4.0, 11.0)] == [600, 360, 0]
    assert schedule(steps=8).seconds_left(1e6) == math.inf


def test_training_is_over_when_steps_or_minutes_are():
    plan = schedule(steps=8, max_minutes=2.0)
    assert not plan.is_over(7, minutes=1.99)
    assert plan.is_over(8, minutes=0.0)
    assert plan.is_over(1, minutes=2.0)
    assert not schedule(steps=8).is_over(7, minutes=1e6)
