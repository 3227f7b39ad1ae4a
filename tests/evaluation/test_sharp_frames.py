"""Faces and hands are compared with the film's own of like pose, whatever their place and size."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from motiontransfer.evaluation.frames import PosedFrames
from motiontransfer.evaluation.measurements import MetricKey
from motiontransfer.evaluation.sharp_frames import blurred_boxes, film_frames, sharp_frames
from motiontransfer.pose.skeleton import HOLISTIC
from tests.evaluation.conftest import textured
from tests.films import film, training_clip
from tests.people import lost, standing

FACE = MetricKey("sharp_frames", "face", "ours", "sharpness")
HANDS = MetricKey("sharp_frames", "hands", "ours", "sharpness")
MIDDLE = np.float32((128, 128))
SHARP = np.tile(textured(1, (64, 64), contrast=9), (4, 4, 1))
BLURRED = cv2.GaussianBlur(SHARP, (0, 0), 3)
PALE = cv2.addWeighted(SHARP, 0.2, np.full_like(SHARP, 100), 0.8, 0)
"""As sharp, with a fifth of the contrast: a fist beside an open hand."""
GARBLED = np.tile(textured(2, (64, 64), contrast=9), (4, 4, 1))
"""As sharp, and nothing like it."""


def posed(path, frames, *, group="face", flat=(), mirrored=False, radius=30):
    """Frames with an outline of the group in the middle, half as high in those of `flat`."""
    keypoints = standing(len(frames))
    for other in ("face", "left_hand", "right_hand"):
        if other != group:
            keypoints = lost(keypoints, other, np.arange(len(frames)))
    points, part = keypoints.points.copy(), HOLISTIC.slice(group)
    angle = np.linspace(0, 1.7 * np.pi, part.stop - part.start, endpoint=False)
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    for index in range(len(frames)):
        height = 0.5 if index in flat else 1
        points[index, part] = MIDDLE + np.stack([-x if mirrored else x, height * y], axis=1)
    keypoints = replace(keypoints, points=points)
    film(path, frames)
    return PosedFrames(frames=[(path, index) for index in range(len(frames))], keypoints=keypoints)


def measured(video, films, *, intended=None):
    """Where nothing else is said, the video shows what it should."""
    intended = video.keypoints if intended is None else intended
    return sharp_frames(video, films, intended=intended, system="ours")


def test_a_frame_is_sharp_where_its_face_is_as_sharp_as_the_films_sharp_ones(tmp_path):
    original = posed(tmp_path / "film.mkv", [SHARP, BLURRED] * 15)
    video = posed(tmp_path / "video.mkv", [SHARP, BLURRED, SHARP, SHARP])
    video = replace(video, keypoints=lost(video.keypoints, "face", [3]))
    scores, of_film = measured(video, [original])
    assert list(scores) == [FACE]  # no hands are to be shown
    assert scores[FACE].total.tolist() == [1, 0, 1, 0]
    assert scores[FACE].weight.tolist() == [1, 1, 1, 0]
    assert of_film == {FACE._replace(system="film"): (0.5, None)}
    halves = [original.part(range(15)), original.part(range(15, 30))]
    again, _ = measured(video, halves)
    assert again[FACE].total.tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize("missing", [[], [1], [0, 1, 2, 3]])
def test_what_is_to_be_shown_and_not_found_is_not_sharp(tmp_path, missing):
    for group, key in (("face", FACE), ("left_hand", HANDS)):
        original = posed(tmp_path / f"film_{group}.mkv", [SHARP] * 9, group=group)
        video = posed(tmp_path / f"{group}.mkv", [SHARP] * 4, group=group)
        intended = lost(video.keypoints, group, [2])  # what is shown beside it does not count
        video = replace(video, keypoints=lost(video.keypoints, group, missing))
        scores, _ = measured(video, [original], intended=intended)
        assert scores[key].weight.tolist() == [1, 1, 0, 1]
        assert scores[key].total.tolist() == [int(at not in (2, *missing)) for at in range(4)]


@pytest.mark.parametrize(
    ("group", "key", "options"),
    [
        ("face", FACE, {}),
        # in the mirror
        ("left_hand", HANDS, {"group": "right_hand", "mirrored": True}),
    ],
)
def test_each_pose_is_compared_with_like_poses(tmp_path, group, key, options):
    """Those of few edges are sharp where the film's of that pose have no more."""
    frames, odd = [SHARP, PALE] * 25, range(1, 50, 2)
    original = posed(tmp_path / "film.mkv", frames, group=group, flat=odd)
    video = posed(tmp_path / "video.mkv", [PALE, PALE], flat=[1], **{"group": group, **options})
    scores, of_film = measured(video, [original])
    assert scores[key].total.tolist() == [0, 1]
    assert of_film[key._replace(system="film")] == (1, None)


@pytest.mark.parametrize(("group", "is_sharp"), [("face", 0), ("left_hand", 1)])
def test_where_a_film_is_always_blurred_hands_are_sharp_and_no_face(tmp_path, group, is_sharp):
    """A face is compared with the more similar half, 30 frames, of which 10 are sharp."""
    frames = [SHARP] * 40 + [BLURRED] * 20
    original = posed(tmp_path / "film.mkv", frames, group=group, flat=range(40, 60))
    video = posed(tmp_path / "video.mkv", [BLURRED], group=group, flat=[0])
    scores, _ = measured(video, [original])
    assert [of.total.tolist() for of in scores.values()] == [[is_sharp]]


def test_a_garbled_face_is_not_sharp_however_steep_its_edges(tmp_path):
    """A blend of both is, as long as it resembles the film's; hands may look like none of them."""
    mostly = cv2.addWeighted(SHARP, 0.7, GARBLED, 0.3, 0)
    for group, expected in (("face", [1, 0, 1]), ("left_hand", [1, 1, 1])):
        original = posed(tmp_path / f"film_{group}.mkv", [SHARP] * 30, group=group)
        video = posed(tmp_path / f"{group}.mkv", [SHARP, GARBLED, mostly], group=group)
        (scores,) = measured(video, [original])[0].values()
        assert scores.total.tolist() == expected


def test_what_is_too_small_is_not_measured(tmp_path):
    original = posed(tmp_path / "film.mkv", [SHARP] * 3)
    small = posed(tmp_path / "small.mkv", [SHARP] * 3, radius=3)
    assert measured(small, [original]) == ({}, {})
    assert measured(original, [small]) == ({}, {})


@pytest.mark.parametrize(("height", "side"), [(512, 512), (500, 256)])
def test_the_film_is_read_as_large_as_poses_are_detected_or_smaller(tmp_path, height, side):
    clip = training_clip(tmp_path, standing(2), draw=lambda *_: SHARP)
    film(tmp_path / "detection.mkv", [np.zeros((512, 512, 3), np.uint8)] * 2)
    (found,) = film_frames([clip], height=height)
    expected = clip.keypoints.resized((side, side))
    assert found.keypoints.image_size == expected.image_size
    np.testing.assert_allclose(found.keypoints.points, expected.points, atol=1e-3)


def test_of_a_long_film_frames_of_all_of_it_are_compared(tmp_path, monkeypatch):
    monkeypatch.setattr("motiontransfer.evaluation.sharp_frames._MOST_FRAMES", 6)
    clip = training_clip(tmp_path, standing(9), draw=lambda *_: SHARP)
    for found in film_frames([clip, clip]):
        assert [index for _, index in found.frames] == [0, 4, 8]
        np.testing.assert_array_equal(found.keypoints.score, clip.keypoints.score[[0, 4, 8]])
    assert [len(found.frames) for found in film_frames([clip] * 7)] == [1] * 7


def test_a_films_blurred_faces_and_hands_are_found_in_their_frames(tmp_path):
    frames = [BLURRED if index in (4, 17) else SHARP for index in range(30)]
    for group in ("face", "left_hand", "right_hand"):
        video = posed(tmp_path / f"{group}.mkv", frames, group=group)
        found = blurred_boxes(video, video)
        assert np.flatnonzero(found[group]).tolist() == [4, 17]
        assert all(not of.any() for other, of in found.items() if other != group)
