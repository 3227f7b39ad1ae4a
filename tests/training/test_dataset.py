"""Pairs are found and read."""

import numpy as np
import pytest
import torch

from motiontransfer.errors import KeypointsError, MissingFileError, TrainingError
from motiontransfer.training.clips import HeldOut, read_target_clips
from motiontransfer.training.pose_gan import WindowDataset
from motiontransfer.video.tensors import frames_to_tensor
from tests.dancer import add_clip, dance, picture, training_clip

HELD_OUT = HeldOut(held_out_fraction=0.25, gap_frames=1)


def read(artifacts, held_out=HELD_OUT):
    return read_target_clips(artifacts / "frames/ada", artifacts / "keypoints/ada", held_out)


def test_clips_are_found_by_name_and_each_loses_its_tail(tmp_path):
    add_clip(tmp_path, "ada", "walk", dance(12))
    add_clip(tmp_path, "ada", "jump", dance(8))
    (tmp_path / "keypoints/ada/.jump.77.tmp.parquet").write_bytes(b"left by a killed run")
    clips = read(tmp_path)
    assert [clip.keypoints_file.stem for clip in clips] == ["jump", "walk"]
    assert [clip.training for clip in clips] == [range(5), range(8)]
    assert clips[1].frames == tmp_path / "frames/ada/walk/frames.mkv"
    assert clips[1].keypoints.num_frames == 12


def test_clips_that_cannot_be_trained_on_are_named(tmp_path):
    with pytest.raises(
        MissingFileError, match=r"keypoints/ada: expected .* at least one clip, got none"
    ):
        read(tmp_path)
    add_clip(tmp_path, "ada", "walk", dance(12))
    add_clip(tmp_path, "ada", "wide", dance(12, size=(48, 56)))
    with pytest.raises(KeypointsError, match=r"one size .*, got walk \(48, 40\), wide \(48, 56\)"):
        read(tmp_path)
    add_clip(tmp_path, "ada", "short", dance(3))
    with pytest.raises(TrainingError, match=r"ada/short\.parquet: a clip of 3 frames leaves 1 to"):
        read(tmp_path)


def test_pairs_lie_in_the_training_frames_and_show_a_body_twice(tmp_path):
    first = training_clip(tmp_path / "a", dance(6), training_frames=range(4))
    second = training_clip(tmp_path / "b", dance(8, missing=[3]), training_frames=range(7))
    dataset = WindowDataset([first, second])
    assert dataset.windows == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 4), (1, 5)]
    assert len(dataset) == 7
    assert dataset.num_windows_without_body == 2


def test_only_the_body_counts(tmp_path):
    keypoints = dance(4)
    body = keypoints.skeleton.slice("body")
    keypoints.score[1, body], keypoints.points[1, body] = 0, 0
    hand = keypoints.skeleton.index("left_hand_wrist")
    keypoints.score[1, hand] = 0.9
    dataset = WindowDataset([training_clip(tmp_path, keypoints)])
    assert dataset.windows == [(0, 2)]


def test_a_batch_holds_two_consecutive_frames_with_their_poses(tmp_path):
    clips = [training_clip(tmp_path / str(i), dance(5, seed=i)) for i in range(2)]
    batch = WindowDataset(clips).batch([6, 1, 3])
    for place, (clip, first) in enumerate([(1, 2), (0, 1), (0, 3)]):
        keypoints = clips[clip].keypoints
        shown = frames_to_tensor([picture(keypoints, t) for t in (first, first + 1)])
        assert torch.equal(batch.frames[place], shown)
        assert np.array_equal(batch.points[place], keypoints.points[first : first + 2])
        assert np.array_equal(batch.score[place], keypoints.score[first : first + 2])


def test_a_batch_is_copied_whole(tmp_path):
    batch = WindowDataset([training_clip(tmp_path, dance(3))]).batch([0])
    copy = batch.to(torch.device("meta"))
    assert {copy.points.device.type, copy.score.device.type, copy.frames.device.type} == {"meta"}
    assert copy.frames.shape == batch.frames.shape == (1, 2, 3, 48, 40)


def test_clips_without_anybody_are_refused(tmp_path):
    clip = training_clip(tmp_path, dance(4, missing=[1, 3]))
    with pytest.raises(TrainingError, match="no 2 consecutive frames with a body among 1 clips"):
        WindowDataset([clip])


def test_missing_frames_are_named(tmp_path):
    clip = training_clip(tmp_path, dance(4))
    clip.frames.unlink()
    with pytest.raises(MissingFileError, match=r"frames\.mkv"):
        WindowDataset([clip])


def test_longer_windows_show_a_body_in_every_frame(tmp_path):
    first = training_clip(tmp_path / "a", dance(8, missing=[3]), training_frames=range(7))
    second = training_clip(tmp_path / "b", dance(2))
    dataset = WindowDataset([first, second], window_frames=3)
    assert dataset.windows == [(0, 0), (0, 4)]
    assert dataset.num_windows_without_body == 3
    assert dataset.batch([1]).frames.shape == (1, 3, 3, 48, 40)
    ones = WindowDataset([first, second], window_frames=1)
    assert ones.windows == [(0, t) for t in (0, 1, 2, 4, 5, 6)] + [(1, 0), (1, 1)]
    assert ones.batch([3]).frames.shape == (1, 1, 3, 48, 40)


def test_poses_before_come_with_a_window_and_are_missing_at_the_start(tmp_path):
    keypoints = dance(6)
    clip = training_clip(tmp_path, keypoints, training_frames=range(1, 6))
    dataset = WindowDataset([clip], conditioning_poses=3)
    batch = dataset.batch([0, 2])
    assert batch.points.shape[:2] == batch.score.shape[:2] == (2, 4)
    assert not batch.score[0, :2].any()  # frame 0 is not one to train on
    assert np.array_equal(batch.points[0, 2:], keypoints.points[1:3])
    assert np.array_equal(batch.points[1], keypoints.points[1:5])
    assert np.array_equal(batch.score[1], keypoints.score[1:5])
    assert torch.equal(batch.frames[1, 0], frames_to_tensor([picture(keypoints, 3)])[0])
