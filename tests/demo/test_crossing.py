"""Two people pass each other: each is followed, and choosing the other gives the other."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from demo.actors.choreography import perform
from demo.actors.footwork import Bar
from demo.actors.renderer import pose_actor, shoot
from demo.actors.scenes import ROOMS, Camera, draw_plate
from motiontransfer.pose.keypoints import Detections
from motiontransfer.pose.mediapipe_detectors import WHEEL, open_pose_landmarker
from motiontransfer.pose.skeleton import HOLISTIC
from motiontransfer.pose.subject import choice_metrics, choose_person
from motiontransfer.pose.tracking import track_people
from tests.actors import actor

# Frames of every second of which there is one, 12.5 a second; the far one is hidden in the middle.
CROSSING = range(185, 250, 2)
RATE = Fraction(25, 2)
BODY = HOLISTIC.slice("body")
TRUNK = [
    HOLISTIC.index(f"{side}_{end}") for side in ("left", "right") for end in ("shoulder", "hip")
]
CAMERA = Camera(position=(0.0, 1.55, 7.4), target=(0.0, 0.95, 0.0), focal_length=2.4)
ROOM = replace(ROOMS["ben"], camera=CAMERA, home=(0.0, 0.0))


def crossing(start, depth, *, seed):
    """A dance that begins at x = `start`, passes x = 0 to the other side, and comes back."""
    there, middle, here = ((x * start, depth) for x in (-1, 0, 1))
    bars = (
        *(Bar(to=here, move="touch"), Bar(to=middle, move="walk"), Bar(to=there, move="walk")),
        *(Bar(to=there, move="touch"), Bar(to=middle, move="walk"), Bar(to=here, move="walk")),
    )
    rng = np.random.default_rng([3, seed])
    return perform(bars, np.arange(250) / 25, start=here, beat=0.45, rng=rng)


def poses(actors):
    """(mesh, joints) of both actors in each frame, the nearer one first."""
    dances = crossing(-0.8, 0.55, seed=0), crossing(0.8, -0.55, seed=1)
    return [
        [pose_actor(*pair, index) for pair in zip(actors, dances, strict=True)]
        for index in CROSSING
    ]


def joints_in_image(posed, size):
    return np.stack([[CAMERA.project(joints, size) for _, joints in pair] for pair in posed])


def detections_of(people, size):
    tracks = track_people(people, frame_rate=RATE, image_size=size)
    return Detections.from_frames(people, tracks, image_size=size, frame_rate=RATE, detector="test")


def errors(keypoints, joints):
    """Mean distance to the true joints of each actor, frames by actors; NaN where not seen."""
    found = keypoints.score[:, None, BODY] > 0
    apart = np.linalg.norm(keypoints.points[:, None, BODY] - joints[:, :, BODY], axis=3)
    with np.errstate(invalid="ignore"):
        return (apart * found).sum(axis=2) / found.sum(axis=2)


def assert_each_is_followed(detections, joints, *, max_error_px):
    assert detections.people == (0, 1)
    followed = []
    for track in detections.people:
        assert choose_person(detections, track) == (track,)
        off = errors(detections.of_person(track), joints)
        off = off[np.isfinite(off[:, 0])]
        assert len(off) >= 15
        assert (off.argmin(axis=1) == off[0].argmin()).all()
        assert off.min(axis=1).mean() < max_error_px
        followed.append(int(off[0].argmin()))
    assert sorted(followed) == [0, 1]


def test_true_joints_that_are_lost_while_hidden_are_followed(ada, ben):
    size = (256, 256)
    actors = [replace(it, film=replace(it.film, room=ROOM)) for it in (ada, ben)]
    joints = joints_in_image(poses(actors), size)
    rng = np.random.default_rng(0)
    people = []
    for pair in joints:
        hidden = abs(np.diff(pair[:, TRUNK, 0].mean(axis=1))[0]) < 20
        found = rng.permutation([0] if hidden else [0, 1])
        points = (pair[found] + rng.normal(0, 2, pair[found].shape)).astype(np.float32)
        people.append(np.pad(points, ((0, 0), (0, 0), (0, 1)), constant_values=1))
    assert 5 < sum(len(found) == 1 for found in people) < 20
    detections = detections_of(people, size)
    assert_each_is_followed(detections, joints, max_error_px=4)
    metrics = choice_metrics(detections, choose_person(detections, "largest"), rule="largest")
    assert metrics["people"] == 2
    assert metrics["possible_switches"] == 0


@pytest.mark.slow
def test_detected_people_are_followed():
    size = (192, 192)
    plate = draw_plate(ROOM, size)
    actors = [
        replace(it, film=replace(it.film, room=ROOM, plate=plate))
        for it in (actor("ada"), actor("ben"))
    ]
    posed = poses(actors)
    frames = []
    for pair in posed:
        (near, cover), (far, _) = (
            shoot(actor.film, mesh) for actor, (mesh, _) in zip(actors, pair, strict=True)
        )
        frames.append(np.where(cover[..., None] > 0.5, near, far))
    with open_pose_landmarker(
        WHEEL,
        max_people=2,
        min_detection_confidence=0.5,
        min_presence_confidence=0.5,
        min_visibility=0.3,
    ) as detect:
        people = detect(frames)
    joints = joints_in_image(posed, size)
    assert_each_is_followed(detections_of(people, size), joints, max_error_px=3)
