"""A target's networks in PyTorch, on any device, for the arithmetic of a frame."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from motiontransfer.models.faces import Crops, FaceGenerator, resize
from motiontransfer.models.generators import FrameGenerator, HalfResolutionGenerator
from motiontransfer.models.layers import Maps
from motiontransfer.pose.drawing import PoseMapStyle
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.skeleton import Skeleton
from motiontransfer.pose.torch_drawing import PoseDrawer
from motiontransfer.puppet.draw.retrieval import Excluded
from motiontransfer.puppet.draw.warping import Texture
from motiontransfer.rendering.rollout import ReadFrames, Rollout, Step
from motiontransfer.video.color import Frame
from motiontransfer.video.tensors import (
    Images,
    levels_to_textures,
    start_reading,
    tensor_to_frames,
    upload,
    upload_together,
)

PoseMaps = Float[Tensor, "_ channels height width"]


class TorchNetworks:
    """`Networks` on the generator's device."""

    def __init__(
        self,
        generator: FrameGenerator | HalfResolutionGenerator,
        *,
        size: tuple[int, int],
        style: PoseMapStyle,
        face: FaceGenerator | None = None,
        autocast: Callable[[], AbstractContextManager] = nullcontext,
    ) -> None:
        self.generator, self.face, self._autocast = generator, face, autocast
        self.size, self.style = size, style
        self.conditioning_poses = generator.conditioning_poses
        self.viewport, self.puppet = generator.viewport, generator.puppet
        self.device = next(generator.parameters()).device
        self.is_asynchronous = self.device.type != "cpu"

    def num_threads(self) -> int:
        return torch.get_num_threads()

    def background(self) -> Frame:
        generator = self.generator
        image = generator.background_image if isinstance(generator, FrameGenerator) else None
        if image is None:
            return np.zeros((*self.size, 3), np.uint8)
        return tensor_to_frames(image[None])[0]

    def computing(self) -> AbstractContextManager:
        return torch.inference_mode()

    def drawer(self, skeleton: Skeleton) -> PoseDrawer:
        return PoseDrawer(skeleton=skeleton, style=self.style, device=self.device)

    def upload(self, arrays: Sequence[Float32[np.ndarray, "..."]]) -> list[Float[Tensor, "..."]]:
        return upload_together([*map(torch.from_numpy, arrays)], self.device)

    def to_texture(self, levels: Texture) -> Float[Tensor, "1 5 height width"]:
        return levels_to_textures(upload(torch.from_numpy(levels)[None], self.device))

    def concatenate(self, arrays: Sequence[PoseMaps]) -> PoseMaps:
        return torch.cat([*arrays])

    def zeros(self, shape: Sequence[int]) -> Float[Tensor, "..."]:
        return torch.zeros([*shape], device=self.device)

    def resize(self, image: Images, size: tuple[int, int]) -> Float[Tensor, "batch 3 _ _"]:
        return resize(image, size)

    def generate(
        self, pose_map: Maps, previous: Images, background: Images | None, texture: Maps | None
    ) -> Step:
        with self._autocast():
            generated = self.generator(pose_map, previous, background, texture)
        return Step(generated.frame, generated.mask)

    def scene(self, coarse_pose: Maps) -> Float[Tensor, "1 3 _ _"]:
        with self._autocast():
            return self.generator.scene(coarse_pose)

    def face_residual(self, pose_map: Maps, face: Crops) -> Crops:
        assert self.face is not None
        with self._autocast():
            return self.face(pose_map, face)

    def start_reading(self, images: Images) -> ReadFrames:
        return start_reading(images)


def generate_clip(
    generator: FrameGenerator | HalfResolutionGenerator,
    keypoints: Keypoints,
    *,
    style: PoseMapStyle,
    autocast: Callable[[], AbstractContextManager] = nullcontext,
    excluded: Excluded | None = None,
) -> Iterator[Images]:
    """Yield the frames of a clip in [-1, 1], each as a batch of one; see `Rollout`."""
    rollout = Rollout(
        TorchNetworks(generator, size=keypoints.image_size, style=style, autocast=autocast)
    )
    frame = None
    puppet = generator.puppet
    clip = None if puppet is None else puppet.follow(keypoints, excluded=excluded)
    for pose in rollout.draw(keypoints, puppet=clip):
        frame = rollout.step(pose, frame).image
        yield frame
