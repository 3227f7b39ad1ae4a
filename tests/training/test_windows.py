from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest
import torch

from motiontransfer.core.errors import MissingFileError, TrainingError
from motiontransfer.core.layout import masks_beside
from motiontransfer.plate.masks import read_masks, write_masks
from motiontransfer.pose.boxes import equal_viewports, person_boxes
from motiontransfer.video.tensors import levels_to_images
from tests.films import film, training_clip
from tests.people import SIZE, dance, picture
from tests.training.small import VIEWPORT, poses_of, windows_of

FIRST_FRAMES = [0, 3, 5]


def test_a_window_holds_consecutive_frames_with_their_poses_and_those_before(tmp_path):
    poses, frames = [dance(6, seed=i) for i in range(2)], range(1, 6)
    clips = [
        training_clip(tmp_path / str(i), it, training_frames=frames) for i, it in enumerate(poses)
    ]
    batch = windows_of(clips, conditioning_poses=3).batch([6, 0, 2])
    for place, (clip, first) in enumerate([(1, 3), (0, 1), (0, 3)]):
        keypoints = clips[clip].keypoints
        shown = np.stack([picture(keypoints, t) for t in (first, first + 1)])
        assert np.array_equal(batch.frames[place], shown)
        known = slice(first - 2 if first == 3 else first, first + 2)
        lacking = 4 - (known.stop - known.start)
        assert np.array_equal(batch.points[place, lacking:], keypoints.points[known])
        assert np.array_equal(batch.score[place, lacking:], keypoints.score[known])
        assert not batch.score[place, :lacking].any()  # frame 0 is not one to train on


def test_clips_without_people_or_frames_are_refused(tmp_path):
    clip = training_clip(tmp_path, dance(4, missing=[1, 3]))
    with pytest.raises(TrainingError, match="no 2 consecutive frames with a body among 1 clips"):
        windows_of([clip])
    clip.frames.unlink()
    with pytest.raises(MissingFileError, match=r"frames\.mkv"):
        windows_of([clip], window_frames=1)


def test_a_window_shows_a_body_in_every_frame(tmp_path):
    keypoints = dance(8, missing=[3])
    keypoints.score[3, keypoints.skeleton.index("left_hand_wrist")] = 0.9  # a hand is no body
    first = training_clip(tmp_path / "a", keypoints, training_frames=range(7))
    second = training_clip(tmp_path / "b", dance(2))
    dataset = windows_of([first, second])
    assert dataset.windows == [(0, t) for t in (0, 1, 4, 5)] + [(1, 0)]
    assert dataset.num_windows_without_body == 2
    ones = windows_of([first, second], window_frames=1)
    assert ones.windows == [(0, t) for t in (0, 1, 2, 4, 5, 6)] + [(1, 0), (1, 1)]
    assert ones.batch([3]).frames.shape == (1, 1, 48, 40, 3)


def boxes_of(clip):
    """Of each window both of whose frames' people are inside, all of one size."""
    keypoints = clip.keypoints
    people = person_boxes(VIEWPORT, keypoints.points, keypoints.score, image_size=SIZE)
    pairs = [people[t : t + 2] for t in FIRST_FRAMES]
    both = [np.concatenate([it[:, :2].min(axis=0), it[:, 2:].max(axis=0)]) for it in pairs]
    return equal_viewports(VIEWPORT, np.stack(both), image_size=SIZE)


def test_a_viewport_reads_the_part_of_both_frames_that_holds_the_person(clip):
    whole_frames = windows_of([clip], conditioning_poses=2).batch(FIRST_FRAMES)
    batch = windows_of([clip], conditioning_poses=2, viewport=VIEWPORT).batch(FIRST_FRAMES)
    boxes = boxes_of(clip)
    assert len(np.unique(boxes[:, 0])) > 1
    maps = poses_of(whole_frames, 1), poses_of(batch, 1, size=batch.frames.shape[2:4])
    assert batch.frames.shape[2:4] < SIZE
    for sample, (x0, y0, x1, y1) in enumerate(boxes):
        part = whole_frames.frames[sample, :, y0:y1, x0:x1]
        assert torch.equal(batch.frames[sample], part)
        torch.testing.assert_close(maps[1][sample], maps[0][sample][:, y0:y1, x0:x1])
    coarse = levels_to_images(batch.whole.coarse).flatten(0, 1)
    assert torch.equal(coarse, levels_to_images(whole_frames.frames).flatten(0, 1))


def with_masks(clip, folder, masks, known, *, drawn=()):
    """The clip with masks of these frames, of which some were drawn around joints."""
    found, is_drawn = read_masks(clip.masks_file), np.isin(known, drawn)
    frames = np.array(known, np.int32)
    found = replace(found, frame_index=frames, masks=masks, is_drawn=is_drawn)
    file = folder / "keypoints/clip.parquet"
    write_masks(masks_beside(file), found)
    return replace(clip, keypoints_file=file)


def test_shadows_are_learnt_outside_the_viewport_and_beside_the_person(clip, tmp_path):
    """In the viewport only in frames with a mask that was not drawn around joints."""
    found, known = read_masks(clip.masks_file), [0, 1, 3, 5, 6]
    assert found.frame_index.tolist() == list(range(8))
    clip = with_masks(clip, tmp_path, found.masks[known], known, drawn=[5])
    windows = windows_of([clip], viewport=VIEWPORT).batch(FIRST_FRAMES).whole.is_background
    for window, first, (x0, y0, x1, y1) in zip(windows, FIRST_FRAMES, boxes_of(clip), strict=True):
        for t in (0, 1):  # frames as small as these are not reduced
            expected = np.zeros(SIZE, bool)
            if first + t in {0, 1, 3, 6}:
                expected = cv2.dilate(found[first + t], np.ones((3, 3))) == 0
                assert expected[y0:y1, x0:x1].any()
            expected[:y0] = expected[y1:] = expected[:, :x0] = expected[:, x1:] = True
            assert np.array_equal(window[t], expected)


def test_what_moves_beside_the_person_is_the_background_in_training(clip, tmp_path):
    """But shadows; frames between close masks, or far from any, take theirs from these."""
    people = np.zeros((4, *SIZE), np.uint8)
    people[:, 8:, :8] = people[2, 8:, :16] = 255
    clip = with_masks(clip, tmp_path, people, [0, 1, 3, 4])
    background = np.full((*SIZE, 3), 100, np.uint8)
    frame = background.copy()
    frame[:, 2:6], frame[:, 11:14], frame[:, 20:22] = (200, 0, 50), (0, 200, 50), 60
    frames = film(tmp_path / "frames.mkv", [frame] * 8, rate=16)
    quick = replace(clip.keypoints, frame_rate=Fraction(16))
    clip = replace(clip, keypoints=quick, frames=frames)
    dataset = windows_of([clip], viewport=VIEWPORT, background=background)
    starts = [dataset.windows.index((0, first)) for first in (0, 2, 5)]
    shown = dataset.batch(starts).whole.coarse.numpy()  # frames as small as these are not reduced
    for number, (window, t, right_of_mask) in enumerate([(0, 0, 9), (1, 0, 17), (2, 1, 17)]):
        expected = background.copy()
        expected[:, 20:22] = 60
        expected[7:, :right_of_mask] = frame[7:, :right_of_mask]
        assert np.array_equal(shown[window, t], expected), number
    as_filmed = windows_of([clip], viewport=VIEWPORT).batch(starts).whole.coarse.numpy()
    assert (as_filmed == frame).all()
