"""Detectors of people's joints, by the name in `detect_keypoints.detector` of params.yaml.

A new one is a model here, in `AnyConfig`, and a module that detects. The key `detectors` of
params.yaml is another thing: detectors of rendered video (`motiontransfer.forensics`).

MediaPipe and PyTorch take seconds to import, which checking params.yaml does without: a detector's
module is imported where it is opened.
"""

import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, ClassVar, Literal, get_args

import loky
from pydantic import AfterValidator, BaseModel, Field, field_validator

from motiontransfer.core import layout
from motiontransfer.core.device import choose_accelerator, describe_device
from motiontransfer.core.downloads import Pretrained
from motiontransfer.core.errors import FILMS_FILE, ParamsError
from motiontransfer.core.params import Compute, Section, load_section
from motiontransfer.pose.detection import detect_clip, track_detections
from motiontransfer.pose.importers import import_people
from motiontransfer.pose.keypoints import Detections, ImportFormat
from motiontransfer.pose.landmarks import Detector, Limits
from motiontransfer.pose.published import COCO_WEIGHTS, KEYPOINT_RCNN, POSE_BUNDLES, WHEEL
from motiontransfer.video.clip import detection_frames, read_clip
from motiontransfer.video.frame_store import FrameStore

_logger = logging.getLogger(__name__)

_SECTION = "detect_keypoints"


class _AnyDetectorConfig(Section):
    """What doctor, forecast and cluster ask of a detector."""

    uses_gpu: ClassVar[bool] = False
    """Whether it runs on a GPU where there is one."""

    @property
    def pretrained(self) -> Pretrained | None:
        """Weights that are downloaded at their first use."""
        return None


class _FrameDetectorConfig(_AnyDetectorConfig):
    """Settings that all detectors of frames share; can be sent to another process."""

    max_people: int = Field(ge=1)
    min_detection_confidence: float = Field(ge=0, le=1)
    min_visibility: float = Field(ge=0, le=1)
    segment_frames: int = Field(ge=1)

    @property
    def limits(self) -> Limits:
        return self.to_config(Limits)

    @property
    def batch_frames(self) -> int:
        return 1  # MediaPipe has no batches

    @property
    def body_detector(self) -> "TasksConfig | None":
        """Detector of several people, if this one runs in a crop around each of them."""
        return None

    def prepare(self, compute: Compute) -> Compute:
        """Fetch weights once, before all workers want them; choose the number of workers."""
        return compute


class HolisticConfig(_FrameDetectorConfig):
    """The section with `mediapipe_holistic`: body, hands and face."""

    detector: Literal["mediapipe_holistic"]
    min_tracking_confidence: float = Field(ge=0, le=1)
    warmup_frames: int = Field(ge=0)

    @property
    def label(self) -> str:
        return f"mediapipe_holistic {version('mediapipe')} full"

    def open(self) -> AbstractContextManager[Detector]:
        """A detector of one person, who is followed from frame to frame."""
        from motiontransfer.pose.mediapipe_detectors import open_holistic

        return open_holistic(self.limits)

    @property
    def body_detector(self) -> "TasksConfig | None":
        if self.max_people == 1:
            return None
        return self.to_config(TasksConfig, detector="mediapipe_tasks", model=WHEEL)


class _ModelConfig(_FrameDetectorConfig):
    """A detector whose network has a name, or is in a file; it remembers no frames."""

    warmup_frames: ClassVar = 0
    models: ClassVar[Mapping[str, Pretrained | None]]
    """Name -> what is downloaded; None: it is in the detector's package."""
    kind_of_file: ClassVar[str]

    model: str

    @property
    def pretrained(self) -> Pretrained | None:
        return self.models.get(self.model)

    @field_validator("model")
    @classmethod
    def _model_is_known(cls, model: str) -> str:
        if model not in cls.models and not Path(model).is_file():
            raise ValueError(
                f"expected {', '.join(cls.models)} or the path of a {cls.kind_of_file}, got"
                f" {model!r}, and there is no such file"
            )
        return model


class TasksConfig(_ModelConfig):
    """The section with `mediapipe_tasks`: bodies."""

    models: ClassVar = {WHEEL: None, **POSE_BUNDLES}
    kind_of_file = ".task file"

    detector: Literal["mediapipe_tasks"]
    model: str = WHEEL
    """`wheel`: the networks in MediaPipe's package; or a published bundle's name, or a file."""
    min_tracking_confidence: float = Field(ge=0, le=1)

    @property
    def label(self) -> str:
        return f"mediapipe_tasks {version('mediapipe')} {Path(self.model).name}"

    def open(self) -> AbstractContextManager[Detector]:
        from motiontransfer.pose.mediapipe_detectors import open_pose_landmarker

        return open_pose_landmarker(self.model, self.limits)

    def prepare(self, compute: Compute) -> Compute:
        with self.open():
            return compute


class KeypointRcnnConfig(_ModelConfig):
    """The section with `keypointrcnn`: bodies."""

    uses_gpu = True
    models: ClassVar = {COCO_WEIGHTS: KEYPOINT_RCNN}
    kind_of_file = "state dict of torchvision's KeypointRCNN"
    min_tracking_confidence: ClassVar = 0.0

    detector: Literal["keypointrcnn"]
    model: str = COCO_WEIGHTS
    """`coco_v1`: torchvision's own weights; or a file."""

    @property
    def label(self) -> str:
        import torchvision

        return f"keypointrcnn torchvision {torchvision.__version__} {Path(self.model).name}"

    @property
    def batch_frames(self) -> int:
        return 8 if choose_accelerator() == "cuda" else 1  # on a CPU they would save nothing

    def open(self) -> AbstractContextManager[Detector]:
        from motiontransfer.pose.keypoint_rcnn import open_keypoint_rcnn

        return open_keypoint_rcnn(self.model, self.limits)

    def prepare(self, compute: Compute) -> Compute:
        """Fetch the weights; one worker on a GPU, whose memory several would fill, by default."""
        from motiontransfer.pose import keypoint_rcnn

        keypoint_rcnn.load_network(self.model, self.limits)  # a GPU's memory is left to the workers
        on_gpu = choose_accelerator() == "cuda"
        num_workers = compute.num_workers or (1 if on_gpu else loky.cpu_count())
        device = describe_device("cuda") if on_gpu else "the CPU, threads: 1"
        _logger.info("runs on %s, 32-true, processes: %d", device, num_workers)
        return compute.model_copy(update={"num_workers": num_workers}) if on_gpu else compute


class ImportConfig(_AnyDetectorConfig):
    """The section with imported keypoints, which has no other settings."""

    detector: ImportFormat


AnyConfig = HolisticConfig | TasksConfig | KeypointRcnnConfig | ImportConfig

DETECTORS: dict[str, type[AnyConfig]] = {
    name: config
    for config in get_args(AnyConfig)
    for name in get_args(config.model_fields["detector"].annotation)
}
"""Model of the section by the detector's name."""


def _known_name(name: str) -> str:
    if name not in DETECTORS:
        raise ValueError(f"expected one of {', '.join(DETECTORS)}")
    return name


DetectorName = Annotated[str, AfterValidator(_known_name)]


class _Named(BaseModel):
    detector: DetectorName


class _PerhapsNamed(BaseModel):
    detector: DetectorName | None = None


def load_detector(video: str, *, own: str | None = None) -> AnyConfig:
    """A video's detector: its own, or that of the section `detect_keypoints`.

    A video's own detector takes from the section what it knows; its model is the default one.

    Raises:
        ParamsError: a setting is missing, unknown to the detector or out of range.
    """
    name = load_section(_Named, _SECTION).detector
    params = load_section(DETECTORS[name], _SECTION)
    if own in (None, name):
        return params
    fields = DETECTORS[own].model_fields
    known = {key: value for key, value in params if key in fields and key != "model"}
    missing = [key for key, field in fields.items() if field.is_required() and key not in known]
    if missing:
        raise ParamsError(
            f"{FILMS_FILE}: videos.{video}.detector: {own} needs {', '.join(missing)}, which "
            f"{_SECTION} does not have with detector: {name}; make {own} the section's detector, "
            f"and {name} that of the other videos"
        )
    return DETECTORS[own].model_validate({**known, "detector": own})


def pretrained_weights() -> list[Pretrained]:
    """Weights that the detectors of this project download."""
    videos = load_section(dict[str, _PerhapsNamed], "videos")
    owns = dict.fromkeys([None, *(video.detector for video in videos.values())])
    weights = dict.fromkeys(load_detector("", own=own).pretrained for own in owns)
    return [each for each in weights if each]


def detect_keypoints(clip: Path, config: AnyConfig, *, video: Path, compute: Compute) -> Detections:
    """A decoded clip's people by track: detected, or imported from the folder `video`."""
    if isinstance(config, ImportConfig):
        people = import_people(video, clip, layout=config.detector)
        return track_detections(people, clip / layout.FRAMES_FILE, detector=config.detector)
    frames, working = detection_frames(clip), clip / layout.FRAMES_FILE
    detect = partial(
        detect_clip,
        detector=config,
        body_detector=config.body_detector,
        compute=config.prepare(compute),
    )
    found = detect(frames)
    if frames != working and not found.people:  # a drawn body may be found only where it is small
        frames, found = working, detect(working)
    if found.num_frames == 1:
        from motiontransfer.pose.segmentation import without_strays

        with FrameStore(frames) as store:
            found = without_strays(found, store[0])
    return found if frames == working else found.resized(read_clip(clip).size)


def default_detector() -> HolisticConfig:
    """MediaPipe Holistic with fixed settings, e.g. to measure a result."""
    how = {"segment_frames": 100, "warmup_frames": 10}
    return HolisticConfig(detector="mediapipe_holistic", **how, **Limits()._asdict())
