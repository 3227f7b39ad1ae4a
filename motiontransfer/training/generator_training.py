"""Training the main generator of one target, from its clips to its weights.

Hides how the pieces are put together: seeded initial weights, plate, task, loop; once, or twice
where a local enhancer is grown around a global generator.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from lightning_fabric import Fabric
from torch import Tensor

from motiontransfer.nets.blocks import count_parameters, halve
from motiontransfer.nets.frame_generator import (
    FrameGenerator,
    HalfSizeGenerator,
    PlateFrameGenerator,
)
from motiontransfer.source_fingerprint import source_files
from motiontransfer.training.adversaries import Adversaries
from motiontransfer.training.checkpoints import run_folder, run_key
from motiontransfer.training.dataset import WindowDataset
from motiontransfer.training.device import arithmetic
from motiontransfer.training.gan import WHOLE, GanSettings, GanTask, Phase
from motiontransfer.training.growing import global_networks, global_settings, grow
from motiontransfer.training.loop import Effort, fit
from motiontransfer.training.main_networks import MainNetworks, Pair, build_pair
from motiontransfer.training.perceptual_weights import Perceptual
from motiontransfer.training.plate import median_plate
from motiontransfer.training.run_log import copy_logs
from motiontransfer.training.run_paths import RunPaths, tell_where_to_look
from motiontransfer.training.samples import sample_grid, spread
from motiontransfer.training.schedule import Growth, Schedule
from motiontransfer.training.split import HeldOut
from motiontransfer.training.target_clips import TargetClip
from motiontransfer.training.weights import write_weights

_NUM_PLATE_FRAMES = 200
_NUM_SAMPLES = 6
_GLOBAL = "global"
"""Where the first of two trainings is kept, in the folders of the run and of the logs."""


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
    plate = None
    if networks.generator.background == "plate":
        plate = median_plate(clips, num_frames=_NUM_PLATE_FRAMES)
    pair = _build(networks, fabric, plate=plate)
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
        if networks.growth is None:
            adversaries, effort = _train(training, pair, folder)
        else:
            adversaries, effort = _train_twice(training, pair, folder, growth=networks.growth)
        if fabric.is_global_zero:
            _write(adversaries, networks, held_out, paths)
            copy_logs(folder, paths.logs)
            if networks.growth is not None:
                copy_logs(folder / _GLOBAL, paths.logs / _GLOBAL)
            tell_where_to_look(effort, paths)
    return {**effort.metrics, **_counts(dataset, adversaries)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Training:
    """What decides a training, but for where its networks begin."""

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
    phase: Phase = WHOLE,
    description: str = "train generator",
) -> tuple[Adversaries, Effort]:
    """Train a pair, from the folder's last checkpoint if it has one."""
    fabric, style = training.fabric, training.networks.style
    clip = training.dataset.clips[0]
    adversaries = Adversaries(
        fabric,
        pair.generator,
        pair.discriminators,
        average_decay=training.settings.average_decay,
    )
    task = GanTask(
        fabric,
        adversaries,
        style=style,
        skeleton=clip.keypoints.skeleton,
        settings=training.settings,
        seed=training.schedule.seed,
        perceptual=None if training.perceptual is None else training.perceptual.network,
        phase=phase,
    )
    average = adversaries.generator_average
    assert isinstance(average, FrameGenerator | PlateFrameGenerator)
    shown = HalfSizeGenerator(average) if phase.pictures == "half" else average
    sampled = spread(clip.training, count=_NUM_SAMPLES)
    effort = fit(
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
    return adversaries, effort


def _train_twice(
    training: _Training, pair: Pair, folder: Path, *, growth: Growth
) -> tuple[Adversaries, Effort]:
    """Train a global generator, grow the pair's local enhancer around it, train the pair.

    The first training's last checkpoint stays while the second goes on: taken up, the first has
    nothing left to do and the second begins, or goes on, from the same weights as before.
    """
    early, late = growth.split(training.schedule)
    first = _train_global(replace(training, schedule=early), pair, folder / _GLOBAL)
    adversaries, effort = _train(
        replace(training, schedule=late),
        pair,
        folder,
        phase=Phase(fixed_global_steps=growth.fixed_global_steps(late)),
    )
    return adversaries, effort.after(first)


def _train_global(training: _Training, pair: Pair, folder: Path) -> Effort:
    """Train a global generator at half the size and put it, and its judges, into the pair."""
    networks = global_networks(training.networks)
    settings = global_settings(training.settings, training.networks)
    plate = None
    if isinstance(pair.generator, PlateFrameGenerator):
        plate = halve(pair.generator.plate[None])[0]
    trained, effort = _train(
        replace(training, networks=networks, settings=settings),
        _build(networks, training.fabric, plate=plate),
        folder,
        phase=Phase(pictures="half"),
        description="train global generator",
    )
    grow(pair, trained)
    return effort


def _build(
    networks: MainNetworks, fabric: Fabric, *, plate: Float[Tensor, "3 height width"] | None
) -> Pair:
    pair = build_pair(networks, plate=plate)
    if networks.generator.architecture != "fast" and arithmetic(fabric)[1] == "bf16-mixed":
        # Twice as fast for wide layers in bf16 on a CPU; the narrow ones of `fast` gain nothing.
        pair.generator.to(memory_format=torch.channels_last)
        pair.discriminators.to(memory_format=torch.channels_last)
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
            "temporal_strides": list(networks.temporal_strides),
        },
    )
