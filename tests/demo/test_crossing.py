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
from motiontransfer.pose.skeleton import HOLISTIC
from motiontransfer.pose.subject import choice_metrics, choose_person
from motiontransfer.pose.tracking import track_people
from tests.actors import actor
from tests.pose.conftest import tasks_config

# Frames of every second of which there is one, 12.5 a second; the far one is hidden in the middle.
CROSSING = range(185, 250, 2)
RATE = Fraction(25, 2)
BODY = HOLISTIC.slice("body")
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


@pytest.mark.slow
def test_detected_people_are_followed():
    size = (192, 192)
    film = {"room": ROOM, "plate": draw_plate(ROOM, size)}
    actors = [replace(it, film=replace(it.film, **film)) for it in map(actor, ("ada", "ben"))]
    dances = crossing(-0.8, 0.55, seed=0), crossing(0.8, -0.55, seed=1)  # the nearer one first
    frames, joints = [], []
    for index in CROSSING:
        posed = [pose_actor(*pair, index) for pair in zip(actors, dances, strict=True)]
        (near, cover), (far, _) = (
            shoot(actor.film, mesh) for actor, (mesh, _) in zip(actors, posed, strict=True)
        )
        frames.append(np.where(cover[..., None] > 0.5, near, far))
        joints.append([CAMERA.project(of, size)[BODY] for _, of in posed])
    with tasks_config(max_people=2).open() as detect:
        people = detect(frames)
    tracks = track_people(people, frame_rate=RATE, image_size=size)
    how = {"image_size": size, "frame_rate": RATE, "detector": "test"}
    detections = Detections.from_frames(people, tracks, **how)
    assert detections.people == (0, 1)
    followed = []
    for track in detections.people:
        keypoints = detections.of_person(track)
        found = keypoints.score[:, BODY] > 0
        apart = np.linalg.norm(keypoints.points[:, None, BODY] - np.array(joints), axis=3)
        off = zip(apart, found, strict=True)
        off = np.array([of[:, it].mean(axis=1) for of, it in off if it.any()])
        assert len(off) >= 15
        assert (off.argmin(axis=1) == off[0].argmin()).all()
        assert off.min(axis=1).mean() < 3  # px
        followed.append(int(off[0].argmin()))
    assert sorted(followed) == [0, 1]
    metrics = choice_metrics(detections, choose_person(detections, "largest"), rule="largest")
    assert metrics["possible_switches"] == 0
