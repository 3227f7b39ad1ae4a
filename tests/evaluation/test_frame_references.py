import numpy as np
import pytest

from motiontransfer.errors import KeypointsError, MissingFileError, TrainingError, VideoError
from motiontransfer.evaluation.frame_references import (
    read_frames,
    training_poses,
)
from motiontransfer.skeleton import HOLISTIC
from motiontransfer.training.clips import HeldOut, read_target_clips


@pytest.fixture
def read(tmp_path):
    def read(*, gap_frames=1):
        return read_target_clips(
            tmp_path / "frames",
            tmp_path / "keypoints",
            HeldOut(held_out_fraction=0.25, gap_frames=gap_frames),
        )

    return read


def test_each_clip_has_its_own_tail_in_the_order_of_names(subject, poses, read, tmp_path):
    subject("walk", poses([(30, 30)] * 8))
    subject("dance", poses([(20, 30)] * 4))
    dance, walk = read()
    assert (dance.name, walk.name) == ("dance", "walk")
    assert dance.frames == tmp_path / "frames" / "dance" / "frames.mkv"
    assert (dance.training, dance.held_out) == (range(2), range(3, 4))
    assert (walk.training, walk.held_out) == (range(5), range(6, 8))


def test_training_poses_leave_out_tail_and_gap_and_know_their_frames(subject, poses, draw, read):
    walk, dance = (
        poses([(20 + 2 * i, 30) for i in range(8)]),
        poses([(44, 30 + i) for i in range(4)]),
    )
    subject("walk", walk)
    subject("dance", dance)
    clips = read()
    keypoints, references = training_poses(clips)
    assert references == [
        *((clips[0].frames, index) for index in range(2)),
        *((clips[1].frames, index) for index in range(5)),
    ]
    hip = HOLISTIC.index("left_hip")
    assert keypoints.points[:, hip].tolist() == [
        *dance.points[:2, hip].tolist(),
        *walk.points[:5, hip].tolist(),
    ]
    frames = list(read_frames(references[::-1], (64, 64)))
    np.testing.assert_array_equal(frames[-1], draw(dance, 0))
    np.testing.assert_array_equal(frames[0], draw(walk, 4))


def test_an_edge_that_was_added_for_players_is_cut_off(poses, film, draw, tmp_path):
    padded = poses([(30, 30)], size=(64, 64))
    path = film(tmp_path / "padded.mkv", padded)
    (frame,) = read_frames([(path, 0)], (63, 63))
    np.testing.assert_array_equal(frame, draw(padded, 0)[:63, :63])


@pytest.mark.parametrize("size", [(62, 64), (64, 66), (128, 128), (32, 32)])
def test_another_size_is_refused(poses, film, tmp_path, size):
    path = film(tmp_path / "clip.mkv", poses([(30, 30)]))
    expected = rf"clip\.mkv: expected the working size {size[0]} x {size[1]} .*, got 64 x 64"
    with pytest.raises(VideoError, match=expected):
        list(read_frames([(path, 0)], size))


def test_what_is_missing_or_unfit_is_named(subject, poses, read):
    with pytest.raises(
        MissingFileError, match="keypoints: expected keypoints of at least one clip, got none"
    ):
        read()
    subject("a", poses([(30, 30)] * 4))
    with pytest.raises(TrainingError, match=r"train_gan\.gap_frames"):
        read(gap_frames=9)
    subject("b", poses([(30, 30)] * 4, size=(64, 80)))
    with pytest.raises(KeypointsError, match=r"a \(64, 64\), b \(64, 80\)"):
        read()


def test_what_a_killed_writer_left_is_no_clip(subject, poses, read, tmp_path):
    subject("walk", poses([(30, 30)] * 8))
    (tmp_path / "keypoints" / ".dance.123.tmp.parquet").write_bytes(b"half")
    assert [clip.name for clip in read()] == ["walk"]
