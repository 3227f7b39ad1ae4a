"""LPIPS (Zhang et al. 2018; AlexNet, as in the paper's tables): a frame beside the real one."""

import logging
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from motiontransfer.core.arrays import Frame
from motiontransfer.core.device import choose_accelerator, describe_device
from motiontransfer.core.downloads import Pretrained, pretrained_file, read_tensors
from motiontransfer.core.errors import WeightsError
from motiontransfer.evaluation.image_metrics import ImageDistance

_logger = logging.getLogger(__name__)

_SMALLEST_SIDE_PX = 64  # AlexNet's last layer has nothing left of less

# LPIPS as published: layers of AlexNet whose output is compared; mean, deviation of colors.
_COMPARED_LAYERS = (1, 4, 7, 9, 11)
_COLOR_STATISTICS = ((-0.030, -0.088, -0.188), (0.458, 0.448, 0.450))
_TINY = 1e-8  # keeps the length of features that are all 0 from dividing by 0


def published_alexnet(param: str) -> Pretrained:
    """AlexNet's weights, for which a param asks."""
    return Pretrained(
        name="alexnet-owt-7be5be79.pth",
        url="https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        sha256="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        needed_by="LPIPS",
        file_param=param,
        without=f"set {param} to none",
    )


def load_lpips(file: Path | None, *, param: str) -> ImageDistance:
    """LPIPS, on a GPU if there is one.

    Args:
        file: of its weights; None: the published ones.
        param: what asks for it, such as `evaluate.lpips_weights`.

    Raises:
        MissingFileError: no such file, or it could not be downloaded.
        WeightsError: not a file of tensors, or not this network's.
    """
    published = published_alexnet(param)
    path = pretrained_file(published, file=file)
    tensors = read_tensors(path, published)
    try:
        network = _load_alexnet(tensors)
    except RuntimeError as error:
        fault = " ".join(str(error).splitlines()[:2])
        raise WeightsError(
            f"{path}: not the weights for {published.needed_by}: {fault:.200}; {published.remedies}"
        ) from error
    device = choose_accelerator()
    _logger.info("%s: %s, 32-true", published.needed_by, describe_device(device))
    return lpips(network.to(device))


def _load_alexnet(tensors: Mapping[str, Tensor]) -> nn.Module:
    from torchvision.models import alexnet

    with torch.device("meta"):
        layers = alexnet(weights=None).features
    prefix = "features."
    backbone = {n.removeprefix(prefix): t.float() for n, t in tensors.items() if prefix in n}
    layers.load_state_dict(backbone, assign=True)
    return layers


def lpips(layers: nn.Module) -> ImageDistance:
    """LPIPS of AlexNet's layers, with the authors' weights of each, torchmetrics' copy.

    Colors are normalized as in the authors' code, and features of each layer to unit length. Images
    with a side shorter than 64 pixels are enlarged.
    """
    device = next(layers.parameters()).device
    with (files("torchmetrics.functional.image") / "lpips_models/alex.pth").open("rb") as stored:
        learned = torch.load(stored, map_location="cpu", weights_only=True)
    weight_of = {
        layer: learned[f"lin{index}.model.1.weight"].to(device)
        for index, layer in enumerate(_COMPARED_LAYERS)
    }
    mean, deviation = torch.tensor(_COLOR_STATISTICS, device=device)[..., None, None]

    @torch.inference_mode()
    def distance(first: Frame, second: Frame) -> float:
        images = torch.from_numpy(np.stack([first, second])).to(device)
        pair = images.permute(0, 3, 1, 2).float()
        pair, smallest = pair / 255, min(first.shape[:2])
        if smallest < _SMALLEST_SIDE_PX:
            size = [round(side * _SMALLEST_SIDE_PX / smallest) for side in first.shape[:2]]
            pair = interpolate(pair, size, mode="bilinear", align_corners=False).clamp(0, 1)
        pair, total = (2 * pair - 1 - mean) / deviation, 0.0
        for index, layer in enumerate(layers.children()):
            pair = layer(pair)
            if index in weight_of:
                unit = pair / torch.sqrt(pair.square().sum(dim=1, keepdim=True) + _TINY)
                difference = (unit[:1] - unit[1:]).square()
                total += float((weight_of[index] * difference).sum(dim=1).mean())
        return total

    return distance
