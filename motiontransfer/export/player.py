"""Rendering of poses by an exported target, without PyTorch: networks in ONNX Runtime or OpenVINO.

The frames are those of `motiontransfer.rendering.renderer`, with which it shares viewport, puppet,
feathering, upsampling and label. The networks, and the pose maps that they read, are here.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float32, Float64, Int64

from motiontransfer.core.errors import (
    KeypointsError,
    MissingFileError,
    MissingLibraryError,
    WeightsError,
)
from motiontransfer.pose.boxes import Viewport, ViewportFollower, face_boxes
from motiontransfer.pose.drawing import PoseMapStyle, draw_poses
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.puppet.appearance import PackedAppearance, unpack_appearance
from motiontransfer.puppet.warping import (
    TEXTURE_CHANNELS,
    Puppet,
    PuppetClip,
    PuppetFollower,
    Texture,
)
from motiontransfer.rendering.compositing import (
    GuidedUpsampling,
    Label,
    PendingFrame,
    face_box_weight,
)
from motiontransfer.video.color import Frame
from motiontransfer.video.geometry import Box

FORMAT_VERSION = 3
GENERATOR_FILE = "generator.onnx"
QUANTIZED_FILE = "generator_int8.xml"
MODEL_FILE = "model.json"
"""Sizes and styles of the networks' inputs, and params of the target."""
ARRAYS_FILE = "arrays.npz"
"""Background image of the networks, visible label, and the arrays of the puppet's appearance."""
STATISTICS_FILE = "statistics.json"
"""The target's pose statistics, for `motiontransfer.retargeting.normalization`."""

Image = Float32[np.ndarray, "1 3 height width"]

Engine = Literal["onnxruntime", "openvino", "openvino_bf16", "openvino_int8"]
"""`bf16` is fp32 where the processor has no bfloat16; in `int8` is only the main generator."""
Inputs = Mapping[str, Float32[np.ndarray, "_ _ _ _"]]
"""Images by name; those that a network does not have are ignored."""
Output = Float32[np.ndarray, "_ _ _ _"]
Network = Callable[[Inputs], Output]

_MEASUREMENTS = 5
_LEAST_GAIN_OF_INT8 = 1.5  # over the fastest of the other engines, as it changes frames most


def open_network(path: Path, *, engine: Engine = "onnxruntime", num_threads: int = 0) -> Network:
    """Load an ONNX file with one output; 0 threads: the engine's own choice.

    Raises:
        MissingLibraryError: the engine is not installed.
    """
    library, _, precision = engine.partition("_")
    try:
        if library == "onnxruntime":
            return _onnxruntime(path, num_threads)
        return _openvino(path, num_threads, "bf16" if precision == "bf16" else "f32")
    except ImportError as error:
        raise MissingLibraryError(f"{library} is not installed: pip install {library}") from error


def _onnxruntime(path: Path, num_threads: int) -> Network:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [it.name for it in session.get_inputs()]

    def run(inputs: Inputs) -> Output:
        output = session.run(None, {name: inputs[name] for name in names})[0]
        assert isinstance(output, np.ndarray)
        return output

    return run


def _openvino(path: Path, num_threads: int, precision: str) -> Network:
    from motiontransfer.pose.openvino_holistic import openvino_core

    hints = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
    hints["ENABLE_CPU_PINNING"] = False  # several networks would share a core while another is idle
    if num_threads:
        hints["INFERENCE_NUM_THREADS"] = num_threads
    compiled = openvino_core().compile_model(path, "CPU", hints)
    names = [it.get_any_name() for it in compiled.inputs]
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


def generator_file(folder: Path, engine: Engine) -> Path:
    return folder / (QUANTIZED_FILE if engine == "openvino_int8" else GENERATOR_FILE)


def fastest_engine(folder: Path, *, num_threads: int = 0) -> tuple[Engine, str]:
    """OpenVINO's engine for live use by a short measurement of the main generator, and that.

    int8 is chosen only where much faster. Raises as `read_model` and `open_network`.
    """
    model = read_model(folder)
    style, multiple = PoseMapStyle(**model["pose_map"]), model["multiple_of"]
    channels = {
        "pose_map": model["conditioning_poses"] * style.num_channels,
        **{"previous_frame": 3, "background": 3, "texture": TEXTURE_CHANNELS},
    }
    height, width = (max(side // multiple, 1) * multiple for side in model["size"])
    images = {
        name: np.zeros((1, number, height, width), np.float32) for name, number in channels.items()
    }
    seconds: dict[Engine, float] = {}
    for engine in get_args(Engine)[1:]:
        path = generator_file(folder, engine)
        if path.is_file():
            network = open_network(path, engine=engine, num_threads=num_threads)
            seconds[engine] = min(_seconds(network, images) for _ in range(_MEASUREMENTS))
    exact = min(seconds.keys() - {"openvino_int8"}, key=seconds.__getitem__)
    gain = seconds[exact] / seconds.get("openvino_int8", np.inf)
    chosen: Engine = "openvino_int8" if gain >= _LEAST_GAIN_OF_INT8 else exact
    measured = ", ".join(f"{engine} {1000 * it:.1f}" for engine, it in seconds.items())
    return chosen, f"engine {chosen}; milliseconds of the generator: {measured}"


def _seconds(network: Network, images: Inputs) -> float:
    began = time.perf_counter()
    network(images)
    return time.perf_counter() - began


class Player:
    def __init__(
        self, folder: Path, *, engine: Engine = "onnxruntime", num_threads: int = 0
    ) -> None:
        """Load what `export` wrote; raises as `read_model` and `open_network`.

        Raises:
            MissingFileError: also where the target was exported without int8.
        """
        model = read_model(folder)
        generator = generator_file(folder, engine)
        if not generator.is_file():
            raise MissingFileError(f"{generator}: no such file; `export --int8` writes it")
        open_ = partial(open_network, engine=engine, num_threads=num_threads)
        self.size: tuple[int, int] = tuple(model["size"])
        self.style = PoseMapStyle(**model["pose_map"])
        self._multiple_of: int = model["multiple_of"]
        self._conditioning_poses: int = model["conditioning_poses"]
        self.network = open_(generator)
        """The main generator."""
        with np.load(folder / ARRAYS_FILE) as file:
            arrays = dict(file)
        self._background: Image | None = arrays.pop("background_image", None)
        self.background = np.zeros((*self.size, 3), np.uint8)
        """Shown where nobody is; black without a background image."""
        if self._background is not None:
            self.background = _to_frame(self._background)
        self.label: Label = arrays.pop("label")
        self._viewport = self._puppet = self._upsampling = self._face = None
        if model["viewport"]:
            self._viewport = Viewport(**model["viewport"])
            self._coarse_size: tuple[int, int] = tuple(model["coarse_size"])
            self._scene = open_(folder / "scene.onnx")
        if model["appearance"]:
            groups = [(group, joints) for group, joints in model["appearance"].pop("groups")]
            packed = PackedAppearance(groups=groups, **model["appearance"])
            self._puppet = Puppet(unpack_appearance(arrays, packed), self.size)
            full = self._puppet.appearance.background.shape[:2]
            if full != self.size:
                self._upsampling = GuidedUpsampling(self._puppet, size=full)
        if model["face_generator"]:
            self._face = open_(folder / "face_generator.onnx")
            self._crop_size: int = model["face_generator"]["crop_size"]
            self._is_carried = model["face_generator"]["previous_frame"] == "corrected"
        self.restart()

    def restart(self) -> None:
        self._previous = np.zeros((1, 3, *self.size), np.float32)
        self._past: list[Keypoints] = []
        self._puppet_follower: PuppetFollower | None = None
        self._viewport_follower: ViewportFollower | None = None
        if self._viewport is not None:
            self._viewport_follower = ViewportFollower(self._viewport, image_size=self.size)

    def play(self, keypoints: Keypoints) -> Iterator[Frame]:
        """Yield one frame for every pose of a clip, as large as the target's video.

        Raises:
            KeypointsError: the poses are not those of the target's image.
        """
        self.restart()
        boxes, is_seen = face_boxes(keypoints)
        for index in range(keypoints.num_frames):
            box = boxes[index] if is_seen[index] else None
            finish, puppet = self._next(keypoints, index, face_box=box)
            frame = finish()
            if self._upsampling is not None and puppet is not None:
                frame = self._upsampling.upsample(frame, puppet, 0)
            yield frame

    def generate(self, poses: Keypoints) -> PendingFrame:
        """The next frame of poses that arrive one by one, as large as the working image.

        Args:
            poses: the latest, of which the last is shown.

        Raises:
            KeypointsError: the poses are not those of the target's image.
        """
        boxes, is_seen = face_boxes(poses)
        box = boxes[-1] if is_seen[-1] else None
        return self._next(poses, poses.num_frames - 1, face_box=box)[0]

    def _next(
        self, keypoints: Keypoints, index: int, *, face_box: Int64[np.ndarray, "4"] | None
    ) -> tuple[PendingFrame, PuppetClip | None]:
        """The frame of one pose after those before, but for its face; the puppet of that pose."""
        if keypoints.image_size != self.size:
            raise KeypointsError(
                f"expected poses for images of {self.size} (height, width) pixels, as the target's,"
                f" got {keypoints.image_size}; normalize them first"
            )
        pose, puppet = keypoints.part(range(index, index + 1)), None
        if self._puppet is not None:
            if self._puppet_follower is None:
                self._puppet_follower = PuppetFollower(self._puppet)
            puppet = self._puppet_follower.follow(pose)
        shown = self._previous = self._step(pose, puppet)
        if self._face is None or face_box is None:
            return partial(_to_frame, shown), puppet
        box = tuple(face_box.tolist())
        correct = partial(self._corrected, self._face, shown, pose, box)
        if self._is_carried:
            self._previous = corrected = correct()
            return partial(_blended, shown, corrected, box), puppet
        return lambda: _blended(shown, correct(), box), puppet

    def _step(self, pose: Keypoints, puppet: PuppetClip | None) -> Image:
        """Generate one frame, as `motiontransfer.rendering.rollout.Rollout` does."""
        box = whole = (0, 0, *self.size[::-1])
        if self._viewport_follower is not None:
            box = tuple(self._viewport_follower.place(pose.points, pose.score)[0].tolist())
        x0, y0, x1, y1 = box
        view = np.s_[..., y0:y1, x0:x1]
        self._past = [*self._past, pose][-self._conditioning_poses :]
        drawn = [self._draw(it, box) for it in self._past]
        empty = [np.zeros_like(drawn[0])] * (self._conditioning_poses - len(drawn))
        inputs = {
            "pose_map": np.concatenate([*empty, *drawn], axis=1),
            "previous_frame": self._previous[view],
        }
        if puppet is not None:
            inputs["texture"] = _to_texture(puppet.draw(0, box=box))
        frame, behind = np.empty_like(self._previous), self._background
        if self._viewport is not None:
            behind = self._scene({"pose_map": self._draw(pose, whole, self._coarse_size)})
        if behind is not None:
            frame[:] = behind
            inputs["background"] = behind[view]
        padded = {name: _padded(image, self._multiple_of) for name, image in inputs.items()}
        frame[view] = self.network(padded)[..., : y1 - y0, : x1 - x0]
        return frame

    def _corrected(self, face: Network, image: Image, pose: Keypoints, box: Box) -> Image:
        """The image with the residual in the face box."""
        x0, y0, x1, y1 = box
        side = (self._crop_size, self._crop_size)
        # Drawn at the crop's resolution with lines as wide as those of the whole frame.
        pose_map = self._draw(pose, box, side, style=self.style)
        crop = _resized(image[..., y0:y1, x0:x1], side)
        corrected = image.copy()
        residual = face({"pose_map": pose_map, "face": crop})
        corrected[..., y0:y1, x0:x1] += _resized(residual, (y1 - y0, x1 - x0))
        return corrected.clip(-1, 1)

    def _draw(
        self,
        pose: Keypoints,
        box: Box,
        size: tuple[int, int] | None = None,
        *,
        style: PoseMapStyle | None = None,
    ) -> Float32[np.ndarray, "1 channels _ _"]:
        """Pose map of a box, at another size if given; lines as in the frame, or of a style."""
        x0, y0, x1, y1 = box
        height, width = size or (y1 - y0, x1 - x0)
        scale = np.array([width / (x1 - x0), height / (y1 - y0)], np.float32)
        points = (pose.points + 0.5 - np.array([x0, y0], np.float32)) * scale - 0.5
        return draw_poses(
            points.astype(np.float32),
            pose.score,
            skeleton=pose.skeleton,
            size=(height, width),
            style=style or self.style.resized(height, original=y1 - y0),
        )


def _blended(image: Image, corrected: Image, box: Box) -> Frame:
    """The frame with the corrected face, which fades into the image at the box's edge."""
    x0, y0, x1, y1 = box
    blended, face = image.copy(), np.s_[..., y0:y1, x0:x1]
    blended[face] += face_box_weight((y1 - y0, x1 - x0)) * (corrected[face] - image[face])
    return _to_frame(blended)


def _to_frame(image: Image) -> Frame:
    levels = ((image[0].clip(-1, 1) + 1) * 127.5).round().astype(np.uint8)
    return np.ascontiguousarray(levels.transpose(1, 2, 0))


def _padded(image: Float32[np.ndarray, "1 channels height width"], multiple: int) -> np.ndarray:
    """Replicate the right and lower edge until `multiple` divides height and width."""
    height, width = image.shape[2:]
    lacking = ((0, 0), (0, 0), (0, -height % multiple), (0, -width % multiple))
    return np.ascontiguousarray(np.pad(image, lacking, mode="edge"))


def _to_texture(levels: Texture) -> Float32[np.ndarray, "1 5 height width"]:
    """Convert as `motiontransfer.video.tensors.levels_to_textures` does."""
    shares = levels.transpose(2, 0, 1)[None] / np.float32(255)
    return np.concatenate([2 * shares[:, :3] - shares[:, 3:4], shares[:, 3:]], axis=1)


def _resized(image: Image, size: tuple[int, int]) -> Float32[np.ndarray, "1 3 _ _"]:
    """Bilinear interpolation with antialiasing, as PyTorch's."""
    down, across = (
        _interpolation(old, new) for old, new in zip(image.shape[2:], size, strict=True)
    )
    return (down @ image @ across.T).astype(np.float32)


def _interpolation(old: int, new: int) -> Float64[np.ndarray, "new old"]:
    """Weights of the old pixels in each new one: a triangle as wide as two of the larger pixels."""
    scale = old / new
    centre = scale * (np.arange(new) + 0.5)
    away = np.abs(np.arange(old) + 0.5 - centre[:, None]) / max(scale, 1)
    weights = (1 - away).clip(0)
    return weights / weights.sum(axis=1, keepdims=True)
