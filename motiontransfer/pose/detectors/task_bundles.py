"""Task bundles: the `.task` files that MediaPipe Tasks read, each a zip of networks.

Hides where they come from: made of the networks in MediaPipe's own package, published, or a file of
the user's own.
"""

import io
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import flatbuffers
import mediapipe
from mediapipe.tasks.metadata import metadata_schema_py_generated as tasks_schema
from mediapipe.tasks.metadata import schema_py_generated as tflite_schema

from motiontransfer.errors import MissingFileError, WeightsError
from motiontransfer.pretrained import Pretrained, pretrained_file

WHEEL = "wheel"
"""The model that needs no file: a bundle made of the networks in MediaPipe's own package."""

# Version 1 of each, never `latest`: the full model's two are different files.
_SHA256_OF_PUBLISHED = {
    "pose_landmarker/pose_landmarker_lite": (
        "59929e1d1ee95287735ddd833b19cf4ac46d29bc7afddbbf6753c459690d574a"
    ),
    "pose_landmarker/pose_landmarker_full": (
        "5134a3aad27a58b93da0088d431f366da362b44e3ccfbe3462b3827a839011b1"
    ),
    "pose_landmarker/pose_landmarker_heavy": (
        "64437af838a65d18e5ba7a0d39b465540069bc8aae8308de3e318aad31fcbc7b"
    ),
    "holistic_landmarker/holistic_landmarker": (
        "e2dab61191e2dcd0a15f943d8e3ed1dce13c82dfa597b9dd39f562975a50c3f8"
    ),
}

OFFICIAL_MODELS: dict[str, Pretrained] = {
    Path(place).name: Pretrained(
        name=f"{Path(place).name}.task",
        url=f"https://storage.googleapis.com/mediapipe-models/{place}/float16/1/{Path(place).name}.task",
        sha256=sha256,
        needed_by="the detector mediapipe_tasks",
        file_param="detect_keypoints.model",
        without=f"set detect_keypoints.model: {WHEEL}",
    )
    for place, sha256 in _SHA256_OF_PUBLISHED.items()
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

    Raises:
        MissingFileError: the bundle is not on this machine and cannot be downloaded.
        WeightsError: what was downloaded is not the published file.
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
    """Whether the bundle finds hands and face too; then it finds one person.

    Args:
        model: for the message.

    Raises:
        WeightsError: not a bundle that finds people.
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
    picture: Any = tasks_schema.ContentT()
    picture.contentPropertiesType = tasks_schema.ContentProperties.ImageProperties
    picture.contentProperties = tasks_schema.ImagePropertiesT()
    picture.contentProperties.colorSpace = tasks_schema.ColorSpaceType.RGB
    described: Any = tasks_schema.TensorMetadataT()
    described.content, described.processUnits = picture, [scaling]

    model: Any = tflite_schema.ModelT.InitFromPackedBuf(network, 0)
    graph: Any = tasks_schema.SubGraphMetadataT()
    graph.inputTensorMetadata = [described]
    graph.outputTensorMetadata = [
        tasks_schema.TensorMetadataT() for _ in model.subgraphs[0].outputs
    ]
    metadata: Any = tasks_schema.ModelMetadataT()
    metadata.subgraphMetadata = [graph]

    content: Any = tflite_schema.BufferT()
    content.data = list(_packed(metadata, b"M001"))
    entry: Any = tflite_schema.MetadataT()
    entry.name, entry.buffer = "TFLITE_METADATA", len(model.buffers)
    model.buffers.append(content)
    model.metadata = [*(model.metadata or []), entry]
    return _packed(model, b"TFL3")


def _packed(
    table: tasks_schema.ModelMetadataT | tflite_schema.ModelT, file_identifier: bytes
) -> bytes:
    builder = flatbuffers.Builder(0)
    builder.Finish(table.Pack(builder), file_identifier)
    return bytes(builder.Output())
