"""Device and precision of networks: bf16 autocast where the hardware multiplies bf16, else fp32."""

import logging
import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

import loky
import torch

from motiontransfer.core.device import Precision, choose_accelerator, describe_device

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Device and precision of the networks, and this process's place among those that train."""

    device: torch.device
    precision: Literal["bf16-mixed", "32-true"]
    rank: int = 0
    world_size: int = 1

    @property
    def is_first(self) -> bool:
        """True for the process that writes files and logs."""
        return self.rank == 0

    def indices(self, num_items: int) -> range:
        """Where this rank's items are in a step's batch, of which each rank has so many.

        Random numbers for an item depend on its index.
        """
        return range(self.rank * num_items, (self.rank + 1) * num_items)

    def autocast(self) -> AbstractContextManager:
        """Mixed precision for a forward pass and its losses."""
        if self.precision == "32-true":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)


def make_runtime(*, precision: Precision) -> Runtime:
    """One GPU if there is one that works, otherwise the CPU; which one is logged.

    `auto` is bf16 autocast where the hardware multiplies bf16 natively, otherwise fp32: emulated
    bf16 is slower than fp32. On a CPU, PyTorch's threads become at least one fewer than the cores,
    unless OMP_NUM_THREADS is set.
    """
    accelerator, resolved = resolve_precision(precision)
    if accelerator == "cpu" and "OMP_NUM_THREADS" not in os.environ:
        # One core is for what reads, draws and encodes meanwhile.
        torch.set_num_threads(min(torch.get_num_threads(), max(loky.cpu_count() - 1, 1)))
    return log_runtime(Runtime(device=open_device(accelerator), precision=resolved))


def log_runtime(runtime: Runtime) -> Runtime:
    if runtime.is_first:
        shared = f", {runtime.world_size} processes" if runtime.world_size > 1 else ""
        device = describe_device(runtime.device.type)
        _logger.info("runs on %s, %s%s", device, runtime.precision, shared)
    return runtime


def open_device(accelerator: str, index: int = 0) -> torch.device:
    if accelerator == "cpu":
        return torch.device("cpu")
    index %= torch.cuda.device_count()  # each process may see its own one alone
    torch.cuda.set_device(index)
    return torch.device("cuda", index)


def resolve_precision(precision: Precision) -> tuple[str, Literal["bf16-mixed", "32-true"]]:
    """Accelerator and precision; `auto` is bf16 where the hardware multiplies it natively."""
    accelerator = choose_accelerator()
    if accelerator == "cuda":
        bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        capabilities = torch.cpu.get_capabilities()
        bf16 = bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    if precision == "auto":
        precision = "bf16-mixed" if bf16 else "32-true"
    return accelerator, precision
