import numpy as np
import pytest

from demo.actors.choreography import compose
from demo.actors.renderer import in_place_of, make_actor, pose_actor, shoot, shoot_paints
from demo.actors.scenes import OUTFITS, PHENOTYPES, ROOMS
from motiontransfer.pose.skeleton import HOLISTIC

INNER = ("shoulder", "elbow", "hip", "knee", "wrist")
INSIDE_THE_BODY = [f"{side}_{joint}" for side in ("left", "right") for joint in INNER]


def test_the_person_covers_the_places_of_inner_joints(ada, posed):
    for points, joints in posed[::6]:
        _, cover = shoot(ada.film, points)
        assert 0.02 < cover.mean() < 0.35
        pixels = ada.film.room.camera.project(joints, ada.film.size)
        for name in INSIDE_THE_BODY:
            x, y = pixels[HOLISTIC.index(name)].astype(int)
            assert cover[y - 1 : y + 2, x - 1 : x + 2].max() == 1, name


def test_the_lowest_sole_is_on_the_floor_in_every_frame(ada, posed):
    for points, _ in posed:
        assert points[ada.film.dressed.sole_points, 1].min() == pytest.approx(0.0, abs=1e-9)
        assert points[:, 1].min() > -0.003


def test_a_jump_is_as_high_as_the_dance_has_it(ada):
    jump = compose(60, frame_rate=25.0, beats_per_minute=112.0, seed=1, moves=("jump",))
    top = int(jump.lift.argmax())
    points, joints = pose_actor(ada, jump, top)
    height = ada.film.dressed.rig.leg_length * jump.lift[top]
    assert height > 0.15
    assert points[ada.film.dressed.sole_points, 1].min() == pytest.approx(height, abs=1e-9)
    assert joints[:, 1].min() > height


def test_the_ground_truth_is_the_same_dance_at_the_targets_place_in_the_image(ada):
    source = compose(150, frame_rate=25.0, beats_per_minute=112.0, seed=2)
    target = compose(400, frame_rate=25.0, beats_per_minute=112.0, seed=3)
    truth = in_place_of(source, target, ada)
    np.testing.assert_array_equal(truth.angles, source.angles)
    np.testing.assert_array_equal(truth.actions, source.actions)
    assert np.ptp(source.path[:, 1]) < np.ptp(target.path[:, 1])  # a shorter way is kept
    np.testing.assert_allclose(np.diff(truth.path, axis=0), np.diff(source.path, axis=0))
    back = in_place_of(target, source, ada)  # a longer one is not
    for end in (np.min, np.max):
        assert end(back.path[:, 1]) == pytest.approx(end(source.path[:, 1]))

    def median_x(motion):
        poses = (pose_actor(ada, motion, index)[1] for index in range(0, len(motion.angles), 5))
        hips = np.array([joints[HOLISTIC.index("left_hip")] for joints in poses])
        return np.median(ada.film.room.camera.project(hips, (256, 256))[:, 0])

    assert median_x(truth) == pytest.approx(median_x(target), abs=2.0)  # hips sway, no more


def test_left_joints_are_on_the_persons_left(ada, posed):
    _, joints = posed[0]
    for name in ("shoulder", "hip", "eye", "ear", "heel", "face_brow_outer", "hand_wrist"):
        left, right = (joints[HOLISTIC.index(f"{side}_{name}")] for side in ("left", "right"))
        assert left[0] > right[0] + 0.02, name


def test_paints_are_filmed_in_one_pass(ada, posed):
    rest = []

    def own(body, part, coordinates, colors):
        rest.append(coordinates[:, 4:])
        return colors

    def black(body, part, coordinates, colors):
        return np.zeros_like(colors)

    cast = PHENOTYPES["ada"], OUTFITS["ada"], ROOMS["ada"]
    painted = make_actor(*cast, size=ada.film.size, samples=1, paints=(own, black))
    points, _ = posed[3]
    frame, cover = shoot(ada.film, points)
    (same, dark), same_cover = shoot_paints(painted.film, points)
    np.testing.assert_array_equal(same, frame)
    np.testing.assert_array_equal(same_cover, cover)
    assert np.ptp(frame[cover == 1], axis=1).max() > 50
    assert np.ptp(dark[cover == 1], axis=1).max() == 0  # only highlights are left
    low, high = ada.film.dressed.points.min(axis=0), ada.film.dressed.points.max(axis=0)
    assert (rest[0] >= low - 1e-9).all()
    assert (rest[0] <= high + 1e-9).all()
