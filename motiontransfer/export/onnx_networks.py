"""An exported target's networks, in ONNX Runtime or OpenVINO, for the arithmetic of a frame."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float32, Float64

from motiontransfer.core.errors import MissingFileError, MissingLibraryError, WeightsError
from motiontransfer.pose.boxes import Viewport
from motiontransfer.pose.drawing import NumpyDrawer, PoseMapStyle
from motiontransfer.pose.skeleton import Skeleton
from motiontransfer.puppet.appearance import Appearance, PackedAppearance, unpack_appearance
from motiontransfer.puppet.draw.warping import Puppet
from motiontransfer.rendering.compositing import Label
from motiontransfer.rendering.frame import Renderer, ResidualFaces
from motiontransfer.rendering.rollout import GeneratedFrame, Networks, ReadFrames

FORMAT_VERSION = 4
GENERATOR_FILE = "generator.onnx"
SCENE_FILE = "scene.onnx"
FACE_GENERATOR_FILE = "face_generator.onnx"
MODEL_FILE = "model.json"
"""Sizes and styles of the networks' inputs, and params of the target."""
ARRAYS_FILE = "arrays.npz"
"""Background image of the networks, visible label, and the arrays of the puppet's appearance."""
STATISTICS_FILE = "statistics.json"
"""The target's pose statistics, for `motiontransfer.retargeting.normalization`."""

ImageArrays = Float32[np.ndarray, "batch 3 height width"]
MapArrays = Float32[np.ndarray, "batch _ height width"]
PoseMapArrays = Float32[np.ndarray, "_ channels height width"]

Engine = Literal["onnxruntime", "openvino", "openvino_bf16"]
"""`bf16` is fp32 where the processor has no bfloat16."""
Inputs = Mapping[str, Float32[np.ndarray, "_ _ _ _"]]
"""Images by name; those that a network does not have are ignored."""
Output = Float32[np.ndarray, "_ _ _ _"]
RunNetwork = Callable[[Inputs], Output]


def open_network(path: Path, *, engine: Engine = "onnxruntime", num_threads: int = 0) -> RunNetwork:
    """Load an ONNX file with one output; 0 threads: the engine's own choice.

    Raises:
        MissingLibraryError: the engine is not installed.
    """
    library, _, precision = engine.partition("_")
    try:
        if library == "onnxruntime":
            return _onnxruntime(path, num_threads)
        return _openvino(path, num_threads, precision or "f32")
    except ImportError as error:
        raise MissingLibraryError(f"{library} is not installed: pip install {library}") from error


def _onnxruntime(path: Path, num_threads: int) -> RunNetwork:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [signal.name for signal in session.get_inputs()]

    def run(inputs: Inputs) -> Output:
        output = session.run(None, {name: inputs[name] for name in names})[0]
        assert isinstance(output, np.ndarray)
        return output

    return run


def _openvino(path: Path, num_threads: int, precision: str) -> RunNetwork:
    from motiontransfer.pose.openvino_holistic import openvino_core

    hints = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
    hints["ENABLE_CPU_PINNING"] = False  # several networks would share a core while another is idle
    if num_threads:
        hints["INFERENCE_NUM_THREADS"] = num_threads
    compiled = openvino_core().compile_model(path, "CPU", hints)
    names = [signal.get_any_name() for signal in compiled.inputs]
    # A copy, as the next run overwrites its output.
    return lambda inputs: compiled({name: inputs[name] for name in names})[0].copy()


def read_model(folder: Path) -> dict:
    """Read the model file of an exported target.

    Raises:
        MissingFileError: the folder holds no exported target.
        WeightsError: the target was exported in another format.
    """
    path = folder / MODEL_FILE
    if not path.is_file():
        raise MissingFileError(f"{path}: no such file; `motiontransfer export` writes it")
    model = json.loads(path.read_text(encoding="utf-8"))
    if model["format_version"] != FORMAT_VERSION:
        raise WeightsError(
            f"{path}: expected format {FORMAT_VERSION}, got {model['format_version']}; export "
            "the target again"
        )
    return model


def read_label(folder: Path) -> Label:
    """Read the visible label of an exported target's frames."""
    with np.load(folder / ARRAYS_FILE) as file:
        return file["label"]


class OnnxNetworks(Networks):
    """`Networks` of an exported target."""

    def __init__(
        self, folder: Path, *, engine: Engine = "onnxruntime", num_threads: int = 0
    ) -> None:
        """Load what `export` wrote; raises as `read_model` and `open_network`."""
        model = read_model(folder)
        open_ = partial(open_network, engine=engine, num_threads=num_threads)
        self.size: tuple[int, int] = tuple(model["size"])
        self.style = PoseMapStyle(**model["pose_map"])
        self.conditioning_poses: int = model["conditioning_poses"]
        self._multiple_of: int = model["multiple_of"]
        with np.load(folder / ARRAYS_FILE) as file:
            arrays = dict(file)
        self.background_image: ImageArrays | None = arrays.pop("background_image", None)
        arrays.pop("label")
        self._generator = self._scene = self._face = None
        if model["viewport"]:
            self.viewport = Viewport(**model["viewport"])
            self._scene = open_(folder / SCENE_FILE)
        if model["appearance"]:
            self.puppet = Puppet(_appearance(model, arrays), self.size)
        else:
            self._generator = open_(folder / GENERATOR_FILE)
        if model["face_generator"]:
            self._face = open_(folder / FACE_GENERATOR_FILE)

    def drawer(self, skeleton: Skeleton) -> NumpyDrawer:
        return NumpyDrawer(skeleton=skeleton, style=self.style)

    def upload(
        self, arrays: Sequence[Float32[np.ndarray, "..."]]
    ) -> list[Float32[np.ndarray, "..."]]:
        return [*arrays]

    def concatenate(self, arrays: Sequence[PoseMapArrays]) -> PoseMapArrays:
        return np.concatenate(arrays)

    def zeros(self, shape: Sequence[int]) -> Float32[np.ndarray, "..."]:
        return np.zeros(shape, np.float32)

    def resize(
        self, image: ImageArrays, size: tuple[int, int]
    ) -> Float32[np.ndarray, "batch 3 _ _"]:
        down, across = (
            _interpolation(old, new) for old, new in zip(image.shape[2:], size, strict=True)
        )
        return (down @ image @ across.T).astype(np.float32)

    def generate(
        self, pose_map: MapArrays, previous: ImageArrays, background: ImageArrays | None
    ) -> GeneratedFrame:
        assert self._generator is not None
        images = {
            "pose_map": pose_map,
            "previous_frame": previous,
            "background": self.background_image if background is None else background,
        }
        height, width = pose_map.shape[2:]
        padded = {
            name: _padded(image, self._multiple_of)
            for name, image in images.items()
            if image is not None
        }
        return GeneratedFrame(self._generator(padded)[..., :height, :width], None)

    def scene(self, coarse_pose: MapArrays) -> Float32[np.ndarray, "1 3 _ _"]:
        assert self._scene is not None
        return self._scene({"pose_map": coarse_pose})

    def face_residual(self, pose_map: MapArrays, face: ImageArrays) -> ImageArrays:
        assert self._face is not None
        return self._face({"pose_map": pose_map, "face": face})

    def start_reading(self, images: ImageArrays) -> ReadFrames:
        levels = ((images.clip(-1, 1) + 1) * 127.5).round().astype(np.uint8)
        return lambda: list(np.ascontiguousarray(levels.transpose(0, 2, 3, 1)))


def _appearance(model: dict, arrays: Mapping[str, np.ndarray]) -> Appearance:
    described = dict(model["appearance"])
    groups = [(group, joints) for group, joints in described.pop("groups")]
    return unpack_appearance(arrays, PackedAppearance(groups=groups, **described))


def open_appearance(folder: Path) -> Appearance:
    """Load the appearance of an exported target without networks."""
    with np.load(folder / ARRAYS_FILE) as file:
        return _appearance(read_model(folder), dict(file))


def has_networks(folder: Path) -> bool:
    return "pose_map" in read_model(folder)


def open_target(folder: Path, *, engine: Engine = "onnxruntime", num_threads: int = 0) -> Renderer:
    """Load an exported target; raises as `read_model` and `open_network`."""
    networks = OnnxNetworks(folder, engine=engine, num_threads=num_threads)
    face = read_model(folder)["face_generator"]
    if not face:
        return Renderer(networks=networks)
    carries_faces = face["previous_frame"] == "corrected"
    faces = ResidualFaces(
        networks=networks, crop_size=face["crop_size"], carries_faces=carries_faces
    )
    return Renderer(networks=networks, face=faces)


def _padded(image: MapArrays, multiple: int) -> MapArrays:
    """Replicate the right and lower edge until `multiple` divides height and width."""
    height, width = image.shape[2:]
    lacking = ((0, 0), (0, 0), (0, -height % multiple), (0, -width % multiple))
    return np.ascontiguousarray(np.pad(image, lacking, mode="edge"))


def _interpolation(old: int, new: int) -> Float64[np.ndarray, "new old"]:
    """Weights of the old pixels in each new one: a triangle as wide as two of the larger pixels."""
    scale = old / new
    center = scale * (np.arange(new) + 0.5)
    away = np.abs(np.arange(old) + 0.5 - center[:, None]) / max(scale, 1)
    weights = (1 - away).clip(0)
    return weights / weights.sum(axis=1, keepdims=True)
