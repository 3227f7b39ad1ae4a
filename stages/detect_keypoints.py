"""Keypoint detection and tracking: `python -m stages detect_keypoints demo_dance`."""

from pathlib import Path

from motiontransfer.core import layout
from motiontransfer.core.errors import KeypointsError
from motiontransfer.core.params import Compute, Name, Section, load_section
from motiontransfer.core.storage import write_json
from motiontransfer.pose.detection import detection_metrics
from motiontransfer.pose.detectors import DetectorName, detect_keypoints, load_detector
from motiontransfer.pose.keypoints_file import write_detections


class DetectEntry(Section):
    """The keys of an entry of `videos` that are read here."""

    path: Path
    subject: Name
    detector: DetectorName | None = None


def main(key: str) -> str:
    """Write the keypoints by track, an image with numbered tracks, and detection metrics."""
    from motiontransfer.pose.plots import plot_tracks  # Matplotlib: not where params are checked

    params_file = layout.video_params_file(key, "detect_keypoints")
    video = load_section(DetectEntry, f"videos.{key}", path=params_file)
    clip = layout.clip_folder(video.subject, key)
    frames = clip / layout.FRAMES_FILE
    detections = detect_keypoints(
        clip,
        load_detector(key, own=video.detector),
        video=video.path,
        compute=load_section(Compute, "compute"),
    )
    if not detections.people:
        raise KeypointsError(
            f"{frames}: no person detected in any of {detections.num_frames} frames; "
            f"expected one whole person: view that file, check videos.{key}.path and crop, or "
            "lower detect_keypoints.min_detection_confidence"
        )
    file = layout.detections_file(video.subject, key)
    plot = file.with_suffix(".png")
    plot_tracks(plot, frames, detections)
    write_detections(file, detections)
    write_json(layout.counts_file("detect_keypoints", key), detection_metrics(detections))
    people = "one person" if len(detections.people) == 1 else f"{len(detections.people)} people"
    return f"{people} in {detections.num_frames} frames; {plot} numbers them"
