"""A step's losses are read as they were sent, and none that is not finite goes unnoticed."""

import pytest
import torch

from motiontransfer.errors import TrainingError
from motiontransfer.training.run_log import LossReport
from tests.training.small import fabric


def report(**losses):
    tensors = {name: torch.tensor(value) for name, value in losses.items()}
    return LossReport(fabric(), 12, tensors)


def test_losses_come_back_by_name_in_their_order():
    values = report(l1=0.5, adversarial=2.0, l2=-1.25).read("train")
    assert list(values.items()) == [("l1", 0.5), ("adversarial", 2.0), ("l2", -1.25)]


def test_what_the_next_step_does_to_the_losses_does_not_matter():
    loss = torch.tensor(1.0)
    sent = LossReport(fabric(), 1, {"l1": loss})
    loss += 1
    assert sent.read("train") == {"l1": 1.0}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_loss_that_is_not_finite_is_named_with_its_step_and_the_others(value):
    text = (
        rf"^train: a loss is not finite at step 12: a {value}, b 3; the last checkpoint is kept; "
    )
    with pytest.raises(TrainingError, match=text):
        report(a=value, b=3.0).read("train")


@pytest.mark.needs_cuda
def test_losses_come_from_a_gpu():
    losses = {"l1": torch.tensor(0.5, device="cuda") * 3}
    assert LossReport(fabric(), 1, losses).read("train") == {"l1": 1.5}
