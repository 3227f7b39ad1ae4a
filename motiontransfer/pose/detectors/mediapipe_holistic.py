"""MediaPipe Holistic: body, hands and face of the most prominent person."""

import os
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import mediapipe
import numpy as np
from jaxtyping import Float32, UInt8
from mediapipe.python.solutions.holistic import Holistic

from motiontransfer.keypoints import People
from motiontransfer.pose.detection import Detector
from motiontransfer.skeleton import HOLISTIC, Skeleton

_MIDLINE = {
    "face_chin": 152,
    "face_forehead": 10,
    "face_nose_bridge": 168,
    "face_nose_tip": 4,
    "face_upper_lip_top": 0,
    "face_upper_lip_bottom": 13,
    "face_lower_lip_top": 14,
    "face_lower_lip_bottom": 17,
}

# part of the name after `right_face_` and `left_face_`: (the person's right, the person's left)
_PAIRED = {
    "temple": (21, 251),
    "cheek": (234, 454),
    "jaw_upper": (58, 288),
    "jaw_middle": (136, 365),
    "jaw_lower": (149, 378),
    "brow_outer": (70, 300),
    "brow_middle": (105, 334),
    "brow_inner": (107, 336),
    "eye_outer": (33, 263),
    "eye_top": (159, 386),
    "eye_inner": (133, 362),
    "eye_bottom": (145, 374),
    "nostril": (98, 327),
    "mouth_corner": (61, 291),
    "upper_lip": (39, 269),
    "lower_lip": (181, 405),
}

FACE_MESH_JOINTS = tuple(f"face_mesh_{vertex}" for vertex in range(468))
"""Names of all vertices, for those who ask for the full mesh; they have no left and right."""

VERTEX_OF_JOINT: dict[str, int] = {
    **_MIDLINE,
    **{f"right_face_{part}": right for part, (right, _) in _PAIRED.items()},
    **{f"left_face_{part}": left for part, (_, left) in _PAIRED.items()},
    **{joint: vertex for vertex, joint in enumerate(FACE_MESH_JOINTS)},
}


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
        with self.open_graph() as graph:
            yield lambda frames: [
                self.people(find_landmarks(graph, frame), frame.shape[:2]) for frame in frames
            ]

    @contextmanager
    def open_graph(self) -> Generator[Holistic]:
        """MediaPipe's graph."""
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
            yield graph

    def people(self, landmarks: "Landmarks", image_size: tuple[int, int]) -> People:
        """The one person with these landmarks, or nobody without any."""
        return people_in_pixels(
            [landmarks] if landmarks else [],
            skeleton=self.skeleton,
            min_visibility=self.min_visibility,
            image_size=image_size,
        )


Landmarks = dict[str, Float32[np.ndarray, "landmarks 3"]]
"""Of one person, by MediaPipe's name (`pose`, `left_hand`, `right_hand`, `face`) and in its order:
x, y as fractions of the image, visibility."""


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


def people_in_pixels(
    people: Sequence[Landmarks],
    *,
    skeleton: Skeleton,
    min_visibility: float,
    image_size: tuple[int, int],
) -> People:
    """Landmarks as joints of the skeleton; someone without any joint is left out.

    Body joints below the minimum visibility, and joints outside the image, are missing: MediaPipe
    extrapolates them. Hands and face come without a score per joint: it is 1.
    """
    joints = np.zeros((len(people), len(skeleton.joints), 3), np.float32)
    for row, landmarks in zip(joints, people, strict=True):
        for group, names in skeleton.groups:
            source = {"body": "pose", "face_mesh": "face"}.get(group, group)
            if source in landmarks:
                vertices = [VERTEX_OF_JOINT[name] for name in names] if source == "face" else ...
                row[skeleton.slice(group)] = landmarks[source][vertices]
                if source != "pose":
                    row[skeleton.slice(group), 2] = 1
    body = joints[:, skeleton.slice("body")]
    body[body[..., 2] < min_visibility] = 0
    height, width = image_size
    points, score = joints[..., :2], joints[..., 2]
    inside = ((points >= 0) & (points < 1)).all(axis=2) & (score > 0)
    pixels = joints * np.array([width, height, 1], np.float32)
    pixels[..., 2] = np.clip(score, 0, 1)
    found = np.where(inside[..., None], pixels, np.float32(0))
    return found[inside.any(axis=1)]


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
