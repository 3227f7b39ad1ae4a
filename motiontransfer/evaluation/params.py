"""Sections `evaluate` and `evaluate_transfer` of params.yaml, without PyTorch."""

from pathlib import Path
from typing import Literal

from motiontransfer.core.device import Precision
from motiontransfer.core.params import Section
from motiontransfer.rendering.rendered import FaceMode

PretrainedWeights = Literal["none", "published"] | Path
"""`none`: skipped; `published`: from the cache, or downloaded once; or a file of the user's."""


class NetworkParams(Section):
    """Weights of the metrics' networks; part of every section that evaluates images."""

    lpips_weights: PretrainedWeights = "none"  # AlexNet's


class EvaluateParams(NetworkParams):
    face: FaceMode
    """`residual`: the face generator's residual is added; `none`: faces stay as generated."""
    precision: Precision


class EvaluateTransferParams(NetworkParams):
    """The section `evaluate_transfer`."""
