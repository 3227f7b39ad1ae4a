"""Processes of a training: torchrun, gradient averaging, all-gather.

With `devices` above 1 a stage runs its own command in as many processes by torchrun. Processes on
several machines are started by torchrun itself.
"""

import logging
import os
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import accumulate, groupby

import loky
import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor, distributed

from motiontransfer.core.device import Precision, choose_accelerator
from motiontransfer.core.errors import TrainingError
from motiontransfer.models.runtime import (
    Runtime,
    log_runtime,
    make_runtime,
    open_device,
    resolve_precision,
)
from motiontransfer.training.params import Devices

_logger = logging.getLogger(__name__)

_TIMEOUT = timedelta(hours=12)  # while the first process writes samples, the others wait
_STOP_SECONDS = 120  # for a step and its checkpoint, after a signal or when a process failed
_CAUSE_SECONDS = 10  # in which a process that failed says why and ends, before those it took along
_BUCKET_NUMBERS = 1 << 24  # 64 MiB of gradients: few messages beside the gradients themselves


def processes_to_start(devices: Devices, *, batch_size: int) -> int:
    """How many processes share the batches of a training, where this one has to start them; or 1.

    Args:
        devices: how many of this machine's; `auto`: one GPU, or the CPU.
        batch_size: items a step, of all processes together.

    Raises:
        TrainingError: a batch cannot be shared evenly, or there are fewer GPUs than asked for.
    """
    if distributed.is_torchelastic_launched():
        return 1
    if (tasks := int(os.environ.get("SLURM_STEP_NUM_TASKS", "1"))) > 1:
        raise TrainingError(
            f"expected one task on each machine, which starts torchrun, got {tasks} tasks of srun; "
            "see docs/clusters.md"
        )
    count = 1 if devices == "auto" else devices
    if choose_accelerator() == "cuda" and count > (present := torch.cuda.device_count()):
        raise TrainingError(f"devices: expected at most the {present} GPUs here, got {count}")
    _check_batch(batch_size, count)
    return count


def run_with_torchrun(num_processes: int) -> None:
    """Run this process's own command in as many processes of this machine, until all have ended.

    Raises:
        TrainingError: one of them failed, after it said why.
        KeyboardInterrupt: a signal ended them.
    """
    from torch.distributed import run as torchrun  # a second to import
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    os.environ.setdefault("OMP_NUM_THREADS", str(max(loky.cpu_count() // num_processes, 1)))
    logging.getLogger("torch.distributed").setLevel(logging.CRITICAL)  # our own line says it
    options = ["--standalone", f"--nproc-per-node={num_processes}", "--no-python"]
    options.append(f"--shutdown-timeout={_STOP_SECONDS}")
    try:
        torchrun.run(torchrun.parse_args([*options, sys.executable, *sys.orig_argv[1:]]))
    except ChildFailedError as error:
        codes = {rank: failure.exitcode for rank, failure in sorted(error.failures.items())}
        failed = ", ".join(f"process {rank} with exit code {code}" for rank, code in codes.items())
        raise TrainingError(f"ended, as one of its processes failed, see above: {failed}") from None
    except SignalException:
        raise KeyboardInterrupt from None


@contextmanager
def joined_runtime(*, precision: Precision, batch_size: int) -> Generator[Runtime]:
    """Join the processes that torchrun started, or train alone; see `processes_to_start`."""
    world_size = int(os.environ["WORLD_SIZE"]) if distributed.is_torchelastic_launched() else 1
    _check_batch(batch_size, world_size)
    if world_size == 1:
        yield make_runtime(precision=precision)
        return
    accelerator, resolved = resolve_precision(precision)
    device = open_device(accelerator, int(os.environ["LOCAL_RANK"]))
    backend = "cpu:gloo,cuda:nccl" if accelerator == "cuda" else "gloo"
    distributed.init_process_group(backend, timeout=_TIMEOUT)
    try:
        rank = distributed.get_rank()
        runtime = Runtime(device=device, precision=resolved, rank=rank, world_size=world_size)
        yield log_runtime(runtime)
        barrier(runtime)
    except RuntimeError as error:
        if isinstance(error, distributed.DistError) or "gloo" in str(error):
            time.sleep(_CAUSE_SECONDS)  # torchrun ends all others as soon as one has ended
            raise TrainingError("ended, as another process of this training did") from error
        raise
    finally:
        distributed.destroy_process_group()


def _check_batch(batch_size: int, num_processes: int) -> None:
    if batch_size % num_processes:
        raise TrainingError(
            f"batch_size: {batch_size} items cannot be shared evenly by {num_processes} processes; "
            f"expected a multiple of {num_processes}"
        )


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
