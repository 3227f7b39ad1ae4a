"""The networks of the main training, from numbers to initial weights.

Hides which layers they have and how they begin: N(0, 0.02), as pix2pixHD, from the random numbers
that the caller seeded.
"""

from dataclasses import asdict, dataclass

from jaxtyping import Float
from torch import Tensor

from motiontransfer.nets.blocks import initialise
from motiontransfer.nets.discriminators import DiscriminatorConfig, MultiscaleDiscriminator
from motiontransfer.nets.frame_generator import (
    FrameGenerator,
    GeneratorConfig,
    PlateFrameGenerator,
    build_generator,
)
from motiontransfer.nets.window_discriminators import (
    WindowDiscriminator,
    WindowDiscriminators,
    frames_at_once,
)
from motiontransfer.pose.rendering import PoseMapStyle
from motiontransfer.training.depth import check_depth
from motiontransfer.training.schedule import Growth


@dataclass(frozen=True, slots=True, kw_only=True)
class MainNetworks:
    """What is trained, on which pose maps, in windows of how many frames."""

    generator: GeneratorConfig
    discriminator: DiscriminatorConfig
    style: PoseMapStyle
    window_frames: int = 2
    """Consecutive frames that are generated one from the other."""
    temporal_strides: tuple[int, ...] = ()
    """For each, a further discriminator judges three frames that lie so far apart."""
    growth: Growth | None = None
    """How a local enhancer's global generator is trained first; None: all at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A generator and the discriminators it is trained against."""

    generator: FrameGenerator | PlateFrameGenerator
    discriminators: WindowDiscriminators


def build_pair(
    networks: MainNetworks,
    *,
    plate: Float[Tensor, "3 height width"] | None,
) -> Pair:
    """Build both with initial weights, drawn from torch's global random numbers.

    Args:
        plate: the room without the person, in [-1, 1]; needed where the background is a plate.

    Raises:
        TrainingError: the generator is too deep for its frames.
    """
    generator = build_generator(networks.generator, plate=plate)
    stride: int = generator.network.stride  # ty: ignore[invalid-assignment] - an untyped attribute
    check_depth(networks.generator.size, stride=stride, section="train_gan")
    return Pair(
        generator=generator.apply(initialise),
        discriminators=_build_discriminators(networks).apply(initialise),
    )


def _build_discriminators(networks: MainNetworks) -> WindowDiscriminators:
    spans = frames_at_once(networks.window_frames, temporal_strides=networks.temporal_strides)
    consecutive, *temporal = (
        WindowDiscriminator(
            MultiscaleDiscriminator(
                condition_channels=num_frames * networks.style.num_channels,
                image_channels=num_frames * 3,
                **asdict(networks.discriminator),
            ),
            num_frames=num_frames,
            stride=stride,
        )
        for num_frames, stride in spans
    )
    return WindowDiscriminators(consecutive, temporal)
