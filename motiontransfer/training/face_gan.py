"""Face GAN: data and training step (Chan et al. 2019, sec. 3.4)."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from motiontransfer.errors import TrainingError
from motiontransfer.fabric import Fabric
from motiontransfer.models.discriminators import split_real_fake
from motiontransfer.models.faces import Crops, crop_boxes, draw_crops
from motiontransfer.models.layers import to_device
from motiontransfer.models.rollout import generate_clip
from motiontransfer.pose.boxes import face_boxes
from motiontransfer.pose.drawing import PoseMapStyle
from motiontransfer.progress import track
from motiontransfer.skeleton import Skeleton
from motiontransfer.storage import replacing
from motiontransfer.target_clips import TargetClip, spread, usable_frames
from motiontransfer.training.config import GanConfig
from motiontransfer.training.data import Dataset, FrameCache, RankBatch, TensorBatch
from motiontransfer.training.distributed import barrier
from motiontransfer.training.losses import GanLossConfig, Scalar, gan_losses
from motiontransfer.training.optimization import GanTask
from motiontransfer.training.weights import TrainedGenerator
from motiontransfer.training.windows import excluded_references
from motiontransfer.video.color import Frame
from motiontransfer.video.tensors import frames_to_tensor, image_grid, tensor_to_frames

_NUM_SAMPLES = 8
_RUN_FRAMES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceBatch(TensorBatch):
    """Faces with their poses."""

    points: Float[Tensor, "batch joints 2"]
    score: Float[Tensor, "batch joints"]
    boxes: Int[Tensor, "batch 4"]
    real: Crops
    generated: Crops


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceRun:
    """Consecutive training frames, the first generated from zeros, of which some show a face."""

    clip: int
    frames: range
    with_face: list[int]
    """Frame indices."""


def face_runs(
    clips: Sequence[TargetClip], *, num_faces: int | None = None
) -> tuple[list[FaceRun], int]:
    """Evenly spread runs with about so many faces, and the number of frames without a face.

    Args:
        num_faces: None: as many as there are.
    """
    valid = [face_boxes(clip.keypoints)[1] for clip in clips]
    usable, num_without_face = usable_frames(clips, valid)
    if not usable:
        raise TrainingError(
            "no training frame shows a face; see frames_without_face in "
            "artifacts/metrics/detect_keypoints, or set train_face_gan.steps to 0"
        )
    every = max(len(usable) // (num_faces or len(usable)), 1)
    runs: list[FaceRun] = []
    for c, t in usable:
        if runs and runs[-1].clip == c and t < runs[-1].frames.start + every * _RUN_FRAMES:
            continue
        frames = range(t, min(t + _RUN_FRAMES, clips[c].training.stop))
        with_face = [index for index in frames if valid[c][index]]
        runs.append(FaceRun(clip=c, frames=frames, with_face=with_face))
    return runs, num_without_face


class FaceDataset:
    """Faces of runs of training frames, as filmed and as generated."""

    def __init__(
        self,
        clips: Sequence[TargetClip],
        runs: Sequence[FaceRun],
        generated: Sequence[Path],
        *,
        crop_size: int,
    ) -> None:
        """Open the clips' frames; read the files of the generated faces, one a run."""
        self.clips, self._crop_size = list(clips), crop_size
        self.frames = [(run.clip, t) for run in runs for t in run.with_face]
        self._real = FrameCache([clip.frames for clip in clips])
        self._generated = np.concatenate([np.load(path) for path in generated])
        self._boxes = [face_boxes(clip.keypoints)[0] for clip in clips]

    def __len__(self) -> int:
        return len(self.frames)

    def batch(self, indices: Iterable[int]) -> FaceBatch:
        """Read the faces with these indices."""
        items = list(indices)
        chosen = [self.frames[index] for index in items]
        boxes = torch.from_numpy(np.stack([self._boxes[c][t] for c, t in chosen]).astype(np.int64))
        keypoints = [(self.clips[c].keypoints, t) for c, t in chosen]
        real = frames_to_tensor([self._real[c, t] for c, t in chosen])
        return FaceBatch(
            points=torch.from_numpy(np.stack([of_clip.points[t] for of_clip, t in keypoints])),
            score=torch.from_numpy(np.stack([of_clip.score[t] for of_clip, t in keypoints])),
            boxes=boxes,
            real=crop_boxes(real, boxes, crop_size=self._crop_size),
            generated=frames_to_tensor(list(self._generated[items])),
        )


class FaceGanConfig(GanLossConfig, GanConfig):
    """Losses and optimisation of the face generator's training."""


class Faces(NamedTuple):
    """What the discriminator is shown of faces, and what the residual is added to."""

    poses: Float[Tensor, "faces channels crop_size crop_size"]
    real: Crops
    generated: Crops
    corrected: Crops


_Batch = TypeVar("_Batch", bound=TensorBatch, contravariant=True)


class FaceTask(GanTask, ABC, Generic[_Batch]):
    """Base of training face generator and face discriminator."""

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

    @abstractmethod
    def correct(self, generator: nn.Module, batch: _Batch) -> Faces:
        """Add the residuals of a face generator to the faces of a batch, which is on the CPU."""

    def step(
        self, share: RankBatch[_Batch], *, step: int, learning_rate: float
    ) -> dict[str, Scalar]:
        """Train both networks on one batch; return every weighted loss by name."""
        losses = self.losses(self.correct(self.generator, share.batch))
        return self.update(losses, step=step, learning_rate=learning_rate)

    def sample(self, dataset: Dataset[_Batch]) -> Frame:
        """One column a face: real, from the main generator, with the EMA's residual."""
        shown = spread(range(len(dataset)), count=_NUM_SAMPLES)
        with torch.inference_mode():  # one at a time: a batch may be of whole frames
            faces = [self.correct(self.ema, dataset.batch([index])) for index in shown]
        _, *rows = (torch.cat(crops) for crops in zip(*faces, strict=True))
        return image_grid(rows)

    def losses(self, faces: Faces) -> dict[str, dict[str, Scalar]]:
        """Weighted losses on the crops, of `generator` and `discriminator`."""
        config = self._config
        with self.fabric.autocast():
            outputs = self.discriminator(faces.poses, torch.cat([faces.real, faces.corrected]))
        losses = gan_losses(*split_real_fake(outputs), config=config)
        losses["generator"]["l1"] = config.l1_weight * (faces.corrected - faces.real).abs().mean()
        losses["generator"] |= self.perceptual_loss(
            faces.corrected, faces.real, weight=config.perceptual_weight
        )
        return losses

    def draw(
        self,
        points: Float[Tensor, "batch joints 2"],
        score: Float[Tensor, "batch joints"],
        boxes: Int[Tensor, "batch 4"],
        *,
        crop_size: int,
    ) -> Float[Tensor, "batch channels crop_size crop_size"]:
        """Draw the pose maps of face boxes, given on the CPU."""
        return draw_crops(
            points,
            score,
            boxes,
            skeleton=self._skeleton,
            style=self._style,
            crop_size=crop_size,
            device=self.fabric.device,
        )


class FaceGanTask(FaceTask[FaceBatch]):
    """Training step on crops."""

    def correct(self, generator: nn.Module, batch: FaceBatch) -> Faces:
        """Add the residuals of a face generator to a batch, which is on the CPU."""
        crop_size = batch.real.shape[-1]
        poses = self.draw(batch.points, batch.score, batch.boxes, crop_size=crop_size)
        faces = batch.to(self.fabric.device)
        with self.fabric.autocast():
            corrected = faces.generated + generator(poses, faces.generated)
        return Faces(poses, faces.real, faces.generated, corrected)


def generate_faces(
    clips: Sequence[TargetClip],
    runs: Sequence[FaceRun],
    main: TrainedGenerator,
    fabric: Fabric,
    folder: Path,
    *,
    crop_size: int,
) -> list[Path]:
    """Roll the main generator out over each run once; the runs are shared among the processes."""
    paths = [folder / f"generated_{run.clip}_{run.frames.start}.npy" for run in runs]
    network = to_device(main.network, fabric.device)
    boxes = [face_boxes(clip.keypoints)[0] for clip in clips]
    excluded = None
    if network.puppet is not None:
        excluded = [excluded_references(network.puppet, clips, c) for c in range(len(clips))]
    share = list(zip(runs, paths, strict=True))[fabric.global_rank :: fabric.world_size]
    for run, path in track(share, "main generator's faces", total=len(share)):
        if path.exists():  # then it is whole
            continue
        keypoints, frames = clips[run.clip].keypoints, slice(run.frames.start, run.frames.stop)
        images = generate_clip(
            network,
            keypoints.points[frames],
            keypoints.score[frames],
            skeleton=keypoints.skeleton,
            size=keypoints.image_size,
            style=main.style,
            autocast=fabric.autocast,
            excluded=None if excluded is None else excluded[run.clip][frames],
        )
        generated = dict(zip(run.frames, images, strict=True))
        with_face = torch.cat([generated[t] for t in run.with_face])
        of_faces = torch.from_numpy(boxes[run.clip][run.with_face])
        crops = crop_boxes(with_face, of_faces, crop_size=crop_size)
        with replacing(path) as temporary:
            np.save(temporary, np.stack(tensor_to_frames(crops)))
    barrier(fabric)
    return paths
