"""Network-based metric: LPIPS, of the network in `evaluation.pretrained`.

LPIPS (Zhang et al. 2018; AlexNet, as in the paper's tables) compares a frame with the real one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from motiontransfer.core.downloads import Pretrained
from motiontransfer.evaluation.image_metrics import ImageDistance
from motiontransfer.evaluation.measurements import OF_IMAGES, Metric
from motiontransfer.evaluation.params import NetworkParams

METRICS = {"lpips": Metric("LPIPS", "", "lower", OF_IMAGES)}


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


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainedNetworks:
    """Pretrained networks, as far as there are weights."""

    distances: Mapping[str, ImageDistance]
    """By metric."""
    skipped: Mapping[str, str]
    """Metric -> reason why it is skipped."""


def open_networks(params: NetworkParams, *, option: str) -> PretrainedNetworks:
    """Open the requested networks, on a GPU if there is one; the others are skipped with a reason.

    `option` is what the user writes to ask for one, such as `evaluate.{}_weights`.

    Raises:
        MissingFileError: no such file, or it could not be downloaded.
        WeightsError: not a file of tensors, or not this network's.
    """
    weights = params.lpips_weights
    published = published_alexnet(option.format("lpips"))
    if weights == "none":
        reason = f"no weights for LPIPS were asked for: {published.file_param} is none"
        return PretrainedNetworks(distances={}, skipped={"lpips": reason})
    from motiontransfer.evaluation.pretrained import open_lpips  # PyTorch takes seconds

    file = weights if isinstance(weights, Path) else None
    return PretrainedNetworks(distances={"lpips": open_lpips(published, file=file)}, skipped={})


def not_measured(networks: PretrainedNetworks) -> dict[str, str]:
    """Metric that other work reports -> reason why it is missing here."""
    return {"face_identity": "needs a face-recognition network", **networks.skipped}
