"""Where the weights of the perceptual network come from: torchvision's file, or one of the user's.

Each stage that has a perceptual loss names its own section of params.yaml. Nothing in such a file
is executed: what is not plain tensors is refused.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from motiontransfer.errors import ParamsError, WeightsError
from motiontransfer.nets.perceptual import SLICES, PerceptualNetwork, perceptual_network
from motiontransfer.params import PARAMS_FILE
from motiontransfer.pretrained import Pretrained, pretrained_file

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Perceptual:
    """The network of the perceptual loss, and where its weights were read from."""

    network: PerceptualNetwork
    file: Path


def vgg19(section: str) -> Pretrained:
    """Return the file that torchvision publishes, as needed by a section of params.yaml."""
    return Pretrained(
        name="vgg19-dcbb9e9d.pth",
        url="https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
        sha256="dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
        needed_by="the perceptual loss",
        file_param=f"{section}.perceptual_file",
        without=f"set {section}.perceptual_weight to 0",
    )


def check_perceptual(section: str, *, weight: float, file: Path | None) -> None:
    """Refuse a file of weights for a loss that has none.

    Raises:
        ParamsError: there is one; the message names its key.
    """
    if weight == 0 and file is not None:
        raise ParamsError(
            f"{PARAMS_FILE}: {section}.perceptual_file: has no effect where perceptual_weight is "
            f"0; expected null, got {file}"
        )


def read_perceptual(section: str, *, weight: float, file: Path | None) -> Perceptual | None:
    """Read what a section's perceptual loss compares; None where that has no weight.

    Args:
        file: the user's own; None: from the cache, or downloaded once.

    Raises:
        MissingFileError: the weights cannot be had.
        WeightsError: the file is not one of tensors, or not of those of a VGG19.
    """
    if weight == 0:
        return None
    pretrained = vgg19(section)
    path = pretrained_file(pretrained, file=file)
    return Perceptual(network=read_perceptual_network(path, pretrained), file=path)


def read_perceptual_network(path: Path, pretrained: Pretrained) -> PerceptualNetwork:
    """Build the network with the weights of a file, which may hold its first slices only.

    Args:
        path: `.safetensors`, or what torch saved.
        pretrained: what to tell someone whose file is something else.

    Raises:
        WeightsError: not a file of tensors, or not those of a VGG19.
    """
    tensors = read_tensors(path, pretrained)
    try:
        network = perceptual_network(tensors)
    except ValueError as error:
        raise WeightsError(f"{path}: {error}; {pretrained.remedies}") from error
    if len(network.slices) < len(SLICES):
        _logger.warning(
            "%s: the perceptual loss uses %d of %d slices, up to %s: there are no weights for more",
            path,
            len(network.slices),
            len(SLICES),
            SLICES[len(network.slices) - 1],
        )
    return network


def read_tensors(path: Path, pretrained: Pretrained) -> Mapping[str, Tensor]:
    """Read somebody else's tensors, by name, without executing what else the file may hold.

    Args:
        path: `.safetensors`, or what torch saved.
        pretrained: what to tell someone whose file is something else.

    Raises:
        WeightsError: not a file of plain tensors.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, SafetensorError, RuntimeError, EOFError) as error:
        # torch's own text would recommend to execute what is in the file.
        raise WeightsError(
            f"{path}: not a file of plain tensors, as torch.save and safetensors write them; "
            f"{pretrained.remedies}"
        ) from error
    if not isinstance(tensors, dict):
        raise WeightsError(
            f"{path}: expected tensors by name, got {type(tensors).__name__}; {pretrained.remedies}"
        )
    return {name: value for name, value in tensors.items() if isinstance(value, Tensor)}
