"""Detectors by the name that params.yaml gives them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import UInt8
from pydantic import BaseModel, Field

from motiontransfer import layout
from motiontransfer.device import choose_accelerator
from motiontransfer.errors import ParamsError
from motiontransfer.keypoints import Detections
from motiontransfer.parallel import Compute
from motiontransfer.params import PARAMS_FILE, Section, load_section
from motiontransfer.pose.boxes import enclosing_box
from motiontransfer.pose.detection import detect_clip, track_detections
from motiontransfer.pose.detectors.holistic_landmarks import MIN_VISIBILITY
from motiontransfer.pose.detectors.mediapipe_holistic import HolisticConfig
from motiontransfer.pose.detectors.mediapipe_tasks import WHEEL, TasksConfig
from motiontransfer.pose.detectors.protocol import DetectorConfig
from motiontransfer.pose.importers import import_people
from motiontransfer.skeleton import HOLISTIC
from motiontransfer.video.clip import detection_frames, read_clip

DetectorName = Literal[
    "mediapipe_holistic", "mediapipe_tasks", "keypointrcnn", "openpose_json", "coco_wholebody"
]
_SECTION = "detect_keypoints"
_BOX_MARGIN = 0.15  # of the larger extent of the joints


class _FrameDetectorParams(Section):
    """Settings that all detectors of frames share."""

    max_people: int = Field(ge=1)
    min_detection_confidence: float = Field(ge=0, le=1)
    min_visibility: float = Field(ge=0, le=1)
    segment_frames: int = Field(ge=1)


class HolisticParams(_FrameDetectorParams):
    """The section with `mediapipe_holistic`: body, hands and face."""

    detector: Literal["mediapipe_holistic"]
    min_tracking_confidence: float = Field(ge=0, le=1)
    smoothing: Literal["none", "one_euro"]
    face_mesh: Literal["subset", "full"]
    warmup_frames: int = Field(ge=0)


class TasksParams(_FrameDetectorParams):
    """The section with `mediapipe_tasks`: bodies, or one person if the model is a holistic one."""

    detector: Literal["mediapipe_tasks"]
    model: str = WHEEL
    min_tracking_confidence: float = Field(ge=0, le=1)


class KeypointRcnnParams(_FrameDetectorParams):
    """The section with `keypointrcnn`: bodies."""

    detector: Literal["keypointrcnn"]
    model: str | None = None
    """None: the official weights."""


class ImportParams(Section):
    """The section with imported keypoints, which has no other settings."""

    detector: Literal["openpose_json", "coco_wholebody"]


DetectorParams = HolisticParams | TasksParams | KeypointRcnnParams | ImportParams

_PARAMS_OF: dict[str, type[DetectorParams]] = {
    "mediapipe_holistic": HolisticParams,
    "mediapipe_tasks": TasksParams,
    "keypointrcnn": KeypointRcnnParams,
    "openpose_json": ImportParams,
    "coco_wholebody": ImportParams,
}


class _Named(BaseModel):
    detector: DetectorName


class _Video(BaseModel):
    detector: DetectorName | None = None


def load_detector(video: str) -> DetectorParams:
    """The params of a video's detector: its own, or that of the section `detect_keypoints`.

    A video's own detector takes from the section what it knows; its model is the default one.

    Raises:
        ParamsError: a setting is missing, unknown to the detector or out of range.
    """
    name = load_section(_Named, _SECTION).detector
    params = load_section(_PARAMS_OF[name], _SECTION)
    own = load_section(_Video, f"videos.{video}").detector
    if own in (None, name):
        return params
    fields = _PARAMS_OF[own].model_fields
    known = {key: value for key, value in params if key in fields and key != "model"}
    missing = [key for key, field in fields.items() if field.is_required() and key not in known]
    if missing:
        raise ParamsError(
            f"{PARAMS_FILE}: videos.{video}.detector: {own} needs {', '.join(missing)}, which "
            f"{_SECTION} does not have with detector: {name}; make {own} the section's detector, "
            f"and {name} that of the other videos"
        )
    return _PARAMS_OF[own].model_validate({**known, "detector": own})


def detect_keypoints(
    clip: Path, params: DetectorParams, *, video: Path, compute: Compute
) -> Detections:
    """Multi-person keypoints of a decoded clip, detected or imported, by track.

    Args:
        clip: its folder.
        video: where the clip comes from; for imports, the folder of the keypoints.

    Raises:
        MissingFileError: the clip, a model or the keypoints to import are not there.
        VideoError: a frame cannot be read.
        KeypointsError: the keypoints to import do not belong to this video.
        WeightsError: a model is not one that the detector can use.
        ComputeError: workers cannot be had, or one was killed.
    """
    if isinstance(params, ImportParams):
        people = import_people(video, clip, layout=params.detector)
        frames = clip / layout.FRAMES_FILE
        return track_detections(people, frames, skeleton=HOLISTIC, detector=params.detector)
    body_detector, warmup_frames = None, 0  # of all detectors Holistic alone remembers frames
    if isinstance(params, HolisticParams):
        detector, warmup_frames = params.fill(HolisticConfig), params.warmup_frames
        if params.max_people > 1:
            body_detector = params.fill(
                TasksConfig, model=WHEEL, min_presence_confidence=params.min_tracking_confidence
            )
    else:
        if isinstance(params, TasksParams):
            detector = params.fill(
                TasksConfig, min_presence_confidence=params.min_tracking_confidence
            )
            with detector.open():
                pass  # fetches the model once, before all workers want it
        else:
            detector, compute = _keypointrcnn(params, compute)
    frames = detection_frames(clip)
    found = detect_clip(
        frames,
        detector=detector,
        body_detector=body_detector,
        segment_frames=params.segment_frames,
        warmup_frames=warmup_frames,
        compute=compute,
    )
    return found if frames.name == layout.FRAMES_FILE else found.resized(read_clip(clip).size)


def _keypointrcnn(params: KeypointRcnnParams, compute: Compute) -> tuple[DetectorConfig, Compute]:
    """On a GPU with one worker unless a number is given: one for each core would fill it."""
    from motiontransfer.pose.detectors import keypoint_rcnn

    detector = params.fill(
        keypoint_rcnn.KeypointRcnnConfig, model=params.model or keypoint_rcnn.OFFICIAL_WEIGHTS
    )
    keypoint_rcnn.load_network(detector)  # fetches it; a GPU's memory is left to the workers
    if compute.backend == "local" and choose_accelerator() == "cuda":
        compute = compute.model_copy(update={"num_workers": compute.num_workers or 1})
    return detector, compute


def default_detector() -> HolisticConfig:
    """MediaPipe Holistic with fixed settings, e.g. to measure a result."""
    return HolisticConfig(
        min_detection_confidence=0.5,
        min_tracking_confidence=0.5,
        min_visibility=MIN_VISIBILITY,
        smoothing="none",
        face_mesh="subset",
    )


def person_boxes(
    frames: Sequence[UInt8[np.ndarray, "_ _ 3"]],
) -> list[tuple[int, int, int, int] | None]:
    """Person box x0, y0, x1, y1 in each of some unrelated frames; None without a detection.

    Boxes are half-open, inside the frame, and have a margin around the joints.
    """
    config = default_detector()
    boxes: list[tuple[int, int, int, int] | None] = []
    for frame in frames:
        with config.open() as detect:  # a new one each time: the frames do not follow each other
            (people,) = detect([frame])
        found = people[people[..., 2] > 0, :2]
        boxes.append(enclosing_box(found, margin=_BOX_MARGIN, image_size=frame.shape[:2]))
    return boxes
