from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from motiontransfer.pose.skeleton import BODY_JOINTS, Skeleton
from motiontransfer.retargeting import shapes
from tests.people import ARMS_OUT, arms_out, joined, place

fit_head = shapes.fit_head_shape
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
    places = {it: tuple(middle + face_px * (x * across + y * down)) for it, (x, y) in shape.items()}
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


def test_what_is_hardly_seen_of_a_head_has_no_place():
    assert fit_head([head(frames=9)]) == {}
    clip = head()
    clip.score[0, clip.skeleton.index("left_face_mouth_corner")] = 0.4
    found = fit_head([clip.sure(0.5)])
    assert HEAD.keys() - found.keys() == {"left_face_mouth_corner", "right_face_mouth_corner"}
    joints = {it: np.ascontiguousarray(getattr(clip, it)[:, :33]) for it in ("points", "score")}
    body = Skeleton(groups=(("body", BODY_JOINTS),))
    assert fit_head([replace(clip, skeleton=body, **joints)]) == {}


@pytest.mark.parametrize(("degrees", "by"), [(0, 0), (40, 0), (-100, 0), (0, 4)])
def test_a_head_takes_another_shape_and_keeps_its_tilt_and_turn(degrees, by):
    before, expected = (turned(head(s, degrees=degrees), by=by) for s in (HEAD, HIGH_HEAD))
    changed = shapes.change_head_shape(before, source=HEAD, target=HIGH_HEAD, min_score=0.5)
    np.testing.assert_allclose(changed.points, expected.points, atol=1e-4)


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


# Of ARMS_OUT: hips 20 px wide, legs of 60 px, feet of 10 px, someone of 100 px.
PROPORTIONS = {"hips": 0.2, "thigh": 0.3, "shin": 0.3, "foot": 0.1}
LEGS = {
    **{"left_knee": (0.05, 0.0), "right_knee": (0.05, 0.0)},  # 3 px outside
    **{"left_foot_index": (0.6, 0.8), "right_foot_index": (0.6, 0.8)},  # 6 px outside, 8 px below
}
BOWED = {**ARMS_OUT, "left_knee": (113, 130), "right_knee": (87, 130)}
BOWED |= {"left_foot_index": (116, 168), "right_foot_index": (84, 168)}
FROM_BEHIND = {**{joint: (200 - x, y) for joint, (x, y) in BOWED.items()}}
CROUCHED = {
    **{joint: (x, y + 10) for joint, (x, y) in BOWED.items() if y <= 100},
    **{joint: at for joint, at in BOWED.items() if at[1] > 100},
    **{"left_knee": (125, 130), "right_knee": (75, 130)},
}
SIDEWAYS = {**BOWED, "left_hip": (101, 100), "right_hip": (99, 100)}
SIDEWAYS |= {"left_ankle": (101, 160), "right_ankle": (99, 160)}


def fit_legs(*clips, proportions=PROPORTIONS, height_px=100.0):
    heights = [np.full(clip.num_frames, height_px) for clip in clips]
    return shapes.fit_leg_shape(clips, heights, proportions)


change_legs = partial(shapes.change_leg_shape, proportions=PROPORTIONS, min_score=0.5)


def test_the_shape_of_legs_does_not_depend_on_place_and_size():
    larger = arms_out({joint: (2 * x - 90, 2 * y - 180) for joint, (x, y) in BOWED.items()}, 10)
    assert fit_legs(larger, height_px=200.0) == approx(LEGS)


@pytest.mark.parametrize("places", [CROUCHED, SIDEWAYS])
def test_bent_and_turned_legs_do_not_count(places):
    standing = arms_out(BOWED, 10)
    assert fit_legs(joined(arms_out(places, 30), standing)) == approx(LEGS)


STRAIGHTER = {**LEGS, "left_knee": (0.04, 0.0), "left_foot_index": (0.5, 0.9)}


@pytest.mark.parametrize("places", [BOWED, FROM_BEHIND])
def test_legs_take_another_shape(places):
    changed = change_legs(arms_out(places, 10), source=LEGS, target=STRAIGHTER)
    assert fit_legs(changed) == approx(STRAIGHTER)
    outwards = 1 if places is BOWED else -1
    (x, y), (knee, _) = places["left_foot_index"], places["left_knee"]
    # 0.1 of a foot of 10 px, 0.01 of a leg of 60 px
    assert place(changed, "left_foot_index") == pytest.approx([x - outwards, y + 1])
    assert place(changed, "left_knee") == pytest.approx([knee - outwards * 0.6, 130])
    assert place(changed, "left_ankle") == list(places["left_ankle"])


def test_no_joint_of_a_leg_moves_farther_than_detection_errs():
    """How somebody turns the feet out is dance: at most 1.5 px of 100, in the same direction."""
    ballet = {**LEGS, "left_foot_index": (1.2, 0.0)}
    changed = change_legs(arms_out(BOWED), source=ballet, target=LEGS)
    assert place(changed, "left_foot_index") == pytest.approx([116 - 0.9, 168 + 1.2], abs=1e-4)


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
