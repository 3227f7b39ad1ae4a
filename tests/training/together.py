"""Processes of a test's own: several that train together, as torchrun would start them.

They are forked from a server that has imported everything once, so that each starts at once.
"""

import os
import socket

import torch

from tests.forks import FORKS


def start(function, *arguments, environment=()):
    """Start a process that calls an importable function."""
    process = FORKS.Process(target=_call, args=(function, arguments, dict(environment)))
    process.start()
    return process


def run_together(num_processes, function, *arguments, started_by="torchrun"):
    """Call a function in several processes that find each other; return their exit codes.

    Args:
        started_by: `torchrun` or `srun`: whose environment variables they have.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {"torchrun": _torchrun, "srun": _srun}[started_by]
    processes = [
        start(function, *arguments, environment=environment(rank, num_processes, port))
        for rank in range(num_processes)
    ]
    for process in processes:
        process.join()
    return [process.exitcode for process in processes]


def _torchrun(rank, num_processes, port):
    return {
        **{"TORCHELASTIC_RUN_ID": "test", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)},
        **{"RANK": str(rank), "LOCAL_RANK": str(rank), "GROUP_RANK": "0"},
        **{"WORLD_SIZE": str(num_processes), "LOCAL_WORLD_SIZE": str(num_processes)},
    }


def _srun(rank, num_processes, port):
    return {
        **{"SLURM_NTASKS": str(num_processes), "SLURM_STEP_NUM_TASKS": str(num_processes)},
        **{"SLURM_STEP_NUM_NODES": "1", "SLURM_NNODES": "1", "SLURM_NODELIST": "127.0.0.1"},
        **{"SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank), "SLURM_NODEID": "0"},
        "MASTER_PORT": str(port),
    }


def _call(function, arguments, environment):
    os.environ.update(environment)
    torch.set_num_threads(1)
    function(*arguments)
