from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from motiontransfer.pose.boxes import face_alignments, face_boxes, inverse
from motiontransfer.pose.skeleton import BODY_25, COCO_17, HOLISTIC, IBUG_68
from tests.actors import actor
from tests.people import keypoints_of, known_to, stick_person


def turned_round(keypoints):
    """The same person from behind: left and right joints change places in the image."""
    return keypoints.exchanged(np.ones(keypoints.num_frames, bool))


def sides(boxes):
    return boxes[:, 2:] - boxes[:, :2]


def test_the_box_is_centered_on_the_head_and_in_proportion_to_it():
    # Eyes to mouth are 0.05 heights, so the face is 2.4 * 10 px high and the box 1.8 times as much.
    person = stick_person([280.0] * 3, 200, x=160, image_size=(300, 320))
    boxes, valid = face_boxes(person)
    assert valid.all()
    np.testing.assert_array_equal(sides(boxes), 43)
    np.testing.assert_allclose((boxes[:, :2] + boxes[:, 2:]) / 2, [[160, 80]] * 3, atol=1)


def test_a_box_is_a_pixel_at_least_and_the_image_at_most():
    for y, tall, side in ((80.0, 1, 1), (350.0, 300, 64)):
        boxes, valid = face_boxes(stick_person([y], tall))
        assert valid.all()
        assert sides(boxes).tolist() == [[side] * 2]


@pytest.mark.parametrize(
    ("x", "is_inside"), [(-0.5, False), (0.5, True), (319.5, True), (320.5, False)]
)
def test_a_head_is_visible_up_to_the_edge(x, is_inside):
    _, valid = face_boxes(stick_person([280.0] * 3, 200, x=x, image_size=(300, 320)))
    assert valid.tolist() == [is_inside] * 3


def test_a_hand_stand_has_a_face_and_the_back_of_a_head_none():
    person = stick_person([80.0], 40)
    upside_down = np.where(person.score[..., None] > 0, [64, 100] - person.points, 0).astype("f4")
    assert face_boxes(person)[1].all()
    assert face_boxes(replace(person, points=upside_down))[1].all()
    assert not face_boxes(turned_round(person))[1].any()


def test_frames_without_a_face_get_a_box_between_their_neighbors_or_in_the_middle():
    person = stick_person([80.0] * 3, 40, x=[20, 30, 40], missing=[(1, "nose")])
    boxes, valid = face_boxes(person)
    assert valid.tolist() == [True, False, True]
    np.testing.assert_allclose(boxes[1], (boxes[0] + boxes[2]) / 2, atol=1)
    boxes, valid = face_boxes(stick_person([80.0] * 2, 40, score=0.1))
    assert not valid.any()
    assert boxes.tolist() == [[24, 42, 40, 58]] * 2


def test_the_box_does_not_lag_behind_the_head():
    x = np.linspace(100, 220, 25)
    boxes, _ = face_boxes(stick_person([280.0] * 25, 200, x=x, image_size=(300, 320)))
    off = (boxes[:, 0] + boxes[:, 2]) / 2 - x
    assert np.abs(off)[2:-2].max() <= 1
    assert np.mean(off) == pytest.approx(0, abs=0.6)


LARGE = (1000, 1000)


def moved(keypoints, similarity, image_size=LARGE):
    linear, offset = similarity[..., :2], similarity[..., 2]
    points = np.einsum("...ij,...kj->...ki", linear, keypoints.points) + offset[..., None, :]
    points = np.where(keypoints.score[..., None] > 0, points, 0).astype(np.float32)
    return replace(keypoints, points=points, image_size=image_size)


def similarity(*, scale, degrees, shift):
    turn = scale * np.exp(1j * np.radians(degrees))
    return np.array([[turn.real, -turn.imag, shift[0]], [turn.imag, turn.real, shift[1]]])


shifts = st.floats(-30, 30)
how = {"scale": st.floats(0.5, 3), "degrees": st.floats(-180, 180)}
similarities = st.builds(similarity, shift=st.tuples(shifts, shifts), **how)


def person(**changes):
    """Someone in the middle of a large image; from eyes to mouth are 10 px."""
    return stick_person(680.0, 200, x=500, image_size=LARGE, **changes)


def about_the_middle(change):
    """The same turn and size, about the middle of the image."""
    fixed = change.copy()
    fixed[:, 2] += 500 - change[:, :2] @ [500, 500]
    return fixed


def test_eyes_and_mouth_come_to_lie_where_they_should():
    # A crop is as high as 3.4 times the 10 px from eyes to mouth: 34 px, here doubled.
    keypoints = person()
    maps, valid = face_alignments(keypoints, crop_size=68)
    assert valid.all()
    aligned = moved(keypoints, maps)
    places = {"left_eye": (8, -6), "right_eye": (-8, -6), "left_mouth": (6, 14)}
    for joint, place in places.items():
        expected = np.add(33.5, place)  # the middle of the crop
        np.testing.assert_allclose(aligned.joint(joint)[0][0], expected, atol=1e-3)


@given(similarities)
def test_the_aligned_face_is_the_same_wherever_the_face_is_and_however_inclined(change):
    change = about_the_middle(change)
    changed = moved(person(), change)
    (before, _), (after, valid) = (face_alignments(it, crop_size=64) for it in (person(), changed))
    assert valid.all()
    expected = moved(person(), before).points
    np.testing.assert_allclose(moved(changed, after).points, expected, atol=2e-3 * 64)
    back = moved(changed, inverse(change[None]))
    np.testing.assert_allclose(back.points, person().points, atol=0.01)


@pytest.mark.parametrize("joint", ["mouth", "eye"])
def test_bowed_and_turned_heads_stay_upright(joint):
    """Nearly nothing is left of one of the two axes, and a little noise."""
    keypoints = person()
    points = keypoints.points.copy()
    towards = np.float32([500, 680 - 1.03 * 200])  # the middle of the eyes
    for index in (HOLISTIC.index(f"{side}_{joint}") for side in ("left", "right")):
        points[0, index] = towards + 0.05 * (points[0, index] - towards) + [0.3, 0.3]
    maps, valid = face_alignments(replace(keypoints, points=points), crop_size=64)
    assert valid.all()
    assert abs(np.degrees(np.arctan2(maps[0, 1, 0], maps[0, 0, 0]))) < 6


def test_where_no_face_is_seen_the_map_is_the_identity():
    keypoints = stick_person([680.0] * 3, 200, x=500, image_size=LARGE, missing=[(1, "left_eye")])
    maps, valid = face_alignments(keypoints, crop_size=64)
    assert valid.tolist() == [True, False, True]
    assert np.array_equal(maps[1], np.eye(2, 3))
    assert not np.allclose(maps[0], np.eye(2, 3))
    maps, valid = face_alignments(turned_round(keypoints), crop_size=64)
    assert not valid.any()
    assert np.array_equal(maps, np.tile(np.eye(2, 3), (3, 1, 1)))


MOUTH = ("left_mouth", "right_mouth")
JOINTS_OF = {
    "body and face": (*BODY_25, *IBUG_68, *MOUTH),
    "body": COCO_17,
    "an ear hidden": tuple(joint for joint in COCO_17 if joint != "left_ear"),
    "the other ear hidden": tuple(joint for joint in COCO_17 if joint != "right_ear"),
}


def actors_face(name, turns, *, pixels_per_meter=500):
    """An actor's joints, the whole body turned by (yaw, pitch) degrees, one a frame."""
    joints = actor(name).joints  # (x, y, z) in meters of someone who stands
    middle = joints[HOLISTIC.index("left_shoulder")] * (0, 1, 1)
    frames = []
    for turn in turns:
        x, y, _ = Rotation.from_euler("yx", turn, degrees=True).apply(joints - middle).T
        places = pixels_per_meter * np.stack([x, -y], axis=1) + 500
        frames.append(dict(zip(HOLISTIC.joints, places, strict=True)))
    return keypoints_of(frames, LARGE)


@pytest.mark.parametrize("name", ["ada", "ben"])
@pytest.mark.parametrize("joints", JOINTS_OF.values(), ids=JOINTS_OF)
def test_other_detectors_give_the_face_box_that_mediapipe_does(name, joints):
    """Mouth and hidden ear are placed as on the average head: an actor's is 15 % off at most."""
    turns = [(yaw, pitch) for yaw in (-70, -40, 0, 40, 70) for pitch in (-20, 0, 20)]
    face = actors_face(name, turns)
    expected, valid = face_boxes(face)
    boxes, is_seen = face_boxes(known_to(joints, face))
    assert valid.all()
    assert is_seen.all()
    side = sides(expected)[:, :1]
    np.testing.assert_allclose(sides(boxes)[:, :1] / side, 1, atol=0.2)
    np.testing.assert_allclose((boxes - expected).mean(axis=1) / side[:, 0], 0, atol=0.1)
    for keypoints in (face, known_to(joints, face)):
        maps, _ = face_alignments(keypoints, crop_size=64)
        angle = np.degrees(np.arctan2(maps[:, 1, 0], maps[:, 0, 0]))
        np.testing.assert_allclose(angle, 0, atol=25)


@pytest.mark.parametrize("joints", JOINTS_OF.values(), ids=JOINTS_OF)
def test_no_detector_gives_the_back_of_a_head_a_face(joints):
    face = actors_face("ada", [(180, 0), (140, 0), (220, 10)])
    assert not face_boxes(known_to(joints, face))[1].any()


def test_where_mediapipe_misses_a_joint_of_the_head_there_is_no_face():
    """It places hidden joints, too: one that is missing is doubtful, or outside the image."""
    face = actors_face("ada", [(0, 0)] * 3)
    for missing in ("left_mouth", "right_ear"):
        assert not face_boxes(known_to(set(HOLISTIC.joints) - {missing}, face))[1].any()
