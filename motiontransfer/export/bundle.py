"""Export of a target: ONNX files, their inputs' sizes and styles, and a program to render with.

The program needs no PyTorch, and this package need not be installed where it runs: the modules that
it imports are copied beside it.
"""

import json
import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import distribution, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from motiontransfer.core import layout
from motiontransfer.core.errors import MissingLibraryError, MotionTransferError
from motiontransfer.core.params import Transfer, load_section
from motiontransfer.core.storage import replacing_folder, source_files, write_json, write_text
from motiontransfer.export import run
from motiontransfer.export.onnx_networks import (
    ARRAYS_FILE,
    FACE_GENERATOR_FILE,
    FORMAT_VERSION,
    GENERATOR_FILE,
    MODEL_FILE,
    SCENE_FILE,
    STATISTICS_FILE,
)
from motiontransfer.models.faces import FaceGenerator, FaceGeneratorConfig
from motiontransfer.models.generators import DrawnGenerator, FrameGenerator, GeneratorConfig
from motiontransfer.models.weights import TrainedGenerator, read_face_generator, read_generator
from motiontransfer.pose.drawing import coarse_size
from motiontransfer.pose.keypoints_file import read_keypoints
from motiontransfer.pose.mediapipe_detectors import mediapipe_models
from motiontransfer.pose.openvino_holistic import MODELS
from motiontransfer.puppet.appearance import Appearance, pack_appearance
from motiontransfer.puppet.appearance_file import read_appearance
from motiontransfer.rendering.compositing import draw_label
from motiontransfer.retargeting.params import FitNormalizationParams, NormalizationParams
from motiontransfer.retargeting.statistics import read_statistics, write_statistics

OPSET = 18
POSES_FOLDER = "poses"
_LIBRARIES = ("onnx", "onnxscript")  # of PyTorch's export
_REQUIREMENTS = """\
av>=18,<19
jaxtyping>=0.3
numpy>=2
opencv-python>=4.10,<5  # without a window: opencv-python-headless
openvino>=2025  # for poses from a file also: onnxruntime
"""


class Signal(NamedTuple):
    """An input or the output of an exported network."""

    name: str
    shape: tuple[int | str, ...]
    """A length, or the name of an axis of any length."""
    range: tuple[int, int] | None
    """Least and largest value; None: any."""


_IMAGE, _SHARE = (-1, 1), (0, 1)


def export_target(target: str, folder: Path) -> list[Path]:
    """Write a target's networks and a program that renders with them; return the target's files.

    Its dances so far are there as poses, for the program to play.

    Of one who is not trained there are no networks.

    Raises:
        MissingLibraryError: ONNX is not installed.
        MotionTransferError: the folder holds something else, which stays.
    """
    models = layout.models_folder(target)
    is_trained = target in load_section(list[str], "trained")
    _check_exportable(folder, _LIBRARIES if is_trained else ())
    statistics = read_statistics(layout.statistics_file(target))
    with replacing_folder(folder) as temporary:
        if is_trained:
            main = read_generator(models / layout.GENERATOR_FILE)
            face = None
            if isinstance(main.network, FrameGenerator):
                face = read_face_generator(models / layout.FACE_GENERATOR_FILE)
                _write_generator(temporary, main.network, main.config)
            if main.config.viewport is not None:
                _write_scene(temporary, main.network, main.config)
            if face is not None:
                _write_face_generator(temporary, *face)
            _write_model(temporary, *_of_networks(main, face[1] if face else None))
        else:
            appearance = read_appearance(layout.appearance_file(target))
            _write_model(temporary, {"size": statistics.image_size}, {}, appearance)
        write_statistics(temporary / STATISTICS_FILE, statistics)
        _write_program(temporary)
        _copy_detector(temporary / run.DETECTOR_FOLDER)
        _write_poses(temporary / POSES_FOLDER, target)
        if others := sorted(_files(folder) - _files(temporary)):
            raise MotionTransferError(
                f"--output: {folder}: has {', '.join(others)}, which this export does not write; "
                "move or delete that, or choose another folder"
            )
    networks = sorted(folder.glob("*.onnx")) or [folder / ARRAYS_FILE]
    return [*networks, *sorted((folder / POSES_FOLDER).glob("*"))]


def _files(folder: Path) -> set[str]:
    """Names of a bundle's files, but for the copies of this package's modules."""
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path.as_posix() for path in files if path.parts[0] != "motiontransfer"}


def _check_exportable(folder: Path, libraries: Sequence[str]) -> None:
    missing = [name for name in libraries if find_spec(name) is None]
    if missing:
        raise MissingLibraryError(
            f"{' and '.join(missing)}: not installed, and needed to export; "
            "`uv sync --extra export` installs them"
        )
    if folder.exists() and not (folder / MODEL_FILE).is_file():
        raise MotionTransferError(
            f"--output: expected a folder that does not exist yet, or an exported target to "
            f"replace, got {folder}"
        )


class _FrameOutput(nn.Module):
    """A generator with only the inputs that it was trained with; returns the frame."""

    def __init__(self, generator: FrameGenerator, inputs: Sequence[Signal]) -> None:
        super().__init__()
        self.generator, self.names = generator, [signal.name for signal in inputs]

    def forward(self, *images: Tensor) -> Tensor:
        given = dict(zip(self.names, images, strict=True))
        pose_map = given.pop("pose_map")
        nothing = pose_map.new_zeros((1, 3, *pose_map.shape[2:]))
        return self.generator(pose_map, **{"previous_frame": nothing, **given}).frame


class _Scene(nn.Module):
    def __init__(self, generator: FrameGenerator | DrawnGenerator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, pose_map: Tensor) -> Tensor:
        return self.generator.scene(pose_map)


def _write_generator(folder: Path, generator: FrameGenerator, config: GeneratorConfig) -> None:
    inputs = _inputs(config)
    frame = Signal("frame", (1, 3, "height", "width"), _IMAGE)
    network, stride = _FrameOutput(generator, inputs), generator.network.stride
    _write_onnx(folder / GENERATOR_FILE, network, inputs, frame, multiple_of=stride)


def _write_scene(
    folder: Path, generator: FrameGenerator | DrawnGenerator, config: GeneratorConfig
) -> None:
    poses = Signal("pose_map", (1, config.pose_channels, *coarse_size(config.size)), _SHARE)
    scene = Signal("scene", (1, 3, *config.size), None)
    _write_onnx(folder / SCENE_FILE, _Scene(generator), [poses], scene)


def _write_face_generator(
    folder: Path, network: FaceGenerator, config: FaceGeneratorConfig
) -> None:
    side = (config.crop_size, config.crop_size)
    pose = Signal("pose_map", (1, config.pose_channels, *side), _SHARE)
    crop, residual = (Signal(name, (1, 3, *side), _IMAGE) for name in ("face", "residual"))
    _write_onnx(folder / FACE_GENERATOR_FILE, network, [pose, crop], residual)


def _of_networks(
    main: TrainedGenerator, face: FaceGeneratorConfig | None
) -> tuple[dict[str, object], dict[str, np.ndarray], Appearance | None]:
    """Sizes, styles and arrays of the networks' inputs, and the appearance that they draw."""
    config, network = main.config, main.network
    arrays: dict[str, np.ndarray] = {}
    if network.background_image is not None:
        arrays["background_image"] = network.background_image[None].numpy()
    is_drawn = isinstance(network, DrawnGenerator)
    content: dict[str, object] = {
        "size": config.size,
        "multiple_of": 1 if is_drawn else network.network.stride,
        "conditioning_poses": config.conditioning_poses,
        "pose_map": asdict(main.style),
        "viewport": asdict(config.viewport) if config.viewport else None,
        "face_generator": asdict(face) if face else None,
    }
    if not is_drawn:
        return content, arrays, None
    assert network.puppet is not None
    return content, arrays, network.puppet.appearance


def _write_model(
    folder: Path,
    networks: Mapping[str, object],
    arrays: Mapping[str, np.ndarray],
    appearance: Appearance | None,
) -> None:
    """Write what is known of the networks, the appearance, and the params of statistics."""
    size: Any = networks["size"]
    arrays, packed = {"label": draw_label(*size), **arrays}, None
    if appearance is not None:
        of_appearance, packed = pack_appearance(appearance)
        arrays |= of_appearance
    np.savez_compressed(folder / ARRAYS_FILE, allow_pickle=False, **arrays)
    normalization = load_section(NormalizationParams, "normalization")
    content = {
        "format_version": FORMAT_VERSION,
        **networks,
        "appearance": asdict(packed) if packed else None,
        "fit_normalization": load_section(FitNormalizationParams, "fit_normalization").model_dump(),
        "unfilmed_sides": normalization.unfilmed_sides,
        "path": normalization.path,
    }
    write_json(folder / MODEL_FILE, content)


def _inputs(config: GeneratorConfig) -> list[Signal]:
    """Inputs of a main generator; all have the viewport's height and width."""
    channels = {"pose_map": config.conditioning_poses * config.pose_channels}
    if config.previous_frame == "generated":
        channels["previous_frame"] = 3
    if config.has_background_image:
        channels["background"] = 3
    return [
        Signal(name, (1, number, "height", "width"), _SHARE if name == "pose_map" else _IMAGE)
        for name, number in channels.items()
    ]


def _write_onnx(
    path: Path, network: nn.Module, inputs: Sequence[Signal], output: Signal, multiple_of: int = 1
) -> None:
    """Write a network with what it takes and returns; `multiple_of` divides free lengths."""
    example = {"height": 2 * multiple_of, "width": 3 * multiple_of}
    shapes = [[n if isinstance(n, int) else example[n] for n in signal.shape] for signal in inputs]
    axes = [{i: n for i, n in enumerate(signal.shape) if isinstance(n, str)} for signal in inputs]
    with warnings.catch_warnings(action="ignore"):
        program = torch.onnx.export(
            network.eval(),
            tuple(map(torch.zeros, shapes)),
            input_names=[signal.name for signal in inputs],
            output_names=[output.name],
            dynamic_shapes=(tuple(axes),) if isinstance(network, _FrameOutput) else tuple(axes),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    described = {
        "inputs": [signal._asdict() for signal in inputs],
        "output": output._asdict(),
        "multiple_of": multiple_of,
        "versions": {name: version(name) for name in ("motiontransfer", "torch", "onnx")},
    }
    program.model.metadata_props["motiontransfer"] = json.dumps(described)
    program.save(path, external_data=False)


def _write_program(folder: Path) -> None:
    """Write run.py, the modules that it imports, and what these need."""
    package = Path(run.__file__).parents[1]
    for file in source_files(run.__name__):
        copy = folder / file.relative_to(package.parent)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    (folder / package.name / "export" / "run.py").rename(folder / "run.py")
    write_text(
        folder / package.name / "__init__.py",
        f'"""Modules of {package.name} that run.py imports."""\n',
    )
    write_text(folder / "requirements.txt", _REQUIREMENTS)


def _copy_detector(folder: Path) -> None:
    for model in MODELS:
        copy = folder / model
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(mediapipe_models() / model, copy)
    licence = distribution("mediapipe").read_text("LICENSE")
    assert licence is not None
    write_text(folder / "LICENSE", licence)


def _write_poses(folder: Path, target: str) -> None:
    """Write the poses of a target's transfers, of which there are some, as JSON for run.py."""
    transfers = load_section(dict[str, Transfer] | None, "transfers") or {}
    names = [name for name, transfer in transfers.items() if transfer.target == target]
    for name in filter(lambda name: layout.poses_file(name).exists(), names):
        poses = read_keypoints(layout.poses_file(name))
        joints = np.concatenate([poses.points, poses.score[..., None]], axis=2)
        content = {
            "image_size": poses.image_size,
            "frame_rate": str(poses.frame_rate),
            "groups": poses.skeleton.groups,
            "joints": joints.tolist(),
        }
        if poses.depth is not None:
            content["depth"] = poses.depth.tolist()
        write_text(folder / f"{name}.json", json.dumps(content))
