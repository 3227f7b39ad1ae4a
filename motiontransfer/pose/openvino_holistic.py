"""MediaPipe Holistic's models in OpenVINO, for a person who is followed.

Each model looks at its own square of the frame, as in MediaPipe's graph
(`modules/holistic_landmark`). The person is looked for in the whole frame, their pose where it was
in the frame before, hands and face by the pose. What is left out is that graph's
tracking of hands and face; a hand that points at the camera gets a larger square. On slow
processors the hands are found in turns, and the other one is carried with its wrist. Neither
MediaPipe nor SciPy is imported: exported targets use this, too.
"""

import logging
import sys
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from jaxtyping import Float64, UInt8

from motiontransfer.core.arrays import Frame
from motiontransfer.core.parallel import cpu_clock
from motiontransfer.pose.landmarks import Detector, Landmarks, detector_of

IS_INSTALLED = find_spec("openvino") is not None
_PERSON_MODEL = "pose_detection/pose_detection.tflite"
_POSE_MODEL = "pose_landmark/pose_landmark_full.tflite"
_HAND_MODEL = "hand_landmark/hand_landmark_full.tflite"
_WRIST_MODEL = "holistic_landmark/hand_recrop.tflite"
_HEAD_MODEL = "face_detection/face_detection_short_range.tflite"
_FACE_MODEL = "face_landmark/face_landmark.tflite"
MODELS = (_PERSON_MODEL, _POSE_MODEL, _HAND_MODEL, _WRIST_MODEL, _HEAD_MODEL, _FACE_MODEL)
"""Files of the folder `modules` in MediaPipe's package."""

# Landmarks of the pose. Behind them are the center and the top of a circle around the person.
_NUM_LANDMARKS = 33
_FACE = slice(0, 11)
_RIGHT_EYE, _LEFT_EYE = 5, 2
HANDS = {"left_hand": (15, 17, 19), "right_hand": (16, 18, 20)}  # wrist, little finger, index
_MIN_PRESENCE = 0.5  # of a person, a hand or a clear heatmap
_MIN_WRIST_VISIBILITY = 0.1  # from which a hand is looked for
_PALM = (1.36807, 0.57733)
"""Side of a square around the palm, by the lengths from the wrist to the middle of its other end
and across that. The graph's own is twice the first, which is nearly 0 for a hand that points at the
camera. Source: MediaPipe's pull request 6313."""
_REACH = 3  # cells of a heatmap around its landmark
_MAX_SECONDS = (
    0.028  # CPU time a frame above which hands are found in turns, for 30 frames a second
)
_MEASUREMENTS = 3  # of which the shortest counts

_logger = logging.getLogger(__name__)

Hands = Literal["in every frame", "in turns"]

PlanePoints = Float64[np.ndarray, "_ 2"]
Point = Float64[np.ndarray, "2"]
Outputs = list[Float64[np.ndarray, "..."]]
Square = Float64[np.ndarray, "2 3"]
"""The affine map from the unit square to pixels of the frame."""


@cache
def openvino_core() -> Any:  # noqa: ANN401 - an extra, which type checkers would miss
    """OpenVINO, once and for good.

    It gives the thread a stack for signal handlers. Were it freed in another thread, the next
    Ctrl-C would end the process. It sends no telemetry: a package that is None cannot be imported.
    """
    sys.modules["openvino_telemetry"] = None  # ty: ignore[invalid-assignment] - Python's own way
    return import_module("openvino").Core()


def crop_of(
    frame: Frame, square: Square, side: int, *, border: int = cv2.BORDER_REPLICATE
) -> UInt8[np.ndarray, "side side 3"]:
    """A square of a frame, with so many pixels a side.

    Args:
        border: OpenCV's rule for pixels outside the frame.
    """
    flags, matrix = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, square / [side, side, 1]
    return cv2.warpAffine(frame, matrix, (side, side), flags=flags, borderMode=border)


class _Model:
    def __init__(
        self, path: Path, *outputs: str, low: int = 0, border: int = cv2.BORDER_REPLICATE
    ) -> None:
        """Load a network.

        Args:
            low: input value of black; that of white is 1.
            border: OpenCV's rule for pixels outside the frame, as in MediaPipe's graph.
        """
        model = openvino_core().read_model(path)
        for result in model.get_results():
            if not result.input(0).get_tensor().get_names() & set(outputs):
                model.remove_result(result)
        # Its operations are too small to be shared, and all pinned threads would share a core.
        hints = {"INFERENCE_NUM_THREADS": 1, "ENABLE_CPU_PINNING": False}
        self._run = openvino_core().compile_model(model, "CPU", hints)
        self._outputs = outputs
        self.side, self._low, self._border = self._run.inputs[0].shape[1], low, border

    def look(self, frame: Frame, square: Square) -> Outputs:
        """Outputs for a square of the frame."""
        crop = crop_of(frame, square, self.side, border=self._border)
        fed = crop[None] * np.float32((1 - self._low) / 255) + np.float32(self._low)
        found = self._run(fed)
        return [found[name][0].astype(np.float64) for name in self._outputs]


class FollowedPerson:
    """Landmarks of a person who is followed from frame to frame."""

    def __init__(self, models: Path) -> None:
        """Load the models of a folder like MediaPipe's `modules`."""
        names = ("Identity", "Identity_1", "Identity_3", "Identity_4")
        self._person = _Model(
            models / _PERSON_MODEL, *names[:2], low=-1, border=cv2.BORDER_CONSTANT
        )
        self._pose = _Model(models / _POSE_MODEL, *names)
        self._hand = _Model(models / _HAND_MODEL, *names[:2])
        self._wrist = _Model(models / _WRIST_MODEL, "output_crop")
        self._face = _Model(models / _FACE_MODEL, "conv2d_21", "conv2d_31")
        detected = ("regressors", "classificators")
        self._head = _Model(models / _HEAD_MODEL, *detected, low=-1)
        self.hands: Hands = "in every frame"
        self._square: Square | None = None
        self._from_wrists: dict[str, PlanePoints] = {}
        """Landmarks of the hands in the frame before, from the pose's wrist."""
        self._turn = 0
        self._world = np.zeros((_NUM_LANDMARKS, 3), np.float32)

    def measure(self) -> float:
        """CPU seconds of all models that look at a frame of someone in full view."""
        frame, whole = np.zeros((256, 256, 3), np.uint8), 256 * np.eye(2, 3)
        models = [self._pose, self._head, self._face, *[self._wrist, self._hand] * 2]
        seconds = []
        for _ in range(_MEASUREMENTS):
            began = cpu_clock()
            for model in models:
                model.look(frame, whole)
            seconds.append(cpu_clock() - began)
        return min(seconds)

    def find(self, frame: Frame) -> Landmarks:
        """Landmarks in the next frame; nothing without anyone."""
        found = self._follow(frame, self._square) or self._follow(frame, self._look_for(frame))
        size = np.array([*frame.shape[1::-1], 1])
        landmarks = {group: (points / size).astype(np.float32) for group, points in found.items()}
        return landmarks | ({"world": self._world} if found else {})

    def _look_for(self, frame: Frame) -> Square | None:
        size = np.array(frame.shape[1::-1])
        whole = _square(size / 2, np.array([0, -size.max() / 2]), scale=1.0)
        boxes, scores = self._person.look(frame, whole)
        best = scores.argmax()
        ends = boxes[best, 4:8].reshape(-1, 2) / self._person.side + _PERSON_ANCHORS[best]
        center, top = placed(ends, whole)
        return _square(center, top - center, scale=1.25) if scores[best].item() >= 0 else None

    def _follow(self, frame: Frame, square: Square | None) -> dict[str, Float64[np.ndarray, "_ 3"]]:
        """Landmarks and visibility, in pixels; nothing where there is no square, or no person."""
        before, self._from_wrists = self._from_wrists, {}
        self._square = None
        if square is None:
            return {}
        landmarks, presence, heatmaps, world = self._pose.look(frame, square)
        if presence.item() < _MIN_PRESENCE:
            return {}
        landmarks = landmarks.reshape(-1, 5)
        points = placed(_refined(landmarks[:, :2] / self._pose.side, heatmaps), square)
        center, top = points[_NUM_LANDMARKS : _NUM_LANDMARKS + 2]
        self._square = _square(center, top - center, scale=1.25)
        visibility = _sigmoid(landmarks[:_NUM_LANDMARKS, 3])
        upright = np.eye(3)
        upright[:2, :2] = (square[:, :2] / np.linalg.norm(square[:, :2], axis=0)).T
        self._world = (world.reshape(-1, 3)[:_NUM_LANDMARKS] @ upright).astype(np.float32)
        found = {"pose": points[:_NUM_LANDMARKS], "face": self._find_face(frame, points[_FACE])}
        self._turn = 1 - self._turn
        for number, (group, joints) in enumerate(HANDS.items()):
            if visibility[joints[0]] >= _MIN_WRIST_VISIBILITY:
                wrist = points[joints[0]]
                is_due = self.hands == "in every frame" or number == self._turn
                if is_due or group not in before:
                    found[group] = self._find_hand(frame, *points[[*joints]])
                else:
                    found[group] = before[group] + wrist
                self._from_wrists[group] = found[group] - wrist
        return {
            group: np.column_stack([points, visibility if group == "pose" else 0 * points[:, 0]])
            for group, points in found.items()
            if len(points)
        }

    def _find_hand(self, frame: Frame, wrist: Point, little: Point, index: Point) -> PlanePoints:
        near = around_hand(wrist, little, index)
        (ends,) = self._wrist.look(frame, near)
        center, bottom = placed(ends.reshape(2, 2) / self._wrist.side, near)
        square = _square(center, center - bottom, scale=1.0, shift=-0.1)
        landmarks, presence = self._hand.look(frame, square)
        points = placed(landmarks.reshape(-1, 3)[:, :2] / self._hand.side, square)
        return points[: len(points) if presence.item() >= _MIN_PRESENCE else 0]

    def _find_face(self, frame: Frame, of_pose: PlanePoints) -> PlanePoints:
        near = _around(of_pose, of_pose[_LEFT_EYE] - of_pose[_RIGHT_EYE], scale=3.0)
        boxes, scores = self._head.look(frame, near)
        best = scores.argmax()
        eyes = placed(boxes[best, 4:].reshape(-1, 2) / self._head.side + _HEAD_ANCHORS[best], near)
        square = _around(eyes, eyes[1] - eyes[0], scale=2.0, shift=-0.1)
        landmarks, presence = self._face.look(frame, square)
        points = placed(landmarks.reshape(-1, 3)[:, :2] / self._face.side, square)
        is_face = min(scores[best].item(), presence.item()) >= 0  # logits
        return points[: len(points) if is_face else 0]


def _sigmoid(logits: Float64[np.ndarray, "*any"]) -> Float64[np.ndarray, "*any"]:
    return 0.5 + 0.5 * np.tanh(0.5 * logits)


def placed(points: PlanePoints, square: Square) -> PlanePoints:
    """Points of the unit square, in pixels of the frame."""
    return points @ square[:, :2].T + square[:, 2]


def around_hand(wrist: Point, little: Point, index: Point) -> Square:
    middle = (2 * index + little) / 3
    along = float(np.linalg.norm(middle - wrist))
    side = _PALM[0] * along + _PALM[1] * float(np.linalg.norm(index - little))
    up = (middle - wrist) / max(along, 1e-6) * (side / 2)
    return _square(middle, up, scale=2.7, shift=-0.1)


def _square(center: Point, up: Point, *, scale: float, shift: float = 0.0) -> Square:
    """A square around a point.

    Args:
        up: from the center to the middle of the upper side, before it is scaled.
        shift: of the center, down, as a share of the side before it is scaled.
    """
    right, down = 2 * np.array([-up[1], up[0]]), -2 * up
    axes = scale * np.column_stack([right, down])
    return np.column_stack([axes, center + shift * down - axes.mean(axis=1)])


def _around(points: PlanePoints, right: Point, *, scale: float, shift: float = 0.0) -> Square:
    low, high = points.min(axis=0), points.max(axis=0)
    up = np.array([right[1], -right[0]]) / max(float(np.linalg.norm(right)), 1e-6)
    return _square((low + high) / 2, (high - low).max() / 2 * up, scale=scale, shift=shift)


def _refined(
    points: PlanePoints, heatmaps: Float64[np.ndarray, "rows columns points"]
) -> PlanePoints:
    """Centers of mass of the heatmaps around landmarks, where these are clear."""
    size = len(heatmaps)
    columns, rows = (points * size).astype(int).T[..., None] + np.arange(-_REACH, _REACH + 1)
    row, column, number = rows[:, :, None], columns[:, None], np.arange(len(points))[:, None, None]
    inside = (row >= 0) & (row < size) & (column >= 0) & (column < size)
    last = size - 1
    weight = inside * _sigmoid(heatmaps[row.clip(0, last), column.clip(0, last), number])
    total = np.maximum(weight.sum(axis=(1, 2)), 1e-9)
    centers = [(weight * place).sum(axis=(1, 2)) / total / size for place in (column, row)]
    is_clear = weight.max(axis=(1, 2)) >= _MIN_PRESENCE
    return np.where(is_clear[:, None], np.column_stack(centers), points)


def _anchors(num_cells: int, repeats: int) -> PlanePoints:
    """Centers of cells, as shares of the square."""
    centers = (np.arange(num_cells) + 0.5) / num_cells
    return np.stack(np.meshgrid(centers, centers), axis=-1).reshape(-1, 2).repeat(repeats, axis=0)


_PERSON_ANCHORS = np.concatenate([_anchors(28, 2), _anchors(14, 2), _anchors(7, 6)])
_HEAD_ANCHORS = np.concatenate([_anchors(16, 2), _anchors(8, 6)])


def follow_person(models: Path, *, max_seconds: float = _MAX_SECONDS) -> Detector:
    """A detector that follows one person; above so much CPU time a frame, hands come in turns."""
    person = FollowedPerson(models)
    if (seconds := person.measure()) > max_seconds:
        person.hands = "in turns"
        _logger.warning("detection takes %.0f ms a frame: hands are found in turns", 1000 * seconds)
    return detector_of(lambda frame: [found] if (found := person.find(frame)) else [])
