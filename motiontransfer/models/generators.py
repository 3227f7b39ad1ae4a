"""Frame generators: pix2pixHD's global and local networks (Wang et al. 2018, sec. 3.1) and a U-Net.

A frame generator maps a pose map and the previous output to the next frame (Chan et al. 2019, sec.
3.3). With a background image, the network predicts only a foreground and its alpha mask. Where the
person is drawn, a small network adds shadows to the background image, and no other one is trained.
"""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from motiontransfer.models.choices import (
    HAS_IMAGE,
    Architecture,
    BackgroundChoice,
    NumDownsamplings,
    NumResidualBlocks,
    PreviousFrame,
    TextureChoice,
    Upsampling,
)
from motiontransfer.models.layers import (
    InstanceNorm,
    Maps,
    ReflectionPad,
    ResidualBlock,
    downsample_by_2,
    pad_to_multiple,
    upsampling_layer,
)
from motiontransfer.pose.boxes import Viewport
from motiontransfer.puppet.draw.warping import Puppet
from motiontransfer.video.tensors import Images


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderDecoderConfig:
    """Width and depth of an encoder-decoder with a residual bottleneck."""

    num_filters: PositiveInt
    """Channels at the finest level; they double with each downsampling."""
    num_downsamplings: NumDownsamplings
    num_residual_blocks: NumResidualBlocks

    def shape(self, upsampling: Upsampling, *, max_channels: int | None = None) -> "EncoderShape":
        """The network's, with at most so many channels."""
        channels = [self.num_filters * 2**level for level in range(self.num_downsamplings + 1)]
        channels = [min(width, max_channels or width) for width in channels]
        return EncoderShape(channels, self.num_residual_blocks, upsampling)


class EncoderShape(NamedTuple):
    """Shape of an encoder-decoder."""

    channels: list[int]
    """Channels of each level, finest first."""
    num_residual_blocks: int
    upsampling: Upsampling

    @property
    def stride(self) -> int:
        return 2 ** (len(self.channels) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorConfig(EncoderDecoderConfig):
    """Architecture of a frame generator: keys of `train_gan`, explained in params.yaml."""

    architecture: Architecture
    background: BackgroundChoice
    pose_channels: PositiveInt
    max_channels: PositiveInt
    size: tuple[int, int]
    """(height, width) of the frames, pixels."""
    conditioning_poses: PositiveInt = 1
    previous_frame: PreviousFrame = "generated"
    upsampling: Upsampling = "resize"
    viewport: Viewport | None = None
    texture: TextureChoice = "none"

    @property
    def has_background_image(self) -> bool:
        return HAS_IMAGE[self.background]

    @property
    def in_channels(self) -> int:
        frame = 0 if self.previous_frame == "none" else 3
        return self.conditioning_poses * self.pose_channels + frame

    @property
    def out_channels(self) -> int:
        """Color and alpha mask."""
        return 3 + self.has_background_image


class ImageNetwork(nn.Module, ABC):
    """Network from images to images of the same size."""

    in_channels: int
    stride: int
    """Divides the size of the padded input."""
    prefers_channels_last = True
    """Wide layers are faster so in bfloat16 on a CPU; the narrow ones of `fast` are not."""

    def __init__(self, in_channels: int, stride: int) -> None:
        super().__init__()
        self.in_channels, self.stride = in_channels, stride

    def forward(self, maps: Maps) -> Maps:
        """Return the head's output, before any activation."""
        height, width = maps.shape[2:]
        return self.of_padded(pad_to_multiple(maps, self.stride))[:, :, :height, :width]

    @abstractmethod
    def of_padded(self, padded: Maps) -> Maps:
        """The output for maps whose size the stride divides."""


class FastGenerator(ImageNetwork):
    """U-Net between a space-to-depth stem and a depth-to-space head."""

    prefers_channels_last = False

    def __init__(self, in_channels: int, out_channels: int, shape: EncoderShape) -> None:
        super().__init__(in_channels, 2 * shape.stride)
        channels = shape.channels
        self.stem = nn.Conv2d(4 * in_channels, channels[0], 3, padding=1)
        self.down = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(narrow, wide, 4, stride=2, padding=1),
                InstanceNorm(wide, affine=True),
                nn.ReLU(inplace=True),
            )
            for narrow, wide in itertools.pairwise(channels)
        )
        self.bottleneck = nn.Sequential(
            *(ResidualBlock(channels[-1]) for _ in range(shape.num_residual_blocks))
        )
        self.up = nn.ModuleList(
            nn.Sequential(
                upsampling_layer(wide, narrow, shape.upsampling),
                InstanceNorm(narrow, affine=True),
                nn.ReLU(inplace=True),
            )
            for wide, narrow in itertools.pairwise(reversed(channels))
        )
        self.merge = nn.ModuleList(
            nn.Sequential(nn.Conv2d(2 * width, width, 3, padding=1), nn.ReLU(inplace=True))
            for width in channels[-2::-1]
        )
        self.head = nn.Conv2d(channels[0], 4 * out_channels, 3, padding=1)

    def of_padded(self, padded: Maps) -> Maps:
        features = functional.relu(self.stem(functional.pixel_unshuffle(padded, 2)))
        skips = [features]
        for down in self.down:
            features = down(features)
            skips.append(features)
        features = self.bottleneck(skips.pop())
        for up, merge in zip(self.up, self.merge, strict=True):
            features = merge(torch.cat([up(features), skips.pop()], dim=1))
        return functional.pixel_shuffle(self.head(features), 2)


def global_features(in_channels: int, shape: EncoderShape) -> nn.Sequential:
    """Build a global generator without its head; its stride must divide height and width."""
    channels = shape.channels
    layers: list[nn.Module] = [
        *(ReflectionPad(3), nn.Conv2d(in_channels, channels[0], 7)),
        *(InstanceNorm(channels[0]), nn.ReLU(inplace=True)),
    ]
    for narrow, wide in itertools.pairwise(channels):
        layers += [nn.Conv2d(narrow, wide, 3, stride=2, padding=1)]
        layers += [InstanceNorm(wide), nn.ReLU(inplace=True)]
    layers += [ResidualBlock(channels[-1]) for _ in range(shape.num_residual_blocks)]
    for wide, narrow in itertools.pairwise(reversed(channels)):
        layers += [upsampling_layer(wide, narrow, shape.upsampling)]
        layers += [InstanceNorm(narrow), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class GlobalGenerator(ImageNetwork):
    """Encoder, residual blocks and decoder (Johnson et al. 2016; pix2pixHD's G1)."""

    def __init__(self, in_channels: int, out_channels: int, shape: EncoderShape) -> None:
        super().__init__(in_channels, shape.stride)
        self.features = global_features(in_channels, shape)
        self.head = nn.Sequential(ReflectionPad(3), nn.Conv2d(shape.channels[0], out_channels, 7))

    def of_padded(self, padded: Maps) -> Maps:
        return self.head(self.features(padded))


class LocalEnhancer(ImageNetwork):
    """Global generator of half the size inside two further layers (pix2pixHD's G2)."""

    num_residual_blocks = 3

    def __init__(self, in_channels: int, out_channels: int, shape: EncoderShape) -> None:
        super().__init__(in_channels, 2 * shape.stride)
        wide, narrow = shape.channels[0], max(shape.channels[0] // 2, 1)
        self.coarse = global_features(in_channels, shape)
        self.down = nn.Sequential(
            *(ReflectionPad(3), nn.Conv2d(in_channels, narrow, 7)),
            *(InstanceNorm(narrow), nn.ReLU(inplace=True)),
            nn.Conv2d(narrow, wide, 3, stride=2, padding=1),
            *(InstanceNorm(wide), nn.ReLU(inplace=True)),
        )
        self.up = nn.Sequential(
            *(ResidualBlock(wide) for _ in range(self.num_residual_blocks)),
            upsampling_layer(wide, narrow, shape.upsampling),
            *(InstanceNorm(narrow), nn.ReLU(inplace=True)),
        )
        self.head = nn.Sequential(ReflectionPad(3), nn.Conv2d(narrow, out_channels, 7))

    def of_padded(self, padded: Maps) -> Maps:
        features = self.down(padded) + self.coarse(downsample_by_2(padded))
        return self.head(self.up(features))


ARCHITECTURES: Mapping[Architecture, Callable[[int, int, EncoderShape], ImageNetwork]] = {
    "fast": FastGenerator,
    "global": GlobalGenerator,
    "local": LocalEnhancer,
}


CoarsePoses = Float[Tensor, "batch channels rows columns"]
"""Pose maps of whole frames at low resolution, from `draw_coarse`."""


class Generated(NamedTuple):
    """A frame in [-1, 1]."""

    frame: Images
    mask: Float[Tensor, "batch 1 height width"] | None = None
    """The person's share of each pixel of the frame; None without a background image."""


class SceneGenerator(nn.Module):
    """Adds shadows and reflections of people to a background image."""

    background_image: Tensor | None
    shadows: ImageNetwork | None

    def coarse_shadows(self, coarse_poses: CoarsePoses) -> Images:
        """What is added to the background image, at low resolution."""
        assert self.shadows is not None
        # A short training leaves dots in them, of single pixels that coarse poses have.
        return functional.avg_pool2d(
            self.shadows(coarse_poses).float(), 3, stride=1, padding=1, count_include_pad=False
        )

    def scene(self, coarse_poses: CoarsePoses) -> Images:
        """The background image with the shadows of people in these poses."""
        assert self.background_image is not None
        size, shadows = self.background_image.shape[1:], self.coarse_shadows(coarse_poses)
        return self.background_image + functional.interpolate(shadows, size=size, mode="bilinear")


class FrameGenerator(SceneGenerator):
    """Generates a frame from its pose map and the previous frame.

    With a background image, the network's output is a foreground and its alpha mask, composited.
    With a viewport, a small network adds the person's shadows and reflections, which reach further,
    to the background image at low resolution.
    """

    def __init__(
        self,
        network: ImageNetwork,
        background_image: Float[Tensor, "3 height width"] | None = None,
        *,
        previous_frame: PreviousFrame = "generated",
        conditioning_poses: int = 1,
        viewport: Viewport | None = None,
        shadows: ImageNetwork | None = None,
    ) -> None:
        super().__init__()
        self.network, self.previous_frame = network, previous_frame
        self.conditioning_poses, self.viewport, self.shadows = conditioning_poses, viewport, shadows
        self.register_buffer("background_image", background_image)

    def forward(
        self, pose_map: Maps, previous_frame: Images, background: Images | None = None
    ) -> Generated:
        """Return the next frame, or the part of it in a viewport.

        Args:
            previous_frame: zeros at the first frame.
            background: that part of the background image; None: all of it.
        """
        inputs = [pose_map] if self.previous_frame == "none" else [pose_map, previous_frame]
        output = self.network(torch.cat(inputs, dim=1)).float()
        frame = torch.tanh(output[:, :3])
        behind = self.background_image if background is None else background
        if behind is None:
            return Generated(frame)
        mask = torch.sigmoid(output[:, 3:4])
        return Generated(behind + mask * (frame - behind), mask)


class DrawnGenerator(SceneGenerator):
    """Generates what a puppet is drawn over: the background image with its shadows."""

    def __init__(
        self, background_image: Float[Tensor, "3 height width"], shadows: ImageNetwork
    ) -> None:
        super().__init__()
        self.register_buffer("background_image", background_image)
        self.shadows = shadows
        self.puppet: Puppet | None = None
        """Needed before frames are drawn."""


_SHADOWS = EncoderDecoderConfig(num_filters=16, num_downsamplings=2, num_residual_blocks=2)


def build_generator(
    config: GeneratorConfig, *, background_image: Float[Tensor, "3 height width"] | None
) -> FrameGenerator | DrawnGenerator:
    """Build a generator with untrained weights.

    Args:
        background_image: the scene without the person, in [-1, 1]; where `background` has one.

    Raises:
        ValueError: the background image is missing, superfluous or of another size.
    """
    expected = (3, *config.size) if config.has_background_image else None
    got = None if background_image is None else tuple(background_image.shape)
    if got != expected:
        raise ValueError(
            f"background {config.background!r}: expected a background image of shape {expected}, "
            f"got {got}"
        )
    if config.texture == "puppet":
        assert background_image is not None
        return DrawnGenerator(background_image, _shadow_network(config))
    shape = config.shape(config.upsampling, max_channels=config.max_channels)
    network = ARCHITECTURES[config.architecture](config.in_channels, config.out_channels, shape)
    return FrameGenerator(
        network,
        background_image,
        previous_frame=config.previous_frame,
        conditioning_poses=config.conditioning_poses,
        viewport=config.viewport,
        shadows=None if config.viewport is None else _shadow_network(config),
    )


def _shadow_network(config: GeneratorConfig) -> ImageNetwork:
    return FastGenerator(config.pose_channels, 3, _SHADOWS.shape("resize"))


def start_from_global(generator: FrameGenerator, trained: FrameGenerator) -> None:
    """Copy a global generator, trained at half the resolution, into a local enhancer.

    Its head is not copied, so the two may differ in background.
    """
    assert isinstance(generator.network, LocalEnhancer)
    assert isinstance(trained.network, GlobalGenerator)
    generator.network.coarse.load_state_dict(trained.network.features.state_dict())
