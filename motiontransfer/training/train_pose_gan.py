"""Training of the main generator, coarse to fine where the architecture is local."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from lightning_fabric import Fabric
from torch import Tensor

from motiontransfer.models.discriminators import DiscriminatorConfig, MultiscaleDiscriminator
from motiontransfer.models.generators import (
    FrameGenerator,
    GeneratorConfig,
    HalfResolutionGenerator,
    build_generator,
    start_from_global,
)
from motiontransfer.models.layers import check_depth, count_parameters, downsample_by_2, initialise
from motiontransfer.models.vgg import Perceptual
from motiontransfer.pose.rendering import PoseMapStyle
from motiontransfer.source_fingerprint import source_files
from motiontransfer.training.background import median_background
from motiontransfer.training.checkpoint import run_folder, run_key
from motiontransfer.training.clips import HeldOut, TargetClip
from motiontransfer.training.config import Schedule
from motiontransfer.training.distributed import arithmetic
from motiontransfer.training.optimization import Adversaries
from motiontransfer.training.pose_gan import GanSettings, GanTask, Resolution, WindowDataset
from motiontransfer.training.run_log import (
    RunPaths,
    Throughput,
    copy_logs,
    log_results,
    sample_grid,
    spread,
)
from motiontransfer.training.trainer import fit
from motiontransfer.training.weights import write_weights


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

    generator: FrameGenerator
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
        networks.discriminator,
        condition_channels=num_frames * networks.style.num_channels,
        image_channels=num_frames * 3,
    )


_GLOBAL_PERCEPTUAL_SHARE = 0.5  # Chan et al. 2019: 5 for the global generator, 10 with the local


def split_schedule(schedule: Schedule, *, global_only_fraction: float) -> tuple[Schedule, Schedule]:
    """Schedules of the global generator's training and of the local enhancer's.

    Args:
        global_only_fraction: share of the steps, and of `max_minutes`, of the first.
    """
    num_coarse = round(schedule.num_steps * global_only_fraction)
    num_coarse = min(max(num_coarse, 1), schedule.num_steps - 1)
    return (
        schedule.part(num_coarse, share=global_only_fraction),
        schedule.part(schedule.num_steps - num_coarse, share=1 - global_only_fraction),
    )


def global_networks(networks: MainNetworks) -> MainNetworks:
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


def global_settings(settings: GanSettings, networks: MainNetworks) -> GanSettings:
    """Settings of the first training, for half the resolution and one discriminator scale fewer."""
    num_scales = networks.discriminator.num_scales
    losses = settings.frame_losses
    return replace(
        settings,
        adversarial_weight=settings.adversarial_weight * (num_scales - 1) / num_scales,
        frame_losses=replace(
            losses,
            foreground_radius_px=round(losses.foreground_radius_px / 2),
            perceptual_weight=losses.perceptual_weight * _GLOBAL_PERCEPTUAL_SHARE,
        ),
    )


def start_from_coarse(pair: Pair, trained: Adversaries) -> None:
    """Initialise the networks of the second training with what the first one trained."""
    average, discriminator = trained.generator_average, trained.discriminator
    assert isinstance(average, FrameGenerator)
    assert isinstance(discriminator, MultiscaleDiscriminator)
    start_from_global(pair.generator, average)
    pair.discriminator.start_from(discriminator)


_NUM_BACKGROUND_FRAMES = 200
_NUM_SAMPLES = 6
_GLOBAL = "global"
"""Subfolder of the first of two trainings, in the folders of the run and of the logs."""


def train_generator(
    clips: list[TargetClip],
    fabric: Fabric,
    *,
    networks: MainNetworks,
    settings: GanSettings,
    schedule: Schedule,
    held_out: HeldOut,
    paths: RunPaths,
    perceptual: Perceptual | None = None,
) -> dict[str, int | float]:
    """Train, write generator and discriminator weights and the logs; return metrics.

    Args:
        held_out: how the clips were split; kept with the weights.
        perceptual: what the perceptual loss compares; None where it has no weight.
    """
    torch.manual_seed(schedule.seed)
    dataset = WindowDataset(
        clips,
        window_frames=networks.window_frames,
        conditioning_poses=networks.generator.conditioning_poses,
    )
    background_image = None
    if networks.generator.background == "plate":
        background_image = median_background(clips, num_frames=_NUM_BACKGROUND_FRAMES)
    pair = _build(networks, fabric, background_image=background_image)
    key = run_key(
        [networks, settings, schedule, held_out, *arithmetic(fabric)],
        [*_inputs(clips, perceptual), *source_files(__name__)],
    )
    training = _Training(
        dataset=dataset,
        fabric=fabric,
        networks=networks,
        settings=settings,
        schedule=schedule,
        perceptual=perceptual,
    )
    with run_folder(fabric, paths.checkpoints, key) as folder:
        if networks.global_only_fraction == 0:
            adversaries, throughput = _train(training, pair, folder)
        else:
            adversaries, throughput = _train_coarse_to_fine(training, pair, folder)
        if fabric.is_global_zero:
            _write(adversaries, networks, held_out, paths)
            copy_logs(folder, paths.logs)
            if networks.global_only_fraction > 0:
                copy_logs(folder / _GLOBAL, paths.logs / _GLOBAL)
            log_results(throughput, paths)
    return {**throughput.metrics, **_counts(dataset, adversaries)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Training:
    """What determines a training, except its initial weights."""

    dataset: WindowDataset
    fabric: Fabric
    networks: MainNetworks
    settings: GanSettings
    schedule: Schedule
    perceptual: Perceptual | None


def _train(
    training: _Training,
    pair: Pair,
    folder: Path,
    *,
    resolution: Resolution = "full",
    description: str = "train generator",
) -> tuple[Adversaries, Throughput]:
    """Train a pair, from the folder's last checkpoint if it has one."""
    fabric, style = training.fabric, training.networks.style
    clip = training.dataset.clips[0]
    adversaries = Adversaries(
        fabric,
        pair.generator,
        pair.discriminator,
        ema_decay=training.settings.ema_decay,
    )
    task = GanTask(
        fabric,
        adversaries,
        style=style,
        skeleton=clip.keypoints.skeleton,
        settings=training.settings,
        seed=training.schedule.seed,
        perceptual=None if training.perceptual is None else training.perceptual.network,
        resolution=resolution,
    )
    average = adversaries.generator_average
    assert isinstance(average, FrameGenerator)
    shown = HalfResolutionGenerator(average) if resolution == "half" else average
    sampled = spread(clip.training, count=_NUM_SAMPLES)
    throughput = fit(
        task,
        fabric=fabric,
        schedule=training.schedule,
        dataset=training.dataset,
        sample=lambda: sample_grid(
            shown, clip, frame_indices=sampled, style=style, device=fabric.device
        ),
        folder=folder,
        description=description,
    )
    return adversaries, throughput


def _train_coarse_to_fine(
    training: _Training, pair: Pair, folder: Path
) -> tuple[Adversaries, Throughput]:
    """Train a global generator, then the pair with its local enhancer around it.

    The last checkpoint of the first training is kept during the second one, so a resumed run skips
    the first and starts or resumes the second from the same weights.
    """
    coarse, fine = split_schedule(
        training.schedule, global_only_fraction=training.networks.global_only_fraction
    )
    first = _train_global(replace(training, schedule=coarse), pair, folder / _GLOBAL)
    adversaries, throughput = _train(replace(training, schedule=fine), pair, folder)
    return adversaries, throughput.after(first)


def _train_global(training: _Training, pair: Pair, folder: Path) -> Throughput:
    """Train a global generator at half the resolution; copy it and its discriminators to `pair`."""
    networks = global_networks(training.networks)
    settings = global_settings(training.settings, training.networks)
    background_image = None
    if pair.generator.plate is not None:
        background_image = downsample_by_2(pair.generator.plate[None])[0]
    trained, throughput = _train(
        replace(training, networks=networks, settings=settings),
        _build(networks, training.fabric, background_image=background_image),
        folder,
        resolution="half",
        description="train global generator",
    )
    start_from_coarse(pair, trained)
    return throughput


def _build(
    networks: MainNetworks,
    fabric: Fabric,
    *,
    background_image: Float[Tensor, "3 height width"] | None,
) -> Pair:
    pair = build_pair(networks, background_image=background_image)
    if networks.generator.architecture != "fast" and arithmetic(fabric)[1] == "bf16-mixed":
        # Twice as fast for wide layers in bf16 on a CPU; the narrow ones of `fast` gain nothing.
        pair.generator.to(memory_format=torch.channels_last)
        pair.discriminator.to(memory_format=torch.channels_last)
    return pair


def _inputs(clips: list[TargetClip], perceptual: Perceptual | None) -> list[Path]:
    """Every file whose bytes decide the weights."""
    files = [file for clip in clips for file in (clip.frames, clip.keypoints_file)]
    return files if perceptual is None else [*files, perceptual.file]


def _counts(dataset: WindowDataset, adversaries: Adversaries) -> dict[str, int]:
    return {
        "windows": len(dataset),
        "windows_without_body": dataset.num_windows_without_body,
        "generator_parameters": count_parameters(adversaries.generator),
        "discriminator_parameters": count_parameters(adversaries.discriminator),
    }


def _write(
    adversaries: Adversaries, networks: MainNetworks, held_out: HeldOut, paths: RunPaths
) -> None:
    write_weights(
        paths.models / "generator.safetensors",
        adversaries.generator_average,
        description={
            "generator": asdict(networks.generator),
            "pose_map": asdict(networks.style),
            "held_out": asdict(held_out),
        },
    )
    write_weights(
        paths.models / "discriminator.safetensors",
        adversaries.discriminator,
        description={
            "discriminator": asdict(networks.discriminator),
            "window_frames": networks.window_frames,
        },
    )
