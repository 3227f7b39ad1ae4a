"""Which devices, how many processes and which precision a run uses.

Hides who started the processes: torchrun, SLURM's srun, or nobody yet, in which case the stage
starts the others itself, as in `dvc repro`.
"""

import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from typing import Annotated, Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import (
    ClusterEnvironment,
    LightningEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)
from lightning_fabric.strategies import DDPStrategy
from pydantic import Field
from torch import distributed

from motiontransfer.errors import TrainingError
from motiontransfer.training.processes import wait_for_all

Precision = Literal["auto", "bf16-mixed", "32-true"]
_Resolved = Literal["bf16-mixed", "32-true"]
Devices = Literal["auto"] | Annotated[int, Field(ge=1)]

# The others wait while the first rolls out a long clip or writes samples.
_PATIENCE = timedelta(hours=12)


def make_fabric(*, precision: Precision) -> Fabric:
    """One CUDA device if there is one, otherwise the CPU.

    `auto` is bf16 autocast where the hardware multiplies bf16 natively, otherwise fp32: emulated
    bf16 is slower than fp32.
    """
    accelerator = _accelerator()
    return _fabric_alone(accelerator, _resolved(precision, accelerator))


@contextmanager
def launched_fabric(
    *, precision: Precision, devices: Devices, batch_size: int, accumulate: int
) -> Generator[Fabric]:
    """Start the processes that share the batches of a training, or join those that were started.

    Args:
        devices: how many of this machine's; `auto`: all the GPUs among which a batch can be shared
            evenly, or the CPU. Under torchrun and srun there are as many as were started.
        batch_size: items a step, of all processes together.
        accumulate: parts in which each process works off its share.

    Raises:
        TrainingError: a batch cannot be shared evenly, or there are fewer GPUs than asked for.
    """
    accelerator = _accelerator()
    resolved = _resolved(precision, accelerator)
    environment, per_node, num_nodes = _started(accelerator, devices, batch_size // accumulate)
    _check_shares(per_node * num_nodes, batch_size, accumulate)
    if per_node * num_nodes == 1:
        yield _fabric_alone(accelerator, resolved)
        return
    strategy = DDPStrategy(
        process_group_backend="cpu:gloo,cuda:nccl" if accelerator == "cuda" else "gloo",
        timeout=_PATIENCE,
    )
    fabric = Fabric(
        accelerator=accelerator,
        devices=per_node,
        num_nodes=num_nodes,
        precision=resolved,
        strategy=strategy,
        plugins=[environment],
    )
    fabric.launch()
    children: list[subprocess.Popen] = getattr(strategy.launcher, "procs", [])
    try:
        yield fabric
        wait_for_all(fabric)
        for child in children:
            child.wait()
    finally:
        for child in children:
            child.kill()  # they write nothing, and may wait for a message that will never come
        distributed.destroy_process_group()


def choose_devices(devices: Devices, *, present: int | None, num_shares: int) -> int:
    """Return how many devices of this machine are used.

    Args:
        present: how many GPUs there are; None: this is about the CPU, on which as many processes
            may be started as anybody likes.
        num_shares: into how many shares of equal size a batch can be divided at most.

    Raises:
        TrainingError: there are fewer GPUs than asked for.
    """
    if devices == "auto":
        return max(n for n in range(1, (present or 1) + 1) if num_shares % n == 0)
    if present is not None and devices > present:
        raise TrainingError(f"devices: expected at most the {present} GPUs here, got {devices}")
    return devices


def arithmetic(fabric: Fabric) -> tuple[str, str]:
    """Kind of device and precision: of the machine, what decides more than the last bits.

    How many processes share the work is left out: a run may go on with another number of them.
    """
    return fabric.device.type, str(fabric.strategy.precision.precision)


def _fabric_alone(accelerator: str, precision: _Resolved) -> Fabric:
    # Named, or Fabric would look for a cluster's: inside sbatch, for one, it would find SLURM's.
    environment = LightningEnvironment()
    return Fabric(accelerator=accelerator, devices=1, precision=precision, plugins=[environment])


def _accelerator() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _resolved(precision: Precision, accelerator: str) -> _Resolved:
    if precision != "auto":
        return precision
    return "bf16-mixed" if _multiplies_bf16(accelerator) else "32-true"


def _multiplies_bf16(accelerator: str) -> bool:
    if accelerator == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def _started(
    accelerator: str, devices: Devices, num_shares: int
) -> tuple[ClusterEnvironment, int, int]:
    """Return who starts the processes, how many there are on each machine, and on how many."""
    if TorchElasticEnvironment.detect():
        per_node = int(os.environ["LOCAL_WORLD_SIZE"])
        return TorchElasticEnvironment(), per_node, int(os.environ["WORLD_SIZE"]) // per_node
    # Set by srun, not by sbatch: a script that runs once starts its processes as anybody does.
    num_tasks = int(os.environ.get("SLURM_STEP_NUM_TASKS", "1"))
    if num_tasks > 1:
        num_nodes = int(os.environ["SLURM_STEP_NUM_NODES"])
        os.environ.setdefault("SLURM_NTASKS_PER_NODE", str(num_tasks // num_nodes))
        return SLURMEnvironment(auto_requeue=False), num_tasks // num_nodes, num_nodes
    present = torch.cuda.device_count() if accelerator == "cuda" else None
    return (
        LightningEnvironment(),
        choose_devices(devices, present=present, num_shares=num_shares),
        1,
    )


def _check_shares(num_processes: int, batch_size: int, accumulate: int) -> None:
    if batch_size % (num_processes * accumulate):
        raise TrainingError(
            f"batch_size: {batch_size} items cannot be shared evenly by {num_processes} processes "
            f"in {accumulate} parts each; expected a multiple of {num_processes * accumulate}"
        )
