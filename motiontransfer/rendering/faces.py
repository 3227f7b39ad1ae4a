"""Face models for generated frames: residual (Chan et al. 2019, sec. 3.2) and CycleGAN (Zhu 2017).

A face model makes a patch for each frame: an image of the whole frame with the face in place, and a
weight for each pixel. `feather` mixes frame and patch by the weight; `poisson` is Poisson image
editing where the weight is at least a half.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from motiontransfer.errors import KeypointsError
from motiontransfer.keypoints import Keypoints
from motiontransfer.models.faces import (
    Boxes,
    CarriedFrame,
    FaceGenerator,
    FaceTranslator,
    add_residuals,
    crop_boxes,
    draw_crops,
    warp,
)
from motiontransfer.pose.boxes import face_alignments, face_boxes, inverse
from motiontransfer.pose.drawing import PoseMapStyle
from motiontransfer.rendering.compositing import (
    FaceBlending,
    blend_poisson,
    face_box_weight,
    face_ellipse_weight,
)
from motiontransfer.training.distributed import Runtime
from motiontransfer.video.color import Frame
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.tensors import frames_to_tensor, tensor_to_frames, upload

Image = Float[Tensor, "1 3 height width"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FacePatch:
    """Face image and blending weight for one frame."""

    image: Image
    """The face at its position in the frame; pixels of weight 0 are ignored."""
    weight: Float[Tensor, "1 1 height width"]
    """Blending weight: 1 inside the face, falling smoothly to 0."""


Patches = Iterator[Callable[[Image], FacePatch] | None]
"""Functions that make the patch of each frame of a clip; None where no face is visible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidualFaces:
    """The face generator of a target: adds a residual to what is in the face box."""

    runtime: Runtime
    network: FaceGenerator
    crop_size: int
    """Side of the network's square crop, pixels."""
    style: PoseMapStyle
    """Drawing style of its pose maps."""
    previous_frame: CarriedFrame = "generated"
    """Previous frame of the rollout's next one, as in the network's training."""

    def patches(self, keypoints: Keypoints) -> Patches:
        """Yield a function for each frame, which makes the patch of the generated image."""
        boxes, valid = face_boxes(keypoints)
        for index in range(keypoints.num_frames):
            box = torch.from_numpy(boxes[index : index + 1]).long()
            yield partial(self._patch, keypoints, index, box) if valid[index] else None

    def _patch(self, keypoints: Keypoints, index: int, box: Boxes, image: Image) -> FacePatch:
        """The face of one frame, in its face box."""
        device = self.runtime.device
        with torch.inference_mode(), self.runtime.autocast():
            pose_crop = draw_crops(
                torch.from_numpy(keypoints.points[index : index + 1]),
                torch.from_numpy(keypoints.score[index : index + 1]),
                box,
                skeleton=keypoints.skeleton,
                style=self.style,
                crop_size=self.crop_size,
                device=device,
            )
            residual = self.network(pose_crop, crop_boxes(image, box, crop_size=self.crop_size))
            x0, y0, x1, y1 = box[0].tolist()
            weight = image.new_zeros((1, 1, *image.shape[2:]))
            feathered = torch.from_numpy(face_box_weight((y1 - y0, x1 - x0)))
            weight[..., y0:y1, x0:x1] = upload(feathered, device)
            return FacePatch(image=add_residuals(image, residual, box), weight=weight)


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslatedFaces:
    """CycleGAN that translates the faces of one source clip into the target's."""

    runtime: Runtime
    translator: FaceTranslator
    crop_size: int
    """Side of the translator's square crop, pixels."""
    frames: Path
    """Frame store of the source clip."""
    keypoints: Keypoints
    """Poses of the source clip, in its own image."""
    previous_frame: CarriedFrame = "generated"

    def patches(self, keypoints: Keypoints) -> Patches:
        """Yield a function for each frame, which makes the patch of the generated image.

        Args:
            keypoints: the poses that the frames were generated from, one a frame of the source.
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
            for index, frame in enumerate(store.frames()):
                if is_seen[index] and is_shown[index]:
                    yield partial(self._patch, frame, cut[index], back[index])
                else:
                    yield None

    def _patch(
        self,
        frame: Frame,
        cut: Float64[np.ndarray, "2 3"],
        back: Float64[np.ndarray, "2 3"],
        image: Image,
    ) -> FacePatch:
        device, size = self.runtime.device, (image.shape[2], image.shape[3])
        with torch.inference_mode():
            real = frames_to_tensor([frame]).to(device)
            crop = warp(real, cut[None], size=(self.crop_size, self.crop_size))
            with self.runtime.autocast():
                face = self.translator(crop)
            ellipse = torch.from_numpy(face_ellipse_weight(self.crop_size))[None, None].to(device)
            return FacePatch(
                image=warp(face, back[None], size=size), weight=warp(ellipse, back[None], size=size)
            )


FaceModel = ResidualFaces | TranslatedFaces


def blend(image: Image, patch: FacePatch, *, blending: FaceBlending) -> Image:
    """Return the image with the patch's face; `poisson` rounds it to 256 levels."""
    if blending == "feather":
        return image + patch.weight * (patch.image - image)
    mask = (patch.weight[0, 0] >= 0.5).cpu().numpy()
    frame, face = tensor_to_frames(torch.cat([image, patch.image]))
    return frames_to_tensor([blend_poisson(frame, face, mask)]).to(image.device)
