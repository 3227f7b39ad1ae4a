"""From a pose map and the previous frame to the next frame.

Hides the conditioning (Chan et al. 2018 v1, sec. 3.3: the pose and the previously generated frame)
and the two ways to a frame: the network paints all of it, or it paints the person and a mask over a
static plate of the room, which a fixed camera allows (our deviation; the plate costs nothing and
never flickers).
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from motiontransfer.nets.fast_generator import FastGenerator
from motiontransfer.nets.global_generator import GlobalGenerator

Architecture = Literal["fast", "global"]
Background = Literal["plate", "generated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorConfig:
    """All that decides the shapes of a frame generator."""

    architecture: Architecture
    """`global`: pix2pixHD's; `fast`: ours, for CPUs and live use."""

    background: Background
    """`plate`: the person is painted over a static picture of the room; `generated`: all is."""

    pose_channels: int
    """Channels of the pose map."""

    num_filters: int
    """Channels at the finest level; they double with each downsampling."""

    num_downsamplings: int
    """Stride-2 convolutions between the finest level and the residual blocks."""

    num_residual_blocks: int
    """Residual blocks at the coarsest level."""

    max_channels: int
    """Cap on the channels of any level."""

    size: tuple[int, int]
    """(height, width) of the frames, pixels."""


class FrameGenerator(nn.Module):
    """Paints the whole frame."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(
        self,
        pose_map: Float[Tensor, "batch pose_channels height width"],
        previous_frame: Float[Tensor, "batch 3 height width"],
    ) -> Float[Tensor, "batch 3 height width"]:
        """Return the next frame in [-1, 1]; `previous_frame` is zeros at the first frame."""
        return torch.tanh(self.network(torch.cat([pose_map, previous_frame], dim=1)).float())


class PlateFrameGenerator(nn.Module):
    """Paints the person, and a mask that says where; the plate of the room is behind."""

    plate: Tensor

    def __init__(self, network: nn.Module, plate: Float[Tensor, "3 height width"]) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("plate", plate)

    def forward(
        self,
        pose_map: Float[Tensor, "batch pose_channels height width"],
        previous_frame: Float[Tensor, "batch 3 height width"],
    ) -> Float[Tensor, "batch 3 height width"]:
        """Return the next frame in [-1, 1]; `previous_frame` is zeros at the first frame."""
        painted = self.network(torch.cat([pose_map, previous_frame], dim=1)).float()
        person, mask = torch.tanh(painted[:, :3]), torch.sigmoid(painted[:, 3:])
        return self.plate + mask * (person - self.plate)


def build_generator(
    config: GeneratorConfig, *, plate: Float[Tensor, "3 height width"] | None
) -> FrameGenerator | PlateFrameGenerator:
    """Build a frame generator with untrained weights.

    Args:
        plate: the room without the person, in [-1, 1]; needed where the background is a plate.

    Raises:
        ValueError: a plate is missing, superfluous or of another size.
    """
    architecture = {"fast": FastGenerator, "global": GlobalGenerator}[config.architecture]
    network = architecture(
        in_channels=config.pose_channels + 3,
        out_channels=4 if config.background == "plate" else 3,
        num_filters=config.num_filters,
        num_downsamplings=config.num_downsamplings,
        num_residual_blocks=config.num_residual_blocks,
        max_channels=config.max_channels,
    )
    if config.background == "generated":
        if plate is not None:
            raise ValueError("background 'generated' takes no plate, got one")
        return FrameGenerator(network)
    if plate is None or tuple(plate.shape) != (3, *config.size):
        got = "none" if plate is None else tuple(plate.shape)
        raise ValueError(
            f"background 'plate' needs a plate of shape {(3, *config.size)}, got {got}"
        )
    return PlateFrameGenerator(network, plate)
