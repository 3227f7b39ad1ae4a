import itertools
from pathlib import Path

import numpy as np
import pytest

from motiontransfer.pose import openvino_holistic
from motiontransfer.pose.detectors import default_detector
from motiontransfer.pose.mediapipe_detectors import mediapipe_models
from motiontransfer.pose.openvino_holistic import (
    _HEAD_ANCHORS,
    _LEFT_EYE,
    _RIGHT_EYE,
    FollowedPerson,
    _refined,
    around_hand,
    follow_person,
)


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
    away = np.linalg.norm(found[both, :2] - expected[both, :2], axis=1) / len(astronaut)
    assert np.median(away) < 0.01
    assert away.max() < 0.05
    of_both = [one[:33, 3:].ravel() for one in (expected, found)]  # of a bust, most is guessed
    assert np.corrcoef(*of_both)[0, 1] > 0.95


@pytest.mark.slow
def test_someone_who_is_lost_is_looked_for_in_the_same_frame(astronaut, searches):
    empty = np.full_like(astronaut, 128)
    people = follow_person(mediapipe_models())([astronaut, empty, empty, astronaut, astronaut])
    assert [len(found) for found in people] == [1, 0, 0, 1, 1]
    assert len(searches) == 4


class FakeModel:
    """Takes so many seconds; the pose's wrists go right by a pixel a frame."""

    clock, frames, visible = 0.0, 0, (1, 1)

    def __init__(self, path, *outputs, **options):
        self.name, self.side = path.stem, 100

    def look(self, frame, square):
        seconds = {"pose_landmark_full": 5, "hand_landmark_full": 4, "face_landmark": 2}
        FakeModel.clock += seconds.get(self.name, 1)
        landmarks = np.zeros((39, 5))
        landmarks[[33, 34], :2] = [50, 50], [50, 10]  # center and top of all of the frame
        landmarks[[15, 16], :2] = [10 + FakeModel.frames, 20], [60 + FakeModel.frames, 30]
        landmarks[[15, 16], 3] = [50 if seen else -50 for seen in FakeModel.visible]
        return landmarks, np.array([1.0]), np.full((64, 64, 39), -50.0), np.zeros((39, 3))


@pytest.fixture
def person(monkeypatch):
    """Whose hands are a point: so many pixels beside the wrist as hands were looked for before."""
    monkeypatch.setattr(openvino_holistic, "_Model", FakeModel)
    monkeypatch.setattr(openvino_holistic, "cpu_clock", lambda: FakeModel.clock)
    monkeypatch.setattr(FollowedPerson, "_look_for", lambda *_: np.eye(2, 3) * 100)
    person, counted = FollowedPerson(Path()), itertools.count()
    person._find_face = lambda *_: np.empty((0, 2))
    person._find_hand = lambda frame, wrist, *_: wrist[None] + [[next(counted), 0]]
    return person


def hands_of(person, frame, *, visible):
    FakeModel.frames, FakeModel.visible = frame, visible
    found = person.find(np.zeros((100, 100, 3), np.uint8))
    hands = (found.get(f"{side}_hand") for side in ("left", "right"))
    return [None if hand is None else round(100 * hand[0, 0].item()) for hand in hands]


def test_hands_that_take_turns_are_carried_with_their_wrists(person):
    both, left, lost = (1, 1), (1, 0), None
    person.hands = "in turns"
    seen = [*[both] * 3, left, both, left, left, both]
    places = [hands_of(person, frame, visible=visible) for frame, visible in enumerate(seen)]
    assert places == [
        *([10 + 0, 60 + 1], [11 + 2, 61 + 1], [12 + 2, 62 + 3], [13 + 4, lost], [14 + 4, 64 + 5]),
        *([15 + 6, lost], [16 + 6, lost], [17 + 7, 67 + 8]),  # the last though not its turn
    ]


def test_a_frame_is_measured_and_hands_are_found_in_each_where_there_is_time(person):
    assert person.measure() == 5 + 1 + 2 + 2 * (1 + 4)
    places = [hands_of(person, frame, visible=(1, 1)) for frame in range(2)]
    assert places == [[10 + 0, 60 + 1], [11 + 2, 61 + 3]]


@pytest.mark.parametrize(("score", "presence", "found"), [(1, 1, 1), (-1, 1, 0), (1, -1, 0)])
def test_a_face_is_found_around_the_eyes_of_the_head(person, score, presence, found):
    """The head is looked for in (20, 20, 80, 80), three times as large as the pose's face."""
    of_pose = np.full((11, 2), 50.0)
    of_pose[[0, _LEFT_EYE, _RIGHT_EYE]] = [50, 40], [60, 60], [40, 60]
    boxes, scores = np.zeros((896, 8)), np.full((896, 1), -9.0)
    scores[37] = score
    boxes[37, 4:] = (100 * (np.array([[0.5, 0.4], [0.6, 0.4]]) - _HEAD_ANCHORS[37])).ravel()
    person._head.look = lambda *_: (boxes, scores)
    # from 6 px between the eyes: 12 px, around (53, 44), a tenth of 6 px up
    person._face.look = lambda *_: (np.array([50, 50, 0, 0, 100, 0]), np.array([presence]))
    points = FollowedPerson._find_face(person, np.zeros((100, 100, 3), np.uint8), of_pose)
    np.testing.assert_allclose(points, np.reshape([53, 43.4, 47, 49.4], (2, 2))[: 2 * found])


@pytest.mark.parametrize(("seconds", "said"), [(0.027, ""), (0.045, "45 ms a frame: hands are")])
def test_hands_take_turns_on_slow_processors(person, monkeypatch, caplog, seconds, said):
    made = []
    monkeypatch.setattr(FollowedPerson, "measure", lambda it: made.append(it) or seconds)
    follow_person(Path())
    assert made[0].hands == ("in turns" if said else "in every frame")
    assert len(caplog.messages) == bool(said)
    assert said in caplog.text


@pytest.mark.parametrize(
    ("across", "along", "side"),
    [(0, 30, 1.36807 * 30), (30, 10, 1.36807 * 10 + 0.57733 * 30), (30, 1, 1.36807 + 0.57733 * 30)],
)
def test_a_hand_is_looked_for_in_a_square_of_its_length_and_width(across, along, side):
    """Also if it points at the camera; 2.7 times as large as the palm."""
    little = np.array([50.0, 50 - along]) - np.array([2 * across / 3, 0])
    square = around_hand(np.array([50.0, 50]), little, little + np.array([across, 0]))
    np.testing.assert_allclose(np.linalg.norm(square[:, :2], axis=0), 2.7 * side, rtol=1e-4)


def test_landmarks_move_to_the_center_of_a_clear_heatmap():
    heatmaps = np.full((64, 64, 3), -50.0)
    heatmaps[10, 20, 0] = heatmaps[10, 22, 0] = 50.0  # the second's is empty, the third's is far
    heatmaps[30, 30, 2] = 50.0
    points = np.array([[21.5, 11.5], [5.0, 5.0], [1.0, 63.9]]) / 64
    refined = _refined(points, heatmaps) * 64
    np.testing.assert_allclose(refined, [[21, 10], [5, 5], [1, 63.9]])
