"""Rendering of poses by the trained networks of a target: whole clips, or poses as they arrive.

The main generator rolls out on its own frames, and the face model's face is blended into what is
shown. Where the face generator was trained so, the rollout goes on from the frames with faces.

A face model, residual (Chan et al. 2019, sec. 3.2) or CycleGAN (Zhu et al. 2017), makes a patch for
each frame: an image of the whole frame with the face in place, and a weight for each pixel.
`feather` mixes frame and patch by the weight; `poisson` is Poisson image editing where the weight
is at least a half.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from motiontransfer.core import layout
from motiontransfer.core.errors import KeypointsError
from motiontransfer.models.faces import (
    Boxes,
    CarriedFrame,
    FaceGenerator,
    FaceTranslator,
    add_residuals,
    crop_boxes,
    warp,
)
from motiontransfer.models.layers import Network, to_device
from motiontransfer.models.runtime import Runtime
from motiontransfer.models.weights import TrainedGenerator, read_face_generator, read_generator
from motiontransfer.pose.boxes import face_alignments, face_boxes, inverse
from motiontransfer.pose.drawing import PoseMapStyle
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.torch_drawing import PoseDrawer, PoseMaps
from motiontransfer.puppet.parts import Map
from motiontransfer.rendering.compositing import (
    FaceBlending,
    PendingFrame,
    blend_poisson,
    face_box_weight,
    face_ellipse_weight,
    size_of_height,
    upsample_frames,
)
from motiontransfer.rendering.rendered import FaceMode
from motiontransfer.rendering.rollout import Rollout
from motiontransfer.video.color import Frame
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.tensors import (
    Images,
    levels_to_images,
    read_back,
    start_reading,
    tensor_to_frames,
    upload,
    upload_together,
)

Image = Float[Tensor, "1 3 height width"]

_BATCH_FRAMES = 8  # whose faces' pose maps are drawn at once


@dataclass(frozen=True, slots=True, kw_only=True)
class FacePatch:
    """Face image and blending weight for one frame."""

    image: Image
    """The face at its position in the frame; pixels of weight 0 are ignored."""
    weight: Float[Tensor, "1 1 height width"]
    """Blending weight: 1 inside the face, falling smoothly to 0."""


MakePatch = Callable[[Image], FacePatch]
Patches = Iterator[MakePatch | None]
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

    def patches(self, keypoints: Keypoints, frames: range | None = None) -> Patches:
        """Yield for each frame, or those of a range, what makes a generated image's patch."""
        frames = range(keypoints.num_frames) if frames is None else frames
        boxes, valid = face_boxes(keypoints)
        for start in frames[::_BATCH_FRAMES]:
            batch = np.arange(start, min(start + _BATCH_FRAMES, frames.stop))
            shown = batch[valid[batch]]
            faces = iter(self._prepare(keypoints, shown, boxes[shown]) if len(shown) else ())
            for is_shown in valid[batch].tolist():
                yield partial(self._patch, *next(faces)) if is_shown else None

    def _prepare(
        self,
        keypoints: Keypoints,
        shown: Int[np.ndarray, " faces"],
        boxes: Int[np.ndarray, "faces 4"],
    ) -> Iterable[tuple[Boxes, PoseMaps, Float[Tensor, "_ _"]]]:
        """Box, pose map and blending weight of each face, drawn and uploaded together."""
        device, box = self.runtime.device, torch.from_numpy(boxes).long()
        drawer = PoseDrawer(skeleton=keypoints.skeleton, style=self.style, device=device)
        poses = map(torch.from_numpy, (keypoints.points[shown], keypoints.score[shown]))
        weights = [face_box_weight((y1 - y0, x1 - x0)) for x0, y0, x1, y1 in boxes.tolist()]
        with torch.inference_mode():
            crops = drawer.draw_crops(*poses, box, crop_size=self.crop_size)
            uploaded = upload_together([*map(torch.from_numpy, weights)], device)
        return zip(box.split(1), crops.split(1), uploaded, strict=True)

    def _patch(
        self, box: Boxes, pose_crop: PoseMaps, feathered: Float[Tensor, "_ _"], image: Image
    ) -> FacePatch:
        with torch.inference_mode(), self.runtime.autocast():
            residual = self.network(pose_crop, crop_boxes(image, box, crop_size=self.crop_size))
            x0, y0, x1, y1 = box[0].tolist()
            weight = image.new_zeros((1, 1, *image.shape[2:]))
            weight[..., y0:y1, x0:x1] = feathered
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
        weight = torch.from_numpy(face_ellipse_weight(self.crop_size))[None, None]
        ellipse = upload(weight, self.runtime.device)
        with FrameStore(self.frames) as store:
            for index, frame in enumerate(store.frames()):
                if is_seen[index] and is_shown[index]:
                    yield partial(self._patch, ellipse, frame, cut[index], back[index])
                else:
                    yield None

    def _patch(
        self,
        ellipse: Float[Tensor, "1 1 crop_size crop_size"],
        frame: Frame,
        cut: Map,
        back: Map,
        image: Image,
    ) -> FacePatch:
        size = image.shape[2], image.shape[3]
        with torch.inference_mode():
            levels = torch.from_numpy(np.ascontiguousarray(frame))[None]
            real = levels_to_images(upload(levels, self.runtime.device))
            crop = warp(real, cut[None], size=(self.crop_size, self.crop_size))
            with self.runtime.autocast():
                face = self.translator(crop)
            return FacePatch(
                image=warp(face, back[None], size=size), weight=warp(ellipse, back[None], size=size)
            )


FaceModel = ResidualFaces | TranslatedFaces


def blend(image: Image, patch: FacePatch, *, blending: FaceBlending) -> Images:
    """Return the image with the patch's face, or for `poisson` what `finish` makes it from."""
    if blending == "feather":
        return image + patch.weight * (patch.image - image)
    mask = torch.where(patch.weight >= 0.5, 1.0, -1.0)
    return torch.cat([image, patch.image, mask.expand_as(image)])


def finish(frames: Sequence[Frame]) -> Frame:
    """The frame that is shown, of an image or of what `blend` returned for `poisson`."""
    if len(frames) == 1:
        return frames[0]
    frame, face, mask = frames
    return blend_poisson(frame, face, mask[..., 0] > 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Renderer:
    """The trained networks of one target, on a device."""

    runtime: Runtime
    main: TrainedGenerator
    face: FaceModel | None
    """None where faces are left as the main generator makes them."""
    face_blending: FaceBlending = "feather"

    def start_rollout(self) -> Rollout:
        return Rollout(
            self.main.network,
            size=self.main.config.size,
            style=self.main.style,
            autocast=self.runtime.autocast,
        )


def to_runtime(network: Network, runtime: Runtime) -> Network:
    """Move a trained network to its device.

    On a GPU, convolutions are cast as autocast would cast them in each pass.
    """
    if runtime.device.type != "cpu" and runtime.precision == "bf16-mixed":
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                module.to(torch.bfloat16)
    return to_device(network, runtime.device)


def load_renderer(
    models: Path, runtime: Runtime, *, face: FaceMode, appearance: Path | None = None
) -> Renderer:
    """Read a target's networks.

    Args:
        models: folder of the weights, artifacts/models/TARGET.
        appearance: what `train_gan.texture: puppet` draws from; None:
            artifacts/appearance/TARGET.safetensors of the same project.
    """
    main = read_generator(models / layout.GENERATOR_FILE, appearance=appearance)
    to_runtime(main.network, runtime)
    faces = None
    if face == "residual" and (read := read_face_generator(models / layout.FACE_GENERATOR_FILE)):
        network, config = read
        faces = ResidualFaces(
            runtime=runtime,
            network=to_runtime(network, runtime),
            crop_size=config.crop_size,
            style=main.style,
            previous_frame=config.previous_frame,
        )
    return Renderer(runtime=runtime, main=main, face=faces)


def render_poses(
    renderer: Renderer, keypoints: Keypoints, *, size: tuple[int, int] | None = None
) -> Iterator[Frame]:
    """Return one frame for every pose; the poses are those of the target's image.

    Args:
        size: (height, width) of the frames, see `result_size`; None: as they are generated.

    Raises:
        KeypointsError: the poses are for images of another size, or not those of the clip whose
            faces are laid over the frames.
    """
    if keypoints.image_size != renderer.main.config.size:
        raise KeypointsError(
            f"expected poses for images of {renderer.main.config.size} (height, width) pixels, as "
            f"the generator was trained, got {keypoints.image_size}; normalize them first"
        )
    frames = map(finish, read_back(_generate(renderer, keypoints)))
    puppet = renderer.main.network.puppet
    if puppet is None or size in (None, keypoints.image_size):
        return frames
    return upsample_frames(frames, puppet, keypoints, size=size)


def _generate(renderer: Renderer, keypoints: Keypoints) -> Iterator[Images]:
    rollout = renderer.start_rollout()
    face, previous = renderer.face, None
    patches = repeat(None, keypoints.num_frames) if face is None else face.patches(keypoints)
    with closing(rollout.draw(keypoints)) as poses:
        for pose, make_patch in zip(poses, patches, strict=True):
            previous = shown = rollout.step(pose, previous)
            if face is not None and make_patch is not None:
                patch = make_patch(shown)
                if face.previous_frame == "corrected":
                    previous = patch.image
                shown = blend(shown, patch, blending=renderer.face_blending)
            yield shown


class LiveGenerator:
    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self.size = renderer.main.config.size
        self.style = renderer.main.style
        self.background = np.zeros((*self.size, 3), np.uint8)
        """Shown where nobody is; black without a background image."""
        image = renderer.main.network.background_image
        if image is not None:
            (self.background,) = tensor_to_frames(image[None])
        self.restart()

    def restart(self) -> None:
        self._rollout = self._renderer.start_rollout()
        self._previous: Images | None = None

    def generate(self, poses: Keypoints) -> PendingFrame:
        """The next frame, but for its face; of the poses the last is shown."""
        last = poses.num_frames - 1
        (pose,) = self._rollout.draw(poses.part(range(last, last + 1)))
        image = self._previous = self._rollout.step(pose, self._previous)
        face, make_patch = self._renderer.face, None
        if isinstance(face, ResidualFaces):
            (make_patch,) = face.patches(poses, range(last, last + 1))
            if make_patch is not None and face.previous_frame == "corrected":
                patch = make_patch(image)
                self._previous, make_patch = patch.image, lambda _: patch
        if image.is_cpu:  # beside the generation of the next frame
            return lambda: self._started(image, make_patch)()
        return self._started(image, make_patch)  # before the kernels of the next frame

    def _started(self, image: Image, make_patch: MakePatch | None) -> PendingFrame:
        shown = image
        if make_patch is not None:
            shown = blend(image, make_patch(image), blending=self._renderer.face_blending)
        read = start_reading(shown)
        return lambda: finish(read())


def result_size(renderer: Renderer, *, height: int | None) -> tuple[int, int]:
    """(height, width) of a target's results; see `size_of_height`."""
    return size_of_height(renderer.main.config.size, full_size(renderer), height=height)


def full_size(renderer: Renderer) -> tuple[int, int]:
    """(height, width) of the target's video, or without texture of the working image."""
    if renderer.main.network.puppet is None:
        return renderer.main.config.size
    return renderer.main.network.puppet.appearance.background.shape[:2]
