"""The prior's file: generator and discriminator in half precision, without what is of one room."""

from collections.abc import Iterable
from pathlib import Path

from torch import nn

from motiontransfer.models.generators import FrameGenerator
from motiontransfer.storage import replacing
from motiontransfer.training.weights import read_tensors, write_tensors


def write_prior(path: Path, generator: FrameGenerator, discriminator: nn.Module) -> None:
    """Write both networks."""
    networks = {"generator": generator.network, "discriminator": discriminator}
    tensors = {
        f"{prefix}.{name}": tensor.half()
        for prefix, network in networks.items()
        for name, tensor in network.state_dict().items()
    }
    with replacing(path) as temporary:
        write_tensors(temporary, tensors, description={})


def start_from_prior(
    generators: Iterable[FrameGenerator], discriminator: nn.Module, path: Path
) -> None:
    """Copy the prior into a generator, its EMA, and the discriminator."""
    tensors, _ = read_tensors(path)
    networks = [(generator.network, "generator.") for generator in generators]
    for network, prefix in (*networks, (discriminator, "discriminator.")):
        own = {name: it for name, it in tensors.items() if name.startswith(prefix)}
        network.load_state_dict({name.removeprefix(prefix): it for name, it in own.items()})
