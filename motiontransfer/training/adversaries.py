"""A generator, the moving average of its weights, and a discriminator, with their optimisers.

Hides how both are updated from one forward pass: both gradients are taken at the same weights, as
pix2pixHD does, and each network's update leaves the other alone. Adam with betas 0.5 and 0.999, as
there. The average (Yazici et al. 2019) is what is kept. Gradients and losses are means over the
parts of a step's batch, which come one after the other, and gradients over the processes too.
"""

import copy
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from motiontransfer.errors import MissingLibraryError
from motiontransfer.nets.blocks import update_average
from motiontransfer.training.checkpoints import (
    adam_state,
    laid_out_like,
    load_adam_state,
    load_module_state,
    module_state,
)
from motiontransfer.training.losses import Scalar
from motiontransfer.training.processes import average_over_processes

LossesOf = Mapping[str, Mapping[str, Scalar]]
"""The losses, by name, of `generator` and of `discriminator`."""

_BETAS = (0.5, 0.999)


class Adversaries:
    """Two networks trained against each other."""

    def __init__(
        self,
        fabric: Fabric,
        generator: nn.Module,
        discriminator: nn.Module,
        *,
        average_decay: float,
    ) -> None:
        self.generator = generator.to(fabric.device)
        self.discriminator = discriminator.to(fabric.device)
        self.generator_average = copy.deepcopy(self.generator).requires_grad_(False)
        self._fabric, self._average_decay = fabric, average_decay
        self._optimizers = {
            "generator": torch.optim.Adam(generator.parameters(), betas=_BETAS, fused=True),
            "discriminator": torch.optim.Adam(discriminator.parameters(), betas=_BETAS, fused=True),
        }

    def compile(self) -> None:
        """Compile the generator; its state keeps its names.

        The discriminator stays as it is: its graph is gone through twice, and by a gradient penalty
        differentiated twice, which compiled code is not made for.
        """
        require_triton(self._fabric.device)
        self.generator.compile()

    def update(
        self, losses_of_parts: Iterable[LossesOf], *, step: int, learning_rate: float
    ) -> dict[str, Scalar]:
        """Step both networks on the sums of their losses; return all losses by full name.

        Args:
            losses_of_parts: the losses of each part of this process' share of the batch; the next
                are asked for when the activations behind the last are freed.
        """
        gradients_of: dict[str, Sequence[Tensor]] = {}
        named: dict[str, Scalar] = {}
        num_parts = 0
        for losses_of in losses_of_parts:
            num_parts += 1
            for network, gradients in self._gradients(losses_of).items():
                gradients_of[network] = _sum(gradients_of.get(network), gradients)
            for network in ("generator", "discriminator"):
                for name, loss in losses_of[network].items():
                    full_name = f"{network}/{name}"
                    named[full_name] = named.get(full_name, 0) + loss.detach()
        for network, gradients in gradients_of.items():
            if num_parts > 1:
                gradients = [gradient / num_parts for gradient in gradients]
            mean = average_over_processes(self._fabric, gradients)
            self._descend(network, mean, learning_rate=learning_rate)
        # The average of the first steps would otherwise be mostly the random initial weights.
        decay = min(self._average_decay, (1 + step) / (10 + step))
        update_average(self.generator_average, self.generator, decay=decay)
        return {name: loss / num_parts for name, loss in named.items()}

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

    def _gradients(self, losses_of: LossesOf) -> dict[str, tuple[Tensor, ...]]:
        gradients_of = {}
        # Both go through the discriminator; the generator's go further and free it all.
        for network in ("discriminator", "generator"):
            gradients_of[network] = torch.autograd.grad(
                torch.stack(list(losses_of[network].values())).sum(),
                self._trained(network),
                retain_graph=network == "discriminator",
            )
        return gradients_of

    def _trained(self, network: str) -> list[nn.Parameter]:
        """Parameters that are not fixed; Adam leaves those alone that have no gradient."""
        return [p for p in getattr(self, network).parameters() if p.requires_grad]

    def _descend(self, network: str, gradients: Sequence[Tensor], *, learning_rate: float) -> None:
        for parameter, gradient in zip(self._trained(network), gradients, strict=True):
            parameter.grad = laid_out_like(parameter, gradient)
        optimizer = self._optimizers[network]
        for group in optimizer.param_groups:
            group["lr"] = learning_rate
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def _sum(total: Sequence[Tensor] | None, more: Sequence[Tensor]) -> Sequence[Tensor]:
    return more if total is None else [a + b for a, b in zip(total, more, strict=True)]


def require_triton(device: torch.device) -> None:
    """Check that `torch.compile` has what it needs on this device.

    Raises:
        MissingLibraryError: Triton is not installed, which makes the code for GPUs.
    """
    if device.type == "cuda" and find_spec("triton") is None:
        raise MissingLibraryError(
            "compile: true needs Triton on a GPU; run `uv sync --extra compile`"
        )
