"""The face generator: a small network that predicts what to add to a generated face.

Chan et al. 2019, sec. 3.4: input is the face crop of the pose map and of the main generator's
frame, output a residual. The network is pix2pixHD's global generator at small depth.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from motiontransfer.nets.global_generator import GlobalGenerator


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceGeneratorConfig:
    """All that decides the shapes of a face generator."""

    pose_channels: int
    """Channels of the pose map."""

    crop_size: int
    """Height and width of the crop, pixels."""

    num_filters: int
    """Channels at the finest level."""

    num_downsamplings: int
    """Stride-2 convolutions."""

    num_residual_blocks: int
    """Residual blocks at the coarsest level."""


class FaceGenerator(nn.Module):
    """Predicts a face's residual from its pose and its first version."""

    def __init__(self, config: FaceGeneratorConfig) -> None:
        super().__init__()
        self.network = GlobalGenerator(
            in_channels=config.pose_channels + 3,
            out_channels=3,
            num_filters=config.num_filters,
            num_downsamplings=config.num_downsamplings,
            num_residual_blocks=config.num_residual_blocks,
            max_channels=config.num_filters * 2**config.num_downsamplings,
        )

    def forward(
        self,
        pose_crop: Float[Tensor, "batch pose_channels crop_size crop_size"],
        face_crop: Float[Tensor, "batch 3 crop_size crop_size"],
    ) -> Float[Tensor, "batch 3 crop_size crop_size"]:
        """Return the residual in [-1, 1]; the face is `face_crop` plus it."""
        return torch.tanh(self.network(torch.cat([pose_crop, face_crop], dim=1)).float())
