"""Pairs are found, read and put in an order that a resumed run repeats."""

import threading
from collections import Counter

import numpy as np
import pytest
import torch

from motiontransfer.errors import KeypointsError, MissingFileError, TrainingError
from motiontransfer.media.tensors import frames_to_tensor
from motiontransfer.training.dataset import (
    PairDataset,
    batch_indices,
    batches_ahead,
)
from motiontransfer.training.split import HeldOut
from motiontransfer.training.target_clips import read_target_clips
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
    dataset = PairDataset([first, second])
    assert dataset.pairs == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 4), (1, 5)]
    assert len(dataset) == 7
    assert dataset.num_pairs_without_body == 2


def test_only_the_body_counts(tmp_path):
    keypoints = dance(4)
    body = keypoints.skeleton.slice("body")
    keypoints.score[1, body], keypoints.points[1, body] = 0, 0
    hand = keypoints.skeleton.index("left_hand_wrist")
    keypoints.score[1, hand] = 0.9
    dataset = PairDataset([training_clip(tmp_path, keypoints)])
    assert dataset.pairs == [(0, 2)]


def test_a_batch_holds_two_consecutive_frames_with_their_poses(tmp_path):
    clips = [training_clip(tmp_path / str(i), dance(5, seed=i)) for i in range(2)]
    batch = PairDataset(clips).batch([6, 1, 3])
    for place, (clip, first) in enumerate([(1, 2), (0, 1), (0, 3)]):
        keypoints = clips[clip].keypoints
        shown = frames_to_tensor([picture(keypoints, t) for t in (first, first + 1)])
        assert torch.equal(batch.frames[place], shown)
        assert np.array_equal(batch.points[place], keypoints.points[first : first + 2])
        assert np.array_equal(batch.score[place], keypoints.score[first : first + 2])


def test_a_batch_is_copied_whole(tmp_path):
    batch = PairDataset([training_clip(tmp_path, dance(3))]).batch([0])
    copy = batch.to(torch.device("meta"))
    assert {copy.points.device.type, copy.score.device.type, copy.frames.device.type} == {"meta"}
    assert copy.frames.shape == batch.frames.shape == (1, 2, 3, 48, 40)


def test_clips_without_anybody_are_refused(tmp_path):
    clip = training_clip(tmp_path, dance(4, missing=[1, 3]))
    with pytest.raises(TrainingError, match="no two consecutive frames with a body among 1 clips"):
        PairDataset([clip])


def test_missing_frames_are_named(tmp_path):
    clip = training_clip(tmp_path, dance(4))
    clip.frames.unlink()
    with pytest.raises(MissingFileError, match=r"frames\.mkv"):
        PairDataset([clip])


@pytest.mark.parametrize("batch_size", [1, 3, 7, 16])
def test_each_epoch_shows_every_item_once(batch_size):
    num_items, num_epochs = 7, 4
    order = [
        index
        for step in range(num_items * num_epochs)
        for index in batch_indices(step, num_items=num_items, batch_size=batch_size, seed=2)
    ]
    epochs = [order[i : i + num_items] for i in range(0, num_items * num_epochs, num_items)]
    assert all(sorted(epoch) == list(range(num_items)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == num_epochs


def test_the_order_depends_on_step_and_seed_and_nothing_else():
    def order(seed):
        return [batch_indices(s, num_items=9, batch_size=2, seed=seed) for s in range(20)]

    forwards = order(1)
    backwards = [batch_indices(s, num_items=9, batch_size=2, seed=1) for s in reversed(range(20))]
    assert forwards == backwards[::-1]
    assert forwards != order(2)


class Recorded:
    """A data set whose batches are the indices; remembers which were read."""

    def __init__(self, num_items=5):
        self.num_items, self.read, self.second = num_items, [], threading.Event()

    def __len__(self):
        return self.num_items

    def batch(self, indices):
        chosen = list(indices)
        self.read.append(chosen)
        if len(self.read) == 2:
            self.second.set()
        return chosen


def test_batches_come_in_the_order_of_their_steps():
    wanted = [batch_indices(s, num_items=5, batch_size=2, seed=3) for s in range(11)]
    options = {"num_steps": 11, "batch_size": 2, "seed": 3}
    assert list(batches_ahead(Recorded(), start_step=0, **options)) == wanted
    assert list(batches_ahead(Recorded(), start_step=4, **options)) == wanted[4:]
    assert list(batches_ahead(Recorded(), start_step=11, **options)) == []
    counts = Counter(index for batch in wanted[:5] for index in batch)
    assert set(counts.values()) == {2}


def test_the_next_batch_is_read_while_this_one_is_used():
    dataset = Recorded()
    batches = batches_ahead(dataset, start_step=0, num_steps=5, batch_size=1, seed=0)
    next(batches)
    assert dataset.second.wait(timeout=10)
    assert len(dataset.read) == 2
    batches.close()


def test_an_error_while_reading_reaches_the_training():
    class Damaged(Recorded):
        def batch(self, indices):
            if self.read:
                raise TrainingError("a damaged frame")
            return super().batch(indices)

    batches = batches_ahead(Damaged(), start_step=0, num_steps=5, batch_size=1, seed=0)
    next(batches)
    with pytest.raises(TrainingError, match="a damaged frame"):
        next(batches)
