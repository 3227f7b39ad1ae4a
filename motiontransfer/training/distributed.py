"""Devices, precision and processes: Fabric, gradient averaging, all-gather."""

import logging
import os
import subprocess
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Annotated, Literal

import loky
import numpy as np
import torch
from jaxtyping import Float64
from lightning_fabric.plugins.environments import (
    ClusterEnvironment,
    LightningEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)
from lightning_fabric.strategies import DDPStrategy
from pydantic import Field
from torch import Tensor, distributed

from motiontransfer.device import choose_accelerator, describe_device
from motiontransfer.errors import TrainingError
from motiontransfer.fabric import Fabric

_logger = logging.getLogger(__name__)

_BUCKET_NUMBERS = 1 << 24
"""64 MiB of gradients: few messages, and little memory beside the gradients themselves."""


def all_reduce_mean(fabric: Fabric, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return each tensor's mean over the ranks, which all have the same shapes."""
    if fabric.world_size == 1:
        return list(tensors)
    averaged: list[Tensor] = []
    for bucket in _buckets(tensors):
        flat = torch.cat([tensor.flatten() for tensor in bucket])
        distributed.all_reduce(flat)
        flat /= fabric.world_size
        parts = flat.split([tensor.numel() for tensor in bucket])
        averaged += [part.view_as(tensor) for part, tensor in zip(parts, bucket, strict=True)]
    return averaged


def all_gather(fabric: Fabric, numbers: Sequence[float]) -> Float64[np.ndarray, "ranks numbers"]:
    """Return the numbers of every rank, in the order of the ranks."""
    own = torch.tensor(numbers, dtype=torch.float64)
    if fabric.world_size == 1:
        return own[None].numpy()
    gathered = [torch.empty_like(own) for _ in range(fabric.world_size)]
    distributed.all_gather(gathered, own)
    return torch.stack(gathered).numpy()


def barrier(fabric: Fabric) -> None:
    """Return when every rank has called this."""
    all_gather(fabric, [0.0])


def _buckets(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    bucket: list[Tensor] = []
    numbers = 0
    for tensor in tensors:
        if bucket and numbers + tensor.numel() > _BUCKET_NUMBERS:
            yield bucket
            bucket, numbers = [], 0
        bucket.append(tensor)
        numbers += tensor.numel()
    if bucket:
        yield bucket


Precision = Literal["auto", "bf16-mixed", "32-true"]
Devices = Literal["auto"] | Annotated[int, Field(ge=1)]

# The others wait while the first rolls out a long clip or writes samples.
_TIMEOUT = timedelta(hours=12)


def make_fabric(*, precision: Precision) -> Fabric:
    """One GPU if there is one that works, otherwise the CPU; which one is logged.

    `auto` is bf16 autocast where the hardware multiplies bf16 natively, otherwise fp32: emulated
    bf16 is slower than fp32. On a CPU, PyTorch's threads become at least one fewer than the cores,
    unless OMP_NUM_THREADS is set.
    """
    return _described(_fabric_alone(*_accelerator(precision)))


@contextmanager
def launched_fabric(
    *, precision: Precision, devices: Devices, batch_size: int
) -> Generator[Fabric]:
    """Start the processes that share the batches of a training, or join those that were started.

    Args:
        devices: how many of this machine's; `auto`: one GPU, or the CPU. Under torchrun and srun
            there are as many as were started.
        batch_size: items a step, of all processes together.

    Raises:
        TrainingError: a batch cannot be shared evenly, or there are fewer GPUs than asked for.
    """
    accelerator, resolved = _accelerator(precision)
    environment, per_node, num_nodes = _started(accelerator, devices)
    num_processes = per_node * num_nodes
    if batch_size % num_processes:
        raise TrainingError(
            f"batch_size: {batch_size} items cannot be shared evenly by {num_processes} processes; "
            f"expected a multiple of {num_processes}"
        )
    torch.backends.cudnn.benchmark = True  # batches have few sizes, which recur
    if num_processes == 1:
        yield _described(_fabric_alone(accelerator, resolved))
        return
    strategy = DDPStrategy(
        process_group_backend="cpu:gloo,cuda:nccl" if accelerator == "cuda" else "gloo",
        timeout=_TIMEOUT,
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
        yield _described(fabric)
        barrier(fabric)
        for child in children:
            child.wait()
    finally:
        for child in children:
            child.kill()  # they write nothing, and may wait for a message that will never come
        distributed.destroy_process_group()


def choose_devices(devices: Devices, *, present: int | None) -> int:
    """Return how many devices of this machine are used; `auto`: one, as more were never measured.

    Args:
        present: number of GPUs; None: on the CPU, where the number of processes is not limited.
    """
    if devices == "auto":
        return 1
    if present is not None and devices > present:
        raise TrainingError(f"devices: expected at most the {present} GPUs here, got {devices}")
    return devices


def arithmetic(fabric: Fabric) -> tuple[str, str]:
    """Kind of device and precision: of the machine, what decides more than the last bits.

    How many processes share the work is left out: a run may go on with another number of them.
    """
    return fabric.device.type, str(fabric.strategy.precision.precision)


def _described(fabric: Fabric) -> Fabric:
    if fabric.is_global_zero:
        shared = f", {fabric.world_size} processes" if fabric.world_size > 1 else ""
        kind, precision = arithmetic(fabric)
        _logger.info("runs on %s, %s%s", describe_device(kind), precision, shared)
    return fabric


def _fabric_alone(accelerator: str, precision: Literal["bf16-mixed", "32-true"]) -> Fabric:
    # Named, or Fabric would look for a cluster's: inside sbatch, for one, it would find SLURM's.
    environment = LightningEnvironment()
    if accelerator == "cpu" and "OMP_NUM_THREADS" not in os.environ:
        # One core is for what reads, draws and encodes meanwhile. On two, a second thread takes
        # half as much CPU time again, and no time off training with the default networks.
        torch.set_num_threads(min(torch.get_num_threads(), max(loky.cpu_count() - 1, 1)))
    return Fabric(accelerator=accelerator, devices=1, precision=precision, plugins=[environment])


def _accelerator(precision: Precision) -> tuple[str, Literal["bf16-mixed", "32-true"]]:
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


def _started(accelerator: str, devices: Devices) -> tuple[ClusterEnvironment, int, int]:
    """Return who starts the processes, how many there are on each machine, and on how many."""
    if TorchElasticEnvironment.detect():
        per_node = int(os.environ["LOCAL_WORLD_SIZE"])
        return TorchElasticEnvironment(), per_node, int(os.environ["WORLD_SIZE"]) // per_node
    # Set by srun, not by sbatch: a script that runs once starts its processes as on any machine.
    num_tasks = int(os.environ.get("SLURM_STEP_NUM_TASKS", "1"))
    if num_tasks > 1:
        num_nodes = int(os.environ["SLURM_STEP_NUM_NODES"])
        os.environ.setdefault("SLURM_NTASKS_PER_NODE", str(num_tasks // num_nodes))
        return SLURMEnvironment(auto_requeue=False), num_tasks // num_nodes, num_nodes
    present = torch.cuda.device_count() if accelerator == "cuda" else None
    per_node = choose_devices(devices, present=present)
    return LightningEnvironment(), per_node, 1
