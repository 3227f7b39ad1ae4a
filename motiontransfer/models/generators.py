"""Frame generators: pix2pixHD's global and local (Wang et al. 2018, sec. 3.1), and a fast one."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from motiontransfer.models.layers import (
    InstanceNorm,
    ReflectionPad,
    ResidualBlock,
    Upsampling,
    downsample_by_2,
    pad_to_multiple,
    upsample,
)
from motiontransfer.pose.rendering import PoseMapStyle, draw_poses
from motiontransfer.skeleton import Skeleton


class FastGenerator(nn.Module):
    """U-shaped network between a space-to-depth stem and a depth-to-space head."""

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        num_filters: int,
        num_downsamplings: int,
        num_residual_blocks: int,
        max_channels: int,
        upsampling: Upsampling = "resize",
    ) -> None:
        super().__init__()
        self.stride = 2 * 2**num_downsamplings
        widths = [
            min(num_filters * 2**level, max_channels) for level in range(num_downsamplings + 1)
        ]
        self.stem = nn.Conv2d(4 * in_channels, widths[0], 3, padding=1)
        self.down = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(narrow, wide, 4, stride=2, padding=1),
                InstanceNorm(wide, affine=True),
                nn.ReLU(inplace=True),
            )
            for narrow, wide in itertools.pairwise(widths)
        )
        self.bottleneck = nn.Sequential(
            *(ResidualBlock(widths[-1]) for _ in range(num_residual_blocks))
        )
        self.up = nn.ModuleList(
            nn.Sequential(
                upsample(wide, narrow, upsampling=upsampling),
                InstanceNorm(narrow, affine=True),
                nn.ReLU(inplace=True),
            )
            for wide, narrow in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.merge = nn.ModuleList(
            nn.Sequential(nn.Conv2d(2 * width, width, 3, padding=1), nn.ReLU(inplace=True))
            for width in widths[-2::-1]
        )
        self.head = nn.Conv2d(widths[0], 4 * out_channels, 3, padding=1)

    def forward(
        self, conditioning: Float[Tensor, "batch in_channels height width"]
    ) -> Float[Tensor, "batch out_channels height width"]:
        """Return the head's output, before any squashing."""
        height, width = conditioning.shape[2:]
        padded = pad_to_multiple(conditioning, self.stride)
        features = functional.relu(self.stem(functional.pixel_unshuffle(padded, 2)))
        skips = [features]
        for down in self.down:
            features = down(features)
            skips.append(features)
        features = self.bottleneck(skips.pop())
        for up, merge in zip(self.up, self.merge, strict=True):
            features = merge(torch.cat([up(features), skips.pop()], dim=1))
        return functional.pixel_shuffle(self.head(features), 2)[:, :, :height, :width]


class GlobalGenerator(nn.Module):
    """Image-to-image network with a bottleneck of residual blocks."""

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        num_filters: int,
        num_downsamplings: int,
        num_residual_blocks: int,
        max_channels: int,
        upsampling: Upsampling = "transposed",
    ) -> None:
        super().__init__()
        self.stride = 2**num_downsamplings
        self.features = global_features(
            in_channels=in_channels,
            num_filters=num_filters,
            num_downsamplings=num_downsamplings,
            num_residual_blocks=num_residual_blocks,
            max_channels=max_channels,
            upsampling=upsampling,
        )
        self.head = nn.Sequential(
            ReflectionPad(3), nn.Conv2d(min(num_filters, max_channels), out_channels, 7)
        )

    def forward(
        self, conditioning: Float[Tensor, "batch in_channels height width"]
    ) -> Float[Tensor, "batch out_channels height width"]:
        """Return the last convolution's output, before any squashing."""
        height, width = conditioning.shape[2:]
        padded = pad_to_multiple(conditioning, self.stride)
        return self.head(self.features(padded))[:, :, :height, :width]


def global_features(
    *,
    in_channels: int,
    num_filters: int,
    num_downsamplings: int,
    num_residual_blocks: int,
    max_channels: int,
    upsampling: Upsampling,
) -> nn.Sequential:
    """Build all of a global generator but its head: `num_filters` channels at its input's size.

    Height and width of what it is given must divide by 2 to the power of `num_downsamplings`.
    """
    widths = [min(num_filters * 2**level, max_channels) for level in range(num_downsamplings + 1)]
    layers: list[nn.Module] = [
        *(ReflectionPad(3), nn.Conv2d(in_channels, widths[0], 7)),
        *(InstanceNorm(widths[0]), nn.ReLU(inplace=True)),
    ]
    for narrow, wide in itertools.pairwise(widths):
        layers += [nn.Conv2d(narrow, wide, 3, stride=2, padding=1)]
        layers += [InstanceNorm(wide), nn.ReLU(inplace=True)]
    layers += [ResidualBlock(widths[-1]) for _ in range(num_residual_blocks)]
    for wide, narrow in zip(widths[:0:-1], widths[-2::-1], strict=True):
        layers += [upsample(wide, narrow, upsampling=upsampling)]
        layers += [InstanceNorm(narrow), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


_NUM_RESIDUAL_BLOCKS = 3


class LocalEnhancer(nn.Module):
    """Image-to-image network of twice the size of the global generator inside it."""

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        num_filters: int,
        num_downsamplings: int,
        num_residual_blocks: int,
        max_channels: int,
        upsampling: Upsampling = "transposed",
    ) -> None:
        super().__init__()
        wide = min(num_filters, max_channels)
        narrow = max(wide // 2, 1)
        self.stride = 2 * 2**num_downsamplings
        self.coarse = global_features(
            in_channels=in_channels,
            num_filters=num_filters,
            num_downsamplings=num_downsamplings,
            num_residual_blocks=num_residual_blocks,
            max_channels=max_channels,
            upsampling=upsampling,
        )
        self.down = nn.Sequential(
            *(ReflectionPad(3), nn.Conv2d(in_channels, narrow, 7)),
            *(InstanceNorm(narrow), nn.ReLU(inplace=True)),
            nn.Conv2d(narrow, wide, 3, stride=2, padding=1),
            *(InstanceNorm(wide), nn.ReLU(inplace=True)),
        )
        self.up = nn.Sequential(
            *(ResidualBlock(wide) for _ in range(_NUM_RESIDUAL_BLOCKS)),
            upsample(wide, narrow, upsampling=upsampling),
            *(InstanceNorm(narrow), nn.ReLU(inplace=True)),
        )
        self.head = nn.Sequential(ReflectionPad(3), nn.Conv2d(narrow, out_channels, 7))

    def forward(
        self, conditioning: Float[Tensor, "batch in_channels height width"]
    ) -> Float[Tensor, "batch out_channels height width"]:
        """Return the last convolution's output, before any squashing."""
        height, width = conditioning.shape[2:]
        padded = pad_to_multiple(conditioning, self.stride)
        features = self.down(padded) + self.coarse(downsample_by_2(padded))
        return self.head(self.up(features))[:, :, :height, :width]

    def start_from(self, trained: GlobalGenerator) -> None:
        """Take over the weights of a global generator that was trained at half the size.

        Raises:
            ValueError: it has other layers than the one inside.
        """
        mine, theirs = self.coarse.state_dict(), trained.features.state_dict()
        if {k: v.shape for k, v in mine.items()} != {k: v.shape for k, v in theirs.items()}:
            raise ValueError(
                "the trained global generator differs from the one inside the local enhancer; "
                "expected the same channels, downsamplings, residual blocks and upsampling, got "
                f"{_sizes(theirs)} for {_sizes(mine)}"
            )
        self.coarse.load_state_dict(theirs)


def _sizes(weights: dict[str, Tensor]) -> str:
    numbers = sum(weight.numel() for weight in weights.values())
    return f"{len(weights)} tensors with {numbers} numbers"


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


_CHUNK_FRAMES = 8


def roll_out(
    generator: nn.Module,
    points: Float[np.ndarray, "frames joints 2"],
    score: Float[np.ndarray, "frames joints"],
    *,
    skeleton: Skeleton,
    size: tuple[int, int],
    style: PoseMapStyle,
    device: torch.device,
    autocast: Callable[[], AbstractContextManager] = nullcontext,
) -> Iterator[Float[Tensor, "3 height width"]]:
    """Yield one generated frame in [-1, 1] for every pose, in order.

    With `conditioning_poses` above 1, empty maps stand for the poses before the first.
    """
    previous = torch.zeros((1, 3, *size), device=device)
    known = isinstance(generator, FrameGenerator | ForegroundGenerator | HalfSizeGenerator)
    conditioning_poses = generator.conditioning_poses if known else 1
    before = torch.zeros((conditioning_poses - 1, style.num_channels, *size), device=device)
    for start in range(0, len(points), _CHUNK_FRAMES):
        chunk = slice(start, start + _CHUNK_FRAMES)
        # No context is held across a yield: it would leak into the caller's code.
        with torch.inference_mode():
            drawn = draw_poses(
                torch.from_numpy(points[chunk]).to(device),
                torch.from_numpy(score[chunk]).to(device),
                skeleton=skeleton,
                size=size,
                style=style,
            )
            pose_maps = torch.cat([before, drawn])
            before = pose_maps[len(drawn) :]
        for index in range(len(drawn)):
            with torch.inference_mode(), autocast():
                shown = pose_maps[index : index + conditioning_poses].flatten(0, 1)
                previous = generator(shown[None], previous)
            yield previous[0]
