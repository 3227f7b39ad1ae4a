"""`motiontransfer live`: a session from params.yaml and the pipeline's outputs, or from photos.

Detection and generation run in OpenVINO if it is installed, in half of PyTorch's and MediaPipe's
CPU time. Of a target without networks, the puppet alone is drawn, without PyTorch.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import cv2
from PIL import Image

from motiontransfer.core import layout
from motiontransfer.core.arrays import Frame
from motiontransfer.core.errors import ParamsError
from motiontransfer.core.events import Note, Performed, emit
from motiontransfer.core.params import PARAMS_FILE, load_section
from motiontransfer.live.devices import Sign, Source, recording, virtual_camera
from motiontransfer.live.motion import SourceMotion
from motiontransfer.live.session import Screen, Session, Show, working_framing
from motiontransfer.pose.detectors import default_detector
from motiontransfer.pose.landmarks import Detector
from motiontransfer.pose.mediapipe_detectors import mediapipe_models
from motiontransfer.pose.openvino_holistic import IS_INSTALLED, follow_person
from motiontransfer.provenance.signing import Content, load_credentials, sign_file
from motiontransfer.puppet.appearance import Appearance
from motiontransfer.puppet.appearance_file import read_appearance
from motiontransfer.rendering.compositing import with_label
from motiontransfer.rendering.frame import LiveGenerator, LivePuppet, live_generator
from motiontransfer.rendering.rendered import RenderParams, transfer_assertion
from motiontransfer.retargeting.normalization import LIVE_MODES, MODES
from motiontransfer.retargeting.params import FitNormalizationParams, NormalizationParams
from motiontransfer.retargeting.statistics import PoseStatistics, fit_statistics, read_statistics


@dataclass(frozen=True, slots=True, kw_only=True)
class Performer:
    """A target for live use."""

    name: str
    generator: LiveGenerator | LivePuppet
    statistics: PoseStatistics
    runs_in: str
    networks: Mapping[str, tuple[Path, str]]
    """For the manifests; none of a puppet alone."""


def run_live(
    target: str | Sequence[Path],
    open_source: Callable[[], Source],
    *,
    open_window: Callable[[], AbstractContextManager[Screen | None]],
    output: Path | None = None,
    has_camera: bool = False,
) -> Performed:
    """Show, and record, a target who performs what the source shows; return how that went.

    Args:
        target: its name, or photos of one person.
        open_source: called once the target is there, as is `open_window`.

    Raises:
        ParamsError: there is no such target, or a param does not go with live use.
    """
    params = load_section(RenderParams, "render")
    cv2.setNumThreads(1)  # its operations are too small to be shared
    with ExitStack() as stack:
        if isinstance(target, str):
            performer = load_performer(target, params)
        else:
            from motiontransfer.live.photo import person_in_photos  # MediaPipe takes seconds

            performer = _puppet("photo", *person_in_photos(target))
        source, generator = open_source(), performer.generator
        sign = _signer(performer, source, params)
        session = Session(
            source,
            source_motion(performer.statistics, source, size=generator.size),
            generator,
            detect=stack.enter_context(open_detector()) if source.has_frames else None,
            with_label=with_label if params.visible_label == "corner" else None,
        )
        outputs: list[Show] = []
        if has_camera:
            camera = virtual_camera(generator.background.shape[:2], source.frame_rate)
            outputs.append(stack.enter_context(camera))
        if output is not None:
            outputs.append(
                stack.enter_context(recording(source, output, crf=params.crf, sign=sign))
            )
        emit(Note(text=performer.runs_in))
        window = stack.enter_context(open_window())
        session.run(window=window, outputs=outputs, save=partial(_save, performer.name, sign))
    return Performed(
        frames=len(session.latencies_ms), seconds=session.seconds, sentence=session.summary()
    )


def load_performer(target: str, params: RenderParams) -> Performer:
    """Read what the pipeline made of a target.

    Raises:
        ParamsError: there is no such target, or the faces are not those of its face generator.
    """
    targets = load_section(list[str], "targets")
    models = layout.models_folder(target)
    if target not in targets:
        raise ParamsError(f"--target: expected one of {', '.join(targets)}, got {target}")
    statistics = read_statistics(layout.statistics_file(target))
    if not (models / layout.GENERATOR_FILE).exists():
        return _puppet(target, read_appearance(layout.appearance_file(target)), statistics)
    from motiontransfer.live.networks import load_target, runs_in, use_openvino  # PyTorch

    renderer = load_target(target, params)
    use_openvino(renderer)
    networks = {"generator": (models / layout.GENERATOR_FILE, renderer.main.config.architecture)}
    if renderer.face is not None:
        networks["face"] = (models / layout.FACE_GENERATOR_FILE, "residual")
    return Performer(
        name=target,
        generator=live_generator(renderer),
        statistics=statistics,
        runs_in=runs_in(renderer),
        networks=networks,
    )


def _puppet(name: str, appearance: Appearance, statistics: PoseStatistics) -> Performer:
    return Performer(
        name=name,
        generator=LivePuppet(appearance, statistics.image_size),
        statistics=statistics,
        runs_in="draws the puppet alone: no network is trained",
        networks={},
    )


def source_motion(target: PoseStatistics, source: Source, *, size: tuple[int, int]) -> SourceMotion:
    """Poses of a source as the target's, in its image of this (height, width).

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
    image_size = source.size
    if source.has_frames:
        image_size = working_framing(source, height=size[0]).size
    if not mode.uses_floor and image_size != size:
        others = [name for name in LIVE_MODES if MODES[name].uses_floor]
        raise ParamsError(
            f"{PARAMS_FILE}: normalization.mode: {normalization.mode} needs a source of the "
            f"target's shape, {size} (height, width), got {image_size}; expected "
            f"{' or '.join(others)}"
        )
    if normalization.path == "fit":
        emit(Note(text="live, you may leave the picture: path: fit shortens whole dances only"))
    statistics = load_section(FitNormalizationParams, "fit_normalization")
    return SourceMotion(
        partial(fit_statistics, **dict(statistics)),
        min_score=statistics.min_score,
        mode=normalization.mode,
        centering=normalization.centering,
        unfilmed_sides=normalization.unfilmed_sides,
        target=target,
        skeleton=source.skeleton,
        image_size=image_size,
    )


def _signer(performer: Performer, source: Source, params: RenderParams) -> Sign | None:
    """Signs recordings and pictures; None without provenance."""
    if params.provenance == "none":
        return None
    generated: Content = "trainedAlgorithmicMedia"
    composite: Content = "compositeWithTrainedAlgorithmicMedia"
    return partial(
        sign_file,
        assertion=transfer_assertion(performer.networks, source.files),
        credentials=load_credentials(),
        content=generated if performer.networks else composite,
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
