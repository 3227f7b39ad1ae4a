"""MediaPipe Holistic's models in OpenVINO, for a person who is followed.

MediaPipe finds the person. From then on each model looks at its own square of the frame, as in
MediaPipe's graph (`modules/holistic_landmark`): the pose where it was in the frame before, hands
and face where the pose has them. What is left out is that graph's tracking of hands and face.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.resources import files
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float64
from mediapipe.python.solutions.holistic import Holistic
from scipy.special import expit

from motiontransfer.keypoints import People
from motiontransfer.pose.detection import Detector
from motiontransfer.pose.detectors.mediapipe_holistic import (
    HolisticConfig,
    Landmarks,
    find_landmarks,
)
from motiontransfer.video.color import Frame

# Landmarks of the pose. Behind them are the centre and the top of a circle around the person.
_NUM_LANDMARKS = 33
_FACE, _SHOULDERS, _HIPS = slice(0, 11), slice(11, 13), slice(23, 25)
_RIGHT_EYE, _LEFT_EYE = 5, 2
_HANDS = {"left_hand": (15, 17, 19), "right_hand": (16, 18, 20)}  # wrist, little finger, index
_MIN_PRESENCE = 0.5
_MIN_WRIST_VISIBILITY = 0.1
_REACH = 3  # around a landmark, cells of its heatmap

Points = Float64[np.ndarray, "_ 2"]
Point = Float64[np.ndarray, "2"]
Outputs = list[Float64[np.ndarray, "..."]]
Square = Float64[np.ndarray, "2 3"]
"""The affine map from the unit square to pixels of the frame."""


@cache
def openvino_core() -> Any:  # noqa: ANN401 - an extra, which type checkers would miss
    """OpenVINO, once and for good.

    It gives the thread a stack for signal handlers. Were it freed in another thread, the next
    Ctrl-C would end the process.
    """
    return import_module("openvino").Core()


class _Model:
    """A model of MediaPipe's wheel."""

    def __init__(self, name: str, *outputs: str, low: int = 0) -> None:
        """Load it.

        Args:
            outputs: that are wanted, by name.
            low: what it is fed for black; 1 is white.
        """
        model = openvino_core().read_model(str(files("mediapipe") / f"modules/{name}.tflite"))
        for result in model.get_results():
            if not result.input(0).get_tensor().get_names() & set(outputs):
                model.remove_result(result)
        # Its operations are too small to be shared, and all pinned threads would share a core.
        hints = {"INFERENCE_NUM_THREADS": 1, "ENABLE_CPU_PINNING": False}
        self._run, self._outputs = openvino_core().compile_model(model, "CPU", hints), outputs
        self.side, self._low = self._run.inputs[0].shape[1], low

    def look(self, frame: Frame, square: Square) -> Outputs:
        """Outputs for a square of the frame."""
        crop = cv2.warpAffine(
            frame,
            square / [self.side, self.side, 1],
            (self.side, self.side),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        fed = crop[None] * np.float32((1 - self._low) / 255) + np.float32(self._low)
        found = self._run(fed)
        return [found[name][0].astype(np.float64) for name in self._outputs]


class FollowedPerson:
    """Landmarks of a person whom MediaPipe's graph finds, and who is followed from there."""

    def __init__(self, graph: Holistic) -> None:
        self._graph = graph
        names = ("Identity", "Identity_1", "Identity_3")
        self._pose = _Model("pose_landmark/pose_landmark_full", *names)
        self._hand = _Model("hand_landmark/hand_landmark_full", *names[:2])
        self._wrist = _Model("holistic_landmark/hand_recrop", "output_crop")
        self._face = _Model("face_landmark/face_landmark", "conv2d_21", "conv2d_31")
        detected = ("regressors", "classificators")
        self._head = _Model("face_detection/face_detection_short_range", *detected, low=-1)
        self._square: Square | None = None

    def find(self, frame: Frame) -> Landmarks:
        """Landmarks in the next frame."""
        size = np.array([*frame.shape[1::-1], 1])
        followed = {} if self._square is None else self._follow(frame, self._square)
        if followed:
            return {group: (found / size).astype(np.float32) for group, found in followed.items()}
        landmarks, self._square = find_landmarks(self._graph, frame), None
        if "pose" in landmarks:
            points = (landmarks["pose"] * size)[:, :2]
            hips, up = points[_HIPS].mean(axis=0), points[_SHOULDERS].mean(axis=0)
            up = (up - hips) / max(float(np.linalg.norm(up - hips)), 1e-6)
            radius = np.linalg.norm(points - hips, axis=1).max()
            self._square = _square(hips, radius * up, scale=1.25)
        return landmarks

    def _follow(self, frame: Frame, square: Square) -> dict[str, Float64[np.ndarray, "_ 3"]]:
        """Landmarks and visibility, in pixels; nothing where the person is lost."""
        landmarks, presence, heatmaps = self._pose.look(frame, square)
        if presence.item() < _MIN_PRESENCE:
            return {}
        landmarks = landmarks.reshape(-1, 5)
        points = _placed(_refined(landmarks[:, :2] / self._pose.side, heatmaps), square)
        centre, top = points[_NUM_LANDMARKS : _NUM_LANDMARKS + 2]
        self._square = _square(centre, top - centre, scale=1.25)
        visibility = expit(landmarks[:_NUM_LANDMARKS, 3])
        found = {"pose": points[:_NUM_LANDMARKS], "face": self._find_face(frame, points[_FACE])}
        for group, joints in _HANDS.items():
            if visibility[joints[0]] >= _MIN_WRIST_VISIBILITY:
                found[group] = self._find_hand(frame, *points[[*joints]])
        return {
            group: np.column_stack([points, visibility if group == "pose" else 0 * points[:, 0]])
            for group, points in found.items()
            if len(points)
        }

    def _find_hand(self, frame: Frame, wrist: Point, little: Point, index: Point) -> Points:
        """Landmarks of the hand at a wrist, if there is one."""
        middle = (2 * index + little) / 3
        near = _square(middle, middle - wrist, scale=2.7, shift=-0.1)
        (ends,) = self._wrist.look(frame, near)
        centre, bottom = _placed(ends.reshape(2, 2) / self._wrist.side, near)
        square = _square(centre, centre - bottom, scale=1.0, shift=-0.1)
        landmarks, presence = self._hand.look(frame, square)
        points = _placed(landmarks.reshape(-1, 3)[:, :2] / self._hand.side, square)
        return points[: len(points) if presence.item() >= _MIN_PRESENCE else 0]

    def _find_face(self, frame: Frame, of_pose: Points) -> Points:
        """The mesh of the face near the pose's, if there is one."""
        near = _around(of_pose, of_pose[_LEFT_EYE] - of_pose[_RIGHT_EYE], scale=3.0)
        boxes, scores = self._head.look(frame, near)
        best = scores.argmax()
        eyes = _placed(boxes[best, 4:].reshape(-1, 2) / self._head.side + _ANCHORS[best], near)
        square = _around(eyes, eyes[1] - eyes[0], scale=2.0, shift=-0.1)
        landmarks, presence = self._face.look(frame, square)
        points = _placed(landmarks.reshape(-1, 3)[:, :2] / self._face.side, square)
        is_face = min(scores[best].item(), presence.item()) >= 0  # logits
        return points[: len(points) if is_face else 0]


def _placed(points: Points, square: Square) -> Points:
    """Points of the unit square, in pixels of the frame."""
    return points @ square[:, :2].T + square[:, 2]


def _square(centre: Point, up: Point, *, scale: float, shift: float = 0.0) -> Square:
    """A square around a point.

    Args:
        up: from the centre to the middle of the upper side, before it is scaled.
        shift: of the centre, down, as a share of the side before it is scaled.
    """
    right, down = 2 * np.array([-up[1], up[0]]), -2 * up
    axes = scale * np.column_stack([right, down])
    return np.column_stack([axes, centre + shift * down - axes.mean(axis=1)])


def _around(points: Points, right: Point, *, scale: float, shift: float = 0.0) -> Square:
    """A square around points, turned to a direction."""
    low, high = points.min(axis=0), points.max(axis=0)
    up = np.array([right[1], -right[0]]) / max(float(np.linalg.norm(right)), 1e-6)
    return _square((low + high) / 2, (high - low).max() / 2 * up, scale=scale, shift=shift)


def _refined(points: Points, heatmaps: Float64[np.ndarray, "rows columns points"]) -> Points:
    """Centres of mass of the heatmaps around landmarks, where these are clear."""
    size = len(heatmaps)
    columns, rows = (points * size).astype(int).T[..., None] + np.arange(-_REACH, _REACH + 1)
    row, column, number = rows[:, :, None], columns[:, None], np.arange(len(points))[:, None, None]
    inside = (row >= 0) & (row < size) & (column >= 0) & (column < size)
    last = size - 1
    weight = inside * expit(heatmaps[row.clip(0, last), column.clip(0, last), number])
    total = np.maximum(weight.sum(axis=(1, 2)), 1e-9)
    centres = [(weight * place).sum(axis=(1, 2)) / total / size for place in (column, row)]
    is_clear = weight.max(axis=(1, 2)) >= _MIN_PRESENCE
    return np.where(is_clear[:, None], np.column_stack(centres), points)


def _anchors(num_cells: int, repeats: int) -> Points:
    """Centres of cells, as shares of the square."""
    centres = (np.arange(num_cells) + 0.5) / num_cells
    return np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2).repeat(repeats, axis=0)


_ANCHORS = np.concatenate([_anchors(16, 2), _anchors(8, 6)])


@contextmanager
def open_followed(config: HolisticConfig) -> Generator[Detector]:
    """A detector that follows the person from frame to frame."""
    with config.open_graph() as graph:
        person = FollowedPerson(graph)

        def detect(frames: Sequence[Frame]) -> list[People]:
            return [config.people(person.find(frame), frame.shape[:2]) for frame in frames]

        yield detect
