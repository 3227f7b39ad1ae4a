"""Processes of a training: launch, gradient averaging, all-gather.

Processes find each other by torchrun's environment variables, which srun's are translated to. With
`devices` above 1 the first process starts the others, with the same command.
"""

import logging
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import accumulate, groupby
from typing import Annotated, Literal

import loky
import numpy as np
import torch
from jaxtyping import Float64
from pydantic import Field
from torch import Tensor, distributed

from motiontransfer.core.device import Precision
from motiontransfer.core.errors import TrainingError
from motiontransfer.models.runtime import (
    Runtime,
    log_runtime,
    make_runtime,
    open_device,
    resolve_precision,
)

Devices = Literal["auto"] | Annotated[int, Field(ge=1)]

_logger = logging.getLogger(__name__)

# The others wait while the first rolls out a long clip or writes samples.
_TIMEOUT = timedelta(hours=12)
_ENDING_SECONDS = 10
"""How long this process has to end by itself after another one failed."""
_BUCKET_NUMBERS = 1 << 24
"""64 MiB of gradients: few messages, and little memory beside the gradients themselves."""


@contextmanager
def launched_runtime(
    *, precision: Precision, devices: Devices, batch_size: int
) -> Generator[Runtime]:
    """Start the processes that share the batches of a training, or join those that were started.

    Args:
        devices: how many of this machine's; `auto`: one GPU, or the CPU. Under torchrun and srun
            there are as many as were started.
        batch_size: items a step, of all processes together.

    Raises:
        TrainingError: a batch cannot be shared evenly, or there are fewer GPUs than asked for.
    """
    accelerator, resolved = resolve_precision(precision)
    places = _places(accelerator, devices)
    world_size = int(places[0]["WORLD_SIZE"])
    if batch_size % world_size:
        raise TrainingError(
            f"batch_size: {batch_size} items cannot be shared evenly by {world_size} processes; "
            f"expected a multiple of {world_size}"
        )
    if world_size == 1:
        yield make_runtime(precision=precision)
        return
    own, *others = places
    os.environ.update(own)
    if "OMP_NUM_THREADS" in own:
        torch.set_num_threads(int(own["OMP_NUM_THREADS"]))
    command = [sys.executable, *sys.orig_argv[1:]]
    joining = os.environ | {"TORCHELASTIC_RUN_ID": "motiontransfer"}
    children = [subprocess.Popen(command, env=joining | other) for other in others]
    ended = threading.Event()
    threading.Thread(target=_end_with, args=(children, ended), daemon=True).start()
    try:
        device = open_device(accelerator, int(own["LOCAL_RANK"]))
        backend = "cpu:gloo,cuda:nccl" if accelerator == "cuda" else "gloo"
        distributed.init_process_group(backend, timeout=_TIMEOUT)
        rank = distributed.get_rank()
        runtime = Runtime(device=device, precision=resolved, rank=rank, world_size=world_size)
        yield log_runtime(runtime)
        barrier(runtime)
        for child in children:
            child.wait()
    finally:
        ended.set()
        for child in children:
            child.kill()  # they write nothing, and may wait for a message that will never come
        if distributed.is_initialized():
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


def all_reduce_mean(runtime: Runtime, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return each tensor's mean over the ranks, which all have the same shapes."""
    if runtime.world_size == 1:
        return list(tensors)
    averaged: list[Tensor] = []
    counted = zip(accumulate(tensor.numel() for tensor in tensors), tensors, strict=True)
    for _, group in groupby(counted, key=lambda each: each[0] // _BUCKET_NUMBERS):
        bucket = [tensor for _, tensor in group]
        flat = torch.cat([tensor.flatten() for tensor in bucket])
        distributed.all_reduce(flat)
        flat /= runtime.world_size
        parts = flat.split([tensor.numel() for tensor in bucket])
        averaged += [part.view_as(tensor) for part, tensor in zip(parts, bucket, strict=True)]
    return averaged


def gather_tensors(runtime: Runtime, own: Tensor) -> Tensor:
    """Stack the tensors of all ranks, of one shape, in the order of the ranks."""
    if runtime.world_size == 1:
        return own[None]
    gathered = [torch.empty_like(own) for _ in range(runtime.world_size)]
    distributed.all_gather(gathered, own.contiguous())
    return torch.stack(gathered)


def all_gather(runtime: Runtime, numbers: Sequence[float]) -> Float64[np.ndarray, "ranks numbers"]:
    """Return the numbers of every rank, in the order of the ranks."""
    return gather_tensors(runtime, torch.tensor(numbers, dtype=torch.float64)).numpy()


def barrier(runtime: Runtime) -> None:
    """Return when every rank has called this."""
    all_gather(runtime, [0.0])


def _places(accelerator: str, devices: Devices) -> list[dict[str, str]]:
    """Torchrun's variables for this process and, if it starts them, for the others."""
    if distributed.is_torchelastic_launched():
        local_rank = os.environ.get("LOCAL_RANK", "0")
        return [{"WORLD_SIZE": os.environ["WORLD_SIZE"], "LOCAL_RANK": local_rank}]
    # Set by srun, not by sbatch: a script that runs once starts its processes as on any machine.
    if int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1:
        return [_from_slurm()]
    present = torch.cuda.device_count() if accelerator == "cuda" else None
    count = choose_devices(devices, present=present)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    if "OMP_NUM_THREADS" not in os.environ:
        shared["OMP_NUM_THREADS"] = str(max(loky.cpu_count() // count, 1))
    return [shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(count)]


def _from_slurm() -> dict[str, str]:
    """The first machine of the list, e.g. `gpu[03-05,9],big1`, holds the first process."""
    slurm = os.environ
    nodes = slurm.get("SLURM_STEP_NODELIST") or slurm.get("SLURM_NODELIST", "127.0.0.1")
    first = re.match(r"([^\[,]+)(?:\[(\d+))?", nodes)
    assert first is not None
    port = 15000 + int(slurm.get("SLURM_JOB_ID", "0")[-4:])  # the same for all of a job
    return {
        "RANK": slurm["SLURM_PROCID"],
        "LOCAL_RANK": slurm["SLURM_LOCALID"],
        "WORLD_SIZE": slurm["SLURM_STEP_NUM_TASKS"],
        "MASTER_ADDR": slurm.get("MASTER_ADDR") or "".join(filter(None, first.groups())),
        "MASTER_PORT": slurm.get("MASTER_PORT", str(port)),
    }


def _end_with(children: Sequence[subprocess.Popen], ended: threading.Event) -> None:
    """End this process after another one failed, for whose messages it may wait for hours."""
    while not ended.wait(timeout=1):
        failed = [child.returncode for child in children if child.poll()]
        if failed and not ended.wait(timeout=_ENDING_SECONDS):
            _logger.error("ends, as one of its processes failed with exit code %d", failed[0])
            for child in children:
                child.kill()
            os._exit(1)
