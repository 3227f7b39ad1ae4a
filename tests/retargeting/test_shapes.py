from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from motiontransfer.pose.skeleton import BODY_JOINTS, Skeleton
from motiontransfer.retargeting import shapes
from tests.people import arms_out, joined, place

fit_head = partial(shapes.fit_head_shape, min_score=0.5)
# From the middle of the ears, y towards the chin; the face is 1 high.
HEAD = {
    **{"left_ear": (0.5, 0.0), "right_ear": (-0.5, 0.0), "nose": (0.0, 0.1)},
    **{"face_chin": (0.0, 0.7), "face_forehead": (0.0, -0.3), "face_nose_tip": (0.0, 0.2)},
    **{"left_face_temple": (0.4, -0.2), "right_face_temple": (-0.4, -0.2)},
    **{"left_face_mouth_corner": (0.2, 0.4), "right_face_mouth_corner": (-0.2, 0.4)},
}
HIGH_HEAD = {**HEAD, "nose": (0.0, 0.05), "left_face_temple": (0.3, -0.2)}
HIGH_HEAD["right_face_temple"] = (-0.3, -0.2)


def head(shape=HEAD, *, degrees=0.0, face_px=20.0, middle=(100.0, 44.0), frames=10):
    turn = np.radians(degrees)
    across, down = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    places = {
        joint: tuple(middle + face_px * (x * across + y * down)) for joint, (x, y) in shape.items()
    }
    return arms_out(places, frames)


def turned(clip, by=4.0):
    """The inner face moves over the outline, as when a head turns."""
    points = clip.points.copy()
    for joint in ("nose", "face_nose_tip", "left_face_mouth_corner", "right_face_mouth_corner"):
        points[:, clip.skeleton.index(joint), 0] += by
    return replace(clip, points=points)


def approx(shape):
    return {joint: pytest.approx(place, abs=1e-5) for joint, place in shape.items()}


@pytest.mark.parametrize("degrees", [0, 40, -100])
def test_the_shape_does_not_depend_on_place_size_and_tilt(degrees):
    clip = head(degrees=degrees, face_px=31.0, middle=(70.0, 90.0))
    assert fit_head([clip]) == approx(HEAD)


def test_heads_that_do_not_face_the_camera_do_not_count():
    """The temples are 16 px apart: a nose 4 px from their middle looks aside, one at 1.5 px not."""
    aside = turned(head(HIGH_HEAD, frames=30))
    assert fit_head([joined(aside, head())]) == approx(HEAD)
    assert fit_head([aside]) == {}
    assert fit_head([turned(head(), by=1.5)]) == approx(HEAD)


def test_a_heads_shape_is_the_median_of_all_clips():
    clips = [head(frames=4), head(HIGH_HEAD, frames=3), head(frames=4)]
    assert fit_head(clips) == approx(HEAD)


def test_what_is_hardly_seen_of_a_head_has_no_place():
    assert fit_head([head(frames=9)]) == {}
    clip = head()
    clip.score[0, clip.skeleton.index("left_face_mouth_corner")] = 0.4
    found = fit_head([clip])
    assert HEAD.keys() - found.keys() == {"left_face_mouth_corner", "right_face_mouth_corner"}
    without_mesh = replace(
        clip,
        points=np.ascontiguousarray(clip.points[:, :33]),
        score=np.ascontiguousarray(clip.score[:, :33]),
        skeleton=Skeleton(groups=(("body", BODY_JOINTS),)),
    )
    assert fit_head([without_mesh]) == {}


@pytest.mark.parametrize(("degrees", "by"), [(0, 0), (40, 0), (-100, 0), (0, 4)])
def test_a_head_takes_another_shape_and_keeps_its_tilt_and_turn(degrees, by):
    before, expected = (turned(head(s, degrees=degrees), by=by) for s in (HEAD, HIGH_HEAD))
    changed = shapes.change_head_shape(before, source=HEAD, target=HIGH_HEAD, min_score=0.5)
    np.testing.assert_allclose(changed.points, expected.points, atol=1e-4)


def test_only_joints_of_both_heads_move_and_missing_ones_stay_missing():
    clip = head()
    index = clip.skeleton.index("left_face_temple")
    clip.points[3, index] = clip.score[3, index] = 0
    target = {joint: at for joint, at in HIGH_HEAD.items() if joint != "nose"}
    changed = shapes.change_head_shape(clip, source=HEAD, target=target, min_score=0.5)
    assert place(changed, "nose") == place(clip, "nose")
    assert place(changed, "left_face_temple", 3) == [0, 0]
    assert place(changed, "left_face_temple", 4) == pytest.approx([106, 40])


def test_no_joint_of_a_head_moves_farther_than_faces_differ():
    far = {**HEAD, "nose": (0.3, 0.5), "face_nose_tip": (0.06, 0.28)}
    changed = shapes.change_head_shape(head(), source=HEAD, target=far, min_score=0.5)
    # 0.5 heights of a face of 20 px: a tenth of a height, and in the same direction; 0.1 stays
    assert place(changed, "nose") == pytest.approx([101.2, 47.6], abs=1e-4)
    assert place(changed, "face_nose_tip") == pytest.approx([101.2, 49.6], abs=1e-4)


def test_where_the_face_is_not_seen_it_is_as_before_and_after():
    clip = joined(head(frames=1), head(frames=1, degrees=90), head(frames=1, face_px=40.0))
    chin = clip.skeleton.index("face_chin")
    clip.points[1, chin] = clip.score[1, chin] = 0
    changed = shapes.change_head_shape(clip, source=HEAD, target=HIGH_HEAD, min_score=0.5)
    nose = clip.skeleton.index("nose")
    # 0.05 of a face of 20 px, and of 40 px, is 1 and 2 px: between them 1.5
    shifts = (changed.points - clip.points)[:, nose]
    np.testing.assert_allclose(shifts, [[0, -1], [0, -1.5], [0, -2]], atol=1e-4)
    clip.score[:, chin] = clip.points[:, chin] = 0
    assert shapes.change_head_shape(clip, source=HEAD, target=HIGH_HEAD, min_score=0.5) is clip


def test_a_head_without_forehead_and_temples_has_the_same_shape():
    """As of the 68 landmarks: the bridge of the nose tells the forehead, the cheeks the front."""
    places = {**HEAD, "face_nose_bridge": (0.0, 0.7 - 1 / 1.41)}
    places |= {"left_face_cheek": (0.45, 0.1), "right_face_cheek": (-0.45, 0.1)}
    known = {it: at for it, at in places.items() if "temple" not in it and "forehead" not in it}
    clip = shapes.with_forehead(head(known))
    assert fit_head([clip]) == approx({**known, "face_forehead": HEAD["face_forehead"]})
    assert fit_head([turned(clip, by=4.0)]) == {}
    changed = shapes.change_head_shape(head(known), source=HEAD, target=HIGH_HEAD, min_score=0.5)
    expected = head({**known, "nose": HIGH_HEAD["nose"]})
    np.testing.assert_allclose(changed.points, expected.points, atol=1e-4)
    np.testing.assert_array_equal(changed.score, expected.score)
