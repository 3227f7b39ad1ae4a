"""MediaPipe Tasks: several people's bodies, or one person with hands and face."""

import io
import zipfile
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import flatbuffers
import mediapipe
import numpy as np
from jaxtyping import UInt8
from mediapipe.python import packet_creator, packet_getter
from mediapipe.python._framework_bindings.task_runner import TaskRunner  # ty: ignore[import-not-found]
from mediapipe.tasks.metadata import metadata_schema_py_generated as tasks_schema
from mediapipe.tasks.metadata import schema_py_generated as tflite_schema
from mediapipe.tasks.python import BaseOptions, vision
from mediapipe.tasks.python.core.task_info import TaskInfo

from motiontransfer.downloads import Pretrained, pretrained_file
from motiontransfer.errors import MissingFileError, ParamsError, WeightsError
from motiontransfer.keypoints import People
from motiontransfer.pose.detectors.holistic_landmarks import Landmarks, people_in_pixels
from motiontransfer.pose.detectors.mediapipe_holistic import native_stderr_hidden, unpack
from motiontransfer.pose.detectors.protocol import Detector
from motiontransfer.skeleton import HOLISTIC, Skeleton

WHEEL = "wheel"
"""The model that needs no file: a bundle made of the networks in MediaPipe's own package."""

# Version 1 of each, never `latest`: the full model's two are different files.
_SHA256_OF_PUBLISHED = {
    "pose_landmarker_lite": "59929e1d1ee95287735ddd833b19cf4ac46d29bc7afddbbf6753c459690d574a",
    "pose_landmarker_full": "5134a3aad27a58b93da0088d431f366da362b44e3ccfbe3462b3827a839011b1",
    "pose_landmarker_heavy": "64437af838a65d18e5ba7a0d39b465540069bc8aae8308de3e318aad31fcbc7b",
    "holistic_landmarker": "e2dab61191e2dcd0a15f943d8e3ed1dce13c82dfa597b9dd39f562975a50c3f8",
}

OFFICIAL_MODELS: dict[str, Pretrained] = {
    name: Pretrained(
        name=f"{name}.task",
        url=f"https://storage.googleapis.com/mediapipe-models/{'_'.join(name.split('_')[:2])}/{name}/float16/1/{name}.task",
        sha256=sha256,
        needed_by="the detector mediapipe_tasks",
        file_param="detect_keypoints.model",
        without=f"set detect_keypoints.model: {WHEEL}",
    )
    for name, sha256 in _SHA256_OF_PUBLISHED.items()
}
"""MediaPipe's published bundles by name."""

_POSE_NETWORKS = {"pose_detector.tflite", "pose_landmarks_detector.tflite"}
_HOLISTIC_NETWORKS = _POSE_NETWORKS | {
    "face_detector.tflite",
    "face_landmarks_detector.tflite",
    "hand_landmarks_detector.tflite",
}


def read_bundle(model: str) -> bytes:
    """The bundle's bytes.

    Args:
        model: `wheel`, a name in OFFICIAL_MODELS, or a path.
    """
    if model == WHEEL:
        return _wheel_bundle()
    official = OFFICIAL_MODELS.get(Path(model).stem)
    if official:
        file = None if model in OFFICIAL_MODELS else Path(model)
        return pretrained_file(official, file=file).read_bytes()
    if not Path(model).is_file():
        raise MissingFileError(
            f"{model}: no such file on this machine; every machine of a cluster needs it at this"
            f" path, or set detect_keypoints.model: {WHEEL}"
        )
    return Path(model).read_bytes()


def is_holistic(bundle: bytes, *, model: str) -> bool:
    """True for a holistic bundle: one person with hands and face.

    Args:
        model: for the message.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
            names = set(archive.namelist())
    except zipfile.BadZipFile:
        names = set()
    if not names >= _POSE_NETWORKS:
        raise WeightsError(
            f"{model}: expected a bundle with {' and '.join(sorted(_POSE_NETWORKS))},"
            f" got {', '.join(sorted(names)) or 'no zip archive'}; use a pose_landmarker or"
            f" holistic_landmarker file, or set detect_keypoints.model: {WHEEL}"
        )
    return names >= _HOLISTIC_NETWORKS


@cache
def _wheel_bundle() -> bytes:
    """The networks of MediaPipe's legacy solutions as a pose bundle.

    Pixels become -1 to 1 for the person detector and 0 to 1 for the landmarks, as the solutions'
    own graphs have it (mediapipe/modules/pose_detection, pose_landmark).
    """
    modules = Path(mediapipe.__file__).parent / "modules"
    detector = (modules / "pose_detection" / "pose_detection.tflite").read_bytes()
    landmarks = (modules / "pose_landmark" / "pose_landmark_full.tflite").read_bytes()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(
            "pose_detector.tflite", with_scaling(detector, mean=127.5, deviation=127.5)
        )
        archive.writestr(
            "pose_landmarks_detector.tflite", with_scaling(landmarks, mean=0.0, deviation=255.0)
        )
    return buffer.getvalue()


def with_scaling(network: bytes, *, mean: float, deviation: float) -> bytes:
    """Add to a TFLite network what Tasks ask for: how pixels become its numbers.

    Tasks read it from the network's metadata, which those of the legacy solutions do not have.

    Args:
        mean: taken from a pixel's value of 0 to 255.
        deviation: by which the rest is divided.
    """
    scaling: Any = tasks_schema.ProcessUnitT()
    scaling.optionsType = tasks_schema.ProcessUnitOptions.NormalizationOptions
    scaling.options = tasks_schema.NormalizationOptionsT()
    scaling.options.mean, scaling.options.std = [mean], [deviation]
    content: Any = tasks_schema.ContentT()
    content.contentPropertiesType = tasks_schema.ContentProperties.ImageProperties
    content.contentProperties = tasks_schema.ImagePropertiesT()
    content.contentProperties.colorSpace = tasks_schema.ColorSpaceType.RGB
    described: Any = tasks_schema.TensorMetadataT()
    described.content, described.processUnits = content, [scaling]

    model: Any = tflite_schema.ModelT.InitFromPackedBuf(network, 0)
    graph: Any = tasks_schema.SubGraphMetadataT()
    graph.inputTensorMetadata = [described]
    graph.outputTensorMetadata = [
        tasks_schema.TensorMetadataT() for _ in model.subgraphs[0].outputs
    ]
    metadata: Any = tasks_schema.ModelMetadataT()
    metadata.subgraphMetadata = [graph]

    buffer: Any = tflite_schema.BufferT()
    buffer.data = list(_packed(metadata, b"M001"))
    entry: Any = tflite_schema.MetadataT()
    entry.name, entry.buffer = "TFLITE_METADATA", len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]
    return _packed(model, b"TFL3")


def _packed(
    table: tasks_schema.ModelMetadataT | tflite_schema.ModelT, file_identifier: bytes
) -> bytes:
    builder = flatbuffers.Builder(0)
    builder.Finish(table.Pack(builder), file_identifier)
    return bytes(builder.Output())


@dataclass(frozen=True, slots=True, kw_only=True)
class TasksConfig:
    """Settings of a MediaPipe task."""

    model: str
    """`wheel` (bodies; nothing is downloaded), a name in OFFICIAL_MODELS, or a path to a bundle."""
    max_people: int
    """Maximum number of people per frame; a holistic bundle finds one."""
    min_detection_confidence: float
    """Confidence in [0, 1] from which the person detector's box counts."""
    min_presence_confidence: float
    """Confidence in [0, 1] below which a box is taken for empty."""
    min_visibility: float
    """Body joints whose visibility is lower are missing; MediaPipe guesses where they would be."""

    def __post_init__(self) -> None:
        """Check what can be checked without a download.

        Raises:
            ParamsError: the model is neither known nor a file.
        """
        if self.model not in (WHEEL, *OFFICIAL_MODELS) and not Path(self.model).is_file():
            raise ParamsError(
                f"model: expected {', '.join((WHEEL, *OFFICIAL_MODELS))} or the path of a .task"
                f" file, got {self.model!r}, and there is no such file"
            )

    skeleton: ClassVar[Skeleton] = HOLISTIC
    """The joints that are found, in their order; a pose bundle leaves hands and face out."""
    batch_frames: ClassVar[int] = 1
    """MediaPipe has no batches."""

    @property
    def label(self) -> str:
        """Detector, version and model."""
        return f"mediapipe_tasks {mediapipe.__version__} {Path(self.model).name}"

    @contextmanager
    def open(self) -> Generator[Detector]:
        """A detector of each frame by itself.

        Raises:
            MissingFileError: the bundle is not here and cannot be downloaded.
            WeightsError: the bundle is not one that MediaPipe can use.
            ParamsError: several people are asked of a bundle that finds one.
        """
        bundle = read_bundle(self.model)
        make_task = _holistic_task if is_holistic(bundle, model=self.model) else _pose_task
        if make_task is _holistic_task and self.max_people != 1:
            raise ParamsError(
                f"max_people: expected 1 with {self.model}, which finds one person with hands and"
                f" face, got {self.max_people}; set 1, or a pose_landmarker model"
            )
        # MediaPipe's threads log when they like, so stderr stays aside until they have ended.
        with native_stderr_hidden():
            try:
                task, landmarks = make_task(self, bundle)
            except (RuntimeError, ValueError) as error:
                raise WeightsError(
                    f"{self.model}: MediaPipe {mediapipe.__version__} cannot use this bundle"
                    f" ({str(error).splitlines()[0]}); set detect_keypoints.model: {WHEEL}, or"
                    " another .task file"
                ) from error
            with closing(task):
                yield lambda frames: [self._people(landmarks, frame) for frame in frames]

    def _people(self, landmarks: "_LandmarksOf", frame: UInt8[np.ndarray, "_ _ 3"]) -> People:
        image = mediapipe.Image(
            image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(frame)
        )
        return people_in_pixels(
            landmarks(image),
            skeleton=HOLISTIC,
            min_visibility=self.min_visibility,
            image_size=frame.shape[:2],
        )


_LandmarksOf = Callable[[mediapipe.Image], list[Landmarks]]


def _pose_task(config: TasksConfig, bundle: bytes) -> tuple[vision.PoseLandmarker, _LandmarksOf]:
    """Bodies of several people."""
    task = vision.PoseLandmarker.create_from_options(
        vision.PoseLandmarkerOptions(
            base_options=BaseOptions(model_asset_buffer=bundle),
            running_mode=vision.RunningMode.IMAGE,
            num_poses=config.max_people,
            min_pose_detection_confidence=config.min_detection_confidence,
            min_pose_presence_confidence=config.min_presence_confidence,
        )
    )
    return task, lambda image: [
        {"pose": unpack(person)} for person in task.detect(image).pose_landmarks
    ]


def _holistic_task(config: TasksConfig, bundle: bytes) -> tuple[TaskRunner, _LandmarksOf]:
    """Body, hands and face of one person.

    MediaPipe's own Python class ends the process where a hand is not found
    (google-ai-edge/mediapipe#5181), so the graph is run without it.
    """
    streams = ("pose", "left_hand", "right_hand", "face")
    options = vision.HolisticLandmarkerOptions(
        base_options=BaseOptions(model_asset_buffer=bundle),
        running_mode=vision.RunningMode.IMAGE,
        min_pose_detection_confidence=config.min_detection_confidence,
        min_pose_landmarks_confidence=config.min_presence_confidence,
    )
    info = TaskInfo(
        task_graph="mediapipe.tasks.vision.holistic_landmarker.HolisticLandmarkerGraph",
        input_streams=["IMAGE:image"],
        output_streams=[f"{stream.upper()}_LANDMARKS:{stream}" for stream in streams],
        task_options=options,
    )
    runner = TaskRunner.create(info.generate_graph_config())

    def landmarks(image: mediapipe.Image) -> list[Landmarks]:
        packets = runner.process({"image": packet_creator.create_image(image)})
        person: Landmarks = {}
        for stream in streams:
            if not packets[stream].is_empty():
                found: Any = packet_getter.get_proto(packets[stream])
                person[stream] = unpack(found.landmark)
        return [person] if person else []

    return runner, landmarks
