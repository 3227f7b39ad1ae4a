"""Frame generators conditioned on the pose and the previous frame (Chan et al. 2018 v1, sec. 3.3).

The network outputs the whole frame, or foreground and mask that are composited over a static
background image: a deviation for fixed cameras, whose background then cannot flicker. Optional: the
preceding pose as further input, or no previous frame.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from motiontransfer.nets.blocks import Upsampling, downsample_by_2
from motiontransfer.nets.fast_generator import FastGenerator
from motiontransfer.nets.global_generator import GlobalGenerator
from motiontransfer.nets.local_enhancer import LocalEnhancer

Architecture = Literal["fast", "global", "local"]
Background = Literal["plate", "generated"]
PreviousFrame = Literal["generated", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorConfig:
    """All that decides the shapes of a frame generator."""

    architecture: Architecture
    """`global`: pix2pixHD's; `local`: pix2pixHD's local enhancer around a `global` of half the
    size, which the numbers below describe; `fast`: ours, for CPUs and live use."""

    background: Background
    """`plate`: the person is composited over a static background image; `generated`: the network
    outputs the whole frame."""

    pose_channels: int
    """Channels of one pose map."""

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

    conditioning_poses: int = 1
    """Pose maps stacked as input for one frame: the preceding ones, oldest first, and its own."""

    previous_frame: PreviousFrame = "generated"
    """`none`: each frame is generated from its pose alone."""

    upsampling: Upsampling = "resize"
    """How the size is doubled on the way back up."""


class FrameGenerator(nn.Module):
    """Generates the whole frame."""

    def __init__(
        self,
        network: nn.Module,
        *,
        previous_frame: PreviousFrame = "generated",
        conditioning_poses: int = 1,
    ) -> None:
        super().__init__()
        self.network, self.previous_frame = network, previous_frame
        self.conditioning_poses = conditioning_poses

    def forward(
        self,
        pose_map: Float[Tensor, "batch pose_channels height width"],
        previous_frame: Float[Tensor, "batch 3 height width"],
    ) -> Float[Tensor, "batch 3 height width"]:
        """Return the next frame in [-1, 1]; `previous_frame` is zeros at the first frame."""
        seen = _conditioning(pose_map, previous_frame, self.previous_frame)
        return torch.tanh(self.network(seen).float())


class ForegroundGenerator(nn.Module):
    """Generates the person and a mask, composited over a static background image."""

    plate: Tensor

    def __init__(
        self,
        network: nn.Module,
        background_image: Float[Tensor, "3 height width"],
        *,
        previous_frame: PreviousFrame = "generated",
        conditioning_poses: int = 1,
    ) -> None:
        super().__init__()
        self.network, self.previous_frame = network, previous_frame
        self.conditioning_poses = conditioning_poses
        self.register_buffer("plate", background_image)

    def forward(
        self,
        pose_map: Float[Tensor, "batch pose_channels height width"],
        previous_frame: Float[Tensor, "batch 3 height width"],
    ) -> Float[Tensor, "batch 3 height width"]:
        """Return the next frame in [-1, 1]; `previous_frame` is zeros at the first frame."""
        seen = _conditioning(pose_map, previous_frame, self.previous_frame)
        output = self.network(seen).float()
        person, mask = torch.tanh(output[:, :3]), torch.sigmoid(output[:, 3:])
        return self.plate + mask * (person - self.plate)


class HalfSizeGenerator(nn.Module):
    """A generator of half the resolution, with input and output of the full one."""

    def __init__(self, generator: FrameGenerator | ForegroundGenerator) -> None:
        super().__init__()
        self.generator, self.conditioning_poses = generator, generator.conditioning_poses

    def forward(
        self,
        pose_map: Float[Tensor, "batch pose_channels height width"],
        previous_frame: Float[Tensor, "batch 3 height width"],
    ) -> Float[Tensor, "batch 3 height width"]:
        """Return the next frame, each pixel four times; `previous_frame` is one of these."""
        height, width = pose_map.shape[2:]
        fake = self.generator(downsample_by_2(pose_map), previous_frame[:, :, ::2, ::2])
        return functional.interpolate(fake, scale_factor=2, mode="nearest")[:, :, :height, :width]


def _conditioning(pose_map: Tensor, previous_frame: Tensor, choice: PreviousFrame) -> Tensor:
    return pose_map if choice == "none" else torch.cat([pose_map, previous_frame], dim=1)


def build_generator(
    config: GeneratorConfig, *, background_image: Float[Tensor, "3 height width"] | None
) -> FrameGenerator | ForegroundGenerator:
    """Build a frame generator with untrained weights.

    Args:
        background_image: the scene without the person, in [-1, 1]; needed with background `plate`.

    Raises:
        ValueError: the background image is missing, superfluous or of another size.
    """
    architectures = {"fast": FastGenerator, "global": GlobalGenerator, "local": LocalEnhancer}
    frame_channels = 0 if config.previous_frame == "none" else 3
    network = architectures[config.architecture](
        in_channels=config.conditioning_poses * config.pose_channels + frame_channels,
        out_channels=4 if config.background == "plate" else 3,
        num_filters=config.num_filters,
        num_downsamplings=config.num_downsamplings,
        num_residual_blocks=config.num_residual_blocks,
        max_channels=config.max_channels,
        upsampling=config.upsampling,
    )
    shown = {
        "previous_frame": config.previous_frame,
        "conditioning_poses": config.conditioning_poses,
    }
    if config.background == "generated":
        if background_image is not None:
            raise ValueError("background 'generated' takes no background image, got one")
        return FrameGenerator(network, **shown)
    if background_image is None or tuple(background_image.shape) != (3, *config.size):
        got = "none" if background_image is None else tuple(background_image.shape)
        raise ValueError(
            f"background 'plate' needs an image of shape {(3, *config.size)}, got {got}"
        )
    return ForegroundGenerator(network, background_image, **shown)


def start_from_global(
    generator: FrameGenerator | ForegroundGenerator, trained: FrameGenerator | ForegroundGenerator
) -> None:
    """Copy a global generator, trained at half the resolution, into a local enhancer.

    Head and background image are not copied, so the two may differ in background.

    Raises:
        ValueError: they are not a local enhancer and a global generator, or do not fit.
    """
    match generator.network, trained.network:
        case LocalEnhancer() as enhancer, GlobalGenerator() as inner:
            enhancer.start_from(inner)
        case other, inner:
            raise ValueError(
                "expected a local enhancer and a trained global generator, got "
                f"{type(other).__name__} and {type(inner).__name__}"
            )
