"""Task bundles made of the networks in MediaPipe's package, for tests that download nothing."""

import io
import zipfile
from pathlib import Path

import mediapipe

from motiontransfer.pose.detectors.mediapipe_tasks import read_bundle, with_scaling


def packed(networks):
    """A bundle of networks by name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in networks.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def pose_networks():
    """What the detector itself takes from the package."""
    with zipfile.ZipFile(io.BytesIO(read_bundle("wheel"))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def holistic_bundle():
    """A bundle with hands and face.

    Its face network is the older one, of 468 vertices where the graph reads 478: that there is a
    face is right, where its vertices are is not.
    """
    modules = Path(mediapipe.__file__).parent / "modules"
    networks = pose_networks()
    for name, file, mean, deviation in (
        ("face_detector", "face_detection/face_detection_short_range", 127.5, 127.5),
        ("face_landmarks_detector", "face_landmark/face_landmark", 0.0, 255.0),
        ("hand_landmarks_detector", "hand_landmark/hand_landmark_full", 0.0, 255.0),
        ("hand_roi_refinement", "holistic_landmark/hand_recrop", 0.0, 255.0),
    ):
        network = (modules / f"{file}.tflite").read_bytes()
        networks[f"{name}.tflite"] = with_scaling(network, mean=mean, deviation=deviation)
    return packed(networks)
