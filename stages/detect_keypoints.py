"""Find the joints in a decoded clip: `python -m stages detect_keypoints demo_dance`."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from motiontransfer.errors import KeypointsError
from motiontransfer.keypoints import write_keypoints
from motiontransfer.params import Section, load_section
from motiontransfer.pose.detection import detect_keypoints, detection_metrics
from motiontransfer.pose.detectors.mediapipe_holistic import HolisticConfig
from motiontransfer.storage import write_json


class DetectKeypointsParams(Section):
    """Section `detect_keypoints` of params.yaml."""

    detector: Literal["mediapipe_holistic"]
    model_complexity: Literal[0, 1, 2]
    min_detection_confidence: float = Field(ge=0, le=1)
    min_tracking_confidence: float = Field(ge=0, le=1)
    min_visibility: float = Field(ge=0, le=1)
    smoothing: Literal["none", "one_euro"]
    face_mesh: Literal["subset", "full"]
    segment_frames: int = Field(ge=1)
    warmup_frames: int = Field(ge=0)
    num_workers: int = Field(ge=0)


def main(video: str) -> None:
    """Write the clip's keypoints and how complete they are."""
    params = load_section(DetectKeypointsParams, "detect_keypoints")
    subject = load_section(str, f"videos.{video}.subject")
    frames = Path("artifacts/frames") / subject / video / "frames.mkv"
    keypoints = detect_keypoints(
        frames,
        detector=HolisticConfig(
            model_complexity=params.model_complexity,
            min_detection_confidence=params.min_detection_confidence,
            min_tracking_confidence=params.min_tracking_confidence,
            min_visibility=params.min_visibility,
            smoothing=params.smoothing,
            face_mesh=params.face_mesh,
        ),
        segment_frames=params.segment_frames,
        warmup_frames=params.warmup_frames,
        num_workers=params.num_workers,
    )
    metrics = detection_metrics(keypoints)
    if metrics["frames_without_body"] == keypoints.num_frames:
        raise KeypointsError(
            f"{frames}: no body found in any of {keypoints.num_frames} frames; expected one whole "
            f"person: look at that file, check videos.{video}.path and crop, or lower "
            "detect_keypoints.min_detection_confidence"
        )
    write_keypoints(Path("artifacts/keypoints") / subject / f"{video}.parquet", keypoints)
    write_json(Path("artifacts/metrics/detect_keypoints") / f"{video}.json", metrics)
