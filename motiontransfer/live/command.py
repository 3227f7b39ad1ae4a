"""`motiontransfer live`: a session from params.yaml and the pipeline's outputs.

Detection and generation run in OpenVINO if it is installed, in half of PyTorch's and MediaPipe's
CPU time.
"""

import logging
import tempfile
import warnings
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import cv2
import loky
import torch
from PIL import Image

from motiontransfer.core import layout
from motiontransfer.core.device import describe_device
from motiontransfer.core.errors import ParamsError
from motiontransfer.core.params import PARAMS_FILE, load_section
from motiontransfer.live.devices import Sign, Source, recording, virtual_camera
from motiontransfer.live.motion import SourceMotion
from motiontransfer.live.session import Output, Screen, Session, working_framing
from motiontransfer.models.generators import FrameGenerator, ImageNetwork
from motiontransfer.models.layers import Maps, pad_to_multiple
from motiontransfer.models.runtime import make_runtime
from motiontransfer.pose.detectors import default_detector
from motiontransfer.pose.landmarks import Detector
from motiontransfer.pose.mediapipe_detectors import mediapipe_models
from motiontransfer.pose.openvino_holistic import follow_person, openvino_core
from motiontransfer.provenance.signing import load_credentials, sign_file
from motiontransfer.rendering.compositing import with_label
from motiontransfer.rendering.frame import LiveGenerator
from motiontransfer.rendering.rendered import RenderParams, transfer_assertion
from motiontransfer.rendering.renderer import TrainedRenderer, load_renderer
from motiontransfer.retargeting.normalization import LIVE_MODES, MODES
from motiontransfer.retargeting.params import FitNormalizationParams, NormalizationParams
from motiontransfer.retargeting.statistics import fit_statistics, read_statistics
from motiontransfer.video.color import Frame

IS_INSTALLED = find_spec("openvino") is not None
_logger = logging.getLogger(__name__)


def run_live(
    target: str, source: Source, *, output: Path | None, window: Screen | None, has_camera: bool
) -> str:
    """Show, and record, a target who performs what the source shows; return a summary.

    Raises:
        ParamsError: there is no such target, or a param does not go with live use.
    """
    params = load_section(RenderParams, "render")
    # The other half of the cores detects. OpenCV's operations are too small to be shared.
    torch.set_num_threads(max(1, loky.cpu_count() // 2))
    cv2.setNumThreads(1)
    with ExitStack() as stack:
        renderer = load_target(target, params)
        use_openvino(renderer)
        sign = _signer(target, source, params, renderer)
        session = Session(
            source,
            source_motion(target, source, renderer),
            LiveGenerator(renderer),
            detect=stack.enter_context(open_detector()) if source.has_frames else None,
            with_label=with_label if params.visible_label == "corner" else None,
        )
        outputs: list[Output] = []
        if has_camera:
            camera = virtual_camera(renderer.networks.size, source.frame_rate)
            outputs.append(stack.enter_context(camera))
        if output is not None:
            outputs.append(
                stack.enter_context(recording(source, output, crf=params.crf, sign=sign))
            )
        kind = renderer.runtime.device.type
        library = "OpenVINO" if kind == "cpu" and IS_INSTALLED else "PyTorch"
        device, precision = describe_device(kind), renderer.runtime.precision
        _logger.info("runs on %s, %s, in %s", device, precision, library)
        session.run(window=window, outputs=outputs, save=partial(_save, target, sign))
    return session.summary()


def load_target(target: str, params: RenderParams) -> TrainedRenderer:
    """Read a target's networks.

    Raises:
        ParamsError: there is no such target, or the faces are not those of its face generator.
    """
    targets = load_section(list[str], "targets")
    if target not in targets:
        raise ParamsError(f"--target: expected one of {', '.join(targets)}, got {target}")
    if params.face == "cycle":
        raise ParamsError(
            f"{PARAMS_FILE}: render.face: cycle translates the faces of a decoded clip; expected "
            "residual or none for live use"
        )
    runtime = make_runtime(precision=params.precision)
    renderer = load_renderer(layout.models_folder(target), runtime, face=params.face)
    return replace(renderer, face_blending=params.face_blending)


def source_motion(target: str, source: Source, renderer: TrainedRenderer) -> SourceMotion:
    """Poses of a source as the target's.

    Raises:
        ParamsError: the params' normalization is one of whole clips.
    """
    normalization = load_section(NormalizationParams, "normalization")
    normalization.check_conflicts()
    mode = MODES[normalization.mode]
    if not mode.works_live:
        raise ParamsError(
            f"{PARAMS_FILE}: normalization.mode: {normalization.mode} is fitted to a whole clip; "
            f"expected one of {', '.join(LIVE_MODES)} for live use"
        )
    size, image_size = renderer.networks.size, source.size
    if source.has_frames:
        image_size = working_framing(source, height=size[0]).size
    if not mode.uses_floor and image_size != size:
        others = [name for name in LIVE_MODES if MODES[name].uses_floor]
        raise ParamsError(
            f"{PARAMS_FILE}: normalization.mode: {normalization.mode} needs a source of the "
            f"target's shape, {size} (height, width), got {image_size}; expected "
            f"{' or '.join(others)}"
        )
    statistics = load_section(FitNormalizationParams, "fit_normalization")
    return SourceMotion(
        partial(fit_statistics, **dict(statistics)),
        min_score=statistics.min_score,
        mode=normalization.mode,
        centering=normalization.centering,
        unfilmed_sides=normalization.unfilmed_sides,
        target=read_statistics(layout.statistics_file(target)),
        skeleton=source.skeleton,
        image_size=image_size,
    )


def _signer(
    target: str, source: Source, params: RenderParams, renderer: TrainedRenderer
) -> Sign | None:
    """Signs recordings and pictures; None without provenance."""
    if params.provenance == "none":
        return None
    credentials, models = load_credentials(), layout.models_folder(target)
    networks = {"generator": (models / layout.GENERATOR_FILE, renderer.main.config.architecture)}
    if renderer.face is not None:
        networks["face"] = (models / layout.FACE_GENERATOR_FILE, "residual")
    return partial(
        sign_file,
        assertion=transfer_assertion(networks, source.files),
        credentials=credentials,
        content="trainedAlgorithmicMedia",
    )


def _save(target: str, sign: Sign | None, frame: Frame) -> None:
    now = datetime.now(UTC).strftime("%Y%m%d_%H%M%S_%f")
    path = layout.LIVE_FOLDER / f"{target}_{now}.png"
    with tempfile.TemporaryDirectory(prefix="motiontransfer-") as folder:
        unsigned = Path(folder) / path.name if sign else path
        unsigned.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(frame).save(unsigned)
        if sign:
            sign(path, unsigned)


def open_detector() -> AbstractContextManager[Detector]:
    """The default detector, in OpenVINO if it is installed."""
    if not IS_INSTALLED:
        return default_detector().open()
    return nullcontext(follow_person(mediapipe_models()))


def use_openvino(renderer: TrainedRenderer) -> None:
    """Replace the networks of a target, if they are on the CPU and OpenVINO is installed."""
    if renderer.runtime.device.type != "cpu" or not IS_INSTALLED:
        return
    with renderer.runtime.autocast():
        precision = "bf16" if torch.is_autocast_enabled("cpu") else "f32"
    main = renderer.main.network
    assert isinstance(main, FrameGenerator)
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

    def forward(self, maps: Maps) -> Maps:
        height, width = maps.shape[2:]
        padded = pad_to_multiple(maps.float(), self.stride).contiguous()
        return torch.from_numpy(self._run(padded.numpy())[0])[:, :, :height, :width]
