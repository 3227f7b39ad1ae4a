"""Face GAN: data, training step and training (Chan et al. 2019, sec. 3.4)."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from motiontransfer.errors import TrainingError
from motiontransfer.fabric import Fabric
from motiontransfer.models.discriminators import (
    DiscriminatorConfig,
    MultiscaleDiscriminator,
    split_real_fake,
)
from motiontransfer.models.faces import (
    Crops,
    FaceGenerator,
    FaceGeneratorConfig,
    crop_boxes,
    draw_crops,
)
from motiontransfer.models.generators import roll_out
from motiontransfer.models.layers import check_depth, count_parameters, initialise, to_device
from motiontransfer.models.vgg import Perceptual
from motiontransfer.pose.boxes import face_boxes
from motiontransfer.pose.rendering import PoseMapStyle
from motiontransfer.progress import track
from motiontransfer.skeleton import Skeleton
from motiontransfer.training.checkpoint import Throughput, run_key
from motiontransfer.training.clips import TargetClip, input_files, spread, usable_frames
from motiontransfer.training.config import GanConfig, Schedule
from motiontransfer.training.data import FrameCache, RankBatch, TensorBatch
from motiontransfer.training.distributed import barrier
from motiontransfer.training.losses import GanLossConfig, Scalar, gan_losses
from motiontransfer.training.optimization import GanTask
from motiontransfer.training.trainer import RunPaths, run_training
from motiontransfer.training.weights import TrainedGenerator, write_weights
from motiontransfer.video.color import Frame
from motiontransfer.video.frame_store import write_frames
from motiontransfer.video.tensors import frames_to_tensor, image_grid, tensor_to_frames

_NUM_SAMPLES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceBatch(TensorBatch):
    """Faces with their poses."""

    points: Float[Tensor, "batch joints 2"]
    score: Float[Tensor, "batch joints"]
    boxes: Int[Tensor, "batch 4"]
    real: Crops
    generated: Crops


class FaceDataset:
    """Every training frame with a visible face."""

    def __init__(
        self, clips: Sequence[TargetClip], rollouts: Sequence[Path], *, crop_size: int
    ) -> None:
        self.clips, self._crop_size = list(clips), crop_size
        self._real = FrameCache([clip.frames for clip in clips])
        self._generated = FrameCache(rollouts)
        found = [face_boxes(clip.keypoints) for clip in clips]
        self._boxes = [boxes for boxes, _ in found]
        self.frames, self.num_frames_without_face = usable_frames(clips, [v for _, v in found])
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
        keypoints = [(self.clips[c].keypoints, t) for c, t in chosen]
        return FaceBatch(
            points=torch.from_numpy(np.stack([of_clip.points[t] for of_clip, t in keypoints])),
            score=torch.from_numpy(np.stack([of_clip.score[t] for of_clip, t in keypoints])),
            boxes=boxes,
            real=self._crops([self._real[c, t] for c, t in chosen], boxes),
            generated=self._crops([self._generated[c, t] for c, t in chosen], boxes),
        )

    def _crops(self, frames: list[Frame], boxes: Int[Tensor, "batch 4"]) -> Crops:
        return crop_boxes(frames_to_tensor(frames), boxes, crop_size=self._crop_size)


class FaceGanConfig(GanLossConfig, GanConfig):
    """Losses and optimisation of the face generator's training."""


class FaceGanTask(GanTask):
    """Training step of face generator and face discriminator."""

    description = "train face generator"

    def __init__(
        self,
        fabric: Fabric,
        networks: tuple[nn.Module, nn.Module],
        *,
        style: PoseMapStyle,
        skeleton: Skeleton,
        config: FaceGanConfig,
        perceptual: nn.Module | None = None,
    ) -> None:
        super().__init__(fabric, *networks, config=config, perceptual=perceptual)
        self._style, self._skeleton, self._config = style, skeleton, config

    def step(
        self, share: RankBatch[FaceBatch], *, step: int, learning_rate: float
    ) -> dict[str, Scalar]:
        """Train both networks on one batch; return every weighted loss by name."""
        config, batch = self._config, share.batch.to(self.fabric.device)
        poses = self._draw(share.batch)
        with self.fabric.autocast():
            fake = batch.generated + self.generator(poses, batch.generated)
            outputs = self.discriminator(poses, torch.cat([batch.real, fake]))
        losses = gan_losses(*split_real_fake(outputs), config=config)
        losses["generator"]["l1"] = config.l1_weight * (fake - batch.real).abs().mean()
        losses["generator"] |= self.perceptual_loss(
            fake, batch.real, weight=config.perceptual_weight
        )
        return self.update(losses, step=step, learning_rate=learning_rate)

    def sample(self, dataset: FaceDataset) -> Frame:
        """One column a face: real, from the main generator, with the EMA's residual."""
        shown = spread(range(len(dataset)), count=_NUM_SAMPLES)
        on_cpu = dataset.batch(shown)
        batch = on_cpu.to(self.fabric.device)
        with torch.inference_mode():
            residual = self.ema(self._draw(on_cpu), batch.generated)
        return image_grid([batch.real, batch.generated, batch.generated + residual])

    def _draw(self, batch: FaceBatch) -> Float[Tensor, "batch channels crop_size crop_size"]:
        return draw_crops(
            batch.points,
            batch.score,
            batch.boxes,
            skeleton=self._skeleton,
            style=self._style,
            crop_size=batch.real.shape[-1],
            device=self.fabric.device,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceNetworks:
    """Shapes of the face generator and its discriminator."""

    generator: FaceGeneratorConfig
    discriminator: DiscriminatorConfig


def train_face_generator(
    clips: list[TargetClip],
    fabric: Fabric,
    main: TrainedGenerator,
    *,
    networks: FaceNetworks,
    config: FaceGanConfig,
    schedule: Schedule,
    paths: RunPaths,
    perceptual: Perceptual | None = None,
) -> dict[str, object]:
    """Train, write the face generator's weights and the logs; return metrics."""
    files = [*input_files(clips), paths.models / "generator.safetensors"]
    files += [] if perceptual is None else [perceptual.file]

    def build() -> FaceGanTask:
        return FaceGanTask(
            fabric,
            _build_networks(networks),
            style=main.style,
            skeleton=clips[0].keypoints.skeleton,
            config=config,
            perceptual=None if perceptual is None else perceptual.network,
        )

    def prepare(_: FaceGanTask, folder: Path) -> tuple[FaceDataset, Throughput]:
        rollouts = _roll_out_clips(clips, main, fabric, folder)
        dataset = FaceDataset(clips, rollouts, crop_size=networks.generator.crop_size)
        return dataset, Throughput()

    def write(task: FaceGanTask, dataset: FaceDataset) -> dict[str, object]:
        write_weights(
            paths.models / "face_generator.safetensors",
            task.ema,
            description={"face_generator": asdict(networks.generator)},
        )
        return {
            "frames": len(dataset),
            "frames_without_face": dataset.num_frames_without_face,
            "face_generator_parameters": count_parameters(task.generator),
        }

    return run_training(
        build,
        fabric,
        schedule=schedule,
        key=run_key(fabric, [networks, config, schedule], files, code=__name__),
        paths=paths,
        prepare=prepare,
        write=write,
    )


def _build_networks(networks: FaceNetworks) -> tuple[FaceGenerator, MultiscaleDiscriminator]:
    shape = networks.generator
    generator = FaceGenerator(shape)
    crop_size = (shape.crop_size, shape.crop_size)
    check_depth(crop_size, stride=generator.network.stride, section="train_face_gan")
    generator.apply(initialise)  # before the discriminator is built, which draws random numbers
    discriminator = MultiscaleDiscriminator(
        networks.discriminator, condition_channels=shape.pose_channels, image_channels=3
    )
    return generator, discriminator.apply(initialise)


def _roll_out_clips(
    clips: list[TargetClip], main: TrainedGenerator, fabric: Fabric, folder: Path
) -> list[Path]:
    """Generate each clip's training frames once; the clips are shared among the processes."""
    paths = [folder / f"rollout_{index}.mkv" for index in range(len(clips))]
    network = to_device(main.network, fabric.device)
    for clip, path in list(zip(clips, paths, strict=True))[fabric.global_rank :: fabric.world_size]:
        if path.exists():  # then it is whole
            continue
        keypoints, frames = clip.keypoints, slice(clip.training.start, clip.training.stop)
        generated = roll_out(
            network,
            keypoints.points[frames],
            keypoints.score[frames],
            skeleton=keypoints.skeleton,
            size=keypoints.image_size,
            style=main.style,
            device=fabric.device,
            autocast=fabric.autocast,
        )
        images = track(generated, "main generator's frames", total=len(clip.training))
        shown = (tensor_to_frames(image[None])[0] for image in images)
        write_frames(path, shown, frame_rate=keypoints.frame_rate)
    barrier(fabric)
    return paths
