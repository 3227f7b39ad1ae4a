"""Keypoint detection and tracking: `python -m stages detect_keypoints demo_dance`."""

from pathlib import Path

from motiontransfer import layout
from motiontransfer.errors import KeypointsError
from motiontransfer.keypoints import write_detections
from motiontransfer.parallel import Compute
from motiontransfer.params import load_section
from motiontransfer.pose.detection import detection_metrics
from motiontransfer.pose.detectors import detect_keypoints, load_detector
from motiontransfer.pose.plots import plot_tracks
from motiontransfer.storage import write_json


def main(video: str) -> str:
    """Write the keypoints by track, an image with numbered tracks, and detection metrics."""
    subject = load_section(str, f"videos.{video}.subject")
    clip = layout.clip_folder(subject, video)
    frames = clip / layout.FRAMES_FILE
    detections = detect_keypoints(
        clip,
        load_detector(video),
        video=load_section(Path, f"videos.{video}.path"),
        compute=load_section(Compute, "compute"),
    )
    if not detections.people:
        raise KeypointsError(
            f"{frames}: no person detected in any of {detections.num_frames} frames; "
            f"expected one whole person: view that file, check videos.{video}.path and crop, or "
            "lower detect_keypoints.min_detection_confidence"
        )
    file = layout.detections_file(subject, video)
    plot = file.with_suffix(".png")
    plot_tracks(plot, frames, detections)
    write_detections(file, detections)
    write_json(layout.metrics_file("detect_keypoints", video), detection_metrics(detections))
    people = "one person" if len(detections.people) == 1 else f"{len(detections.people)} people"
    return f"{people} in {detections.num_frames} frames; {plot} numbers them"
