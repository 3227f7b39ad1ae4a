import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from motiontransfer.core.device import choose_accelerator, describe_device, find_gpu_fault, runs_on
from motiontransfer.models.runtime import open_device
from tests.stages.project import TRAIN_GAN, add_target, write_params

ROOT = Path(__file__).parents[2]
NVML_WITHOUT_DRIVER = """\
import ctypes

class Nvml:
    def nvmlInit(self):
        return 0
    def nvmlDeviceGetCount_v2(self, count):
        count._obj.value = 1
        return 0

load = ctypes.CDLL
ctypes.CDLL = lambda name, *a, **k: Nvml() if name == "libnvidia-ml.so.1" else load(name, *a, **k)
"""
"""NVIDIA's management library as PyTorch sees it, which counts a GPU; there is no driver."""

WHY = "runs on the CPU, as the GPU cannot be used: Found no NVIDIA driver on your system; "
PARTS = """\
import logging, sys, torch
logging.basicConfig(format="%(message)s", level="INFO", stream=sys.stderr)
from motiontransfer.models.runtime import make_runtime
from motiontransfer.core.device import choose_accelerator
from motiontransfer.core.parallel import run_parallel
from motiontransfer.core.params import Compute
from motiontransfer.pose import keypoint_rcnn
from motiontransfer.pose.detectors import KeypointRcnnConfig
from motiontransfer.project.doctor import check_gpu
from motiontransfer.core.stage_runner import run
assert torch.cuda.device_count() == 1, "the stand-in is not used"
result = check_gpu()
print(result.level, "|", result.message, "|", result.fix)
print(make_runtime(precision="auto").device, make_runtime(precision="32-true").device)
keypoint_rcnn.load_network = lambda model, **_: None
config = KeypointRcnnConfig(
    detector="keypointrcnn", max_people=1, min_detection_confidence=0.5, min_visibility=0.5,
    segment_frames=9)
compute = Compute(num_workers=1)
every_core = compute.model_copy(update={"num_workers": 0})
print(config.prepare(every_core).num_workers)
choose = "__import__('motiontransfer.core.device').core.device.choose_accelerator()"
print(*run_parallel(eval, [choose], num_workers=1))
logging.info("trains")
sys.exit(run("stages", ["train_gan", "ada"]))
"""


@pytest.fixture
def run_without_driver(tmp_path):
    """Run Python where a GPU is counted that CUDA cannot use."""
    if choose_accelerator() == "cuda":
        pytest.skip("CUDA works here")
    (tmp_path / "stub").mkdir()
    (tmp_path / "stub/sitecustomize.py").write_text(NVML_WITHOUT_DRIVER)

    def run(*arguments):
        paths = os.pathsep.join([str(tmp_path / "stub"), str(ROOT)])
        environment = {k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"}
        return subprocess.run(
            [sys.executable, *arguments],
            env={**environment, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run


@pytest.mark.slow
def test_runtime_detector_workers_doctor_and_a_stage_agree(
    run_without_driver, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    write_params(train_gan={**TRAIN_GAN, "precision": "auto"})
    add_target()
    done = run_without_driver("-c", PARTS)
    assert done.returncode == 0, done.stderr
    found, devices, num_workers, in_workers = done.stdout.splitlines()
    assert found.startswith("fault | it cannot be used: Found no NVIDIA driver on your system; ")
    assert f"CUDA {torch.version.cuda} needs driver" in found
    assert (devices, num_workers, in_workers) == ("cpu cpu", "0", "cpu")
    (told,) = (line for line in done.stderr.splitlines() if line.startswith(WHY))
    assert "CUDA_VISIBLE_DEVICES=" in told  # once in all processes
    trained = done.stderr.partition("trains\n")[2]
    assert trained.startswith("runs on the CPU, threads: 1, ")
    assert Path("artifacts/models/ada/generator.safetensors").exists()


@pytest.fixture
def gpu(monkeypatch):
    """Pretend a GPU of this capability, on which this error is raised."""

    def pretend(capability=(8, 0), error=None, num_gpus=1):
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
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda gpu=0: capability)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda gpu=0: "Tesla")
        monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_75", "compute_90"])
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda gpu=0: (3 * 10**9, 8 * 10**9))
        monkeypatch.setattr(torch, "zeros", zeros)
        return tried

    choose_accelerator.cache_clear()
    yield pretend
    choose_accelerator.cache_clear()


@pytest.mark.parametrize(
    ("capability", "error", "fault"),
    [
        (
            (7, 0),
            None,
            r"Tesla has compute capability 7\.0, and this PyTorch has kernels for sm_75 compute_90"
            r"; install another",
        ),
        ((7, 5), RuntimeError("CUDA error: no kernel\nSearch"), "CUDA error: no kernel; check nvi"),
        ((7, 5), torch.OutOfMemoryError("CUDA out of memory. Tried"), "CUDA out of memory; check"),
        ((7, 5), torch.cuda.DeferredCudaCallError("lazily; late"), "lazily; check nvidia-smi"),
    ],
)
def test_an_unusable_gpu_is_warned_of_once_and_hidden(
    gpu, caplog, monkeypatch, capability, error, fault
):
    gpu(capability, error)
    found = find_gpu_fault()
    assert re.match(fault, found)
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")  # put back afterwards
    assert [choose_accelerator(), choose_accelerator()] == ["cpu", "cpu"]
    (message,) = caplog.messages
    assert found in message
    assert "\n" not in message
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""  # also for other processes


@pytest.mark.parametrize(("cuda", "driver"), [("12.8", "525"), ("13.2", "580"), ("14.0", None)])
def test_the_driver_that_is_needed_is_named_where_it_is_known(gpu, monkeypatch, cuda, driver):
    gpu((7, 5), RuntimeError("The NVIDIA driver on your system is too old (found version 12020)."))
    monkeypatch.setattr(torch.version, "cuda", cuda)
    found = find_gpu_fault()
    assert "too old (found version 12020)" in found
    assert found.endswith(f"needs driver {driver} or later" if driver else "; check nvidia-smi")


def test_a_gpu_that_runs_a_kernel_is_used_and_described(gpu, caplog):
    gpu((7, 5))
    assert (find_gpu_fault(), choose_accelerator()) == (None, "cuda")
    assert describe_device("cuda") == "Tesla, compute capability 7.5, 3.0 GB free"
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
def test_each_process_of_a_training_tries_its_own_gpu(
    gpu, monkeypatch, environment, num_gpus, tried
):
    asked = gpu(num_gpus=num_gpus, capability=(7, 5))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert find_gpu_fault() is None
    assert asked == [tried]
    monkeypatch.setattr(torch.cuda, "set_device", lambda index: None)
    rank = int(*environment.values()) if environment else 0
    assert open_device("cuda", rank) == torch.device(tried)


@pytest.mark.parametrize(
    ("architecture", "runs", "does_not"),
    [
        ("sm_75", [(7, 5)], [(7, 0), (8, 0)]),
        ("sm_86", [(8, 6), (8, 9)], [(8, 0), (9, 0)]),
        ("sm_120", [(12, 0), (12, 1)], [(10, 3), (1, 2)]),
        ("sm_90a", [], [(9, 0)]),  # only for that one; wheels have sm_90 beside it
        ("compute_80", [(8, 0), (8, 9), (12, 0)], [(7, 5)]),
    ],
)
def test_code_runs_on_capabilities(architecture, runs, does_not):
    assert [runs_on(architecture, capability) for capability in runs] == [True] * len(runs)
    assert [runs_on(architecture, capability) for capability in does_not] == [False] * len(does_not)
