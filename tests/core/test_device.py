import os
import re

import pytest
import torch

from motiontransfer.core.device import choose_accelerator, describe_device, find_gpu_fault
from motiontransfer.models.runtime import open_device

_NO_KERNEL = "CUDA error: no kernel image is available for execution on the device\nSearch"


@pytest.fixture
def gpu(monkeypatch):
    """Pretend a GPU on which this error is raised."""

    def pretend(error=None, num_gpus=1):
        tried = []
        kernel = torch.zeros

        def zeros(number, *, device):
            tried.append(device)
            if error:
                raise error
            return kernel(number)

        for name in ("CUDA_VISIBLE_DEVICES", "LOCAL_RANK", "SLURM_LOCALID"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: num_gpus)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda gpu=0: (8, 0))
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda gpu=0: "Tesla")
        monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_75", "sm_86"])
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda gpu=0: (3 * 10**9, 8 * 10**9))
        monkeypatch.setattr(torch, "zeros", zeros)
        return tried

    choose_accelerator.cache_clear()
    yield pretend
    choose_accelerator.cache_clear()


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (RuntimeError(_NO_KERNEL), r"Tesla has compute capability 8\.0, .* sm_75 sm_86; install"),
        (RuntimeError("CUDA error: too old\nSearch"), "CUDA error: too old; check nvidia-smi"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried"), "CUDA out of memory; check"),
        (torch.cuda.DeferredCudaCallError("lazily; late"), "lazily; check nvidia-smi"),
    ],
)
def test_an_unusable_gpu_is_hidden(gpu, caplog, monkeypatch, error, fault):
    gpu(error)
    found = find_gpu_fault()
    assert re.match(fault, found)
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")  # put back afterwards
    assert [choose_accelerator(), choose_accelerator()] == ["cpu", "cpu"]
    (message,) = caplog.messages
    assert found in message
    assert "\n" not in message
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""  # also for other processes


def test_a_gpu_that_runs_a_kernel_is_used_and_described(gpu, caplog):
    gpu()
    assert (find_gpu_fault(), choose_accelerator()) == (None, "cuda")
    assert describe_device("cuda") == "Tesla, compute capability 8.0, 3.0 GB free"
    assert not caplog.messages


def test_without_a_gpu_nothing_is_said_and_the_cpu_described_by_its_threads(gpu, caplog):
    tried = gpu(num_gpus=0)
    assert choose_accelerator() == "cpu"
    assert not tried + caplog.messages
    torch.set_num_threads(2)
    assert describe_device("cpu") == "the CPU, threads: 2"


@pytest.mark.parametrize(
    ("environment", "num_gpus", "tried"),
    [
        ({}, 4, "cuda:0"),
        ({"LOCAL_RANK": "2"}, 4, "cuda:2"),
        ({"SLURM_LOCALID": "3"}, 4, "cuda:3"),
        ({"SLURM_LOCALID": "3"}, 1, "cuda:0"),  # one for each task is visible
    ],
)
def test_each_process_tries_its_own_gpu(gpu, monkeypatch, environment, num_gpus, tried):
    asked = gpu(num_gpus=num_gpus)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert find_gpu_fault() is None
    assert asked == [tried]
    monkeypatch.setattr(torch.cuda, "set_device", lambda index: None)
    rank = int(*environment.values()) if environment else 0
    assert open_device("cuda", rank) == torch.device(tried)
