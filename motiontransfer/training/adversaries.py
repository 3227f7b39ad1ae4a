"""A generator, the moving average of its weights, and a discriminator, with their optimisers.

Hides how both are updated from one forward pass: both gradients are taken at the same weights, as
pix2pixHD does, and each network's update leaves the other alone. Adam with betas 0.5 and 0.999, as
there. The average (Yazici et al. 2019) is what is kept.
"""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from motiontransfer.nets.blocks import update_average
from motiontransfer.training.checkpoints import (
    adam_state,
    load_adam_state,
    load_module_state,
    module_state,
)
from motiontransfer.training.losses import Scalar

_BETAS = (0.5, 0.999)


class Adversaries:
    """Two networks trained against each other."""

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        *,
        device: torch.device,
        average_decay: float,
    ) -> None:
        self.generator = generator.to(device)
        self.discriminator = discriminator.to(device)
        self.generator_average = copy.deepcopy(self.generator).requires_grad_(False)
        self._average_decay = average_decay
        self._optimizers = {
            "generator": torch.optim.Adam(generator.parameters(), betas=_BETAS, fused=True),
            "discriminator": torch.optim.Adam(discriminator.parameters(), betas=_BETAS, fused=True),
        }

    def update(
        self,
        generator_losses: Mapping[str, Scalar],
        discriminator_losses: Mapping[str, Scalar],
        *,
        step: int,
        learning_rate: float,
    ) -> dict[str, Scalar]:
        """Step both networks on the sums of their losses; return all losses by full name."""
        losses_of = {"generator": generator_losses, "discriminator": discriminator_losses}
        gradients_of = {}
        for name, losses in losses_of.items():
            total = torch.stack(list(losses.values())).sum()
            parameters = list(getattr(self, name).parameters())
            gradients_of[name] = torch.autograd.grad(total, parameters, retain_graph=True)
        for name, gradients in gradients_of.items():
            parameters = getattr(self, name).parameters()
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient
            optimizer = self._optimizers[name]
            for group in optimizer.param_groups:
                group["lr"] = learning_rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        # The average of the first steps would otherwise be mostly the random initial weights.
        decay = min(self._average_decay, (1 + step) / (10 + step))
        update_average(self.generator_average, self.generator, decay=decay)
        return {
            f"{network}/{name}": loss.detach()
            for network, losses in losses_of.items()
            for name, loss in losses.items()
        }

    def state(self) -> dict[str, Tensor]:
        """Everything that changes from step to step."""
        state = {}
        for name in ("generator", "generator_average", "discriminator"):
            state |= module_state(name, getattr(self, name))
        for name, optimizer in self._optimizers.items():
            state |= adam_state(f"{name}_optimizer", optimizer)
        return state

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Inverse of `state`."""
        for name in ("generator", "generator_average", "discriminator"):
            load_module_state(name, getattr(self, name), state)
        for name, optimizer in self._optimizers.items():
            load_adam_state(f"{name}_optimizer", optimizer, state)
