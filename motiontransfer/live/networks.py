"""Networks of a trained target for live use, in OpenVINO if it is installed."""

import warnings
from dataclasses import replace
from importlib import import_module
from typing import Literal

import loky
import torch

from motiontransfer.core import layout
from motiontransfer.core.device import describe_device
from motiontransfer.core.errors import ParamsError
from motiontransfer.core.params import PARAMS_FILE
from motiontransfer.models.generators import FrameGenerator, ImageNetwork
from motiontransfer.models.layers import Maps
from motiontransfer.models.runtime import make_runtime
from motiontransfer.pose.openvino_holistic import IS_INSTALLED, openvino_core
from motiontransfer.rendering.rendered import RenderParams
from motiontransfer.rendering.renderer import TrainedRenderer, load_renderer


def runs_in(renderer: TrainedRenderer) -> str:
    """Device, precision and library, in words."""
    kind = renderer.runtime.device.type
    library = "OpenVINO" if kind == "cpu" and IS_INSTALLED else "PyTorch"
    return f"runs on {describe_device(kind)}, {renderer.runtime.precision}, in {library}"


def load_target(target: str, params: RenderParams) -> TrainedRenderer:
    """Read a target's networks.

    Raises:
        ParamsError: the faces are not those of its face generator.
    """
    if params.face == "cycle":
        raise ParamsError(
            f"{PARAMS_FILE}: render.face: cycle translates the faces of a decoded clip; expected "
            "residual or none for live use"
        )
    # The other half of the cores detects.
    torch.set_num_threads(max(1, loky.cpu_count() // 2))
    runtime = make_runtime(precision=params.precision)
    renderer = load_renderer(layout.models_folder(target), runtime, face=params.face)
    return replace(renderer, face_blending=params.face_blending)


def use_openvino(renderer: TrainedRenderer) -> None:
    """Replace the networks of a target, if they are on the CPU and OpenVINO is installed."""
    if renderer.runtime.device.type != "cpu" or not IS_INSTALLED:
        return
    with renderer.runtime.autocast():
        precision = "bf16" if torch.is_autocast_enabled("cpu") else "f32"
    main = renderer.main.network
    if isinstance(main, FrameGenerator):
        main.network = CompiledNetwork(main.network, precision=precision)
    if main.shadows is not None:
        main.shadows = CompiledNetwork(main.shadows, precision=precision)
    if (face := renderer.networks.face) is not None:
        compiled = CompiledNetwork(face.network, precision=precision)
        face.network = compiled  # ty: ignore[invalid-assignment] - with the same in- and output


class CompiledNetwork(ImageNetwork):
    def __init__(self, network: ImageNetwork, *, precision: Literal["f32", "bf16"]) -> None:
        super().__init__(network.in_channels, network.stride)
        core = openvino_core()
        openvino = import_module("openvino")  # an extra, which type checkers would miss
        self.network = network  # its parameters tell the device
        channels = self.in_channels
        example = torch.zeros(1, channels, 2 * self.stride, 3 * self.stride)
        with warnings.catch_warnings(action="ignore"):
            model = openvino.convert_model(
                network, example_input=example, input=[1, channels, -1, -1]
            )
        # Pinned threads of several networks would share a core while another is idle.
        hints = {"INFERENCE_PRECISION_HINT": precision, "ENABLE_CPU_PINNING": False}
        hints["INFERENCE_NUM_THREADS"] = torch.get_num_threads()  # more would spin beside others
        self._run = core.compile_model(model, "CPU", hints)

    def of_padded(self, padded: Maps) -> Maps:
        return torch.from_numpy(self._run(padded.float().contiguous().numpy())[0])
