"""The detector's step: cross entropy on pairs of frames, half of them real and half fake."""

from collections.abc import Iterable, Mapping
from copy import deepcopy

import torch
from jaxtyping import Float
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import functional

from motiontransfer.forensics.dataset import TwinBatch
from motiontransfer.forensics.network import SynthesisDetector
from motiontransfer.nets.blocks import update_average
from motiontransfer.training.batches import Part
from motiontransfer.training.checkpoints import (
    adam_state,
    load_adam_state,
    load_module_state,
    module_state,
)
from motiontransfer.training.processes import average_over_processes

_NETWORKS = ("network", "average")


class DetectorTask:
    """A detector, the moving average of its weights, and its optimiser."""

    def __init__(self, fabric: Fabric, network: SynthesisDetector, *, average_decay: float) -> None:
        self.network = network.to(fabric.device)
        self.average = deepcopy(self.network).requires_grad_(False)
        self._fabric, self._average_decay = fabric, average_decay
        self._optimizer = torch.optim.Adam(network.parameters(), fused=True)

    def step(
        self, parts: Iterable[Part[TwinBatch]], *, step: int, learning_rate: float
    ) -> dict[str, Float[Tensor, ""]]:
        """Train on one batch; gradients and losses are means over its parts."""
        parameters = list(self.network.parameters())
        results = [self._gradients(part, parameters) for part in parts]
        means = [torch.stack(values).mean(0) for values in zip(*results, strict=True)]
        cross_entropy, right, *gradients = means
        for parameter, gradient in zip(
            parameters, average_over_processes(self._fabric, gradients), strict=True
        ):
            parameter.grad = gradient
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        # The average of the first steps would otherwise be mostly the random initial weights.
        decay = min(self._average_decay, (1 + step) / (10 + step))
        update_average(self.average, self.network, decay=decay)
        return {"detector/cross_entropy": cross_entropy, "detector/accuracy": right}

    def state(self) -> dict[str, Tensor]:
        """Everything that changes from step to step."""
        networks = [module_state(name, getattr(self, name)) for name in _NETWORKS]
        return {**networks[0], **networks[1], **adam_state("optimizer", self._optimizer)}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Inverse of `state`."""
        for name in _NETWORKS:
            load_module_state(name, getattr(self, name), state)
        load_adam_state("optimizer", self._optimizer, state)

    def _gradients(
        self, part: Part[TwinBatch], parameters: list[torch.nn.Parameter]
    ) -> tuple[Tensor, ...]:
        """Cross entropy, share of pairs that are judged right, and the gradients of the first."""
        batch = part.batch.to(self._fabric.device)
        with self._fabric.autocast():
            logits = self.network(torch.cat([batch.real, batch.fake]))
        is_fake = torch.arange(len(logits), device=logits.device) >= len(batch.real)
        cross_entropy = functional.binary_cross_entropy_with_logits(logits, is_fake.float())
        right = ((logits >= 0) == is_fake).float().mean()
        return cross_entropy.detach(), right, *torch.autograd.grad(cross_entropy, parameters)
