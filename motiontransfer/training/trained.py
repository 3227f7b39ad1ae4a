"""Trained networks read back from a target's models folder."""

from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import TypeAdapter
from torch import nn

from motiontransfer.nets.face_generator import FaceGenerator, FaceGeneratorConfig
from motiontransfer.nets.frame_generator import GeneratorConfig, build_generator
from motiontransfer.pose.drawing import PoseMapStyle
from motiontransfer.training.split import HeldOut
from motiontransfer.training.weights import load_weights, read_description


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
        WeightsError: not a weights file, or its tensors do not fit.
    """
    description = read_description(path)
    config = TypeAdapter(GeneratorConfig).validate_python(description["generator"])
    plate = torch.zeros(3, *config.size) if config.background == "plate" else None
    network = build_generator(config, plate=plate)
    load_weights(path, network)
    return TrainedGenerator(
        network=network.eval().requires_grad_(False),
        config=config,
        style=TypeAdapter(PoseMapStyle).validate_python(description["pose_map"]),
        held_out=TypeAdapter(HeldOut).validate_python(description["held_out"]),
    )


def read_face_generator(path: Path) -> tuple[FaceGenerator, FaceGeneratorConfig] | None:
    """Build the face generator that a weights file describes; None where it says there is none.

    Raises:
        MissingFileError: no such file.
        WeightsError: not a weights file, or its tensors do not fit.
    """
    description = read_description(path)
    if description["face_generator"] is None:
        return None
    config = TypeAdapter(FaceGeneratorConfig).validate_python(description["face_generator"])
    network = FaceGenerator(config)
    load_weights(path, network)
    return network.eval().requires_grad_(False), config
