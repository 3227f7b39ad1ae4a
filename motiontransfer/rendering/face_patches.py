"""Better faces for generated frames, and how they are blended in.

Hides where a face model's picture goes: whatever made it, it is a patch, a picture of the whole
frame with the face in it and a weight that says how far each pixel belongs to the face. Feathering
mixes by that weight; Poisson blending (Perez et al. 2003) takes the patch's gradients and the
frame's colours at the border of where the weight is at least a half.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from lightning_fabric import Fabric
from torch import Tensor

from motiontransfer.keypoints import Keypoints
from motiontransfer.media.tensors import Frame, tensor_to_frames
from motiontransfer.nets.face_crops import add_residuals, crop_boxes, draw_crops, feather
from motiontransfer.nets.face_generator import FaceGenerator
from motiontransfer.pose.drawing import PoseMapStyle
from motiontransfer.pose.face_box import face_boxes
from motiontransfer.rendering.face_blending import blend_poisson

FaceBlending = Literal["feather", "poisson"]

_FEATHER_FRACTION = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class FacePatch:
    """A better face for one frame."""

    image: Float[Tensor, "1 3 height width"]
    """The face where it belongs in the frame; what is far from it counts for nothing."""

    weight: Float[Tensor, "1 1 height width"]
    """How far a pixel belongs to the face: 1 inside, falling smoothly to 0."""


@runtime_checkable
class FaceModel(Protocol):
    """What makes better faces for the frames of a clip."""

    def patches(
        self, images: Iterable[Float[Tensor, "1 3 height width"]], keypoints: Keypoints
    ) -> Iterator[tuple[Float[Tensor, "1 3 height width"], FacePatch | None]]:
        """Yield each generated frame with its patch, None where no face is to be seen.

        Args:
            keypoints: the poses that the frames were generated from.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidualFaces:
    """The face generator of a target: adds a residual to what is in the face box."""

    fabric: Fabric
    network: FaceGenerator
    crop_size: int
    """Of the network's crop, pixels."""
    style: PoseMapStyle
    """How poses are drawn for it."""

    def patches(
        self, images: Iterable[Float[Tensor, "1 3 height width"]], keypoints: Keypoints
    ) -> Iterator[tuple[Float[Tensor, "1 3 height width"], FacePatch | None]]:
        """Yield each generated frame with its patch, None where no face is to be seen."""
        boxes, valid = face_boxes(keypoints)
        for index, image in enumerate(images):
            box = torch.from_numpy(boxes[index : index + 1]).long()
            yield image, self._patch(image, keypoints, index, box) if valid[index] else None

    def _patch(
        self,
        image: Float[Tensor, "1 3 height width"],
        keypoints: Keypoints,
        index: int,
        box: Tensor,
    ) -> FacePatch:
        device = self.fabric.device
        with torch.inference_mode(), self.fabric.autocast():
            pose_crop = draw_crops(
                torch.from_numpy(keypoints.points[index : index + 1]).to(device),
                torch.from_numpy(keypoints.score[index : index + 1]).to(device),
                box.to(device),
                skeleton=keypoints.skeleton,
                style=self.style,
                crop_size=self.crop_size,
            )
            residual = self.network(pose_crop, crop_boxes(image, box, crop_size=self.crop_size))
            x0, y0, x1, y1 = box[0].tolist()
            weight = image.new_zeros((1, 1, *image.shape[2:]))
            weight[..., y0:y1, x0:x1] = feather(
                (y1 - y0, x1 - x0), fraction=_FEATHER_FRACTION, device=device
            )
            patched = add_residuals(image, residual, box, feather_fraction=0.0)
            return FacePatch(image=patched, weight=weight)


def blend(
    image: Float[Tensor, "1 3 height width"], patch: FacePatch, *, blending: FaceBlending
) -> Frame:
    """Return the frame with the patch's face."""
    if blending == "feather":
        return tensor_to_frames(image + patch.weight * (patch.image - image))[0]
    mask = (patch.weight[0, 0] >= 0.5).cpu().numpy()
    frame, face = tensor_to_frames(torch.cat([image, patch.image]))
    return blend_poisson(frame, face, mask)
