"""What Inception sees in a picture: the features that FID and KID compare.

Hides torch-fidelity's network, which computes what the TensorFlow one of the papers did, its way of
resizing included, and where its weights come from. Nothing in such a file is executed.
"""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor, nn

from motiontransfer.downloads import Pretrained, pretrained_file
from motiontransfer.errors import WeightsError
from motiontransfer.evaluation.metrics import FrameFeatures
from motiontransfer.models.vgg import read_tensors

_FILE = "weights-inception-2015-12-05-6726825d.pth"
_URL = f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{_FILE}"
_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"


def open_inception(file: Path | None, *, option: str) -> FrameFeatures:
    """Inception's last features before its classes, 2048 of them, of a picture of any size.

    Args:
        file: the user's own weights; None: the published ones, from the cache or downloaded.
        option: where they were asked for, such as `evaluate.inception_weights`.

    Raises:
        MissingFileError: the file is not there, or the download failed.
        WeightsError: not a file of tensors, or not this network's.
    """
    published = Pretrained(
        name=_FILE,
        url=_URL,
        sha256=_SHA256,
        needed_by="realism (fid and kid)",
        file_param=option,
        without=f"set {option} to none",
    )
    path = pretrained_file(published, file=file)
    try:
        network = _network(read_tensors(path, published))
    except RuntimeError as error:
        first_fault = str(error).splitlines()[1:2] or [str(error)]
        raise WeightsError(
            f"{path}: not the weights of FID's Inception: {first_fault[0].strip():.200}; "
            f"{published.remedies}"
        ) from error

    def features(
        picture: UInt8[np.ndarray, "height width 3"],
    ) -> Float32[np.ndarray, " features"]:
        pixels = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None]
        with torch.inference_mode():
            return network(pixels)[0][0].numpy()

    return features


def _network(tensors: Mapping[str, Tensor]) -> nn.Module:
    """Build the network; RuntimeError where it has other tensors."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    # The package would execute what is in the file: it gets no more than the tensors read from it.
    plain = io.BytesIO()
    torch.save(dict(tensors), plain)
    plain.seek(0)
    return FeatureExtractorInceptionV3("inception", ["2048"], feature_extractor_weights_path=plain)
