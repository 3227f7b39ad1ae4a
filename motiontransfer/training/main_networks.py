"""Generator and discriminator of the main training, initialised with N(0, 0.02) as in pix2pixHD."""

from dataclasses import asdict, dataclass

from jaxtyping import Float
from torch import Tensor

from motiontransfer.nets.blocks import initialise
from motiontransfer.nets.discriminators import DiscriminatorConfig, MultiscaleDiscriminator
from motiontransfer.nets.frame_generator import (
    ForegroundGenerator,
    FrameGenerator,
    GeneratorConfig,
    build_generator,
)
from motiontransfer.pose.rendering import PoseMapStyle
from motiontransfer.training.depth import check_depth


@dataclass(frozen=True, slots=True, kw_only=True)
class MainNetworks:
    """What is trained, on which pose maps, in windows of how many frames."""

    generator: GeneratorConfig
    discriminator: DiscriminatorConfig
    style: PoseMapStyle
    window_frames: int = 2
    """Consecutive frames that are generated one from the other."""
    global_only_fraction: float = 0.0
    """Share of the steps that first train a local enhancer's global generator alone; 0: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A generator and the discriminator it is trained against."""

    generator: FrameGenerator | ForegroundGenerator
    discriminator: MultiscaleDiscriminator


def build_pair(
    networks: MainNetworks,
    *,
    background_image: Float[Tensor, "3 height width"] | None,
) -> Pair:
    """Build both with initial weights, drawn from torch's global random numbers.

    Args:
        background_image: the scene without the person, in [-1, 1]; needed with background `plate`.

    Raises:
        TrainingError: the generator is too deep for its frames.
    """
    generator = build_generator(networks.generator, background_image=background_image)
    stride: int = generator.network.stride  # ty: ignore[invalid-assignment] - an untyped attribute
    check_depth(networks.generator.size, stride=stride, section="train_gan")
    return Pair(
        generator=generator.apply(initialise),
        discriminator=_build_discriminator(networks).apply(initialise),
    )


def _build_discriminator(networks: MainNetworks) -> MultiscaleDiscriminator:
    num_frames = min(networks.window_frames, 2)
    return MultiscaleDiscriminator(
        condition_channels=num_frames * networks.style.num_channels,
        image_channels=num_frames * 3,
        **asdict(networks.discriminator),
    )
