"""Training the main generator of one target, from its clips to its weights.

Hides how the pieces are put together: networks from numbers, seeded initial weights, plate, task,
loop.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from lightning_fabric import Fabric

from motiontransfer.errors import TrainingError
from motiontransfer.nets.blocks import count_parameters, initialise
from motiontransfer.nets.discriminators import MultiscaleDiscriminator
from motiontransfer.nets.frame_generator import GeneratorConfig, build_generator
from motiontransfer.pose.drawing import PoseMapStyle
from motiontransfer.training.adversaries import Adversaries
from motiontransfer.training.checkpoints import run_folder, run_key
from motiontransfer.training.dataset import PairDataset
from motiontransfer.training.gan import GanSettings, GanTask
from motiontransfer.training.loop import Schedule, copy_logs, fit
from motiontransfer.training.plate import median_plate
from motiontransfer.training.samples import sample_grid, spread
from motiontransfer.training.split import HeldOut
from motiontransfer.training.target_clips import TargetClip
from motiontransfer.training.weights import write_weights

_NUM_PLATE_FRAMES = 200
_NUM_SAMPLES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscriminatorConfig:
    """Shapes of the multiscale discriminator."""

    num_filters: int
    num_layers: int
    num_scales: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MainNetworks:
    """What is trained, and on which pose maps."""

    generator: GeneratorConfig
    discriminator: DiscriminatorConfig
    style: PoseMapStyle


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPaths:
    """Where a training run keeps things."""

    checkpoints: Path
    """Runs that are not finished; outside DVC's outs."""

    models: Path
    """The target's weights."""

    logs: Path
    """Curves and sample pictures."""


def train_generator(
    clips: list[TargetClip],
    fabric: Fabric,
    *,
    networks: MainNetworks,
    settings: GanSettings,
    schedule: Schedule,
    held_out: HeldOut,
    paths: RunPaths,
) -> dict[str, int]:
    """Train, write generator and discriminator weights and the logs; return counts for the metrics.

    Args:
        held_out: how the clips were split; kept with the weights.
    """
    torch.manual_seed(schedule.seed)
    dataset = PairDataset(clips)
    task = GanTask(
        fabric,
        _build(clips, fabric, networks, settings),
        style=networks.style,
        skeleton=clips[0].keypoints.skeleton,
        settings=settings,
        seed=schedule.seed,
    )
    key = run_key(
        [networks, settings, schedule, held_out, fabric.strategy.precision.precision],
        [file for clip in clips for file in (clip.frames, clip.keypoints_file)],
    )
    sampled = spread(clips[0].training, count=_NUM_SAMPLES)
    with run_folder(paths.checkpoints, key) as folder:
        fit(
            task,
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
        write_weights(
            paths.models / "generator.safetensors",
            task.adversaries.generator_average,
            description={
                "generator": asdict(networks.generator),
                "pose_map": asdict(networks.style),
                "held_out": asdict(held_out),
            },
        )
        write_weights(
            paths.models / "discriminator.safetensors",
            task.adversaries.discriminator,
            description={"discriminator": asdict(networks.discriminator)},
        )
        copy_logs(folder, paths.logs)
    return {
        "steps": schedule.num_steps,
        "pairs": len(dataset),
        "pairs_without_body": dataset.num_pairs_without_body,
        "generator_parameters": count_parameters(task.adversaries.generator),
        "discriminator_parameters": count_parameters(task.adversaries.discriminator),
    }


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


def _build(
    clips: list[TargetClip], fabric: Fabric, networks: MainNetworks, settings: GanSettings
) -> Adversaries:
    plate = None
    if networks.generator.background == "plate":
        plate = median_plate(clips, style=networks.style, num_frames=_NUM_PLATE_FRAMES)
    generator = build_generator(networks.generator, plate=plate)
    stride: int = generator.network.stride  # ty: ignore[invalid-assignment] - an untyped attribute
    check_depth(networks.generator.size, stride=stride, section="train_gan")
    return Adversaries(
        generator.apply(initialise),
        MultiscaleDiscriminator(
            condition_channels=2 * networks.style.num_channels,
            image_channels=2 * 3,
            **asdict(networks.discriminator),
        ).apply(initialise),
        device=fabric.device,
        average_decay=settings.average_decay,
    )
