"""Faces are brought upright to one place and size, wherever they were and however inclined."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motiontransfer.pose.face_boxes import face_alignments, inverse
from motiontransfer.skeleton import HOLISTIC, mirrored
from tests.pose.stick_person import stick_person

LARGE = (1000, 1000)


def moved(keypoints, similarity, image_size=LARGE):
    """Every joint that is there, mapped."""
    linear, offset = similarity[..., :2], similarity[..., 2]
    points = np.einsum("...ij,...kj->...ki", linear, keypoints.points) + offset[..., None, :]
    points = np.where(keypoints.score[..., None] > 0, points, 0).astype(np.float32)
    return replace(keypoints, points=points, image_size=image_size)


def similarity(*, scale, degrees, shift):
    turn = np.radians(degrees)
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return np.concatenate([linear, np.array(shift, float)[:, None]], axis=1)


def compose(second, first):
    """First one map, then the other."""
    linear = second[..., :2] @ first[..., :2]
    return np.concatenate([linear, second[..., :2] @ first[..., 2:] + second[..., 2:]], axis=-1)


similarities = st.builds(
    similarity,
    scale=st.floats(0.5, 3),
    degrees=st.floats(-180, 180),
    shift=st.tuples(st.floats(-30, 30), st.floats(-30, 30)),
)


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
    for joint, place in (
        ("left_eye", (33.5 + 8, 33.5 - 6)),
        ("right_eye", (33.5 - 8, 33.5 - 6)),
        ("left_mouth", (33.5 + 6, 33.5 + 14)),
    ):
        np.testing.assert_allclose(aligned.joint(joint)[0][0], place, atol=1e-3)


@settings(deadline=None, max_examples=60)
@given(similarities)
def test_an_aligned_face_is_aligned_by_the_identity(change):
    keypoints = moved(person(), about_the_middle(change))
    maps, valid = face_alignments(keypoints, crop_size=64)
    assert valid.all()
    again, valid = face_alignments(moved(keypoints, maps, image_size=(64, 64)), crop_size=64)
    assert valid.all()
    np.testing.assert_allclose(again, [np.eye(2, 3)], atol=2e-3)


@settings(deadline=None, max_examples=60)
@given(similarities)
def test_the_aligned_face_is_the_same_wherever_the_face_is_and_however_inclined(change):
    change = about_the_middle(change)
    before, _ = face_alignments(person(), crop_size=64)
    after, valid = face_alignments(moved(person(), change), crop_size=64)
    assert valid.all()
    np.testing.assert_allclose(compose(after[0], change), before[0], atol=2e-3 * 64)


@settings(deadline=None, max_examples=60)
@given(similarities)
def test_the_inverse_leads_back(change):
    there_and_back = compose(inverse(change[None]), change[None])
    np.testing.assert_allclose(there_and_back, [np.eye(2, 3)], atol=1e-9)


def test_a_pose_made_from_the_same_joints_loses_their_noise():
    """Laying a face back composes two maps of noisy joints to the one between the poses."""
    noisy = person()
    noise = np.random.default_rng(0).normal(0, 1, noisy.points.shape) * (noisy.score[..., None] > 0)
    noisy = replace(noisy, points=(noisy.points + noise).astype(np.float32))
    change = about_the_middle(similarity(scale=1.2, degrees=7, shift=(20, -11)))
    source, _ = face_alignments(noisy, crop_size=64)
    posed, _ = face_alignments(moved(noisy, change), crop_size=64)
    np.testing.assert_allclose(compose(inverse(posed), source)[0], change, atol=0.01)


def test_a_bowed_head_is_upright_by_its_eyes_and_a_turned_one_by_the_way_to_the_mouth():
    for shrunk, other in (("mouth", "eye"), ("eye", "mouth")):
        keypoints = person()
        points = keypoints.points.copy()
        towards = np.float32([500, 680 - 1.03 * 200])  # the middle of the eyes
        for joint in (f"left_{shrunk}", f"right_{shrunk}"):
            index = HOLISTIC.index(joint)
            # Nearly nothing is left of one of the two ways, and a little noise.
            points[0, index] = towards + 0.05 * (points[0, index] - towards) + [0.3, 0.3]
        maps, valid = face_alignments(replace(keypoints, points=points), crop_size=64)
        assert valid.all(), other
        turn = np.degrees(np.arctan2(maps[0, 1, 0], maps[0, 0, 0]))
        assert abs(turn) < 6, other


def test_one_bad_frame_does_not_change_the_size():
    tall = np.full(25, 200.0)
    tall[12] = 400
    keypoints = stick_person(np.full(25, 680.0), tall, x=500, image_size=LARGE)
    maps, valid = face_alignments(keypoints, crop_size=34)
    assert valid.all()
    np.testing.assert_allclose(np.linalg.det(maps[:, :, :2]), 1, rtol=1e-4)


def test_where_no_face_is_seen_the_map_is_the_identity():
    keypoints = stick_person([680.0] * 3, 200, x=500, image_size=LARGE, missing=[(1, "left_eye")])
    maps, valid = face_alignments(keypoints, crop_size=64)
    assert valid.tolist() == [True, False, True]
    assert np.array_equal(maps[1], np.eye(2, 3))
    assert not np.allclose(maps[0], np.eye(2, 3))


@pytest.mark.parametrize("num_frames", [1, 4])
def test_the_back_of_a_head_has_no_aligned_face(num_frames):
    keypoints = stick_person([680.0] * num_frames, 200, x=500, image_size=LARGE)
    order = [HOLISTIC.index(mirrored(joint)) for joint in HOLISTIC.joints]
    from_behind = replace(
        keypoints, points=keypoints.points[:, order], score=keypoints.score[:, order]
    )
    maps, valid = face_alignments(from_behind, crop_size=64)
    assert not valid.any()
    assert np.array_equal(maps, np.tile(np.eye(2, 3), (num_frames, 1, 1)))
