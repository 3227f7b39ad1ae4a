"""Which device and which precision a run uses."""

from typing import Literal

import torch
from lightning_fabric import Fabric

Precision = Literal["auto", "bf16-mixed", "32-true"]


def make_fabric(*, precision: Precision) -> Fabric:
    """One CUDA device if there is one, otherwise the CPU.

    `auto` is bf16 autocast where the hardware multiplies bf16 natively, otherwise fp32: emulated
    bf16 is slower than fp32.
    """
    accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    if precision == "auto":
        precision = "bf16-mixed" if _multiplies_bf16(accelerator) else "32-true"
    return Fabric(accelerator=accelerator, devices=1, precision=precision)


def _multiplies_bf16(accelerator: str) -> bool:
    if accelerator == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
