"""GAN optimisation: Adam and EMA of a generator and its discriminator, from one forward pass.

Both gradients are taken at the same weights, as in pix2pixHD; Adam with betas 0.5 and 0.999, as
there. Gradients are averaged over the ranks. The exponential moving average of the generator's
weights (Yazici et al. 2019) is the result.
"""

import copy
from collections.abc import Mapping, Sequence
from importlib.util import find_spec

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from motiontransfer.errors import MissingLibraryError
from motiontransfer.models.layers import update_ema
from motiontransfer.training.checkpoint import (
    adam_state,
    laid_out_like,
    load_adam_state,
    load_module_state,
)
from motiontransfer.training.config import GanConfig
from motiontransfer.training.distributed import all_reduce_mean
from motiontransfer.training.losses import Scalar, perceptual_loss
from motiontransfer.video.tensors import Images

LossesOf = Mapping[str, Mapping[str, Scalar]]
"""The losses, by name, of `generator` and of `discriminator`."""

_BETAS = (0.5, 0.999)
_NETWORKS = ("generator", "generator_ema", "discriminator")


class GanTask:
    """Base of adversarial training: both networks with Adam, and the EMA of the generator."""

    def __init__(
        self,
        fabric: Fabric,
        generator: nn.Module,
        discriminator: nn.Module,
        *,
        config: GanConfig,
        perceptual: nn.Module | None = None,
    ) -> None:
        """Move the networks to the device.

        The discriminator is never compiled: its graph is retained and differentiated twice.

        Args:
            perceptual: network of the perceptual loss; None where that has no weight.
        """
        self.generator = generator.to(fabric.device)
        self.discriminator = discriminator.to(fabric.device)
        self.generator_ema = copy.deepcopy(self.generator).requires_grad_(False)
        self.fabric, self._ema_decay = fabric, config.ema_decay
        self._perceptual = None if perceptual is None else perceptual.to(fabric.device)
        self._optimizers = {
            "generator": torch.optim.Adam(generator.parameters(), betas=_BETAS, fused=True),
            "discriminator": torch.optim.Adam(discriminator.parameters(), betas=_BETAS, fused=True),
        }
        if config.compile:
            require_triton(fabric.device)
            self.generator.compile()

    def update(self, losses_of: LossesOf, *, step: int, learning_rate: float) -> dict[str, Scalar]:
        """Step both networks on the sums of their losses; return all losses by full name."""
        for network, gradients in self._gradients(losses_of).items():
            mean = all_reduce_mean(self.fabric, gradients)
            self._descend(network, mean, learning_rate=learning_rate)
        # The EMA of the first steps would otherwise be mostly the random initial weights.
        decay = min(self._ema_decay, (1 + step) / (10 + step))
        update_ema(self.generator_ema, self.generator, decay=decay)
        return {
            f"{network}/{name}": loss.detach()
            for network in ("generator", "discriminator")
            for name, loss in losses_of[network].items()
        }

    def perceptual_loss(self, fake: Images, real: Images, *, weight: float) -> dict[str, Scalar]:
        """The weighted loss by name; empty without a network."""
        if self._perceptual is None:
            return {}
        with self.fabric.autocast():
            return {"perceptual": weight * perceptual_loss(self._perceptual, fake, real)}

    def state(self) -> dict[str, Tensor]:
        """Everything that changes from step to step."""
        state = {}
        for name in _NETWORKS:
            state |= getattr(self, name).state_dict(prefix=f"{name}.")
        for name, optimizer in self._optimizers.items():
            state |= adam_state(f"{name}_optimizer", optimizer)
        return state

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Inverse of `state`."""
        for name in _NETWORKS:
            load_module_state(name, getattr(self, name), state)
        for name, optimizer in self._optimizers.items():
            load_adam_state(f"{name}_optimizer", optimizer, state)

    def _gradients(self, losses_of: LossesOf) -> dict[str, tuple[Tensor, ...]]:
        # Both go through the discriminator; the generator's go further and free it all.
        return {
            network: torch.autograd.grad(
                torch.stack(list(losses_of[network].values())).sum(),
                list(getattr(self, network).parameters()),
                retain_graph=network == "discriminator",
            )
            for network in ("discriminator", "generator")
        }

    def _descend(self, network: str, gradients: Sequence[Tensor], *, learning_rate: float) -> None:
        parameters = getattr(self, network).parameters()
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = laid_out_like(parameter, gradient)
        optimizer = self._optimizers[network]
        for group in optimizer.param_groups:
            group["lr"] = learning_rate
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def require_triton(device: torch.device) -> None:
    """Refuse to compile for a GPU without Triton, which makes the code."""
    if device.type == "cuda" and find_spec("triton") is None:
        raise MissingLibraryError(
            "compile: true needs Triton on a GPU; run `uv sync --extra compile`"
        )
