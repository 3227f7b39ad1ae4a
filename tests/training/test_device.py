"""The device is what there is, the precision what was asked for or what the device is good at."""

import pytest
import torch

from motiontransfer.training.device import make_fabric


@pytest.fixture
def no_cuda(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.parametrize("precision", ["bf16-mixed", "32-true"])
def test_a_precision_that_is_asked_for_is_used(no_cuda, precision):
    fabric = make_fabric(precision=precision)
    assert fabric.device == torch.device("cpu")
    with fabric.autocast():
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == (torch.bfloat16 if precision == "bf16-mixed" else torch.float32)


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [
        ({"avx512_bf16": True, "amx_bf16": False}, "bf16-mixed"),
        ({"avx512_bf16": False, "amx_bf16": True}, "bf16-mixed"),
        ({"avx512_bf16": False, "amx_bf16": False}, "32-true"),
        ({}, "32-true"),
    ],
)
def test_auto_is_bf16_where_the_cpu_multiplies_it(no_cuda, monkeypatch, capabilities, precision):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert make_fabric(precision="auto").strategy.precision.precision == precision


@pytest.mark.needs_cuda
def test_a_gpu_is_used():
    assert make_fabric(precision="auto").device.type == "cuda"
