"""Processes for trainings, forked from one that has loaded PyTorch: most of their time."""

import multiprocessing

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    ["pytest", "motiontransfer.training.distributed", "tests.training.trainings"]
)
