"""Detection and generation in OpenVINO, which takes half of PyTorch's and MediaPipe's CPU time."""

import os
import warnings
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from importlib.util import find_spec
from typing import Literal

import torch
from torch import nn

from motiontransfer.models.generators import FrameGenerator
from motiontransfer.models.layers import Maps, pad_to_multiple
from motiontransfer.pose.detectors.mediapipe_holistic import mediapipe_models
from motiontransfer.pose.detectors.openvino_holistic import follow_person, openvino_core
from motiontransfer.pose.detectors.protocol import Detector
from motiontransfer.pose.detectors.registry import default_detector
from motiontransfer.rendering.faces import ResidualFaces
from motiontransfer.rendering.renderer import Renderer

IS_INSTALLED = find_spec("openvino") is not None


def open_detector() -> AbstractContextManager[Detector]:
    """The default detector, in OpenVINO if it is installed."""
    if not IS_INSTALLED:
        return default_detector().open()
    return nullcontext(follow_person(mediapipe_models()))


def use_openvino(renderer: Renderer) -> None:
    """Replace the networks of a target, if they are on the CPU and OpenVINO is installed."""
    if renderer.fabric.device.type != "cpu" or not IS_INSTALLED:
        return
    with renderer.fabric.autocast():
        precision = "bf16" if torch.is_autocast_enabled("cpu") else "f32"
    main = renderer.main.network
    assert isinstance(main, FrameGenerator)
    main.network = CompiledNetwork(main.network, precision=precision)
    if main.shadows is not None:
        main.shadows = CompiledNetwork(main.shadows, precision=precision)
    if isinstance(renderer.face, ResidualFaces):
        face = renderer.face.network
        compiled = CompiledNetwork(face.network, precision=precision)
        face.network = compiled  # ty: ignore[invalid-assignment] - with the same in- and output


class CompiledNetwork(nn.Module):
    """A generator's network."""

    def __init__(self, network: nn.Module, *, precision: Literal["f32", "bf16"]) -> None:
        super().__init__()
        core = openvino_core()
        openvino = import_module("openvino")  # an extra, which type checkers would miss
        self.network = network  # its parameters tell the device
        self.stride: int = network.stride  # ty: ignore[invalid-assignment] - an untyped attribute
        channels: int = network.in_channels  # ty: ignore[invalid-assignment] - as well
        example = torch.zeros(1, channels, 2 * self.stride, 3 * self.stride)
        with warnings.catch_warnings(action="ignore"):
            model = openvino.convert_model(
                network, example_input=example, input=[1, channels, -1, -1]
            )
        # Pinned threads of several networks would share a core while another is idle.
        hints = {"INFERENCE_PRECISION_HINT": precision, "ENABLE_CPU_PINNING": False}
        hints["INFERENCE_NUM_THREADS"] = len(os.sched_getaffinity(0))  # not so by default
        self._run = core.compile_model(model, "CPU", hints)

    def forward(self, maps: Maps) -> Maps:
        """Return the network's output."""
        height, width = maps.shape[2:]
        padded = pad_to_multiple(maps.float(), self.stride).contiguous()
        return torch.from_numpy(self._run(padded.numpy())[0])[:, :, :height, :width]
