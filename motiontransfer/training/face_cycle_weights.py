"""The translator of a transfer's faces on disk: weights with what builds the network."""

from dataclasses import asdict
from pathlib import Path

from torch import nn

from motiontransfer.errors import WeightsError
from motiontransfer.nets.face_translation import FaceTranslator, FaceTranslatorConfig
from motiontransfer.training.trained import described
from motiontransfer.training.weights import load_weights, read_description, write_weights

WEIGHTS_FILE = "face_cycle.safetensors"
_KEY = "face_translator"


def write_face_translator(
    folder: Path, translator: nn.Module, config: FaceTranslatorConfig
) -> None:
    """Write the translator from the source's faces to the target's."""
    write_weights(folder / WEIGHTS_FILE, translator, description={_KEY: asdict(config)})


def write_no_face_translator(folder: Path) -> None:
    """Say in the weights file that there is none."""
    write_weights(folder / WEIGHTS_FILE, nn.Module(), description={_KEY: None})


def read_face_translator(folder: Path) -> tuple[FaceTranslator, FaceTranslatorConfig]:
    """Build the translator that a folder's weights file describes.

    Raises:
        MissingFileError: no such file.
        DamagedFileError: it is not as it was written, or not a weights file.
        WeightsError: it says that there is none, or its tensors do not fit.
    """
    path = folder / WEIGHTS_FILE
    description = read_description(path)
    if description.get(_KEY, ...) is None:
        raise WeightsError(
            f"{path}: holds no face translator, as none was trained; set train_face_cycle.steps to "
            "more than 0, or render.face to residual or none"
        )
    config = described(path, description, _KEY, FaceTranslatorConfig)
    translator = FaceTranslator(config)
    load_weights(path, translator)
    return translator.eval().requires_grad_(False), config
