"""Asynchronous transfer of a step's losses to the CPU.

Reading a number from a GPU waits for all that is queued there; losses are copied in the background
and read when the next step is queued.
"""

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float
from lightning_fabric import Fabric
from torch import Tensor

from motiontransfer.errors import TrainingError
from motiontransfer.training.distributed import all_gather


class LossReport:
    """The losses of one step, by name."""

    def __init__(self, fabric: Fabric, done: int, losses: Mapping[str, Float[Tensor, ""]]) -> None:
        """Send them off.

        Args:
            done: the number of steps that are done with this one.
        """
        self._fabric, self._done, self._names = fabric, done, list(losses)
        stacked = torch.stack(list(losses.values()))
        self._values = stacked.to("cpu", non_blocking=True)
        self._arrived = torch.cuda.Event() if stacked.is_cuda else None
        if self._arrived is not None:
            self._arrived.record()

    def read(self, description: str) -> dict[str, float]:
        """Return their means over the processes, all of which must ask.

        Args:
            description: what is being trained, for the error.

        Raises:
            TrainingError: one of them is not finite, in whichever process.
        """
        if self._arrived is not None:
            self._arrived.synchronize()
        means = all_gather(self._fabric, self._values.tolist()).mean(axis=0)
        values = dict(zip(self._names, means.tolist(), strict=True))
        if not all(math.isfinite(value) for value in values.values()):
            listed = ", ".join(f"{name} {value:g}" for name, value in values.items())
            raise TrainingError(
                f"{description}: a loss is not finite at step {self._done}: {listed}; the last "
                "checkpoint is kept; lower the learning rate, or use precision 32-true"
            )
        return values
