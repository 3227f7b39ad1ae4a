"""Trained networks on disk: safetensors with the network's configuration as metadata."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from motiontransfer.core import layout
from motiontransfer.core.errors import WeightsError, one_line
from motiontransfer.core.storage import sha256_of
from motiontransfer.core.tensor_files import (
    read_arrays,
    read_described,
    read_description,
    write_arrays,
)
from motiontransfer.models.faces import (
    FaceGenerator,
    FaceGeneratorConfig,
    FaceTranslator,
    FaceTranslatorConfig,
)
from motiontransfer.models.generators import (
    DrawnGenerator,
    FrameGenerator,
    GeneratorConfig,
    build_generator,
)
from motiontransfer.plate.target_clips import HeldOut
from motiontransfer.pose.drawing import PoseMapStyle
from motiontransfer.puppet.appearance_file import read_appearance
from motiontransfer.puppet.draw.warping import Puppet


def write_weights(path: Path, network: nn.Module, *, description: Mapping[str, object]) -> None:
    """Write parameters and buffers, with a JSON description in the metadata."""
    write_arrays(path, as_arrays(network.state_dict()), description=description)


def as_arrays(tensors: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    return {name: each.detach().contiguous().cpu().numpy() for name, each in tensors.items()}


def read_tensors(path: Path) -> dict[str, Tensor]:
    return {name: torch.from_numpy(array) for name, array in read_arrays(path).items()}


_Config = TypeVar("_Config")
_Network = TypeVar("_Network", bound=nn.Module)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedGenerator:
    """A main generator, its inputs' shape and style, and the split it was trained with."""

    network: FrameGenerator | DrawnGenerator
    config: GeneratorConfig
    style: PoseMapStyle
    held_out: HeldOut


def read_generator(path: Path) -> TrainedGenerator:
    """Build the generator that a file describes, of a drawn target with the puppet beside it.

    Raises:
        WeightsError: the generator was trained with another appearance.
    """

    def build(config: GeneratorConfig) -> FrameGenerator | DrawnGenerator:
        # Its pixels are a buffer of the network, read with the weights.
        image = torch.zeros(3, *config.size) if config.has_background_image else None
        return build_generator(config, background_image=image)

    network, config = read_network(path, "generator", GeneratorConfig, build)
    if isinstance(network, DrawnGenerator):
        file = path.with_name(layout.APPEARANCE_FILE)
        pixels = read_appearance(file)
        expected, got = read_described(path, "appearance_sha256", str), sha256_of(file)
        if got != expected:
            raise WeightsError(
                f"{file}: expected the appearance that {path} was trained with, of SHA-256 "
                f"{expected:.12}, got {got:.12}; `dvc repro` trains with this one"
            )
        network.puppet = Puppet(pixels, config.size)
    return TrainedGenerator(
        network=network,
        config=config,
        style=read_described(path, "pose_map", PoseMapStyle),
        held_out=read_described(path, "held_out", HeldOut),
    )


def read_face_generator(path: Path) -> tuple[FaceGenerator, FaceGeneratorConfig] | None:
    """Read a face generator as `read_network` does; None where the file says there is none."""
    if read_description(path).get("face_generator", ...) is None:
        return None
    return read_network(path, "face_generator", FaceGeneratorConfig, FaceGenerator)


def read_face_translator(path: Path) -> tuple[FaceTranslator, FaceTranslatorConfig]:
    """Read a face translator as `read_network` does."""
    return read_network(path, "face_translator", FaceTranslatorConfig, FaceTranslator)


def read_network(
    path: Path, key: str, config_type: type[_Config], build: Callable[[_Config], _Network]
) -> tuple[_Network, _Config]:
    """Build the network whose configuration a weights file holds under a key, with its weights.

    Raises:
        MissingFileError: no such file.
        DamagedFileError: it is not as it was written, or not a weights file.
        WeightsError: it describes no such network, or its tensors do not fit.
    """
    config = read_described(path, key, config_type)
    tensors = read_tensors(path)
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise WeightsError(f"{path}: {name}: expected finite numbers; train it again")
    try:
        with torch.device("meta"):  # before memory is taken: the file may hold less
            build(config).load_state_dict({name: t.to("meta") for name, t in tensors.items()})
        network = build(config)
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise WeightsError(
            f"{path}: does not fit the network it describes: {one_line(error)}"
        ) from error
    return network.eval().requires_grad_(False), config
