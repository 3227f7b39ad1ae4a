"""VGG19 features for the perceptual loss (Johnson et al. 2016), and their weights."""

import itertools
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from motiontransfer.downloads import Pretrained, pretrained_file
from motiontransfer.errors import ParamsError, WeightsError
from motiontransfer.params import PARAMS_FILE

SLICES = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
# Of each slice: the output channels of its convolutions; None where the size is halved.
_WIDTHS = (
    (64,),
    (64, None, 128),
    (128, None, 256),
    (256, 256, 256, None, 512),
    (512, 512, 512, None, 512),
)


class PerceptualNetwork(nn.Module):
    """The slices of VGG19 for which there are weights."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, num_slices: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(_IMAGENET_MEAN)[:, None, None])
        self.register_buffer("deviation", torch.tensor(_IMAGENET_DEVIATION)[:, None, None])
        self.slices = nn.ModuleList()
        in_channels = 3
        for widths in _WIDTHS[:num_slices]:
            layers: list[nn.Module] = []
            for width in widths:
                if width is None:
                    layers += [nn.MaxPool2d(2)]
                    continue
                layers += [nn.Conv2d(in_channels, width, 3, padding=1), nn.ReLU(inplace=True)]
                in_channels = width
            self.slices.append(nn.Sequential(*layers))
        self.requires_grad_(False).eval()

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> list[Tensor]:
        """Return the activations at the end of each slice; images are in [-1, 1]."""
        features = ((images + 1) / 2 - self.mean) / self.deviation
        activations = []
        for part in self.slices:
            features = part(features)
            activations.append(features)
        return activations


def perceptual_network(weights: Mapping[str, Tensor]) -> PerceptualNetwork:
    """Build the network from the tensors of a VGG19, or of its first layers.

    Two layouts are known. torchvision's: convolutions are named `features.0`, `features.2`, ….
    The rescaled one of style transfer (Gatys et al. 2016: each channel's mean activation is 1, so
    losses are of another scale): numbered, after a 1x1 convolution on RGB in [0, 1].

    Raises:
        ValueError: not even the first slice is there, or a tensor has another shape.
    """
    given = _numbered(weights, "features.") or _without_first(_numbered(weights, ""))
    lengths = [sum(width is not None for width in widths) for widths in _WIDTHS]
    num_slices = sum(end <= len(given) for end in itertools.accumulate(lengths))
    if num_slices == 0:
        raise ValueError(
            "expected the tensors of a VGG19 (features.0.weight, features.0.bias, …), got "
            f"{', '.join(list(weights)[:4]) or 'none'}"
        )
    network = PerceptualNetwork(num_slices)
    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    for index, (layer, (weight, bias)) in enumerate(zip(layers, given, strict=False)):
        if weight.shape != layer.weight.shape:
            raise ValueError(
                f"convolution {index} of VGG19: expected weights of {tuple(layer.weight.shape)}, "
                f"got {tuple(weight.shape)}"
            )
        layer.load_state_dict({"weight": weight, "bias": bias})
    return network


def _numbered(weights: Mapping[str, Tensor], prefix: str) -> list[tuple[Tensor, Tensor]]:
    """Weight and bias of each convolution, in the order of the numbers in their names."""
    numbers = sorted(
        int(name)
        for key in weights
        if key.startswith(prefix) and key.endswith(".weight")
        if (name := key.removeprefix(prefix).removesuffix(".weight")).isdecimal()
    )
    return [(weights[f"{prefix}{n}.weight"], weights[f"{prefix}{n}.bias"]) for n in numbers]


def _without_first(convolutions: list[tuple[Tensor, Tensor]]) -> list[tuple[Tensor, Tensor]]:
    """Fold a leading 1x1 convolution, and the normalisation it does not know, into the next."""
    if len(convolutions) < 2 or convolutions[0][0].shape[2:] != (1, 1):
        return []
    (mix, shift), (weight, bias), *others = convolutions
    # What the 1x1 convolution makes of normalised colours: mix @ (deviation * x + mean) + shift.
    matrix = mix[:, :, 0, 0] * torch.tensor(_IMAGENET_DEVIATION)
    offset = mix[:, :, 0, 0] @ torch.tensor(_IMAGENET_MEAN) + shift
    folded = torch.einsum("omhw,mi->oihw", weight, matrix)
    return [(folded, bias + torch.einsum("omhw,m->o", weight, offset)), *others]


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
