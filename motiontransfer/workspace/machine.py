"""What this machine has: cores, memory, a GPU.

Hides where each is asked. PyTorch is loaded only for the GPU.
"""

import os
from dataclasses import dataclass

import joblib


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """The first GPU, which stages use."""

    name: str
    """As its maker calls it."""

    memory_bytes: int
    """All of it."""

    free_bytes: int
    """What nobody holds."""

    count: int
    """How many there are."""


def num_cores() -> int:
    """Cores that this process may use: of the machine, of a container, of an affinity."""
    return int(joblib.cpu_count())


def memory_bytes() -> int:
    """Memory of the machine, or of the container, where that is less."""
    of_machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        with open("/sys/fs/cgroup/memory.max", encoding="ascii") as file:  # noqa: PTH123 - the kernel's
            limit = file.read().strip()
    except OSError:
        return of_machine
    return min(of_machine, int(limit)) if limit.isdigit() else of_machine


def find_gpu() -> Gpu | None:
    """The GPU that PyTorch can use, or None."""
    import torch

    if not torch.cuda.is_available():
        return None
    free, total = torch.cuda.mem_get_info(0)
    return Gpu(
        name=torch.cuda.get_device_name(0),
        memory_bytes=total,
        free_bytes=free,
        count=torch.cuda.device_count(),
    )
