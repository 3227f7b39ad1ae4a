"""A training task of one number, so that a loop's every step can be worked out."""

import os
import signal

import numpy as np
import torch

from motiontransfer.training.config import Schedule
from motiontransfer.training.trainer import fit
from tests.training.small import fabric


class CountingTask:
    """Each step: value = 0.9 * value + sum of the batch + learning rate."""

    def __init__(self, *, fail_at=None, nan_at=None, stop_at=None, stop_by="SIGKILL"):
        self.value = torch.tensor(0.0, dtype=torch.float64)
        self.fail_at, self.nan_at, self.stop_at, self.stop_by = fail_at, nan_at, stop_at, stop_by
        self.seen = []

    def step(self, share, *, step, learning_rate):
        batch = share.batch
        if step == self.fail_at:
            raise RuntimeError("the machine went down")
        if step == self.stop_at:
            os.kill(os.getpid(), signal.Signals[self.stop_by])
        self.seen.append((step, tuple(batch), learning_rate))
        self.value = 0.9 * self.value + sum(batch) + learning_rate
        if step == self.nan_at:
            return {"generator/l1": torch.tensor(torch.nan), "generator/other": torch.tensor(2.5)}
        return {"generator/l1": self.value.float(), "generator/other": torch.tensor(float(step))}

    def state(self):
        return {"value": self.value}

    def load_state(self, state):
        self.value = state["value"]


class Numbers:
    """A data set of the numbers 0 to 6."""

    def __len__(self):
        return 7

    def batch(self, indices):
        return list(indices)


def schedule(**changes):
    numbers = {
        **{"seed": 1, "num_steps": 11, "max_minutes": None, "batch_size": 2},
        **{"learning_rate": 0.5, "lr_decay_start": 0.5},
        **{"log_every_steps": 3, "sample_every_steps": 5, "checkpoint_every_steps": 4},
    }
    return Schedule(**{**numbers, **changes})


def run(task, folder, *, on=None, **changes):
    """Run the loop; the sample is a picture whose level is how many steps the task has seen."""
    return fit(
        task,
        fabric=on or fabric(),
        schedule=schedule(**changes),
        dataset=Numbers(),
        sample=lambda: np.full((4, 4, 3), len(task.seen), np.uint8),
        folder=folder,
        description="count",
    )
