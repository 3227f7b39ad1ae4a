"""Processes forked from one that has loaded DVC and PyTorch: that saves most of their time."""

import multiprocessing

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        *("dvc.cli", "dvc.repo.reproduce", "asyncssh", "s3fs", "pytest"),
        *("motiontransfer.cli.app", "motiontransfer.project.sharing"),
        *("motiontransfer.training.distributed", "tests.training.trainings"),
    ]
)
