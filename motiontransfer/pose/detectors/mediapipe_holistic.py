"""MediaPipe Holistic: body, hands and face of the most prominent person."""

import os
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import mediapipe
import numpy as np
from jaxtyping import Float32, UInt8
from mediapipe.python.solutions.holistic import Holistic

from motiontransfer.keypoints import People
from motiontransfer.pose.detectors.holistic_landmarks import (
    FACE_MESH_JOINTS,
    Landmarks,
    people_in_pixels,
)
from motiontransfer.pose.detectors.protocol import Detector
from motiontransfer.skeleton import HOLISTIC, Skeleton

_FULL_MODEL = 1  # of the pose models 0 lite, 1 full, 2 heavy the one in the wheel


@dataclass(frozen=True, slots=True, kw_only=True)
class HolisticConfig:
    """Settings of MediaPipe Holistic."""

    min_detection_confidence: float
    """Confidence in [0, 1] from which the person detector's box counts."""
    min_tracking_confidence: float
    """Confidence in [0, 1] below which the person is looked for anew."""
    min_visibility: float
    """Body joints whose visibility is lower are missing; MediaPipe guesses where they would be."""
    smoothing: Literal["none", "one_euro"]
    """MediaPipe's own filter on body joints: less jitter, but it lags in fast motion."""
    face_mesh: Literal["subset", "full"]
    """`full` adds the joint group `face_mesh` with all 468 vertices."""
    batch_frames: ClassVar[int] = 1
    """MediaPipe has no batches."""

    @property
    def skeleton(self) -> Skeleton:
        """The joints that are found, in their order."""
        extra = (("face_mesh", FACE_MESH_JOINTS),) if self.face_mesh == "full" else ()
        return Skeleton(groups=(*HOLISTIC.groups, *extra))

    @property
    def label(self) -> str:
        """Detector, version and model."""
        return f"mediapipe_holistic {mediapipe.__version__} full"

    @contextmanager
    def open(self) -> Generator[Detector]:
        """A detector with no memory of any frame; follows the person from frame to frame."""
        # MediaPipe's threads log when they like, so stderr stays aside until they have ended.
        with (
            native_stderr_hidden(),
            Holistic(
                model_complexity=_FULL_MODEL,
                smooth_landmarks=self.smoothing == "one_euro",
                min_detection_confidence=self.min_detection_confidence,
                min_tracking_confidence=self.min_tracking_confidence,
            ) as graph,
        ):
            yield lambda frames: [
                self._people(find_landmarks(graph, frame), frame.shape[:2]) for frame in frames
            ]

    def _people(self, landmarks: Landmarks, image_size: tuple[int, int]) -> People:
        """The one person with these landmarks, or nobody without any."""
        return people_in_pixels(
            [landmarks] if landmarks else [],
            skeleton=self.skeleton,
            min_visibility=self.min_visibility,
            image_size=image_size,
        )


def mediapipe_models() -> Path:
    """Folder of the networks in MediaPipe's package, TFLite files."""
    return Path(mediapipe.__file__).parent / "modules"


def find_landmarks(graph: Holistic, frame: UInt8[np.ndarray, "height width 3"]) -> Landmarks:
    """Landmarks of the person in the next frame; nothing without anyone."""
    found: Any = graph.process(np.ascontiguousarray(frame))
    return {
        group: unpack(landmarks.landmark)
        for group in ("pose", "left_hand", "right_hand", "face")
        if (landmarks := getattr(found, f"{group}_landmarks"))
    }


def unpack(landmarks: Sequence[Any]) -> Float32[np.ndarray, "landmarks 3"]:
    """MediaPipe's landmark objects as an array."""
    return np.array([(point.x, point.y, point.visibility) for point in landmarks], np.float32)


@contextmanager
def native_stderr_hidden() -> Generator[None]:
    """Keep MediaPipe's native log lines off the terminal; it has no switch for them.

    They are shown after all if what they accompany fails.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as log:
        kept = os.dup(2)
        os.dup2(log.fileno(), 2)
        failed = True
        try:
            yield
            failed = False
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            if failed:
                log.seek(0)
                os.write(2, log.read())
