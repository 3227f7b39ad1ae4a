"""Face GAN: data, training step and training (Chan et al. 2019, sec. 3.4)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from lightning_fabric import Fabric
from torch import Tensor, nn

from motiontransfer.errors import TrainingError
from motiontransfer.models.discriminators import (
    DiscriminatorConfig,
    MultiscaleDiscriminator,
    split_real_fake,
)
from motiontransfer.models.faces import FaceGenerator, FaceGeneratorConfig, crop_boxes, draw_crops
from motiontransfer.models.generators import roll_out
from motiontransfer.models.layers import check_depth, count_parameters, initialise
from motiontransfer.models.vgg import Perceptual
from motiontransfer.pose.face_boxes import face_boxes
from motiontransfer.pose.rendering import PoseMapStyle
from motiontransfer.progress import track
from motiontransfer.skeleton import Skeleton
from motiontransfer.source_fingerprint import source_files
from motiontransfer.training.checkpoint import run_folder, run_key
from motiontransfer.training.clips import TargetClip
from motiontransfer.training.config import Schedule
from motiontransfer.training.data import FrameCache, RankBatch
from motiontransfer.training.distributed import arithmetic, barrier
from motiontransfer.training.losses import (
    Scalar,
    adversarial_discriminator_loss,
    adversarial_generator_loss,
    feature_matching_loss,
    perceptual_loss,
)
from motiontransfer.training.optimization import Adversaries, LossesOf
from motiontransfer.training.run_log import RunPaths, copy_logs, log_results, spread
from motiontransfer.training.trainer import fit
from motiontransfer.training.weights import TrainedGenerator, write_weights
from motiontransfer.video.frame_store import FrameWriter
from motiontransfer.video.tensors import frames_to_tensor, tensor_to_frames


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceBatch:
    """Faces with their poses."""

    points: Float[Tensor, "batch joints 2"]
    score: Float[Tensor, "batch joints"]
    boxes: Int[Tensor, "batch 4"]
    real: Float[Tensor, "batch 3 crop_size crop_size"]
    generated: Float[Tensor, "batch 3 crop_size crop_size"]

    def to(self, device: torch.device) -> "FaceBatch":
        """Copy to a device; from pinned memory it goes on by itself."""
        return FaceBatch(
            points=self.points.to(device, non_blocking=True),
            score=self.score.to(device, non_blocking=True),
            boxes=self.boxes.to(device, non_blocking=True),
            real=self.real.to(device, non_blocking=True),
            generated=self.generated.to(device, non_blocking=True),
        )


class FaceDataset:
    """Every training frame in which a face is to be seen."""

    def __init__(
        self, clips: Sequence[TargetClip], rollouts: Sequence[Path], *, crop_size: int
    ) -> None:
        self.clips, self._crop_size = list(clips), crop_size
        self._real = FrameCache([clip.frames for clip in clips])
        self._generated = FrameCache(rollouts)
        self._boxes: list[np.ndarray] = []
        self.frames: list[tuple[int, int]] = []
        """(clip, frame_index) of each item."""
        self.num_frames_without_face = 0
        """Training frames left out because no face is to be seen."""
        for index, clip in enumerate(self.clips):
            boxes, valid = face_boxes(clip.keypoints)
            self._boxes.append(boxes)
            found = [t for t in clip.training if valid[t]]
            self.frames += [(index, t) for t in found]
            self.num_frames_without_face += len(clip.training) - len(found)
        if not self.frames:
            raise TrainingError(
                "no training frame shows a face; see frames_without_face in "
                "artifacts/metrics/detect_keypoints, or set train_face_gan.steps to 0"
            )

    def __len__(self) -> int:
        return len(self.frames)

    def batch(self, indices: Iterable[int]) -> FaceBatch:
        """Read the faces with these indices."""
        chosen = [self.frames[index] for index in indices]
        boxes = torch.from_numpy(np.stack([self._boxes[c][t] for c, t in chosen]).astype(np.int64))
        return FaceBatch(
            points=torch.from_numpy(
                np.stack([self.clips[c].keypoints.points[t] for c, t in chosen])
            ),
            score=torch.from_numpy(np.stack([self.clips[c].keypoints.score[t] for c, t in chosen])),
            boxes=boxes,
            real=self._crops([self._real[c, t] for c, t in chosen], boxes),
            generated=self._crops([self._generated[c, t] for c, t in chosen], boxes),
        )

    def _crops(
        self, frames: list[np.ndarray], boxes: Int[Tensor, "batch 4"]
    ) -> Float[Tensor, "batch 3 crop_size crop_size"]:
        return crop_boxes(frames_to_tensor(frames), boxes, crop_size=self._crop_size)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceGanSettings:
    """Numbers of the step; a weight of 0 turns a loss off."""

    adversarial_weight: float
    feature_matching_weight: float
    l1_weight: float
    perceptual_weight: float
    ema_decay: float
    """Decay a step of the exponential moving average of the generator's weights."""
    compile: bool
    """Whether `torch.compile` turns the networks into faster code before the first step."""


class FaceGanTask:
    """One step of face generator and face discriminator."""

    def __init__(
        self,
        fabric: Fabric,
        adversaries: Adversaries,
        *,
        style: PoseMapStyle,
        skeleton: Skeleton,
        settings: FaceGanSettings,
        perceptual: nn.Module | None = None,
    ) -> None:
        """Take over what is trained, and how.

        Args:
            perceptual: the network of the perceptual loss; None where that has no weight.
        """
        self.adversaries = adversaries
        if settings.compile:
            adversaries.compile()
        self._fabric, self._style, self._skeleton = fabric, style, skeleton
        self._settings = settings
        self._perceptual = None if perceptual is None else perceptual.to(fabric.device)

    def step(
        self, share: RankBatch[FaceBatch], *, step: int, learning_rate: float
    ) -> dict[str, Scalar]:
        """Train both networks on one batch; return every weighted loss by name."""
        losses = self._losses(share)
        return self.adversaries.update(losses, step=step, learning_rate=learning_rate)

    def state(self) -> dict[str, Tensor]:
        """Everything that changes from step to step."""
        return self.adversaries.state()

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Inverse of `state`."""
        self.adversaries.load_state(state)

    def _losses(self, share: RankBatch[FaceBatch]) -> LossesOf:
        batch = share.batch.to(self._fabric.device)
        poses = draw_crops(
            batch.points,
            batch.score,
            batch.boxes,
            skeleton=self._skeleton,
            style=self._style,
            crop_size=batch.real.shape[-1],
        )
        with self._fabric.autocast():
            fake = batch.generated + self.adversaries.generator(poses, batch.generated)
            outputs = self.adversaries.discriminator(poses, torch.cat([batch.real, fake]))
        of_real, of_fake = split_real_fake(outputs)
        settings = self._settings
        matching = feature_matching_loss(of_real, of_fake)
        adversarial = adversarial_generator_loss(of_fake)
        return {
            "generator": {
                "adversarial": settings.adversarial_weight * adversarial,
                "feature_matching": settings.feature_matching_weight * matching,
                "l1": settings.l1_weight * (fake - batch.real).abs().mean(),
                **self._perceptual_loss(fake, batch.real),
            },
            "discriminator": {"adversarial": adversarial_discriminator_loss(of_real, of_fake)},
        }

    def _perceptual_loss(
        self,
        fake: Float[Tensor, "batch 3 height width"],
        real: Float[Tensor, "batch 3 height width"],
    ) -> dict[str, Scalar]:
        if self._perceptual is None:
            return {}
        with self._fabric.autocast():
            loss = perceptual_loss(self._perceptual, fake, real)
        return {"perceptual": self._settings.perceptual_weight * loss}


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
            networks.discriminator,
            condition_channels=config.pose_channels,
            image_channels=3,
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
