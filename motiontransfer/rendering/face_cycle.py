"""Faces by translation: the source's real face, shown as the target's, laid onto the generated one.

Hides the way of a face: out of the source's frame by the alignment of its joints, through the
translator, and into the generated frame by the inverse alignment of the pose that it was generated
from. It is as large and as inclined as the pose says, and looks where the source looks.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float64
from lightning_fabric import Fabric
from torch import Tensor

from motiontransfer.errors import KeypointsError
from motiontransfer.keypoints import Keypoints
from motiontransfer.media.frame_store import FrameStore
from motiontransfer.media.tensors import Frame, frames_to_tensor
from motiontransfer.nets.aligned_crops import face_ellipse, warp
from motiontransfer.nets.face_translation import FaceTranslator
from motiontransfer.pose.face_alignment import face_alignments, inverse
from motiontransfer.rendering.face_patches import FacePatch
from motiontransfer.training.face_cycle_weights import read_face_translator


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslatedFaces:
    """The faces of one source clip, as the target's."""

    fabric: Fabric
    translator: FaceTranslator
    crop_size: int
    """Of the translator's crop, pixels."""
    frames: Path
    """Frame store of the source clip."""
    keypoints: Keypoints
    """Poses of the source clip, in its own image."""

    def patches(
        self, images: Iterable[Float[Tensor, "1 3 height width"]], keypoints: Keypoints
    ) -> Iterator[tuple[Float[Tensor, "1 3 height width"], FacePatch | None]]:
        """Yield each generated frame with its patch, None where no face is to be seen.

        Args:
            keypoints: the poses that the frames were generated from, one a frame of the source.

        Raises:
            KeypointsError: there are more or fewer of them.
        """
        if keypoints.num_frames != self.keypoints.num_frames:
            raise KeypointsError(
                f"expected one pose for each of the {self.keypoints.num_frames} frames of "
                f"{self.frames}, whose faces are translated, got {keypoints.num_frames}"
            )
        cut, is_seen = face_alignments(self.keypoints, crop_size=self.crop_size)
        placed, is_shown = face_alignments(keypoints, crop_size=self.crop_size)
        back = inverse(placed)
        with FrameStore(self.frames) as store:
            for index, (image, frame) in enumerate(zip(images, store.frames(), strict=True)):
                patch = None
                if is_seen[index] and is_shown[index]:
                    size = (image.shape[2], image.shape[3])
                    patch = self._patch(frame, cut[index], back[index], size)
                yield image, patch

    def _patch(
        self,
        frame: Frame,
        cut: Float64[np.ndarray, "2 3"],
        back: Float64[np.ndarray, "2 3"],
        size: tuple[int, int],
    ) -> FacePatch:
        device = self.fabric.device
        with torch.inference_mode():
            real = frames_to_tensor([frame]).to(device)
            crop = warp(real, cut[None], size=(self.crop_size, self.crop_size))
            with self.fabric.autocast():
                face = self.translator(crop)
            ellipse = face_ellipse(self.crop_size, device=device)
            return FacePatch(
                image=warp(face, back[None], size=size),
                weight=warp(ellipse, back[None], size=size),
            )


def load_translated_faces(
    weights: Path, fabric: Fabric, *, frames: Path, keypoints: Keypoints
) -> TranslatedFaces:
    """Read a transfer's translator.

    Args:
        weights: the folder that training wrote.
        frames: frame store of the source clip.
        keypoints: poses of the source clip, in its own image.

    Raises:
        MissingFileError: the weights file is not there.
        WeightsError: it holds no translator, or does not fit.
    """
    translator, config = read_face_translator(weights)
    return TranslatedFaces(
        fabric=fabric,
        translator=translator.to(fabric.device),
        crop_size=config.crop_size,
        frames=frames,
        keypoints=keypoints,
    )
