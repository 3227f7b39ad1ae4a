from dataclasses import replace

import pytest

from motiontransfer.core.errors import KeypointsError, MissingFileError, TrainingError
from motiontransfer.pose.keypoints import read_keypoints
from motiontransfer.puppet.target_clips import HeldOut, read_target_clips, split_clip
from tests.films import add_clip
from tests.people import SIZE, dance


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


NOTHING_HELD_OUT = HeldOut(held_out_fraction=0.0, gap_frames=0)


def test_a_targets_clips_are_found_in_the_order_of_their_names(tmp_path):
    for name, num_frames in (("walk", 3), ("dance", 4)):
        add_clip(tmp_path / "artifacts", "ada", name, dance(num_frames))
    (tmp_path / "artifacts/keypoints/ada/.walk.123.tmp.parquet").touch()
    clips = read_target_clips("ada", NOTHING_HELD_OUT, root=tmp_path)
    assert [(clip.name, clip.training) for clip in clips] == [
        *(("dance", range(4)), ("walk", range(3)))
    ]
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
