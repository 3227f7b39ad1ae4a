"""CUDA device selection: a GPU on which this PyTorch runs a kernel, otherwise the CPU.

A GPU that is counted may have too old a driver, or a compute capability that the wheel has no
kernels for.
"""

import logging
import os
import re
import warnings
from functools import cache
from typing import Literal

Precision = Literal["auto", "bf16-mixed", "32-true"]
"""Precision of a network; `auto` is bf16 where the hardware multiplies bf16, else fp32."""

_logger = logging.getLogger(__name__)

_LEAST_DRIVER = {"12": "525", "13": "580"}
"""CUDA's major version -> first driver branch for Linux (CUDA Toolkit release notes)."""


@cache
def choose_accelerator() -> Literal["cuda", "cpu"]:
    """The GPU if it works, otherwise the CPU; a GPU that does not is warned of once.

    It is then hidden from libraries and from processes started later, which would try it again.
    """
    import torch

    if torch.cuda.device_count() == 0:
        return "cpu"
    fault = find_gpu_fault()
    if fault is None:
        return "cuda"
    text = "runs on the CPU, as the GPU cannot be used: %s; CUDA_VISIBLE_DEVICES= silences this"
    _logger.warning(text, fault)
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    return "cpu"


def find_gpu_fault() -> str | None:
    """Try a kernel on this process's GPU; return `reason; remedy`, or None if it works."""
    import torch

    # On the first one all processes of a training together would take memory.
    local_rank = os.environ.get("LOCAL_RANK") or os.environ.get("SLURM_LOCALID") or "0"
    gpu = int(local_rank) % max(torch.cuda.device_count(), 1)
    try:
        with warnings.catch_warnings(action="ignore"):  # PyTorch's own, of several lines
            torch.zeros(1, device=f"cuda:{gpu}").add_(1).item()
        torch.cuda.mem_get_info(gpu)
    except (RuntimeError, torch.cuda.DeferredCudaCallError) as error:
        if "no kernel image is available" in str(error):
            capability = _dotted(torch.cuda.get_device_capability(gpu))
            return (
                f"{torch.cuda.get_device_name(gpu)} has compute capability {capability}, and this "
                f"PyTorch has kernels for {' '.join(torch.cuda.get_arch_list())}; install another "
                "PyTorch, https://pytorch.org/get-started/locally"
            )
        cuda = str(torch.version.cuda)
        needed = _LEAST_DRIVER.get(cuda.partition(".")[0])
        driver = f": PyTorch for CUDA {cuda} needs driver {needed} or later" if needed else ""
        reason = re.split(r"[.;] |\n", str(error))[0]
        return f"{reason}; check nvidia-smi{driver}"
    return None


def describe_device(kind: str) -> str:
    """Name, capability and free memory of the GPU (`cuda`), or number of threads (`cpu`)."""
    import torch

    if kind == "cpu":
        return f"the CPU, threads: {torch.get_num_threads()}"
    capability = _dotted(torch.cuda.get_device_capability())
    free = torch.cuda.mem_get_info()[0] / 1e9
    return f"{torch.cuda.get_device_name()}, compute capability {capability}, {free:.1f} GB free"


def _dotted(capability: tuple[int, int]) -> str:
    return "{}.{}".format(*capability)
