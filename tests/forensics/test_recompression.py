"""Frames come back as a player shows them: same size and number, worn by as much as asked for."""

import numpy as np
import pytest

from motiontransfer.forensics.corruptions import Encoding, recompressed
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.geometry import resize
from motiontransfer.video.writer import write_video
from tests.forensics.planted import RATE, walk

FRAMES = walk(7, seed=1)


def loss(frames, encoding):
    return np.abs(recompressed(frames, encoding).astype(int) - frames).mean()


def test_nothing_asked_for_changes_nothing():
    np.testing.assert_array_equal(recompressed(FRAMES, Encoding()), FRAMES)


def test_a_higher_crf_loses_more():
    losses = [loss(FRAMES, Encoding(crf=crf)) for crf in (0, 18, 28, 35, 48)]
    assert losses == sorted(losses)
    assert losses[0] < losses[-1] / 2


def test_it_is_what_a_finished_video_goes_through(tmp_path):
    write_video(tmp_path / "a.mp4", FRAMES, frame_rate=RATE, crf=20)
    with FrameStore(tmp_path / "a.mp4") as store:
        written = np.stack(list(store.frames()))
    ours = recompressed(FRAMES, Encoding(crf=20))
    # another number of threads spends its bits a little differently
    assert np.abs(ours.astype(int) - written).mean() < 1.0
    assert np.abs(ours.astype(int).mean((0, 1, 2)) - written.mean((0, 1, 2))).max() < 0.5


def test_the_same_frames_give_the_same_frames():
    encoding = Encoding(scale=0.7, crf=25, preset="veryfast")
    once = recompressed(FRAMES, encoding)
    for _ in range(5):
        np.testing.assert_array_equal(recompressed(FRAMES, encoding), once)


@pytest.mark.parametrize("size", [(33, 41), (32, 41), (33, 40), (16, 16)])
@pytest.mark.parametrize("crf", [None, 30])
def test_odd_sizes_keep_their_size(size, crf):
    frames = walk(3, seed=2, size=size)
    assert recompressed(frames, Encoding(crf=crf)).shape == frames.shape


def test_half_the_size_averages_areas():
    half = recompressed(FRAMES, Encoding(scale=0.5))
    assert half.shape == (7, 32, 24, 3)
    np.testing.assert_array_equal(half[3], resize(FRAMES[3], (32, 24)))


def test_frames_keep_their_order():
    levels = np.linspace(0, 250, 9).astype(np.uint8)
    frames = np.broadcast_to(levels[:, None, None, None], (9, 32, 32, 3))
    got = recompressed(frames, Encoding(crf=18)).mean((1, 2, 3))
    np.testing.assert_allclose(got, levels, atol=4)


def test_a_single_frame_is_a_video_too():
    assert recompressed(FRAMES[:1], Encoding(crf=28)).shape == (1, *FRAMES.shape[1:])
