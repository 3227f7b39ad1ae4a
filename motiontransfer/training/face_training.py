"""Training the face generator of one target, from its clips and main generator to its weights."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from lightning_fabric import Fabric
from torch import nn

from motiontransfer.nets.blocks import count_parameters, initialise
from motiontransfer.nets.discriminators import DiscriminatorConfig, MultiscaleDiscriminator
from motiontransfer.nets.face_crops import draw_crops
from motiontransfer.nets.face_generator import FaceGenerator, FaceGeneratorConfig
from motiontransfer.nets.rollout import roll_out
from motiontransfer.pose.rendering import PoseMapStyle
from motiontransfer.progress import track
from motiontransfer.skeleton import Skeleton
from motiontransfer.source_fingerprint import source_files
from motiontransfer.training.adversaries import Adversaries
from motiontransfer.training.checkpoints import run_folder, run_key
from motiontransfer.training.depth import check_depth
from motiontransfer.training.device import arithmetic
from motiontransfer.training.distributed import barrier
from motiontransfer.training.face_dataset import FaceBatch, FaceDataset
from motiontransfer.training.face_gan import FaceGanSettings, FaceGanTask
from motiontransfer.training.loop import fit
from motiontransfer.training.perceptual_weights import Perceptual
from motiontransfer.training.run_log import copy_logs
from motiontransfer.training.run_paths import RunPaths, log_results
from motiontransfer.training.samples import spread
from motiontransfer.training.schedule import Schedule
from motiontransfer.training.target_clips import TargetClip
from motiontransfer.training.trained import TrainedGenerator
from motiontransfer.training.weights import write_weights
from motiontransfer.video.frame_store import FrameWriter
from motiontransfer.video.tensors import tensor_to_frames

_NUM_SAMPLES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceNetworks:
    """Shapes of what is trained."""

    generator: FaceGeneratorConfig
    discriminator: DiscriminatorConfig


def train_face_generator(
    clips: list[TargetClip],
    fabric: Fabric,
    main: TrainedGenerator,
    *,
    networks: FaceNetworks,
    settings: FaceGanSettings,
    schedule: Schedule,
    paths: RunPaths,
    perceptual: Perceptual | None = None,
) -> dict[str, int | float]:
    """Train, write the face generator's weights and the logs; return metrics.

    Args:
        perceptual: what the perceptual loss compares; None where it has no weight.
    """
    torch.manual_seed(schedule.seed)
    key = run_key(
        [networks, settings, schedule, *arithmetic(fabric)],
        [*_inputs(clips, paths, perceptual), *source_files(__name__)],
    )
    adversaries = _build(networks, fabric, ema_decay=settings.ema_decay)
    task = FaceGanTask(
        fabric,
        adversaries,
        style=main.style,
        skeleton=clips[0].keypoints.skeleton,
        settings=settings,
        perceptual=None if perceptual is None else perceptual.network,
    )
    with run_folder(fabric, paths.checkpoints, key) as folder:
        rollouts = _roll_out_clips(clips, main, fabric, folder)
        dataset = FaceDataset(clips, rollouts, crop_size=networks.generator.crop_size)
        shown = dataset.batch(spread(range(len(dataset)), count=_NUM_SAMPLES)).to(fabric.device)
        throughput = fit(
            task,
            fabric=fabric,
            schedule=schedule,
            dataset=dataset,
            sample=lambda: _sample_grid(
                adversaries, shown, clips[0].keypoints.skeleton, main.style
            ),
            folder=folder,
            description="train face generator",
        )
        if fabric.is_global_zero:
            write_weights(
                paths.models / "face_generator.safetensors",
                adversaries.generator_average,
                description={"face_generator": asdict(networks.generator)},
            )
            copy_logs(folder, paths.logs)
            log_results(throughput, paths)
    return {
        **throughput.metrics,
        "frames": len(dataset),
        "frames_without_face": dataset.num_frames_without_face,
        "face_generator_parameters": count_parameters(adversaries.generator),
    }


def write_no_face_generator(models: Path) -> None:
    """Say in the weights file that faces are left as the main generator makes them."""
    write_weights(
        models / "face_generator.safetensors", nn.Module(), description={"face_generator": None}
    )


def _inputs(clips: list[TargetClip], paths: RunPaths, perceptual: Perceptual | None) -> list[Path]:
    """Every file whose bytes decide the weights."""
    files = [file for clip in clips for file in (clip.frames, clip.keypoints_file)]
    files.append(paths.models / "generator.safetensors")
    return files if perceptual is None else [*files, perceptual.file]


def _build(networks: FaceNetworks, fabric: Fabric, *, ema_decay: float) -> Adversaries:
    config = networks.generator
    generator = FaceGenerator(config)
    crop_size = (config.crop_size, config.crop_size)
    check_depth(crop_size, stride=generator.network.stride, section="train_face_gan")
    return Adversaries(
        fabric,
        generator.apply(initialise),
        MultiscaleDiscriminator(
            condition_channels=config.pose_channels,
            image_channels=3,
            **asdict(networks.discriminator),
        ).apply(initialise),
        ema_decay=ema_decay,
    )


def _roll_out_clips(
    clips: list[TargetClip], main: TrainedGenerator, fabric: Fabric, folder: Path
) -> list[Path]:
    """Generate each clip's training frames; the clips are shared among the processes."""
    paths = [folder / f"rollout_{index}.mkv" for index in range(len(clips))]
    for clip, path in list(zip(clips, paths, strict=True))[fabric.global_rank :: fabric.world_size]:
        _roll_out_clip(clip, main, fabric, path)
    barrier(fabric)
    return paths


def _roll_out_clip(clip: TargetClip, main: TrainedGenerator, fabric: Fabric, path: Path) -> None:
    """Generate the training frames of a clip once; a file that is there is whole and is kept."""
    if path.exists():
        return
    keypoints = clip.keypoints
    frames = slice(clip.training.start, clip.training.stop)
    generated = roll_out(
        main.network.to(fabric.device),
        keypoints.points[frames],
        keypoints.score[frames],
        skeleton=keypoints.skeleton,
        size=keypoints.image_size,
        style=main.style,
        device=fabric.device,
        autocast=fabric.autocast,
    )
    with FrameWriter(path, size=keypoints.image_size, frame_rate=keypoints.frame_rate) as writer:
        for image in track(generated, "main generator's frames", total=len(clip.training)):
            writer.write(tensor_to_frames(image[None])[0])


def _sample_grid(
    adversaries: Adversaries, batch: FaceBatch, skeleton: Skeleton, style: PoseMapStyle
) -> UInt8[np.ndarray, "height width 3"]:
    """One column a face: real, as the main generator makes it, with the residual."""
    poses = draw_crops(
        batch.points,
        batch.score,
        batch.boxes,
        skeleton=skeleton,
        style=style,
        crop_size=batch.real.shape[-1],
    )
    with torch.inference_mode():
        refined = batch.generated + adversaries.generator_average(poses, batch.generated)
    rows = [tensor_to_frames(images) for images in (batch.real, batch.generated, refined)]
    return np.concatenate([np.concatenate(row, axis=1) for row in rows])
