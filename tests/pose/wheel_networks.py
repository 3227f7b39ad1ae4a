"""Task bundles made of the networks in MediaPipe's package, for tests that download nothing."""

import io
import zipfile

import flatbuffers
from mediapipe.tasks.metadata import metadata_schema_py_generated as tasks_schema
from mediapipe.tasks.metadata import schema_py_generated as tflite_schema

from motiontransfer.pose.mediapipe_detectors import mediapipe_models

POSE = {
    "pose_detector": ("pose_detection/pose_detection", 127.5, 127.5),
    "pose_landmarks_detector": ("pose_landmark/pose_landmark_full", 0.0, 255.0),
}
HANDS_AND_FACE = {
    "face_detector": ("face_detection/face_detection_short_range", 127.5, 127.5),
    "face_landmarks_detector": ("face_landmark/face_landmark", 0.0, 255.0),
    "hand_landmarks_detector": ("hand_landmark/hand_landmark_full", 0.0, 255.0),
    "hand_roi_refinement": ("holistic_landmark/hand_recrop", 0.0, 255.0),
}
"""Name in a bundle -> file, mean and deviation of pixels.

The face network is the older one, of 468 vertices where the graph reads 478: that there is a face
is right, where its vertices are is not.
"""


def packed(networks):
    """A bundle of networks by name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in networks.items():
            archive.writestr(f"{name}.tflite", content)
    return buffer.getvalue()


def bundle_of(files):
    """A bundle of networks that MediaPipe Tasks can use."""
    return packed(
        {
            name: with_scaling(
                (mediapipe_models() / f"{file}.tflite").read_bytes(), mean=mean, deviation=deviation
            )
            for name, (file, mean, deviation) in files.items()
        }
    )


def with_scaling(network, *, mean, deviation):
    """Add to a network how a pixel's value becomes its number, which Tasks read in its metadata."""
    scaling = tasks_schema.ProcessUnitT()
    scaling.optionsType = tasks_schema.ProcessUnitOptions.NormalizationOptions
    scaling.options = tasks_schema.NormalizationOptionsT()
    scaling.options.mean, scaling.options.std = [mean], [deviation]
    content = tasks_schema.ContentT()
    content.contentPropertiesType = tasks_schema.ContentProperties.ImageProperties
    content.contentProperties = tasks_schema.ImagePropertiesT()
    content.contentProperties.colorSpace = tasks_schema.ColorSpaceType.RGB
    described = tasks_schema.TensorMetadataT()
    described.content, described.processUnits = content, [scaling]

    model = tflite_schema.ModelT.InitFromPackedBuf(network, 0)
    graph = tasks_schema.SubGraphMetadataT()
    graph.inputTensorMetadata = [described]
    graph.outputTensorMetadata = [
        tasks_schema.TensorMetadataT() for _ in model.subgraphs[0].outputs
    ]
    metadata = tasks_schema.ModelMetadataT()
    metadata.subgraphMetadata = [graph]

    buffer = tflite_schema.BufferT()
    buffer.data = list(_packed(metadata, b"M001"))
    entry = tflite_schema.MetadataT()
    entry.name, entry.buffer = "TFLITE_METADATA", len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]
    return _packed(model, b"TFL3")


def _packed(table, file_identifier):
    builder = flatbuffers.Builder(0)
    builder.Finish(table.Pack(builder), file_identifier)
    return bytes(builder.Output())
