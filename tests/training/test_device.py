"""The device is what there is, the precision what was asked for or what the device is good at."""

import pytest
import torch

from motiontransfer.errors import TrainingError
from motiontransfer.training.distributed import (
    arithmetic,
    choose_devices,
    launched_fabric,
    make_fabric,
)


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


def test_kind_and_precision_tell_runs_apart(no_cuda):
    assert arithmetic(make_fabric(precision="32-true")) == ("cpu", "32-true")
    assert arithmetic(make_fabric(precision="bf16-mixed")) == ("cpu", "bf16-mixed")


@pytest.mark.parametrize(
    ("present", "batch_size", "used"),
    [(None, 8, 1), (4, 8, 4), (4, 6, 3), (4, 1, 1), (8, 4, 4), (2, 7, 1)],
)
def test_auto_is_as_many_gpus_as_can_share_a_batch(present, batch_size, used):
    assert choose_devices("auto", present=present, batch_size=batch_size) == used


def test_a_number_of_devices_is_taken_at_its_word():
    assert choose_devices(2, present=None, batch_size=3) == 2
    assert choose_devices(2, present=4, batch_size=3) == 2
    with pytest.raises(TrainingError, match="devices: expected at most the 4 GPUs here, got 5"):
        choose_devices(5, present=4, batch_size=5)


def launched(**changes):
    options = {"precision": "32-true", "devices": "auto", "batch_size": 1}
    return launched_fabric(**{**options, **changes})


def test_on_a_cpu_training_has_one_process(no_cuda):
    with launched(batch_size=8) as fabric:
        assert fabric.world_size == 1
        assert fabric.device == torch.device("cpu")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"batch_size": 3, "devices": 2}, r"3 items .*by 2 processes; expected a multiple of 2$"),
    ],
)
def test_a_batch_that_cannot_be_shared_evenly_is_refused(no_cuda, changes, text):
    with pytest.raises(TrainingError, match="^batch_size: .*" + text), launched(**changes):
        pass


def test_who_was_started_by_torchrun_asks_for_no_devices(no_cuda, monkeypatch):
    environment = {"TORCHELASTIC_RUN_ID": "x", "LOCAL_WORLD_SIZE": "4", "WORLD_SIZE": "8"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(TrainingError, match=r"4 items .* by 8 processes"), launched(batch_size=4):
        pass


@pytest.mark.parametrize(
    "environment",
    [
        {"SLURM_NTASKS": "4", "SLURM_JOB_NAME": "train"},  # a script that sbatch runs once
        {"TORCHELASTIC_RUN_ID": "x", "LOCAL_WORLD_SIZE": "1", "WORLD_SIZE": "1", "RANK": "0"},
    ],
)
def test_one_process_is_one_wherever_it_runs(no_cuda, monkeypatch, environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with launched() as fabric:
        assert (fabric.world_size, fabric.is_global_zero) == (1, True)


@pytest.mark.needs_cuda
def test_a_gpu_is_used():
    assert make_fabric(precision="auto").device.type == "cuda"
