"""VGG19 features for the perceptual loss (Johnson et al. 2016), and pretrained weights."""

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

_logger = logging.getLogger(__name__)

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)
# Per slice: end among torchvision's layers, convolutions up to there.
_SLICE_ENDS = {"relu1_1": 2, "relu2_1": 7, "relu3_1": 12, "relu4_1": 21, "relu5_1": 30}
_NUM_CONVOLUTIONS = (1, 3, 5, 9, 13)


class VGG19Features(nn.Module):
    """Activations relu1_1 to relu5_1 of VGG19, or the first of them."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, num_slices: int) -> None:
        from torchvision.models.vgg import cfgs, make_layers  # seconds to import

        super().__init__()
        self.register_buffer("mean", torch.tensor(_IMAGENET_MEAN)[:, None, None])
        self.register_buffer("deviation", torch.tensor(_IMAGENET_STD)[:, None, None])
        layers = make_layers(cfgs["E"])
        ends = itertools.pairwise([0, *_SLICE_ENDS.values()][: num_slices + 1])
        self.slices = nn.ModuleList(layers[start:end] for start, end in ends)
        self.requires_grad_(False).eval()

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> list[Tensor]:
        """Return the activations at the end of each slice; images are in [-1, 1]."""
        features = ((images + 1) / 2 - self.mean) / self.deviation
        activations = []
        for layers in self.slices:
            features = layers(features)
            activations.append(features)
        return activations


def vgg19_features(weights: Mapping[str, Tensor]) -> VGG19Features:
    """Build the slices for which there are weights.

    Two layouts are known. torchvision's: convolutions are named `features.0`, `features.2`, ….
    The rescaled one of style transfer (Gatys et al. 2016: each channel's mean activation is 1, so
    losses are of another scale): numbered, after a 1x1 convolution on RGB in [0, 1].
    """
    given = _convolutions(weights, "features.") or _fold_first(_convolutions(weights, ""))
    num_slices = sum(num_needed <= len(given) for num_needed in _NUM_CONVOLUTIONS)
    if num_slices == 0:
        raise ValueError(
            "expected the tensors of a VGG19 (features.0.weight, features.0.bias, …), got "
            f"{', '.join(list(weights)[:4]) or 'none'}"
        )
    network = VGG19Features(num_slices)
    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    for index, (layer, (weight, bias)) in enumerate(zip(layers, given, strict=False)):
        if weight.shape != layer.weight.shape:
            raise ValueError(
                f"convolution {index} of VGG19: expected weights of {tuple(layer.weight.shape)}, "
                f"got {tuple(weight.shape)}"
            )
        layer.load_state_dict({"weight": weight, "bias": bias})
    return network


def _convolutions(weights: Mapping[str, Tensor], prefix: str) -> list[tuple[Tensor, Tensor]]:
    """Weight and bias of each convolution, in the order of their numbers."""
    numbers = sorted(
        int(name)
        for key in weights
        if key.startswith(prefix) and key.endswith(".weight")
        if (name := key.removeprefix(prefix).removesuffix(".weight")).isdecimal()
    )
    return [(weights[f"{prefix}{n}.weight"], weights[f"{prefix}{n}.bias"]) for n in numbers]


def _fold_first(convolutions: list[tuple[Tensor, Tensor]]) -> list[tuple[Tensor, Tensor]]:
    """Fold a leading 1x1 convolution, and the inverse of our normalization, into the next."""
    if len(convolutions) < 2 or convolutions[0][0].shape[2:] != (1, 1):
        return []
    (mix, shift), (weight, bias), *others = convolutions
    # The 1x1 convolution of normalized colors x: mix @ (std * x + mean) + shift.
    matrix = mix[:, :, 0, 0] * torch.tensor(_IMAGENET_STD)
    offset = mix[:, :, 0, 0] @ torch.tensor(_IMAGENET_MEAN) + shift
    folded = torch.einsum("omhw,mi->oihw", weight, matrix)
    return [(folded, bias + torch.einsum("omhw,m->o", weight, offset)), *others]


@dataclass(frozen=True, slots=True, kw_only=True)
class Perceptual:
    """Network of the perceptual loss and the file of its weights."""

    network: VGG19Features
    file: Path


def vgg19_weights(section: str) -> Pretrained:
    """Describe torchvision's file, for the messages of a section of params.yaml."""
    return Pretrained(
        name="vgg19-dcbb9e9d.pth",
        url="https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
        sha256="dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
        needed_by="the perceptual loss",
        file_param=f"{section}.perceptual_file",
        without=f"set {section}.perceptual_weight to 0",
    )


def check_perceptual(section: str, *, weight: float, file: Path | None) -> None:
    """Check that a weights file is only given for a loss with a weight."""
    if weight == 0 and file is not None:
        raise ParamsError(
            f"{PARAMS_FILE}: {section}.perceptual_file: has no effect where perceptual_weight is "
            f"0; expected null, got {file}"
        )


def read_perceptual(section: str, *, weight: float, file: Path | None) -> Perceptual | None:
    """Read the network of a section's perceptual loss; None where that has weight 0.

    Args:
        file: the user's own; None: from the cache, or downloaded once.

    Raises:
        MissingFileError: it is not there, or the download failed.
        WeightsError: it does not hold the tensors of a VGG19.
    """
    if weight == 0:
        return None
    pretrained = vgg19_weights(section)
    path = pretrained_file(pretrained, file=file)
    return Perceptual(network=read_vgg19_features(path, pretrained), file=path)


def read_vgg19_features(path: Path, pretrained: Pretrained) -> VGG19Features:
    """Read a VGG19, or its first slices, from `.safetensors` or what torch saved."""
    tensors = read_tensors(path, pretrained)
    try:
        network = vgg19_features(tensors)
    except ValueError as error:
        raise WeightsError(f"{path}: {error}; {pretrained.remedies}") from error
    num_slices = len(network.slices)
    if num_slices < len(_SLICE_ENDS):
        _logger.warning(
            "%s: the perceptual loss uses %d of %d slices, up to %s: there are no weights for more",
            *(path, num_slices, len(_SLICE_ENDS), list(_SLICE_ENDS)[num_slices - 1]),
        )
    return network


def read_tensors(path: Path, pretrained: Pretrained) -> Mapping[str, Tensor]:
    """Read third-party tensors from `.safetensors` or what torch saved, without executing code.

    Raises:
        WeightsError: not a file of plain tensors.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, SafetensorError, RuntimeError, EOFError) as error:
        # torch's own message recommends `weights_only=False`, which executes code in the file.
        raise WeightsError(
            f"{path}: not a file of plain tensors, as torch.save and safetensors write them; "
            f"{pretrained.remedies}"
        ) from error
    if not isinstance(tensors, dict):
        raise WeightsError(
            f"{path}: expected tensors by name, got {type(tensors).__name__}; {pretrained.remedies}"
        )
    return {name: value for name, value in tensors.items() if isinstance(value, Tensor)}
