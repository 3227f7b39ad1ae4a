"""GAN optimisation: Adam and EMA of a generator and its discriminator, from one forward pass.

Both gradients are taken at the same weights, as in pix2pixHD; Adam with betas 0.5 and 0.999, as
there. Gradients are averaged over the ranks. The exponential moving average of the generator's
weights (Yazici et al. 2019) is the result.
"""

import copy
from collections.abc import Mapping, Sequence
from importlib.util import find_spec

import torch
from jaxtyping import Float
from lightning_fabric import Fabric
from torch import Tensor, nn

from motiontransfer.errors import MissingLibraryError
from motiontransfer.models.layers import update_ema
from motiontransfer.training.checkpoint import (
    adam_state,
    laid_out_like,
    load_adam_state,
    load_module_state,
    module_state,
)
from motiontransfer.training.distributed import all_reduce_mean
from motiontransfer.training.losses import Scalar, perceptual_loss

LossesOf = Mapping[str, Mapping[str, Scalar]]
"""The losses, by name, of `generator` and of `discriminator`."""

_BETAS = (0.5, 0.999)


class GanOptimizer:
    """Adam for generator and discriminator, and the EMA of the generator."""

    def __init__(
        self,
        fabric: Fabric,
        generator: nn.Module,
        discriminator: nn.Module,
        *,
        ema_decay: float,
    ) -> None:
        self.generator = generator.to(fabric.device)
        self.discriminator = discriminator.to(fabric.device)
        self.generator_ema = copy.deepcopy(self.generator).requires_grad_(False)
        self._fabric, self._ema_decay = fabric, ema_decay
        self._optimizers = {
            "generator": torch.optim.Adam(generator.parameters(), betas=_BETAS, fused=True),
            "discriminator": torch.optim.Adam(discriminator.parameters(), betas=_BETAS, fused=True),
        }

    def compile(self) -> None:
        """Compile the generator; its state keeps its names.

        The discriminator is not compiled: its graph is retained and differentiated twice.
        """
        require_triton(self._fabric.device)
        self.generator.compile()

    def update(self, losses_of: LossesOf, *, step: int, learning_rate: float) -> dict[str, Scalar]:
        """Step both networks on the sums of their losses; return all losses by full name."""
        for network, gradients in self._gradients(losses_of).items():
            mean = all_reduce_mean(self._fabric, gradients)
            self._descend(network, mean, learning_rate=learning_rate)
        # The EMA of the first steps would otherwise be mostly the random initial weights.
        decay = min(self._ema_decay, (1 + step) / (10 + step))
        update_ema(self.generator_ema, self.generator, decay=decay)
        return {
            f"{network}/{name}": loss.detach()
            for network in ("generator", "discriminator")
            for name, loss in losses_of[network].items()
        }

    def state(self) -> dict[str, Tensor]:
        """Everything that changes from step to step."""
        state = {}
        for name in ("generator", "generator_ema", "discriminator"):
            state |= module_state(name, getattr(self, name))
        for name, optimizer in self._optimizers.items():
            state |= adam_state(f"{name}_optimizer", optimizer)
        return state

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Inverse of `state`."""
        for name in ("generator", "generator_ema", "discriminator"):
            load_module_state(name, getattr(self, name), state)
        for name, optimizer in self._optimizers.items():
            load_adam_state(f"{name}_optimizer", optimizer, state)

    def _gradients(self, losses_of: LossesOf) -> dict[str, tuple[Tensor, ...]]:
        gradients_of = {}
        # Both go through the discriminator; the generator's go further and free it all.
        for network in ("discriminator", "generator"):
            gradients_of[network] = torch.autograd.grad(
                torch.stack(list(losses_of[network].values())).sum(),
                self._parameters(network),
                retain_graph=network == "discriminator",
            )
        return gradients_of

    def _parameters(self, network: str) -> list[nn.Parameter]:
        return list(getattr(self, network).parameters())

    def _descend(self, network: str, gradients: Sequence[Tensor], *, learning_rate: float) -> None:
        for parameter, gradient in zip(self._parameters(network), gradients, strict=True):
            parameter.grad = laid_out_like(parameter, gradient)
        optimizer = self._optimizers[network]
        for group in optimizer.param_groups:
            group["lr"] = learning_rate
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


class GanTask:
    """Base of the tasks that train with a `GanOptimizer`."""

    def __init__(
        self,
        fabric: Fabric,
        optimizer: GanOptimizer,
        *,
        compiled: bool,
        perceptual: nn.Module | None = None,
    ) -> None:
        """Set up.

        Args:
            perceptual: network of the perceptual loss; None where that has no weight.
        """
        self.fabric, self.optimizer = fabric, optimizer
        self.perceptual = None if perceptual is None else perceptual.to(fabric.device)
        if compiled:
            optimizer.compile()

    def perceptual_loss(
        self,
        fake: Float[Tensor, "batch 3 height width"],
        real: Float[Tensor, "batch 3 height width"],
        *,
        weight: float,
    ) -> dict[str, Scalar]:
        """The weighted loss by name; empty without a network."""
        if self.perceptual is None:
            return {}
        with self.fabric.autocast():
            return {"perceptual": weight * perceptual_loss(self.perceptual, fake, real)}

    def state(self) -> dict[str, Tensor]:
        """Everything that changes from step to step."""
        return self.optimizer.state()

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Inverse of `state`."""
        self.optimizer.load_state(state)


def require_triton(device: torch.device) -> None:
    """Check that `torch.compile` has what it needs on this device.

    Raises:
        MissingLibraryError: Triton is not installed, which makes the code for GPUs.
    """
    if device.type == "cuda" and find_spec("triton") is None:
        raise MissingLibraryError(
            "compile: true needs Triton on a GPU; run `uv sync --extra compile`"
        )
