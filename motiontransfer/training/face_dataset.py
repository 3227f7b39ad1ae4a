"""Training data set of the face GAN: face crops of real frames and of the main generator's.

The main generator is frozen, so its frames are generated once, rolled out as in rendering, into a
frame store beside the checkpoints; training then reads crops only.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from motiontransfer.errors import TrainingError
from motiontransfer.nets.face_crops import crop_boxes
from motiontransfer.pose.face_boxes import face_boxes
from motiontransfer.training.frame_cache import FrameCache
from motiontransfer.training.target_clips import TargetClip
from motiontransfer.video.tensors import frames_to_tensor


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
