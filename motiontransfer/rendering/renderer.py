"""Rendering of poses by the trained networks of a target: whole clips, or poses as they arrive.

The main generator rolls out on its own frames, and the face model's face is blended into what is
shown. Where the face generator was trained so, the rollout goes on from the frames with faces.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from pathlib import Path

import numpy as np

from motiontransfer import layout
from motiontransfer.errors import KeypointsError
from motiontransfer.keypoints import Keypoints
from motiontransfer.models.layers import to_device
from motiontransfer.models.rollout import Rollout
from motiontransfer.rendering.compositing import (
    FaceBlending,
    PendingFrame,
    size_of_height,
    upsample_frames,
)
from motiontransfer.rendering.faces import FaceModel, FacePatch, ResidualFaces, blend
from motiontransfer.rendering.params import FaceMode
from motiontransfer.skeleton import Skeleton
from motiontransfer.training.distributed import Runtime
from motiontransfer.training.weights import TrainedGenerator, read_face_generator, read_generator
from motiontransfer.video.color import Frame
from motiontransfer.video.tensors import Images, read_back, tensor_to_frames


@dataclass(frozen=True, slots=True, kw_only=True)
class Renderer:
    """The trained networks of one target, on a device."""

    runtime: Runtime
    main: TrainedGenerator
    face: FaceModel | None
    """None where faces are left as the main generator makes them."""
    face_blending: FaceBlending = "feather"

    def start_rollout(self, skeleton: Skeleton) -> Rollout:
        """Begin a rollout of the main generator."""
        return Rollout(
            self.main.network,
            skeleton=skeleton,
            size=self.main.config.size,
            style=self.main.style,
            autocast=self.runtime.autocast,
        )


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
    to_device(main.network, runtime.device)
    faces = None
    if face == "residual" and (read := read_face_generator(models / layout.FACE_GENERATOR_FILE)):
        network, config = read
        faces = ResidualFaces(
            runtime=runtime,
            network=to_device(network, runtime.device),
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
    frames = read_back(_generate(renderer, keypoints))
    puppet = renderer.main.network.puppet
    if puppet is None or size in (None, keypoints.image_size):
        return frames
    return upsample_frames(frames, puppet, keypoints, size=size)


def _generate(renderer: Renderer, keypoints: Keypoints) -> Iterator[Images]:
    """Generate each frame and blend its face in."""
    rollout = renderer.start_rollout(keypoints.skeleton)
    face, previous = renderer.face, None
    poses = rollout.draw(keypoints.points, keypoints.score)
    patches = repeat(None, keypoints.num_frames) if face is None else face.patches(keypoints)
    for pose, make_patch in zip(poses, patches, strict=True):
        previous = shown = rollout.step(pose, previous)
        if face is not None and make_patch is not None:
            patch = make_patch(shown)
            if face.previous_frame == "corrected":
                previous = patch.image
            shown = blend(shown, patch, blending=renderer.face_blending)
        yield shown


class LiveGenerator:
    """Frames of a target whose poses arrive one by one."""

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
        """Forget the frames before."""
        self._rollout: Rollout | None = None
        self._previous: Images | None = None

    def generate(self, poses: Keypoints) -> PendingFrame:
        """The next frame, but for its face.

        Args:
            poses: the latest, of which the last is shown.
        """
        if self._rollout is None:
            self._rollout = self._renderer.start_rollout(poses.skeleton)
        (pose,) = self._rollout.draw(poses.points[-1:], poses.score[-1:])
        image = self._previous = self._rollout.step(pose, self._previous)
        face, make_patch = self._renderer.face, None
        if isinstance(face, ResidualFaces):
            *_, make_patch = face.patches(poses)
        if face is None or make_patch is None:
            return lambda: tensor_to_frames(image)[0]
        if face.previous_frame != "corrected":
            return lambda: self._blended(image, make_patch(image))
        patch = make_patch(image)
        self._previous = patch.image
        return partial(self._blended, image, patch)

    def _blended(self, image: Images, patch: FacePatch) -> Frame:
        blended = blend(image, patch, blending=self._renderer.face_blending)
        return tensor_to_frames(blended)[0]


def result_size(renderer: Renderer, *, height: int | None) -> tuple[int, int]:
    """(height, width) of a target's results; see `size_of_height`."""
    return size_of_height(renderer.main.config.size, full_size(renderer), height=height)


def full_size(renderer: Renderer) -> tuple[int, int]:
    """(height, width) of the target's video, or without texture of the working image."""
    if renderer.main.network.puppet is None:
        return renderer.main.config.size
    return renderer.main.network.puppet.appearance.background.shape[:2]
