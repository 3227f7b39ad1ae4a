"""GAN optimization: Adam and EMA of a generator and its discriminator, from one forward pass.

Both gradients are taken at the same weights, as in pix2pixHD; Adam with betas 0.5 and 0.999, as
there. Gradients are averaged over the ranks. The exponential moving average of the generator's
weights (Yazici et al. 2019) is the result.
"""

import copy
from collections.abc import Mapping, Sequence
from importlib.util import find_spec

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from motiontransfer.errors import MissingLibraryError
from motiontransfer.models.layers import to_device
from motiontransfer.params import Section
from motiontransfer.training.checkpoint import (
    adam_state,
    laid_out_like,
    load_adam_state,
    load_module_state,
)
from motiontransfer.training.distributed import Runtime, all_reduce_mean
from motiontransfer.training.losses import Scalar, perceptual_loss
from motiontransfer.video.tensors import Images

LossesOf = Mapping[str, Mapping[str, Scalar]]
"""The losses, by name, of `generator` and of `discriminator`."""

_BETAS = (0.5, 0.999)


class GanConfig(Section):
    """Optimization of a generator against a discriminator."""

    ema_decay: float = Field(ge=0, lt=1)
    """Decay a step of the exponential moving average of the generator's weights."""
    compile: bool
    """True if the generator is compiled by `torch.compile`."""


class AdamTask:
    """Base of training: networks with Adam, and the EMA of the first one's weights."""

    def __init__(
        self,
        runtime: Runtime,
        networks: Mapping[str, nn.Module],
        *,
        betas: tuple[float, float],
        ema_decay: float,
    ) -> None:
        """Move the networks to the device; with a decay of 0, the EMA is the network itself."""
        self.runtime, self._ema_decay = runtime, ema_decay
        self._networks = {name: to_device(each, runtime.device) for name, each in networks.items()}
        self._averaged = next(iter(networks))
        self.ema = self._networks[self._averaged]
        if ema_decay > 0:
            self.ema = copy.deepcopy(self.ema).requires_grad_(False)
        self._optimizers = {
            name: torch.optim.Adam(network.parameters(), betas=betas, fused=True)
            for name, network in self._networks.items()
        }

    def descend(self, name: str, gradients: Sequence[Tensor], *, learning_rate: float) -> None:
        """Step a network on the mean of the ranks' gradients."""
        means = all_reduce_mean(self.runtime, gradients)
        for parameter, mean in zip(self._networks[name].parameters(), means, strict=True):
            parameter.grad = laid_out_like(parameter, mean)
        optimizer = self._optimizers[name]
        for group in optimizer.param_groups:
            group["lr"] = learning_rate
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    def update_ema(self, *, step: int) -> None:
        """Update the moving average of the weights after a step; no network has other state."""
        network = self._networks[self._averaged]
        if self.ema is network:
            return
        # The EMA of the first steps would otherwise be mostly the random initial weights.
        decay = min(self._ema_decay, (1 + step) / (10 + step))
        update = get_ema_multi_avg_fn(decay)
        update(list(self.ema.parameters()), list(network.parameters()), None)

    def state(self) -> dict[str, Tensor]:
        state = self.ema.state_dict(prefix=f"{self._averaged}_ema.")
        for name, network in self._networks.items():
            state |= network.state_dict(prefix=f"{name}.")
            state |= adam_state(f"{name}_optimizer", self._optimizers[name])
        return state

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        load_module_state(f"{self._averaged}_ema", self.ema, state)
        for name, network in self._networks.items():
            load_module_state(name, network, state)
            load_adam_state(f"{name}_optimizer", self._optimizers[name], state)


class GanTask(AdamTask):
    """Base of adversarial training: both networks with Adam, and the EMA of the generator."""

    def __init__(
        self,
        runtime: Runtime,
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
        networks = {"generator": generator, "discriminator": discriminator}
        super().__init__(runtime, networks, betas=_BETAS, ema_decay=config.ema_decay)
        self.generator, self.discriminator = generator, discriminator
        self._perceptual = None if perceptual is None else to_device(perceptual, runtime.device)
        if config.compile:
            require_triton(runtime.device)
            self.generator.compile()

    def update(self, losses_of: LossesOf, *, step: int, learning_rate: float) -> dict[str, Scalar]:
        """Step both networks on the sums of their losses; return all losses by full name."""
        for network, gradients in self._gradients(losses_of).items():
            self.descend(network, gradients, learning_rate=learning_rate)
        self.update_ema(step=step)
        return {
            f"{network}/{name}": loss.detach()
            for network in ("generator", "discriminator")
            for name, loss in losses_of[network].items()
        }

    def perceptual_loss(self, fake: Images, real: Images, *, weight: float) -> dict[str, Scalar]:
        """The weighted loss by name; empty without a network."""
        if self._perceptual is None:
            return {}
        with self.runtime.autocast():
            return {"perceptual": weight * perceptual_loss(self._perceptual, fake, real)}

    def _gradients(self, losses_of: LossesOf) -> dict[str, tuple[Tensor, ...]]:
        # Both go through the discriminator; the generator's go further and free it all.
        return {
            network: torch.autograd.grad(
                torch.stack(list(losses_of[network].values())).sum(),
                list(self._networks[network].parameters()),
                retain_graph=network == "discriminator",
            )
            for network in ("discriminator", "generator")
        }


def require_triton(device: torch.device) -> None:
    """Refuse to compile for a GPU without Triton, which makes the code."""
    if device.type == "cuda" and find_spec("triton") is None:
        raise MissingLibraryError(
            "compile: true needs Triton on a GPU; run `uv sync --extra compile`"
        )
