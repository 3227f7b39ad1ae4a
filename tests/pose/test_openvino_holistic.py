"""A person who is followed by OpenVINO has the joints that MediaPipe finds."""

import numpy as np
import pytest

from motiontransfer.pose import openvino_holistic
from motiontransfer.pose.detectors import default_detector
from motiontransfer.pose.mediapipe_detectors import mediapipe_models
from motiontransfer.pose.openvino_holistic import FollowedPerson, _refined, _square, follow_person


@pytest.fixture
def searches(monkeypatch):
    """The frames in which a person was looked for."""
    pytest.importorskip("openvino", reason="needs `uv sync --extra openvino`")
    look_for, seen = FollowedPerson._look_for, []

    def look(person, frame):
        seen.append(frame)
        return look_for(person, frame)

    monkeypatch.setattr(FollowedPerson, "_look_for", look)
    return seen


@pytest.mark.slow
def test_joints_are_those_of_mediapipe(astronaut, searches):
    with default_detector().open() as detect:
        (expected,) = detect([astronaut] * 3)[2]
    (found,) = follow_person(mediapipe_models())([astronaut] * 3)[2]
    assert len(searches) == 1
    both = (expected[:, 2] > 0) & (found[:, 2] > 0)
    assert both.sum() > 0.9 * (expected[:, 2] > 0).sum()
    away = np.linalg.norm(found[both, :2] - expected[both, :2], axis=1)
    assert np.median(away) < 0.01 * len(astronaut)
    assert away.max() < 0.05 * len(astronaut)


@pytest.mark.slow
def test_someone_who_is_lost_is_looked_for_in_the_same_frame(astronaut, searches):
    empty = np.full_like(astronaut, 128)
    people = follow_person(mediapipe_models())([astronaut, empty, empty, astronaut, astronaut])
    assert [len(it) for it in people] == [1, 0, 0, 1, 1]
    assert len(searches) == 4


def test_a_square_is_turned_to_its_upper_side():
    square = _square(np.array([10.0, 20.0]), np.array([3.0, 0.0]), scale=2.0)  # to the right
    corners = np.array([[0.5, 0.0], [0.0, 0.5], [0.5, 0.5]])
    placed = openvino_holistic._placed(corners, square)
    np.testing.assert_allclose(placed, [[16, 20], [10, 14], [10, 20]])
    shifted = _square(np.array([10.0, 20.0]), np.array([0.0, -3.0]), scale=1.0, shift=-0.1)
    np.testing.assert_allclose(openvino_holistic._placed(corners[2:], shifted), [[10, 19.4]])


def test_landmarks_move_to_the_centre_of_a_clear_heatmap():
    heatmaps = np.full((64, 64, 3), -50.0)
    heatmaps[10, 20, 0] = heatmaps[10, 22, 0] = 50.0  # the second's is empty, the third's is far
    heatmaps[30, 30, 2] = 50.0
    points = np.array([[21.5, 11.5], [5.0, 5.0], [1.0, 63.9]]) / 64
    refined = _refined(points, heatmaps) * 64
    np.testing.assert_allclose(refined, [[21, 10], [5, 5], [1, 63.9]])
