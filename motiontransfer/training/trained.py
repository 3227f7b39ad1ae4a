"""Trained networks read back from a target's models folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from pydantic import TypeAdapter, ValidationError
from torch import nn

from motiontransfer.errors import WeightsError
from motiontransfer.nets.face_generator import FaceGenerator, FaceGeneratorConfig
from motiontransfer.nets.frame_generator import GeneratorConfig, build_generator
from motiontransfer.pose.rendering import PoseMapStyle
from motiontransfer.training.split import HeldOut
from motiontransfer.training.weights import load_weights, read_description

_Described = TypeVar("_Described")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedGenerator:
    """A main generator with what it must be fed."""

    network: nn.Module
    config: GeneratorConfig
    style: PoseMapStyle
    held_out: HeldOut


def read_generator(path: Path) -> TrainedGenerator:
    """Build the generator that a weights file describes, with its weights.

    Raises:
        MissingFileError: no such file.
        DamagedFileError: it is not as it was written, or not a weights file.
        WeightsError: its tensors do not fit.
    """
    description = read_description(path)
    config = described(path, description, "generator", GeneratorConfig)
    # Its pixels are a buffer of the network, read with the weights.
    background_image = torch.zeros(3, *config.size) if config.background == "plate" else None
    network = build_generator(config, background_image=background_image)
    load_weights(path, network)
    return TrainedGenerator(
        network=network.eval().requires_grad_(False),
        config=config,
        style=described(path, description, "pose_map", PoseMapStyle),
        held_out=described(path, description, "held_out", HeldOut),
    )


def read_face_generator(path: Path) -> tuple[FaceGenerator, FaceGeneratorConfig] | None:
    """Build the face generator that a weights file describes; None where it says there is none.

    Raises:
        MissingFileError: no such file.
        DamagedFileError: it is not as it was written, or not a weights file.
        WeightsError: its tensors do not fit.
    """
    description = read_description(path)
    if description.get("face_generator", ...) is None:
        return None
    config = described(path, description, "face_generator", FaceGeneratorConfig)
    network = FaceGenerator(config)
    load_weights(path, network)
    return network.eval().requires_grad_(False), config


def described(
    path: Path, description: Mapping[str, object], key: str, schema: type[_Described]
) -> _Described:
    """Check one part of a weights file's description.

    Raises:
        WeightsError: it is not there, or not what it should be.
    """
    if key not in description:
        raise WeightsError(
            f"{path}: expected weights that describe a {key}, got {sorted(description)}"
        )
    try:
        return TypeAdapter(schema).validate_python(description[key])
    except ValidationError as error:
        reason = " ".join(str(error).split())
        raise WeightsError(f"{path}: its description of the {key} is not ours: {reason}") from error
