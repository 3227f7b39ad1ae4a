from dataclasses import replace

import numpy as np
import pytest

from motiontransfer.core.errors import KeypointsError, MissingFileError, TrainingError
from motiontransfer.plate.full_size import FullSizeFrames
from motiontransfer.plate.target_clips import (
    NOTHING_HELD_OUT,
    HeldOut,
    read_target_clips,
    split_clip,
)
from motiontransfer.pose.boxes import body_height_px
from motiontransfer.pose.keypoints_file import read_keypoints
from motiontransfer.pose.photos import placed, standing_still
from tests.films import add_clip
from tests.people import SIZE, both_sides, dance, keypoints_of


@pytest.mark.parametrize(
    ("num_frames", "fraction", "gap", "training", "held_out"),
    [
        (100, 0.12, 10, range(78), range(88, 100)),
        (100, 0.12, 0, range(88), range(88, 100)),
        (10, 0.25, 1, range(7), range(8, 10)),
        (10, 0.0, 5, range(10), range(10, 10)),
        # so little is held out that it is nothing: then there is no gap either
        (10, 0.04, 5, range(10), range(10, 10)),
        (5, 0.2, 2, range(2), range(4, 5)),
        (1, 0.9, 2, range(1), range(1, 1)),  # a photo
    ],
)
def test_ranges(num_frames, fraction, gap, training, held_out):
    split = split_clip(num_frames, HeldOut(held_out_fraction=fraction, gap_frames=gap))
    assert split == (training, held_out)


@pytest.mark.parametrize("gap", [3, 30])
def test_a_clip_that_is_too_short_is_refused_with_its_numbers(gap):
    text = rf"5 frames leaves {max(4 - gap, 0)} .* {gap}; .*split\.held_out_fraction"
    with pytest.raises(TrainingError, match=text):
        split_clip(5, HeldOut(held_out_fraction=0.2, gap_frames=gap))


def test_a_targets_clips_are_found_in_the_order_of_their_names(tmp_path):
    for name, num_frames in (("walk", 3), ("dance", 4)):
        add_clip(tmp_path / "artifacts", "ada", name, dance(num_frames))
    (tmp_path / "artifacts/keypoints/ada/.walk.123.tmp.parquet").touch()
    clips = read_target_clips("ada", NOTHING_HELD_OUT, root=tmp_path)
    found = [(clip.name, clip.training) for clip in clips]
    assert found == [("dance", range(4)), ("walk", range(3))]
    assert all(clip.frames.exists() and clip.keypoints_file.exists() for clip in clips)
    with pytest.raises(MissingFileError, match="ben"):
        read_target_clips("ben", NOTHING_HELD_OUT, root=tmp_path)


def test_clips_of_two_sizes_are_refused(tmp_path):
    add_clip(tmp_path / "artifacts", "ada", "walk", dance(3))
    add_clip(tmp_path / "artifacts", "ada", "wide", dance(3, size=(SIZE[0], 2 * SIZE[1])))
    with pytest.raises(KeypointsError, match=r"walk \(48, 40\), wide \(48, 80\)"):
        read_target_clips("ada", NOTHING_HELD_OUT, root=tmp_path)


def test_nothing_is_taken_from_frames_of_unusual_exposure(tmp_path):
    add_clip(tmp_path / "artifacts", "ada", "walk", replace(dance(6), unusual=((0, 2), (4, 5))))
    (clip,) = read_target_clips("ada", NOTHING_HELD_OUT, root=tmp_path)
    assert clip.keypoints.score.any(axis=1).tolist() == [False, False, True, True, False, True]
    path = tmp_path / "artifacts/keypoints/ada/walk.parquet"
    assert read_keypoints(path).score.any(axis=1).all()  # of a dancer they are danced


STANDING = both_sides(
    {"shoulder": (20, -50), "wrist": (32, 0), "hip": (12, 0), "knee": (14, 35), "ankle": (15, 70)},
    {"nose": (0, -72)},
)


def photo_of(joints, size, *, scale=1.0, x=None):
    """Keypoints of one frame, around the middle of the picture unless told where."""
    middle = np.array([size[1] / 2 if x is None else x, size[0] / 2])
    return keypoints_of(
        [{joint: middle + np.multiply(scale, at) for joint, at in joints.items()}], size
    )


def picture_of(root, name, *, size, scale, x):
    photo = photo_of(STANDING, size, scale=0.5 * scale, x=x)
    add_clip(root / "artifacts", "ada", name, photo)
    return photo


def test_photos_of_any_sizes_lie_in_the_image_of_the_first(tmp_path):
    """The second shows her twice as large, and beside the middle; nothing of her is cut off."""
    first = picture_of(tmp_path, "me", size=(96, 80), scale=1.0, x=40)
    picture_of(tmp_path, "me_1", size=(200, 300), scale=2.0, x=100)
    one, two = read_target_clips("ada", NOTHING_HELD_OUT, root=tmp_path)
    assert (one.is_photo, one.placement, two.keypoints.image_size) == (True, None, (96, 80))
    seen = first.score[0] > 0
    assert np.abs(two.keypoints.points[0] - first.points[0])[seen].max() < 0.6
    with FullSizeFrames([one, two]) as frames:
        assert frames.size == (96, 80)
        shown = frames[1, 0].astype(int)
        apart = np.abs(frames[0, 0].astype(int) - shown).max(axis=2)
    x, y = first.points[0][seen].round().astype(int).T
    assert np.median(apart[y, x]) < 30


def test_a_film_of_the_subject_counts_and_photos_do_not(tmp_path):
    picture_of(tmp_path, "me", size=(96, 80), scale=1.0, x=40)
    add_clip(tmp_path / "artifacts", "ada", "walk", dance(4))
    (clip,) = read_target_clips("ada", NOTHING_HELD_OUT, root=tmp_path)
    assert (clip.name, clip.is_photo) == ("walk", False)


def test_a_photo_whose_body_would_reach_over_the_edge_is_made_smaller(tmp_path):
    """Arms wide in the second, hanging in the narrow first."""
    narrow = photo_of(STANDING, size=(300, 110))
    wide = photo_of(STANDING | both_sides({"wrist": (110, -50)}), (300, 300))
    joints = placed(wide, narrow).points[0][wide.score[0] > 0]
    assert joints[:, 0].min() >= 0
    assert joints[:, 0].max() <= 110
    assert body_height_px(placed(wide, narrow)) < 0.6 * body_height_px(narrow)


def test_a_photo_stands_still_for_two_seconds():
    photo = photo_of(STANDING, size=(300, 110))
    still = standing_still(photo)
    assert (still.num_frames, still.frame_rate) == (50, 25)
    assert (still.points == photo.points).all()
