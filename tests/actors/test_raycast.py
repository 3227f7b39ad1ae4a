import numpy as np

from motiontransfer.actors.appearance import display
from motiontransfer.actors.raycast import shoot
from motiontransfer.skeleton import HOLISTIC

INSIDE_THE_BODY = [
    f"{side}_{joint}"
    for side in ("left", "right")
    for joint in ("shoulder", "elbow", "hip", "knee", "wrist")
]


def test_the_person_covers_the_places_of_inner_joints(ada, posed):
    for points, joints in posed[::6]:
        _, cover = shoot(ada.film, points)
        pixels = ada.film.room.camera.project(joints, ada.film.size)
        for name in INSIDE_THE_BODY:
            x, y = pixels[HOLISTIC.index(name)]
            around = cover[int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2]
            assert around.max() == 1, name
        assert 0.02 < cover.mean() < 0.35


def test_head_feet_and_hands_stay_in_the_frame(ada, ben, dance):
    from motiontransfer.actors.film import pose_actor

    for actor in (ada, ben):
        for index in range(0, 160, 8):
            points, _ = pose_actor(actor, dance, index)
            pixels = actor.film.room.camera.project(points, actor.film.size)
            assert pixels.min() > 0
            assert pixels.max() < 64


def test_far_from_the_person_and_their_shadow_the_room_is_as_it_was(ada, posed):
    frame, cover = shoot(ada.film, posed[0][0])
    empty = np.rint(display(ada.film.plate.lit))
    np.testing.assert_array_equal(frame[:8], empty[:8])
    assert np.abs(frame.astype(int) - empty)[cover == 1].mean() > 15


def test_the_floor_by_the_feet_is_darker_than_without_the_person(ada, posed):
    points, joints = posed[0]
    frame, cover = shoot(ada.film, points)
    x, y = ada.film.room.camera.project(joints[HOLISTIC.index("right_heel")], ada.film.size).astype(
        int
    )
    floor = (slice(y - 1, y + 2), slice(x - 9, x - 1))
    free = cover[floor] == 0
    empty = display(ada.film.plate.lit)
    assert (frame[floor][free].mean() - empty[floor][free].mean()) < -8


def test_a_frame_depends_on_nothing_but_the_pose(ada, posed):
    first, _ = shoot(ada.film, posed[3][0])
    shoot(ada.film, posed[9][0])
    again, _ = shoot(ada.film, posed[3][0])
    np.testing.assert_array_equal(first, again)
