"""Which pretrained networks judge pictures: only those that params or the command line ask for."""

from pathlib import Path
from typing import Literal, get_args

from motiontransfer.evaluation.inception import open_inception
from motiontransfer.evaluation.metrics import Networks
from motiontransfer.evaluation.perceptual import DistanceName, open_distance
from motiontransfer.params import Section

PretrainedWeights = Literal["none", "published"] | Path
"""`none`: skipped; `published`: from the cache, or downloaded once; or a file of the user's."""

_BACKBONES = {"lpips": "AlexNet", "dists": "VGG16", "inception": "Inception"}


class NetworkParams(Section):
    """Which weights there are; part of every section that judges pictures."""

    lpips_weights: PretrainedWeights = "none"
    """AlexNet's, for LPIPS."""

    dists_weights: PretrainedWeights = "none"
    """VGG16's, for DISTS."""

    inception_weights: PretrainedWeights = "none"
    """Inception's, for FID and KID."""


def open_networks(params: NetworkParams, *, option: str) -> Networks:
    """The networks that are asked for, and why the others are skipped.

    Args:
        option: what the user writes to ask for one, such as `evaluate.{}_weights`.

    Raises:
        MissingFileError: a file is not there, or the download failed.
        WeightsError: not a file of tensors, or not this network's.
    """
    distances = {
        name: open_distance(name, _file(source), option=option.format(name))
        for name in get_args(DistanceName)
        if (source := getattr(params, f"{name}_weights")) != "none"
    }
    features = None
    if params.inception_weights != "none":
        features = open_inception(
            _file(params.inception_weights), option=option.format("inception")
        )
    skipped = {name: _reason(name, option) for name in get_args(DistanceName)}
    skipped |= dict.fromkeys(("fid", "kid"), _reason("inception", option))
    found = {*distances, *(("fid", "kid") if features else ())}
    return Networks(
        distances=distances,
        features=features,
        skipped={name: reason for name, reason in skipped.items() if name not in found},
    )


def _file(source: PretrainedWeights) -> Path | None:
    return source if isinstance(source, Path) else None


def _reason(name: str, option: str) -> str:
    return f"no weights of {_BACKBONES[name]} were asked for: {option.format(name)} is none"
