"""Unpaired data set of aligned faces of source and target, for the face CycleGAN.

An epoch has each face of the longer list once; the shorter list is spread evenly over it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from motiontransfer.errors import TrainingError
from motiontransfer.keypoints import Keypoints
from motiontransfer.nets.aligned_crops import warp
from motiontransfer.pose.face_boxes import face_alignments
from motiontransfer.training.frame_cache import FrameCache
from motiontransfer.video.tensors import frames_to_tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceClip:
    """A clip of someone whose face is learnt."""

    frames: Path
    """The clip's frame store."""

    keypoints: Keypoints
    """Poses of every frame."""

    keypoints_file: Path
    """Where the poses were read from."""

    used: range
    """Frames that may be learnt from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceCycleBatch:
    """Faces of both people; unpaired."""

    source: Float[Tensor, "batch 3 crop_size crop_size"]
    target: Float[Tensor, "batch 3 crop_size crop_size"]

    def to(self, device: torch.device) -> "FaceCycleBatch":
        """Copy to a device."""
        return FaceCycleBatch(
            source=self.source.to(device, non_blocking=True),
            target=self.target.to(device, non_blocking=True),
        )


class AlignedFaces:
    """Every usable frame in which one person's face is to be seen."""

    def __init__(self, clips: Sequence[FaceClip], *, crop_size: int, person: str) -> None:
        """Find the faces; none is cut out yet.

        Args:
            person: whose they are, for the message where there are none.

        Raises:
            TrainingError: no frame shows the face.
        """
        self._frames = FrameCache([clip.frames for clip in clips])
        self._crop_size = crop_size
        self._maps: list[np.ndarray] = []
        self.frames: list[tuple[int, int]] = []
        """(clip, frame_index) of each face."""
        self.num_frames_without_face = 0
        """Usable frames left out because no face is to be seen."""
        for index, clip in enumerate(clips):
            maps, valid = face_alignments(clip.keypoints, crop_size=crop_size)
            self._maps.append(maps)
            found = [t for t in clip.used if valid[t]]
            self.frames += [(index, t) for t in found]
            self.num_frames_without_face += len(clip.used) - len(found)
        if not self.frames:
            raise TrainingError(
                f"no usable frame shows the face of the {person}, so none can be translated; set "
                "train_face_cycle.steps to 0, and render.face to residual or none"
            )

    def __len__(self) -> int:
        return len(self.frames)

    def crops(self, indices: Iterable[int]) -> Float[Tensor, "batch 3 crop_size crop_size"]:
        """Cut out the faces with these indices."""
        chosen = [self.frames[index] for index in indices]
        return warp(
            frames_to_tensor([self._frames[index] for index in chosen]),
            np.stack([self._maps[clip][t] for clip, t in chosen]),
            size=(self._crop_size, self._crop_size),
        )


class FaceCycleDataset:
    """As many items as the longer of the two lists has faces."""

    def __init__(self, source: AlignedFaces, target: AlignedFaces) -> None:
        self.source, self.target = source, target

    def __len__(self) -> int:
        return max(len(self.source), len(self.target))

    def batch(self, indices: Iterable[int]) -> FaceCycleBatch:
        """Read the items with these indices."""
        chosen = list(indices)
        crops = [
            faces.crops(index * len(faces) // len(self) for index in chosen)
            for faces in (self.source, self.target)
        ]
        return FaceCycleBatch(source=crops[0], target=crops[1])
