"""A target's networks in PyTorch, on any device, for the arithmetic of a frame."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from motiontransfer.models.faces import Crops, FaceGenerator, resize
from motiontransfer.models.generators import DrawnGenerator, FrameGenerator
from motiontransfer.models.layers import Maps
from motiontransfer.pose.drawing import PoseMapStyle
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.skeleton import Skeleton
from motiontransfer.pose.torch_drawing import PoseDrawer
from motiontransfer.rendering.rollout import GeneratedFrame, Networks, ReadFrames, Rollout
from motiontransfer.video.tensors import Images, start_reading, upload_together

PoseMapTensors = Float[Tensor, "_ channels height width"]


class TorchNetworks(Networks):
    """`Networks` on the generator's device."""

    def __init__(
        self,
        generator: FrameGenerator | DrawnGenerator,
        *,
        size: tuple[int, int],
        style: PoseMapStyle,
        face: FaceGenerator | None = None,
        autocast: Callable[[], AbstractContextManager] = nullcontext,
    ) -> None:
        self.generator, self.face, self._autocast = generator, face, autocast
        self.size, self.style = size, style
        if isinstance(generator, DrawnGenerator):
            self.puppet = generator.puppet
        else:
            self.conditioning_poses = generator.conditioning_poses
            self.viewport = generator.viewport
        image = generator.background_image
        self.background_image = None if image is None else image[None]
        self.device = next(generator.parameters()).device
        self.is_asynchronous = self.device.type != "cpu"

    def computing(self) -> AbstractContextManager:
        return torch.inference_mode()

    def drawer(self, skeleton: Skeleton) -> PoseDrawer:
        return PoseDrawer(skeleton=skeleton, style=self.style, device=self.device)

    def upload(self, arrays: Sequence[Float32[np.ndarray, "..."]]) -> list[Float[Tensor, "..."]]:
        return upload_together([*map(torch.from_numpy, arrays)], self.device)

    def concatenate(self, arrays: Sequence[PoseMapTensors]) -> PoseMapTensors:
        return torch.cat([*arrays])

    def zeros(self, shape: Sequence[int]) -> Float[Tensor, "..."]:
        return torch.zeros([*shape], device=self.device)

    def resize(self, image: Images, size: tuple[int, int]) -> Float[Tensor, "batch 3 _ _"]:
        return resize(image, size)

    def generate(
        self, pose_map: Maps, previous: Images, background: Images | None
    ) -> GeneratedFrame:
        with self._autocast():
            generated = self.generator(pose_map, previous, background)
        return GeneratedFrame(generated.frame, generated.mask)

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
    generator: FrameGenerator,
    keypoints: Keypoints,
    *,
    style: PoseMapStyle,
    autocast: Callable[[], AbstractContextManager] = nullcontext,
) -> Iterator[Images]:
    """Yield the frames of a clip in [-1, 1], each as a batch of one; see `Rollout`."""
    rollout = Rollout(
        TorchNetworks(generator, size=keypoints.image_size, style=style, autocast=autocast)
    )
    frame = None
    for pose in rollout.draw(keypoints):
        frame = rollout.step(pose, frame).image
        yield frame
