"""Face GAN on windows of whole frames, as the released code of Chan et al. 2019 trains it.

The frozen main generator makes each window anew: its second frame depends on the face generator
where the corrected frame conditions it, and its own losses need the frames whole.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor, nn

from motiontransfer.errors import TrainingError
from motiontransfer.fabric import Fabric
from motiontransfer.models.discriminators import DiscriminatorConfig, MultiscaleDiscriminator
from motiontransfer.models.faces import FaceGeneratorConfig, add_residuals, crop_boxes
from motiontransfer.models.layers import to_device
from motiontransfer.pose.boxes import face_boxes
from motiontransfer.pose.drawing import PoseMapStyle
from motiontransfer.puppet.warping import Puppet
from motiontransfer.skeleton import Skeleton
from motiontransfer.target_clips import TargetClip
from motiontransfer.training.data import RankBatch
from motiontransfer.training.face_gan import FaceGanConfig, Faces, FaceTask
from motiontransfer.training.losses import GanLossConfig, Objective, Scalar, gan_losses
from motiontransfer.training.pose_gan import Frames, Windows, discriminate_pairs, stack_poses
from motiontransfer.training.weights import TrainedGenerator, read_network
from motiontransfer.training.windows import WindowBatch, WindowDataset
from motiontransfer.video.tensors import levels_to_images, upload

_WINDOW_FRAMES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceWindowBatch(WindowBatch):
    """Windows with the face's box in each frame."""

    boxes: Int[Tensor, "batch time 4"]


class FaceWindowDataset(WindowDataset):
    """Every window of two training frames that both show a face."""

    def __init__(
        self, clips: Sequence[TargetClip], *, conditioning_poses: int, puppet: Puppet | None = None
    ) -> None:
        super().__init__(
            clips,
            window_frames=_WINDOW_FRAMES,
            conditioning_poses=conditioning_poses,
            puppet=puppet,
        )
        found = [face_boxes(clip.keypoints) for clip in clips]
        self._face_boxes = [boxes for boxes, _ in found]
        self.windows = [
            (c, t) for c, t in self.windows if found[c][1][t : t + _WINDOW_FRAMES].all()
        ]
        if not self.windows:
            raise TrainingError(
                "no two consecutive training frames show a face; see frames_without_face in "
                "artifacts/metrics/detect_keypoints, or set train_face_gan.steps to 0"
            )

    def batch(self, indices: Iterable[int]) -> FaceWindowBatch:
        """Read the windows with these indices."""
        items = list(indices)
        windows, chosen = super().batch(items), [self.windows[index] for index in items]
        boxes = [self._face_boxes[c][t : t + _WINDOW_FRAMES] for c, t in chosen]
        return FaceWindowBatch(
            **{field.name: getattr(windows, field.name) for field in fields(windows)},
            boxes=torch.from_numpy(np.stack(boxes)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FullFrameLosses:
    """Losses of the main generator's training, on its frames with the face."""

    discriminator: nn.Module
    """The main one, frozen."""
    config: GanLossConfig
    objective: Objective

    def __call__(self, poses: Windows, real: Frames, fake: Frames) -> dict[str, Scalar]:
        """Weighted adversarial and feature-matching losses of the generator."""
        outputs = discriminate_pairs(self.discriminator, poses, real, fake)
        losses = gan_losses(*outputs, config=self.config, objective=self.objective)
        return losses["generator"]


def read_full_frame_losses(
    path: Path, style: PoseMapStyle, *, config: GanLossConfig, objective: Objective
) -> FullFrameLosses:
    """Read the main discriminator, which scores pairs of frames, from its weights file."""

    def build(shape: DiscriminatorConfig) -> MultiscaleDiscriminator:
        condition_channels = _WINDOW_FRAMES * style.num_channels
        return MultiscaleDiscriminator(
            shape, condition_channels=condition_channels, image_channels=_WINDOW_FRAMES * 3
        )

    discriminator, _ = read_network(path, "discriminator", DiscriminatorConfig, build)
    return FullFrameLosses(discriminator=discriminator, config=config, objective=objective)


class FaceWindows(NamedTuple):
    """Windows of whole frames, and their faces."""

    faces: Faces
    poses: Windows
    real: Frames
    corrected: Frames


class FaceWindowTask(FaceTask[FaceWindowBatch]):
    """Training step of the face networks on windows that the main generator makes in the step."""

    def __init__(
        self,
        fabric: Fabric,
        networks: tuple[nn.Module, nn.Module],
        *,
        main: TrainedGenerator,
        shape: FaceGeneratorConfig,
        skeleton: Skeleton,
        config: FaceGanConfig,
        perceptual: nn.Module | None = None,
        full_frame: FullFrameLosses | None = None,
    ) -> None:
        """Move the networks to the device; without `full_frame` only crops are compared."""
        super().__init__(
            fabric,
            networks,
            style=main.style,
            skeleton=skeleton,
            config=config,
            perceptual=perceptual,
        )
        self._main, self._shape = to_device(main.network, fabric.device), shape
        self._full_frame = full_frame
        if full_frame is not None:
            to_device(full_frame.discriminator, fabric.device)

    def step(
        self, share: RankBatch[FaceWindowBatch], *, step: int, learning_rate: float
    ) -> dict[str, Scalar]:
        """Train both networks on one batch; return every weighted loss by name."""
        windows = self.generate(self.generator, share.batch)
        losses = self.losses(windows.faces)
        if self._full_frame is not None:
            poses, real, fake = windows.poses, windows.real, windows.corrected
            with self.fabric.autocast():
                found = self._full_frame(poses, real, fake)
            weight = self._full_frame.config.perceptual_weight
            found |= self.perceptual_loss(fake.flatten(0, 1), real.flatten(0, 1), weight=weight)
            losses["generator"] |= {f"full_frame_{name}": loss for name, loss in found.items()}
        return self.update(losses, step=step, learning_rate=learning_rate)

    def correct(self, generator: nn.Module, batch: FaceWindowBatch) -> Faces:
        """Generate the windows, and add the residuals of a face generator."""
        return self.generate(generator, batch).faces

    def generate(self, generator: nn.Module, batch: FaceWindowBatch) -> FaceWindows:
        """Generate the windows, each frame from what the one before it became."""
        num_frames, size = batch.boxes.shape[1], self._shape.crop_size
        device = self.fabric.device
        pose_maps = batch.draw(skeleton=self._skeleton, style=self._style, device=device)
        conditioning = stack_poses(pose_maps, num_frames=num_frames)
        points, score = batch.points[:, -num_frames:], batch.score[:, -num_frames:]
        real = levels_to_images(upload(batch.frames, device))
        textures = batch.upload_textures(device)
        previous = torch.zeros_like(real[:, 0])
        faces, corrected = [], []
        for time in range(num_frames):
            boxes = batch.boxes[:, time]
            poses = self.draw(points[:, time], score[:, time], boxes, crop_size=size)
            with self.fabric.autocast():
                texture = None if textures is None else textures[:, time]
                fake, _ = self._main(conditioning[:, time], previous, None, texture)
                crop = crop_boxes(fake, boxes, crop_size=size)
                residual = generator(poses, crop)
            real_crop = crop_boxes(real[:, time], boxes, crop_size=size)
            faces.append(Faces(poses, real_crop, crop, crop + residual))
            corrected.append(add_residuals(fake, residual, boxes, feather_fraction=0.0))
            previous = corrected[-1] if self._shape.previous_frame == "corrected" else fake
        return FaceWindows(
            Faces(*(torch.cat(crops) for crops in zip(*faces, strict=True))),
            pose_maps[:, -num_frames:],
            real,
            torch.stack(corrected, dim=1),
        )
