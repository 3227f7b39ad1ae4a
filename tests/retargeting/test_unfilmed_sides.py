from dataclasses import replace

import numpy as np
import pytest

from motiontransfer.pose.skeleton import HOLISTIC
from motiontransfer.pose.time_series import segments
from motiontransfer.retargeting.head_views import show_filmed_heads
from motiontransfer.retargeting.shapes import head_joints
from motiontransfer.retargeting.unfilmed_sides import face_camera
from tests.people import fitted, joined, lost, moved, place, standing

MIDDLE = 128.0
HEAD = [HOLISTIC.index(joint) for joint in head_joints(standing(1))]
BODY = [i for i in range(len(HOLISTIC.joints)) if i not in HEAD]
OTHER = np.array(HOLISTIC.other_sides())
# px towards the camera from the ears, of a head that is a ball; they are 18 px apart, the nose .63
# of that before them.
DEPTH = np.zeros(len(HOLISTIC.joints))
DEPTH[HEAD] = np.sqrt(13**2 - np.square(standing(1).points[0, HEAD] - (128, 54)).sum(axis=1))
DEPTH[[HOLISTIC.index(f"{side}_ear") for side in ("left", "right")]] = 0.0
DEPTH[HOLISTIC.index("nose")] = 0.63 * 18
ROUND = np.linspace(0, 360, 100)  # no frame in profile


def turned(degrees, *, head=None):
    """Someone in each direction, 0 from the front and 90 to the right of the image."""
    angles = np.repeat(np.radians(degrees)[:, None], len(HOLISTIC.joints), axis=1)
    if head is not None:
        angles[:, HEAD] = np.radians(head)[:, None]
    keypoints = standing(len(angles))
    x = MIDDLE + np.cos(angles) * (keypoints.points[..., 0] - MIDDLE) + np.sin(angles) * DEPTH
    points = np.stack([x, keypoints.points[..., 1]], axis=2).astype(np.float32)
    return replace(keypoints, points=points)


FRONT = fitted(turned(np.linspace(-40, 40, 81)))


def yaw(keypoints):
    """By the drawn nose, as deep as it is."""
    joints = (keypoints.joint(it)[0][:, 0] for it in ("nose", "left_ear", "right_ear"))
    nose, left, right = joints
    return np.degrees(np.arctan2((nose - (left + right) / 2) / 0.63, left - right))


def test_who_is_seen_from_behind_faces_the_camera_in_the_same_silhouette():
    dance = moved(turned(ROUND), "left_wrist", dict.fromkeys(range(100), (0, -30)))
    wrist = HOLISTIC.index("left_wrist")
    shape = dance.score.shape
    dance = replace(dance, filled=np.zeros(shape, np.bool_), depth=np.full(shape, 0.1, np.float32))
    dance.score[:, wrist], dance.filled[:, wrist], dance.depth[:, wrist] = 0.6, True, -0.2
    facing = face_camera(dance, FRONT)
    assert segments(facing.is_exchanged) == [(25, 75)]
    behind, front = facing.is_exchanged, ~facing.is_exchanged
    for name in ("points", "score", "filled"):
        values, own = getattr(facing.poses, name), getattr(dance, name)
        np.testing.assert_array_equal(values[behind][:, BODY], own[behind][:, OTHER][:, BODY])
        np.testing.assert_array_equal(values[front][:, BODY], own[front][:, BODY])
    depth = facing.poses.depth[:, HOLISTIC.index("right_wrist")]
    np.testing.assert_array_equal(depth, np.where(behind, np.float32(0.2), np.float32(0.1)))
    assert facing.counts() == {
        **{"frames": 100, "frames_turned_to_camera": 50, "turns_to_camera": 1},
        "heads_turned_to_camera": facing.is_head_turned.sum(),
    }


def test_a_head_looks_as_far_aside_as_filmed_and_comes_back_to_the_camera():
    facing = face_camera(turned(ROUND), FRONT)
    angles = yaw(facing.poses)
    own = np.degrees(np.arctan2(np.sin(np.radians(ROUND)), np.abs(np.cos(np.radians(ROUND)))))
    assert angles[ROUND == 0] == pytest.approx(0, abs=0.1)
    limit = FRONT.head_views[-1].yaw_degrees
    far = np.abs(ROUND - 180) < 180 - limit - 50
    np.testing.assert_allclose(angles[far], np.clip(own[far], -limit, limit), atol=2)
    steps = np.linalg.norm(np.diff(facing.poses.points[:, HEAD], axis=0), axis=2).max(axis=1)
    own_steps = np.linalg.norm(np.diff(turned(ROUND).points[:, HEAD], axis=0), axis=2).max()
    assert steps.max() <= own_steps
    for joint in ("left_ear", "right_ear"):
        assert place(facing.poses, joint, 50)[1] == pytest.approx(MIDDLE - 74, abs=0.1)


def test_dances_and_films_that_need_nothing_stay_as_they_are():
    front = turned(np.linspace(-40, 40, 50))
    glance = turned(np.zeros(60), head=np.repeat([0.0, 48.0], [57, 3]))
    back = fitted(joined(standing(40), turned(np.full(13, 180.0))))
    on_spot = [(turned(ROUND), target) for target in (fitted(turned(ROUND)), back)]
    for dance, target in ((front, FRONT), (glance, fitted(glance)), *on_spot):
        facing = face_camera(dance, target)
        np.testing.assert_array_equal(facing.poses.points, dance.points)
        np.testing.assert_array_equal(facing.poses.score, dance.score)
        assert not (facing.is_exchanged | facing.is_head_turned).any()
    barely = fitted(joined(standing(40), turned(np.full(12, 180.0))))  # .48 s
    assert face_camera(turned(ROUND), barely).is_exchanged.any()


@pytest.mark.parametrize(("back", "turns"), [(1, 0), (2, 0), (6, 1)])
def test_a_wrong_detection_is_no_turn_and_a_fast_spin_is_one(back, turns):
    """Frames from behind, of .04 s: two exchanges cost .1 s and more."""
    dance = joined(standing(20), turned(np.full(back, 180.0)), standing(20))
    assert face_camera(dance, FRONT).counts()["turns_to_camera"] == turns


@pytest.mark.parametrize("degrees", [90.0, 80.0, 100.0])
def test_in_profile_sides_are_exchanged_midway_between_front_and_back(degrees):
    dance = joined(turned(np.full(20, 45.0)), turned(np.full(26, degrees)))
    dance = joined(dance, turned(np.full(20, 135.0)))
    ((start, _),) = segments(face_camera(dance, FRONT).is_exchanged)
    assert start == 33


def test_a_head_has_the_targets_size_place_and_tilt_also_on_a_bent_trunk():
    dance, ears = turned(np.full(40, 180.0)), (128, 79)
    points = dance.points.copy()
    points[:, dance.points[0, :, 1] < MIDDLE - 30, 1] += 25  # the trunk is half as long
    turn = np.array(((np.cos(0.3), np.sin(0.3)), (-np.sin(0.3), np.cos(0.3))))
    points[:, HEAD] = 1.5 * (points[:, HEAD] - ears) @ turn + ears
    poses = face_camera(replace(dance, points=points), FRONT).poses
    left, right = (np.array(place(poses, f"{side}_ear", 20)) for side in ("left", "right"))
    np.testing.assert_allclose((left + right) / 2, ears, atol=0.1)
    assert np.linalg.norm(left - right) == pytest.approx(18, rel=0.03)
    assert np.arctan2(*(left - right)[::-1]) == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize("forward", [20, -20])
def test_a_head_before_the_shoulders_comes_back_as_far_as_it_is_turned_to_the_camera(forward):
    """How far it is before them is seen whole in profile, and else by the sine of the yaw."""
    dance = turned(np.full(30, 89.9))
    dance.points[:, HEAD, 0] += forward
    heads = face_camera(dance, FRONT).poses
    ears = [heads.joint(f"{side}_ear")[0][15, 0] for side in ("left", "right")]
    limit = FRONT.head_views[-1].yaw_degrees
    assert limit == pytest.approx(40, abs=8)
    kept = np.sin(np.radians(limit)) if forward > 0 else 1
    assert np.mean(ears) - MIDDLE == pytest.approx(kept * forward, abs=1.5)


def test_a_face_that_was_not_detected_appears_at_rest_and_none_where_nobody_is():
    """A mouth that is open in most frames is closed in the view."""
    film, lips = standing(60), {"face_upper_lip_bottom": -8, "face_lower_lip_top": 8}
    rest = {lip: film.joint(lip)[0][0] for lip in lips}
    for lip, down in lips.items():
        film = moved(film, lip, dict.fromkeys(range(35), (0, down)))
    dance = lost(turned(np.full(30, 180.0)), "face", range(30))
    dance.points[20:], dance.score[20:] = 0, 0
    poses = face_camera(dance, fitted(film)).poses
    for lip, there in rest.items():
        np.testing.assert_allclose(place(poses, lip, 10), there, atol=0.2)
    assert not poses.score[20:].any()
    aside = face_camera(lost(turned(np.full(5, 60.0)), "face", range(5)), FRONT).poses
    assert (aside.joint("face_chin")[1] == 1).all()


def test_without_a_view_of_the_head_it_is_exchanged_like_the_body():
    target = replace(FRONT, head_views=())
    facing = face_camera(turned(ROUND), target)
    np.testing.assert_array_equal(facing.poses.points[50], turned(ROUND).points[50, OTHER])
    poses, changed = show_filmed_heads(turned(ROUND), (), np.full(100, 150.0), min_score=0.5)
    assert poses.num_frames == 100
    assert not changed.any()


def test_in_profile_alone_it_is_as_before():
    aside = turned(np.full(25, 90.0))
    for was in (True, False):
        assert (face_camera(aside, FRONT, was_exchanged=was).is_exchanged == was).all()
