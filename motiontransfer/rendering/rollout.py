"""Rendering: poses in, finished frames out, one at a time.

Hides how the two networks work together: the main generator rolls out on its own frames, the face
residual is added to what is shown, not to what is carried on (Chan et al. 2019, sec. 3.4: the main
generator is done before).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from lightning_fabric import Fabric
from torch import Tensor

from motiontransfer.errors import KeypointsError
from motiontransfer.keypoints import Keypoints
from motiontransfer.media.tensors import Frame, tensor_to_frames
from motiontransfer.nets.face_crops import add_residuals, crop_boxes, draw_crops
from motiontransfer.nets.face_generator import FaceGenerator
from motiontransfer.nets.rollout import roll_out
from motiontransfer.pose.face_box import face_boxes
from motiontransfer.training.trained import TrainedGenerator, read_face_generator, read_generator

FaceMode = Literal["residual", "none"]

_FEATHER_FRACTION = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Renderer:
    """The trained networks of one target, on a device."""

    fabric: Fabric
    main: TrainedGenerator
    face: FaceGenerator | None
    """None where faces are left as the main generator makes them."""
    crop_size: int
    """Of the face generator's crop, pixels."""


def load_renderer(models: Path, fabric: Fabric, *, face: FaceMode) -> Renderer:
    """Read a target's networks.

    Raises:
        MissingFileError: a weights file is not there.
        WeightsError: a weights file does not fit.
    """
    main = read_generator(models / "generator.safetensors")
    main.network.to(fabric.device)
    trained_face = None
    if face == "residual":
        trained_face = read_face_generator(models / "face_generator.safetensors")
    if trained_face is None:
        return Renderer(fabric=fabric, main=main, face=None, crop_size=0)
    network, config = trained_face
    return Renderer(
        fabric=fabric, main=main, face=network.to(fabric.device), crop_size=config.crop_size
    )


def render_poses(renderer: Renderer, keypoints: Keypoints) -> Iterator[Frame]:
    """Yield one frame for every pose; the poses are those of the target's image.

    Raises:
        KeypointsError: the poses are for images of another size.
    """
    if keypoints.image_size != renderer.main.config.size:
        raise KeypointsError(
            f"expected poses for images of {renderer.main.config.size} (height, width) pixels, as "
            f"the generator was trained, got {keypoints.image_size}; normalise them first"
        )
    boxes, valid = face_boxes(keypoints)
    images = roll_out(
        renderer.main.network,
        keypoints.points,
        keypoints.score,
        skeleton=keypoints.skeleton,
        size=keypoints.image_size,
        style=renderer.main.style,
        device=renderer.fabric.device,
        autocast=renderer.fabric.autocast,
    )
    for index, image in enumerate(images):
        shown = image[None]
        if renderer.face is not None and valid[index]:
            box = torch.from_numpy(boxes[index : index + 1]).long()
            shown = _refine_face(renderer, renderer.face, shown, keypoints, index, box)
        yield tensor_to_frames(shown)[0]


def _refine_face(
    renderer: Renderer,
    face: FaceGenerator,
    image: Float[Tensor, "1 3 height width"],
    keypoints: Keypoints,
    index: int,
    box: Tensor,
) -> Float[Tensor, "1 3 height width"]:
    device = renderer.fabric.device
    with torch.inference_mode(), renderer.fabric.autocast():
        pose_crop = draw_crops(
            torch.from_numpy(keypoints.points[index : index + 1]).to(device),
            torch.from_numpy(keypoints.score[index : index + 1]).to(device),
            box.to(device),
            skeleton=keypoints.skeleton,
            style=renderer.main.style,
            crop_size=renderer.crop_size,
        )
        residual = face(pose_crop, crop_boxes(image, box, crop_size=renderer.crop_size))
        return add_residuals(image, residual, box, feather_fraction=_FEATHER_FRACTION)
