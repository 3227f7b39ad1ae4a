"""Where the weights of the perceptual network come from: torchvision's file, or one of the user's.

Nothing in such a file is executed: what is not plain tensors is refused.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from motiontransfer.errors import WeightsError
from motiontransfer.nets.perceptual import SLICES, PerceptualNetwork, perceptual_network
from motiontransfer.pretrained import Pretrained

VGG19 = Pretrained(
    name="vgg19-dcbb9e9d.pth",
    url="https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
    sha256="dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
    needed_by="the perceptual loss",
    file_param="train_gan.perceptual_file",
    without="set train_gan.perceptual_weight to 0",
)

_logger = logging.getLogger(__name__)


def read_perceptual_network(path: Path) -> PerceptualNetwork:
    """Build the network with the weights of a file, which may hold its first slices only.

    Args:
        path: as `pretrained_file(VGG19, file=...)` gives it; `.safetensors`, or what torch saved.

    Raises:
        WeightsError: not a file of tensors, or not those of a VGG19.
    """
    tensors = _tensors(path)
    try:
        network = perceptual_network(tensors)
    except ValueError as error:
        raise WeightsError(f"{path}: {error}; {VGG19.remedies}") from error
    if len(network.slices) < len(SLICES):
        _logger.warning(
            "%s: the perceptual loss uses %d of %d slices, up to %s: there are no weights for more",
            path,
            len(network.slices),
            len(SLICES),
            SLICES[len(network.slices) - 1],
        )
    return network


def _tensors(path: Path) -> Mapping[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, SafetensorError, RuntimeError, EOFError) as error:
        # torch's own text would recommend to execute what is in the file.
        raise WeightsError(
            f"{path}: not a file of plain tensors, as torch.save and safetensors write them; "
            f"{VGG19.remedies}"
        ) from error
    if not isinstance(tensors, dict):
        raise WeightsError(
            f"{path}: expected tensors by name, got {type(tensors).__name__}; {VGG19.remedies}"
        )
    return {name: value for name, value in tensors.items() if isinstance(value, Tensor)}
