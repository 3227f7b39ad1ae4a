"""Distances learnt from people's judgement: LPIPS (Zhang et al. 2018) and DISTS (Ding et al. 2020).

Hides torchmetrics' networks, LPIPS with AlexNet as in the paper's tables and DISTS with VGG16, and
where their weights come from. The small learnt ones come with the package. Those of the backbones
are torchvision's files, from the cache or downloaded when a param asks for it, or the user's own.
Nothing in such a file is executed. Pictures with a side shorter than 64 pixels are enlarged, both
alike, or the backbone's last layers would see nothing.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor, nn
from torch.nn.functional import interpolate

from motiontransfer.downloads import Pretrained, pretrained_file
from motiontransfer.errors import WeightsError
from motiontransfer.evaluation.metrics import PictureDistance
from motiontransfer.models.vgg import read_tensors

DistanceName = Literal["lpips", "dists"]

_SMALLEST_SIDE_PX = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class _Metric:
    """One learnt distance."""

    file: str
    """Name of torchvision's weights of the backbone."""

    sha256: str
    """What their bytes add up to; the first eight digits are in the file's name, too."""

    build: Callable[[Mapping[str, Tensor]], nn.Module]
    """The network, from the backbone's tensors; takes two pictures in [0, 1]."""


def open_distance(metric: DistanceName, file: Path | None, *, option: str) -> PictureDistance:
    """A learnt distance, with the backbone's weights from a file or as they are published.

    Args:
        file: the user's own; None: the published one, from the cache or downloaded.
        option: where it was asked for, such as `evaluate.lpips_weights`.

    Raises:
        MissingFileError: the file is not there, or the download failed.
        WeightsError: not a file of tensors, or not the backbone's.
    """
    asked = _METRICS[metric]
    published = Pretrained(
        name=asked.file,
        url=f"https://download.pytorch.org/models/{asked.file}",
        sha256=asked.sha256,
        needed_by=f"the metric {metric}",
        file_param=option,
        without=f"set {option} to none",
    )
    path = pretrained_file(published, file=file)
    tensors = read_tensors(path, published)
    try:
        network = asked.build(tensors)
    except ValueError as error:
        raise WeightsError(f"{path}: {error}; {published.remedies}") from error
    return _distance(network.requires_grad_(False).eval())


def _lpips(tensors: Mapping[str, Tensor]) -> nn.Module:
    from torchmetrics.functional.image.lpips import _LPIPS

    network = _LPIPS(pretrained=True, net="alex", pnet_rand=True)
    named = network.net.named_modules()
    _fill(((name.rpartition(".")[2], layer) for name, layer in named), tensors)
    # It is given [0, 1] here, and takes [-1, 1].
    return _Shifted(network)


class _Shifted(nn.Module):
    """A network of pictures in [-1, 1], given [0, 1]."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return self.network(2 * first - 1, 2 * second - 1)


def _dists(tensors: Mapping[str, Tensor]) -> nn.Module:
    from torchmetrics.functional.image.dists import _PATH_WEIGHT_DISTS, DISTSNetwork, L2pooling
    from torchvision.models.vgg import cfgs, make_layers

    layers = make_layers(cfgs["D"])
    _fill(layers.named_children(), tensors)
    # The package's constructor downloads VGG16: the network is put together as it does.
    network = DISTSNetwork.__new__(DISTSNetwork)
    nn.Module.__init__(network)
    network.stage1 = layers[:4]
    for stage, (start, stop, channels) in enumerate(
        ((5, 9, 64), (10, 16, 128), (17, 23, 256), (24, 30, 512)), start=2
    ):
        part = nn.Sequential(L2pooling(channels=channels), *layers[start:stop])
        network.add_module(f"stage{stage}", part)
    network.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406])[None, :, None, None])
    network.register_buffer("std", torch.tensor([0.229, 0.224, 0.225])[None, :, None, None])
    network.chns = [3, 64, 128, 256, 512, 512]
    learnt = torch.load(_PATH_WEIGHT_DISTS, map_location="cpu", weights_only=True)
    network.alpha, network.beta = (nn.Parameter(learnt[name]) for name in ("alpha", "beta"))
    return network


def _fill(layers: Iterable[tuple[str, nn.Module]], tensors: Mapping[str, Tensor]) -> None:
    """Give each convolution, by its number, the weights that torchvision's file has for it.

    Raises:
        ValueError: the file lacks some, or they have another shape.
    """
    for number, layer in layers:
        if not isinstance(layer, nn.Conv2d):
            continue
        for name, value in layer.state_dict().items():
            key = f"features.{number}.{name}"
            given = tensors.get(key)
            if not isinstance(given, Tensor) or given.shape != value.shape:
                got = tuple(given.shape) if isinstance(given, Tensor) else "none"
                raise ValueError(f"expected {key} of {tuple(value.shape)}, got {got}")
            value.copy_(given)


def _distance(network: nn.Module) -> PictureDistance:
    def distance(
        first: UInt8[np.ndarray, "height width 3"], second: UInt8[np.ndarray, "height width 3"]
    ) -> float:
        with torch.inference_mode():
            return float(network(_tensor(first), _tensor(second)))

    return distance


def _tensor(picture: UInt8[np.ndarray, "height width 3"]) -> Float32[Tensor, "1 3 _ _"]:
    pixels = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float() / 255
    height, width = picture.shape[:2]
    enlarged = _SMALLEST_SIDE_PX / min(height, width)
    if enlarged <= 1:
        return pixels
    size = (round(height * enlarged), round(width * enlarged))
    return interpolate(pixels, size, mode="bilinear", align_corners=False)


_METRICS: Mapping[DistanceName, _Metric] = {
    "lpips": _Metric(
        file="alexnet-owt-7be5be79.pth",
        sha256="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        build=_lpips,
    ),
    "dists": _Metric(
        file="vgg16-397923af.pth",
        sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        build=_dists,
    ),
}
