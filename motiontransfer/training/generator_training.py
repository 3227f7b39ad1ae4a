"""Training the main generator of one target, from its clips to its weights.

Hides how the pieces are put together: networks from numbers, seeded initial weights, plate, task,
loop.
"""

import logging
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from lightning_fabric import Fabric

from motiontransfer.errors import TrainingError
from motiontransfer.nets.blocks import count_parameters, initialise
from motiontransfer.nets.discriminators import MultiscaleDiscriminator, Normalization
from motiontransfer.nets.frame_generator import GeneratorConfig, build_generator
from motiontransfer.nets.perceptual import PerceptualNetwork
from motiontransfer.nets.window_discriminators import (
    WindowDiscriminator,
    WindowDiscriminators,
    frames_at_once,
)
from motiontransfer.pose.drawing import PoseMapStyle
from motiontransfer.training.adversaries import Adversaries
from motiontransfer.training.checkpoints import run_folder, run_key
from motiontransfer.training.dataset import WindowDataset
from motiontransfer.training.device import arithmetic
from motiontransfer.training.gan import GanSettings, GanTask
from motiontransfer.training.loop import Effort, fit
from motiontransfer.training.plate import median_plate
from motiontransfer.training.run_log import copy_logs
from motiontransfer.training.samples import sample_grid, spread
from motiontransfer.training.schedule import Schedule
from motiontransfer.training.split import HeldOut
from motiontransfer.training.target_clips import TargetClip
from motiontransfer.training.weights import write_weights

_logger = logging.getLogger(__name__)

_NUM_PLATE_FRAMES = 200
_NUM_SAMPLES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscriminatorConfig:
    """Shapes of the multiscale discriminator."""

    num_filters: int
    num_layers: int
    num_scales: int
    normalization: Normalization = "instance"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPaths:
    """Where a training run keeps things."""

    checkpoints: Path
    """Runs that are not finished; outside DVC's outs."""

    models: Path
    """The target's weights."""

    logs: Path
    """Curves and sample pictures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Perceptual:
    """The network of the perceptual loss, and where its weights were read from."""

    network: PerceptualNetwork
    file: Path


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
    task = GanTask(
        fabric,
        _build(clips, fabric, networks, settings),
        style=networks.style,
        skeleton=clips[0].keypoints.skeleton,
        settings=settings,
        seed=schedule.seed,
        perceptual=None if perceptual is None else perceptual.network,
    )
    key = run_key(
        [networks, settings, schedule, held_out, *arithmetic(fabric)], _inputs(clips, perceptual)
    )
    sampled = spread(clips[0].training, count=_NUM_SAMPLES)
    with run_folder(fabric, paths.checkpoints, key) as folder:
        effort = fit(
            task,
            fabric=fabric,
            schedule=schedule,
            dataset=dataset,
            sample=lambda: sample_grid(
                task.adversaries.generator_average,
                clips[0],
                frame_indices=sampled,
                style=networks.style,
                device=fabric.device,
            ),
            folder=folder,
            description="train generator",
        )
        if fabric.is_global_zero:
            _write(task.adversaries, networks, held_out, paths)
            copy_logs(folder, paths.logs)
            tell_where_to_look(effort, paths)
    return {**effort.metrics, **_counts(dataset, task.adversaries)}


def tell_where_to_look(effort: Effort, paths: RunPaths) -> None:
    """Log what a training took and where its results are, in one line."""
    _logger.info(
        "%d steps in %.1f min, %.1f %% of it waiting for frames; weights in %s, curves and sample "
        "pictures in %s (`dvc plots show` draws them)",
        *(effort.steps, effort.minutes, 100 * effort.waiting_minutes / effort.minutes),
        *(paths.models, paths.logs),
    )


def check_depth(size: tuple[int, int], *, stride: int, section: str) -> None:
    """Refuse a network whose coarsest level has no neighbours to normalise over.

    Raises:
        TrainingError: the images shrink to fewer than 2x2 cells.
    """
    height, width = -(-size[0] // stride), -(-size[1] // stride)
    if min(height, width) < 2:
        raise TrainingError(
            f"{section}.num_downsamplings: images of {size[0]}x{size[1]} pixels shrink to "
            f"{height}x{width}; expected at least 2x2; use fewer, or larger images"
        )


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
            "temporal_strides": list(networks.temporal_strides),
        },
    )


def _build(
    clips: list[TargetClip], fabric: Fabric, networks: MainNetworks, settings: GanSettings
) -> Adversaries:
    plate = None
    if networks.generator.background == "plate":
        plate = median_plate(clips, style=networks.style, num_frames=_NUM_PLATE_FRAMES)
    generator = build_generator(networks.generator, plate=plate)
    stride: int = generator.network.stride  # ty: ignore[invalid-assignment] - an untyped attribute
    check_depth(networks.generator.size, stride=stride, section="train_gan")
    pair = (generator.apply(initialise), _build_discriminators(networks).apply(initialise))
    if networks.generator.architecture != "fast" and arithmetic(fabric)[1] == "bf16-mixed":
        # Twice as fast for wide layers in bf16 on a CPU; the narrow ones of `fast` gain nothing.
        for network in pair:
            network.to(memory_format=torch.channels_last)
    return Adversaries(fabric, *pair, average_decay=settings.average_decay)


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
