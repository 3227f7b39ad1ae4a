"""Training of the main generator, coarse-to-fine where the architecture is local."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from jaxtyping import Float
from torch import Tensor, channels_last

from motiontransfer import layout
from motiontransfer.errors import WeightsError
from motiontransfer.fabric import Fabric
from motiontransfer.models.discriminators import DiscriminatorConfig, MultiscaleDiscriminator
from motiontransfer.models.generators import (
    FrameGenerator,
    GeneratorConfig,
    build_generator,
    start_from_global,
)
from motiontransfer.models.layers import check_depth, count_parameters, downsample_by_2, initialise
from motiontransfer.models.vgg import Perceptual
from motiontransfer.pose.drawing import PoseMapStyle
from motiontransfer.puppet.appearance import Appearance
from motiontransfer.puppet.warping import Puppet
from motiontransfer.target_clips import HeldOut, TargetClip, full_size, input_files
from motiontransfer.training.checkpoint import Throughput, run_key
from motiontransfer.training.config import Schedule
from motiontransfer.training.distributed import arithmetic
from motiontransfer.training.pose_gan import PoseGanConfig, PoseGanTask, Resolution
from motiontransfer.training.trainer import RunPaths, fit, run_training
from motiontransfer.training.weights import write_weights
from motiontransfer.training.windows import WindowDataset
from motiontransfer.video.geometry import resize
from motiontransfer.video.tensors import frames_to_tensor

_GLOBAL_PERCEPTUAL_SHARE = 0.5  # Chan et al. 2019: 5 for the global generator, 10 with the local
_GLOBAL = "global"
"""Subfolder of the global generator's training, in the run's folder and in the logs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What the main generator of a target is trained on."""

    clips: list[TargetClip]
    held_out: HeldOut
    """How the clips are split."""
    appearance: Appearance
    appearance_file: Path

    def __post_init__(self) -> None:
        """Check that the background image has the size of the frames, as both come from disk."""
        expected, got = full_size(self.clips), self.appearance.background.shape[:2]
        if got != expected:
            raise WeightsError(
                f"{self.appearance_file}: expected a background image of the clips' {expected} px, "
                f"got {got}; `dvc repro` makes it"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseGanNetworks:
    """Shapes of the main generator and its discriminator, and the pose maps that they read."""

    generator: GeneratorConfig
    discriminator: DiscriminatorConfig
    style: PoseMapStyle


def train_generator(
    target: Target,
    fabric: Fabric,
    *,
    networks: PoseGanNetworks,
    config: PoseGanConfig,
    schedule: Schedule,
    paths: RunPaths,
    perceptual: Perceptual | None = None,
) -> dict[str, object]:
    """Train, write generator and discriminator weights and the logs; return metrics."""
    clips, appearance = target.clips, target.appearance
    size = networks.generator.size
    puppet = Puppet(appearance, size) if networks.generator.texture == "puppet" else None
    dataset = WindowDataset(
        clips,
        window_frames=config.window_frames,
        conditioning_poses=networks.generator.conditioning_poses,
        viewport=networks.generator.viewport,
        puppet=puppet,
        part_dropout=config.part_dropout,
    )
    background_image = None
    if networks.generator.background == "plate":
        background_image = frames_to_tensor([resize(appearance.background, size)])[0]
    coarse_to_fine = config.global_only_fraction > 0
    coarse, fine = schedule, schedule
    if coarse_to_fine:
        coarse, fine = split_schedule(schedule, global_only_fraction=config.global_only_fraction)

    def build(
        networks: PoseGanNetworks,
        config: PoseGanConfig,
        background_image: Tensor | None,
        *,
        resolution: Resolution,
    ) -> PoseGanTask:
        return PoseGanTask(
            fabric,
            build_networks(
                networks, config, fabric, background_image=background_image, puppet=puppet
            ),
            style=networks.style,
            skeleton=clips[0].keypoints.skeleton,
            config=config,
            seed=schedule.seed,
            perceptual=None if perceptual is None else perceptual.network,
            resolution=resolution,
        )

    def prepare(task: PoseGanTask, folder: Path) -> tuple[WindowDataset, Throughput]:
        """Train the global generator at half the resolution; start the whole one from it."""
        if not coarse_to_fine:
            return dataset, Throughput()
        half = None if background_image is None else downsample_by_2(background_image[None])[0]
        trained = build(
            global_networks(networks), global_config(config, networks), half, resolution="half"
        )
        throughput = fit(
            trained, fabric=fabric, schedule=coarse, dataset=dataset, folder=folder / _GLOBAL
        )
        start_from_coarse(task, trained)
        return dataset, throughput

    def write(task: PoseGanTask, dataset: WindowDataset) -> dict[str, object]:
        generator = {
            "generator": asdict(networks.generator),
            "pose_map": asdict(networks.style),
            "held_out": asdict(target.held_out),
        }
        discriminator = {
            "discriminator": asdict(networks.discriminator),
            "window_frames": config.window_frames,
        }
        models = paths.models
        write_weights(
            models / layout.GENERATOR_FILE,
            task.ema,
            description=generator,
            appearance=None if puppet is None else appearance,
        )
        write_weights(
            models / layout.DISCRIMINATOR_FILE, task.discriminator, description=discriminator
        )
        return {
            "windows": len(dataset),
            "windows_without_body": dataset.num_windows_without_body,
            "generator_parameters": count_parameters(task.generator),
            "discriminator_parameters": count_parameters(task.discriminator),
        }

    files = [*input_files(clips), target.appearance_file]
    files += [] if perceptual is None else [perceptual.file]
    return run_training(
        lambda: build(networks, config, background_image, resolution="full"),
        fabric,
        schedule=fine,
        key=run_key(fabric, [networks, config, schedule, target.held_out], files, code=__name__),
        paths=paths,
        prepare=prepare,
        write=write,
    )


def build_networks(
    networks: PoseGanNetworks,
    config: PoseGanConfig,
    fabric: Fabric,
    *,
    background_image: Float[Tensor, "3 height width"] | None,
    puppet: Puppet | None = None,
) -> tuple[FrameGenerator, MultiscaleDiscriminator]:
    """Build both networks with initial weights, drawn from torch's global random generator."""
    generator = build_generator(
        networks.generator, background_image=background_image, puppet=puppet
    )
    stride: int = generator.network.stride  # ty: ignore[invalid-assignment] - an untyped attribute
    check_depth(networks.generator.size, stride=stride, section="train_gan")
    generator.apply(initialise)  # before the discriminator is built, which draws random numbers
    num_frames = min(config.window_frames, 2)
    discriminator = MultiscaleDiscriminator(
        networks.discriminator,
        condition_channels=num_frames * networks.style.num_channels,
        image_channels=num_frames * 3,
    )
    discriminator.apply(initialise)
    if networks.generator.architecture != "fast" and arithmetic(fabric)[1] == "bf16-mixed":
        # Twice as fast for wide layers in bf16 on a CPU; the narrow ones of `fast` gain nothing.
        generator.to(memory_format=channels_last)
        discriminator.to(memory_format=channels_last)
    return generator, discriminator


def split_schedule(schedule: Schedule, *, global_only_fraction: float) -> tuple[Schedule, Schedule]:
    """Share of steps and `max_minutes` of the global generator's training; and the rest."""
    num_coarse = round(schedule.steps * global_only_fraction)
    num_coarse = min(max(num_coarse, 1), schedule.steps - 1)
    return (
        schedule.part(num_coarse, share=global_only_fraction),
        schedule.part(schedule.steps - num_coarse, share=1 - global_only_fraction),
    )


def global_networks(networks: PoseGanNetworks) -> PoseGanNetworks:
    """Networks of the first training: the global generator, one discriminator scale fewer."""
    height, width = networks.generator.size
    return replace(
        networks,
        generator=replace(
            networks.generator, architecture="global", size=(-(-height // 2), -(-width // 2))
        ),
        discriminator=replace(
            networks.discriminator, num_scales=networks.discriminator.num_scales - 1
        ),
    )


def global_config(config: PoseGanConfig, networks: PoseGanNetworks) -> PoseGanConfig:
    """Config of the first training, for half the resolution and one discriminator scale fewer."""
    num_scales = networks.discriminator.num_scales
    return config.model_copy(
        update={
            "adversarial_weight": config.adversarial_weight * (num_scales - 1) / num_scales,
            "foreground_radius_px": round(config.foreground_radius_px / 2),
            "perceptual_weight": config.perceptual_weight * _GLOBAL_PERCEPTUAL_SHARE,
        }
    )


def start_from_coarse(task: PoseGanTask, trained: PoseGanTask) -> None:
    """Initialise generator, its EMA and discriminator with what the first training trained."""
    for generator in (task.generator, task.ema):
        start_from_global(generator, trained.ema)
    task.discriminator.start_from(trained.discriminator)
