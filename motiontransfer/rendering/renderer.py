"""Renderers of the trained networks of a target; faces translated by a CycleGAN."""

from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from motiontransfer.core import layout
from motiontransfer.core.arrays import Affine, Frame
from motiontransfer.core.errors import KeypointsError
from motiontransfer.models.faces import FaceGenerator, FaceGeneratorConfig, FaceTranslator, warp
from motiontransfer.models.layers import Network, to_device
from motiontransfer.models.runtime import Runtime
from motiontransfer.models.weights import TrainedGenerator, read_face_generator, read_generator
from motiontransfer.pose.boxes import face_alignments, inverse
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.rendering.compositing import face_ellipse_weight
from motiontransfer.rendering.frame import FacePatch, Patches, Renderer, ResidualFaces
from motiontransfer.rendering.rendered import FaceMode
from motiontransfer.rendering.rollout import FramePose
from motiontransfer.rendering.torch_networks import TorchNetworks
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.tensors import Images, levels_to_images, upload


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedRenderer(Renderer):
    """Renderer of networks in PyTorch."""

    networks: TorchNetworks
    main: TrainedGenerator
    runtime: Runtime

    def beyond(self, distance: float) -> "TrainedRenderer":
        """The same, whose puppet is without references that are nearer; % of the body's height."""
        networks = copy(self.networks)
        networks.puppet = networks.puppet and networks.puppet.beyond(distance)
        return replace(self, networks=networks)


def to_runtime(network: Network, runtime: Runtime) -> Network:
    """Move a trained network to its device.

    On a GPU, convolutions are cast as autocast would cast them in each pass.
    """
    if runtime.device.type != "cpu" and runtime.precision == "bf16-mixed":
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                module.to(torch.bfloat16)
    return to_device(network, runtime.device)


def make_renderer(
    main: TrainedGenerator,
    runtime: Runtime,
    face: tuple[FaceGenerator, FaceGeneratorConfig] | None = None,
) -> TrainedRenderer:
    """Move networks to their device."""
    networks = TorchNetworks(
        to_runtime(main.network, runtime),
        size=main.config.size,
        style=main.style,
        face=None if face is None else to_runtime(face[0], runtime),
        autocast=runtime.autocast,
    )
    faces = None
    if face is not None:
        carries_faces = face[1].previous_frame == "corrected"
        faces = ResidualFaces(
            networks=networks, crop_size=face[1].crop_size, carries_faces=carries_faces
        )
    return TrainedRenderer(networks=networks, face=faces, main=main, runtime=runtime)


def load_renderer(models: Path, runtime: Runtime, *, face: FaceMode) -> TrainedRenderer:
    """Read a target's networks; a drawn target has the faces of its film.

    Args:
        models: folder of the weights, artifacts/models/TARGET.
    """
    main = read_generator(models / layout.GENERATOR_FILE)
    has_residual = face == "residual" and main.config.texture == "none"
    faces = read_face_generator(models / layout.FACE_GENERATOR_FILE) if has_residual else None
    return make_renderer(main, runtime, faces)


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
    carries_faces: bool = False

    def patches(self, keypoints: Keypoints) -> Patches:
        """Yield the patches of the frames of a clip.

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
        cut: Affine,
        back: Affine,
        image: Images,
        _: FramePose,
    ) -> FacePatch:
        height, width = image.shape[2:]
        with torch.inference_mode():
            levels = torch.from_numpy(np.ascontiguousarray(frame))[None]
            real = levels_to_images(upload(levels, self.runtime.device))
            crop = warp(real, cut[None], size=(self.crop_size, self.crop_size))
            with self.runtime.autocast():
                face = self.translator(crop)
            face, weight = (warp(one, back[None], size=(height, width)) for one in (face, ellipse))
            return FacePatch(image=face, box=(0, 0, width, height), weight=weight)
