"""Two actors pass each other: each is followed, and choosing the other gives the other."""

from fractions import Fraction

import numpy as np
import pytest

from demo.actors.renderer import load_actor, pose_actor
from motiontransfer.keypoints import Detections
from motiontransfer.pose.detectors.mediapipe_tasks import TasksConfig
from motiontransfer.pose.subject import choice_metrics, choose_person
from motiontransfer.pose.tracking import track_people
from motiontransfer.skeleton import HOLISTIC
from tests.demo.ensemble import cross_paths, film_together, gather

# Frames of every second of which there is one, 12.5 a second; the far one is hidden in the middle.
CROSSING = range(185, 250, 2)
RATE = Fraction(25, 2)
BODY = HOLISTIC.slice("body")
TRUNK = [
    HOLISTIC.index(f"{side}_{end}") for side in ("left", "right") for end in ("shoulder", "hip")
]


@pytest.fixture(scope="module")
def motions():
    return cross_paths(250, frame_rate=25.0, seed=3)


def detections_of(people, size):
    tracks = track_people(people, frame_rate=RATE, image_size=size)
    return Detections.from_frames(
        people, tracks, skeleton=HOLISTIC, image_size=size, frame_rate=RATE, detector="test"
    )


def errors(keypoints, joints):
    """Mean distance to the true joints of each actor, frames by actors; NaN where not seen."""
    found = keypoints.score[:, None, BODY] > 0
    apart = np.linalg.norm(keypoints.points[:, None, BODY] - joints[:, :, BODY], axis=3)
    with np.errstate(invalid="ignore"):
        return (apart * found).sum(axis=2) / found.sum(axis=2)


def assert_each_is_followed(detections, joints, *, min_frames, max_error_px):
    assert detections.people == (0, 1)
    followed = []
    for track in detections.people:
        assert choose_person(detections, track) == (track,)
        off = errors(detections.of_person(track), joints)
        off = off[np.isfinite(off[:, 0])]
        assert len(off) >= min_frames
        assert (off.argmin(axis=1) == off[0].argmin()).all()
        assert off.min(axis=1).mean() < max_error_px
        followed.append(int(off[0].argmin()))
    assert sorted(followed) == [0, 1]


def test_true_joints_that_are_lost_while_hidden_are_followed(ada, ben, motions):
    ensemble, size = gather((ada, ben)), (256, 256)
    camera = ensemble.film.room.camera
    joints = np.stack(
        [
            [
                camera.project(pose_actor(actor, motion, index)[1], size)
                for actor, motion in zip(ensemble.actors, motions, strict=True)
            ]
            for index in CROSSING
        ]
    )
    rng = np.random.default_rng(0)
    people = []
    for pair in joints:
        hidden = abs(np.diff(pair[:, TRUNK, 0].mean(axis=1))[0]) < 20
        found = rng.permutation([0] if hidden else [0, 1])
        points = (pair[found] + rng.normal(0, 2, pair[found].shape)).astype(np.float32)
        people.append(np.pad(points, ((0, 0), (0, 0), (0, 1)), constant_values=1))
    assert 5 < sum(len(found) == 1 for found in people) < 20
    detections = detections_of(people, size)
    assert_each_is_followed(detections, joints, min_frames=15, max_error_px=4)
    metrics = choice_metrics(detections, choose_person(detections, "largest"), rule="largest")
    assert metrics["people"] == 2
    assert metrics["possible_switches"] == 0


@pytest.mark.slow
def test_detected_people_are_followed(motions):
    size = (192, 192)
    ensemble = gather([load_actor.__wrapped__(name, size, 1) for name in ("ada", "ben")])
    shots = list(film_together(ensemble, motions, CROSSING))
    finder = TasksConfig(
        model="wheel",
        max_people=2,
        min_detection_confidence=0.5,
        min_presence_confidence=0.5,
        min_visibility=0.3,
    )
    with finder.open() as detector:
        people = detector.detect([shot.frame for shot in shots])
    joints = np.stack([shot.joints for shot in shots])
    assert_each_is_followed(detections_of(people, size), joints, min_frames=15, max_error_px=3)
