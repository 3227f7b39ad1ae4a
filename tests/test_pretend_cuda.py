"""The pretended GPU refuses what CUDA refuses, counts what it is asked to do, and leaves nothing.

Its other tests are beside those of what runs on a GPU: they take the fixture `gpu`.
"""

import threading

import numpy as np
import pytest
import torch
from torch import nn

from motiontransfer.device import choose_accelerator
from motiontransfer.training.distributed import make_runtime
from tests.pretend_cuda import CUDA, pretend_cuda

MIXED = "same device"


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda there, here: there + here, MIXED),
        (lambda there, here: torch.cat([there, here]), MIXED),
        (lambda there, here: torch.where(there > 0, there, here), MIXED),
        (lambda there, here: here.add_(there), MIXED),
        (lambda there, here: here.sum().add_(there.sum()), MIXED),
        (lambda there, here: there.matmul(here), MIXED),
        (lambda there, here: there.index_copy(0, torch.arange(3), there), MIXED),
        (lambda there, here: here[there.long()], MIXED),
        (lambda there, here: nn.functional.linear(there, here[None]), MIXED),
        (lambda there, here: torch.dot(there, torch.arange(3.0)), MIXED),
        (lambda there, here: nn.Linear(3, 1)(there), MIXED),
        (lambda there, here: there.numpy(), "can't convert cuda:0"),
        (lambda there, here: np.asarray(there), "can't convert cuda:0"),
        (lambda there, here: np.stack([there, there]), "can't convert cuda:0"),
        (lambda there, here: there.pin_memory(), "cannot pin"),
        (lambda there, here: here.to("cuda:1"), "invalid device ordinal"),
    ],
)
@pytest.mark.parametrize("mode", [torch.inference_mode, torch.enable_grad])
def test_what_cuda_refuses_is_refused(gpu, use, message, mode):
    with mode(), pytest.raises((RuntimeError, TypeError), match=message):
        use(torch.ones(3).to(CUDA), torch.ones(3))


def test_a_backward_pass_that_mixes_devices_is_refused(gpu):
    left_behind = torch.full((3,), 2.0)

    class Doubled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, values):
            return values * 2

        @staticmethod
        def backward(ctx, gradient):
            return gradient * left_behind

    values = torch.ones(3, device=CUDA, requires_grad=True)
    with pytest.raises(RuntimeError, match=MIXED):
        torch.autograd.grad(Doubled.apply(values).sum(), [values])


@pytest.mark.parametrize(
    "use",
    [
        lambda there, here: there + 2 * there.sum(),
        lambda there, here: there * here.sum(),  # a number may be anywhere
        lambda there, here: there.to(torch.bfloat16).float(),
        lambda there, here: nn.functional.interpolate(there[None, None], size=6),
        lambda there, here: torch.zeros(3, device="cuda") + there.new_ones(3),
        lambda there, here: there.to(there) + torch.zeros_like(there),
        lambda there, here: torch.stack(there.split(1)).clone().detach(),
        lambda there, here: nn.functional.pad(there[None], (1, 1), mode="reflect"),
    ],
)
@pytest.mark.parametrize("mode", [torch.inference_mode, torch.enable_grad])
def test_what_cuda_can_do_stays_on_the_gpu_and_waits_for_nothing(gpu, use, mode):
    there, here = torch.ones(3).to(CUDA), torch.ones(3)
    before = gpu.waits.total()
    with mode():
        result = use(there, here)
        assert (result.device, result.is_cuda, result.is_cpu) == (CUDA, True, False)
    assert here.device.type == "cpu"
    assert gpu.waits.total() == before
    assert gpu.kernels.total() > 0


@pytest.mark.parametrize(
    "use",
    [
        lambda there, here: here.to(CUDA),
        lambda there, here: here.to(CUDA, non_blocking=True),  # not pinned
        lambda there, here: here.pin_memory().to(CUDA),
        lambda there, here: there.copy_(here),
        lambda there, here: there[here.long()],
        lambda there, here: there[there > 0],
        lambda there, here: torch.tensor([1.0], device=CUDA),
        lambda there, here: there.cpu(),
        lambda there, here: here.copy_(there),
        lambda there, here: there.sum().item(),
        lambda there, here: bool(there.sum() > 0),
        lambda there, here: there.tolist(),
        lambda there, here: there.nonzero(),
        lambda there, here: torch.cuda.synchronize(),
    ],
)
def test_what_makes_the_cpu_wait_is_counted(gpu, use):
    there, here = torch.ones(3, device=CUDA), torch.ones(3)
    assert gpu.waits.total() == 0
    use(there, here)
    assert gpu.waits.total() == 1


def test_a_copy_that_is_not_waited_for_is_garbage(gpu):
    there = torch.arange(3, dtype=torch.uint8).pin_memory().to(CUDA, non_blocking=True)
    early, late = (there.to("cpu", non_blocking=True) for _ in range(2))
    event = torch.cuda.current_stream().record_event()
    later = there.to("cpu", non_blocking=True)
    assert gpu.waits.total() == 0
    assert early.is_pinned()
    assert early.numpy().tolist() == [0xCC] * 3
    event.synchronize()
    assert (late.tolist(), later.tolist()) == ([0, 1, 2], [0xCC] * 3)
    torch.cuda.synchronize()
    assert later.tolist() == [0, 1, 2]


@pytest.mark.parametrize(("capability", "precision"), [((9, 0), "bf16-mixed"), ((7, 5), "32-true")])
def test_the_device_is_chosen_by_what_it_can_do_and_nothing_is_left_of_it(capability, precision):
    untouched = torch.cuda.mem_get_info, torch.autocast, threading.Thread.run
    with pretend_cuda(capability=capability):
        runtime = make_runtime(precision="auto")
        assert (runtime.device, runtime.precision) == (CUDA, precision)
        weight = nn.Parameter(torch.ones(2, 2, device=CUDA))
        with runtime.autocast():
            kind = nn.functional.linear(weight, weight).dtype
        assert kind == (torch.bfloat16 if precision == "bf16-mixed" else torch.float32)
    assert (torch.cuda.mem_get_info, torch.autocast, threading.Thread.run) == untouched
    assert weight.device.type == "cpu"
    assert torch.zeros(1).is_cpu
    assert choose_accelerator() == ("cuda" if torch.cuda.is_available() else "cpu")
