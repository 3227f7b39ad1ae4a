"""Corrupted frames keep their number and size; augmentations are drawn for both of a pair."""

import numpy as np
import pytest

from motiontransfer.forensics.data import Corruption, corrupt, draw_augmentation
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.geometry import resize
from motiontransfer.video.writer import write_video
from tests.forensics.planted import RATE, rendered, walk

REAL = walk(7, seed=1)
FAKE = rendered(REAL)
STILL = np.full((6, 64, 48, 3), 90, np.uint8)


def test_a_higher_crf_loses_more():
    losses = [
        np.abs(corrupt(REAL, Corruption(crf=crf)).astype(int) - REAL).mean()
        for crf in (0, 18, 28, 35, 48)
    ]
    assert losses == sorted(losses)
    assert losses[0] < losses[-1] / 2


def test_compression_is_that_of_a_finished_video(tmp_path):
    write_video(tmp_path / "a.mp4", REAL, frame_rate=RATE, crf=20)
    with FrameStore(tmp_path / "a.mp4") as store:
        written = np.stack(list(store.frames()))
    ours = corrupt(REAL, Corruption(crf=20))
    # another number of threads spends its bits a little differently
    assert np.abs(ours.astype(int) - written).mean() < 1.0
    assert np.abs(ours.astype(int).mean((0, 1, 2)) - written.mean((0, 1, 2))).max() < 0.5


def test_the_same_frames_give_the_same_frames():
    corruption = Corruption(scale=0.7, crf=25, preset="veryfast")
    once = corrupt(REAL, corruption)
    for _ in range(5):
        np.testing.assert_array_equal(corrupt(REAL, corruption), once)


@pytest.mark.parametrize("size", [(33, 41), (16, 16)])
@pytest.mark.parametrize(("num_frames", "crf"), [(3, None), (3, 30), (1, 28)])
def test_any_size_and_number_of_frames_is_kept(size, num_frames, crf):
    frames = walk(num_frames, seed=2, size=size)
    assert corrupt(frames, Corruption(crf=crf)).shape == frames.shape


def test_downscaling_averages_areas():
    half = corrupt(REAL, Corruption(scale=0.5))
    assert half.shape == (7, 32, 24, 3)
    np.testing.assert_array_equal(half[3], resize(REAL[3], (32, 24)))


def augmentations(real=REAL, fake=FAKE, *, count=60, crop_size=24):
    rngs = map(np.random.default_rng, range(count))
    return [draw_augmentation(real, fake, crop_size=crop_size, rng=rng) for rng in rngs]


def test_all_strengths_are_drawn():
    drawn = augmentations(count=200)
    assert {each.corruption.crf for each in drawn} == {None, *range(14, 37)}
    sides = {each.box[2] - each.box[0] for each in drawn}
    assert min(sides) == 24
    assert 40 < max(sides) <= 48
    assert {each.mirrored for each in drawn} == {True, False}


@pytest.mark.parametrize("crop_size", [24, 40, 64])  # the last is more than the frame is wide
def test_an_augmentation_is_a_square_inside_the_frame(crop_size):
    for each in augmentations(crop_size=crop_size, count=20):
        x0, y0, x1, y1 = each.box
        assert 0 <= x0 < x1 <= 48
        assert 0 <= y0 < y1 <= 64
        assert x1 - x0 == y1 - y0
    assert each.apply(REAL).shape == (7, crop_size, crop_size, 3)


def test_it_is_centred_where_something_moves_in_either():
    moving = STILL.copy()
    moving[-1, 50:60, 2:10] = 200
    for real, fake in ((moving, STILL), (STILL, moving)):
        for each in augmentations(real, fake, crop_size=12):
            x0, y0, x1, y1 = each.box
            assert (x0 < 10, x1 > 2, y0 < 60, y1 > 50) == (True,) * 4


def test_where_nothing_moves_it_is_anywhere():
    assert len({each.box[:2] for each in augmentations(STILL, STILL, crop_size=12)}) > 30


@pytest.mark.parametrize("mirrored", [False, True])
def test_without_corruption_it_is_a_crop_or_its_mirror_image(mirrored):
    plain = next(
        each
        for each in augmentations(count=300)
        if (each.mirrored, each.corruption.crf, each.box[2] - each.box[0]) == (mirrored, None, 24)
    )
    x0, y0, x1, y1 = plain.box
    crop = REAL[:, y0:y1, x0:x1]
    np.testing.assert_array_equal(plain.apply(REAL), crop[:, :, ::-1] if mirrored else crop)
