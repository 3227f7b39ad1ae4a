"""Clips show the same moments of both videos, and nothing that gives either away."""

import io

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motiontransfer.errors import MissingFileError, StudyError
from motiontransfer.study.page import clip_starts, cut, cut_spoilt, duration_seconds, in_blocks
from motiontransfer.video.frame_store import FrameStore
from tests.study.videos import BLUE, RED, video


def frames_of(clip):
    with av.open(io.BytesIO(clip)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
        return [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]


def test_clips_are_spread_evenly_from_the_first_to_the_last_that_fits():
    assert clip_starts(10.0, seconds=2.0, num_clips=3) == [0.0, 4.0, 8.0]
    assert clip_starts(10.0, seconds=2.0, num_clips=1) == [4.0]
    assert clip_starts(2.0, seconds=2.0, num_clips=2) == [0.0, 0.0]


@given(duration=st.floats(0.5, 600), share=st.floats(0.01, 1.0), num_clips=st.integers(1, 12))
def test_no_clip_begins_before_the_video_or_ends_after_it(duration, share, num_clips):
    starts = clip_starts(duration, seconds=share * duration, num_clips=num_clips)
    assert len(starts) == num_clips
    assert starts == sorted(starts)
    assert starts[0] >= 0
    assert starts[-1] + share * duration <= duration * (1 + 1e-9)


def test_clips_longer_than_the_video_are_refused():
    with pytest.raises(StudyError, match=r"no longer than the 1\.50 s of the video, got 4 s; ask"):
        clip_starts(1.5, seconds=4.0, num_clips=3)


def test_a_clip_holds_the_frames_of_its_moment(tmp_path):
    path = video(tmp_path / "v.mp4", RED)  # 20 frames, 20 a second
    shown = frames_of(cut(path, start=0.25, seconds=0.5))
    with FrameStore(path) as store:
        assert len(shown) == 10
        for index, frame in enumerate(shown):
            errors = [np.abs(frame - store[other]).mean() for other in range(20)]
            assert int(np.argmin(errors)) == 5 + index


def test_the_last_clip_ends_with_the_video(tmp_path):
    path = video(tmp_path / "v.mp4", RED, num_frames=9, rate=20)
    assert len(frames_of(cut(path, start=0.2, seconds=0.26))) == 5
    assert len(frames_of(cut(path, start=0.0, seconds=9.0))) == 9


def test_videos_of_other_rates_are_cut_at_the_same_seconds(tmp_path):
    slow = video(tmp_path / "slow.mp4", RED, num_frames=10, rate=10)
    fast = video(tmp_path / "fast.mp4", RED, num_frames=30, rate=30)
    assert duration_seconds(slow, fast) == 1.0
    for path, num_frames in ((slow, 5), (fast, 15)):
        assert len(frames_of(cut(path, start=0.5, seconds=0.5))) == num_frames


def test_videos_of_other_lengths_are_refused(tmp_path):
    long, short = video(tmp_path / "a.mp4", RED), video(tmp_path / "b.mp4", BLUE, num_frames=12)
    with pytest.raises(StudyError, match=r"b\.mp4: expected 1\.00 s as .*a\.mp4 has, got 0\.60 s"):
        duration_seconds(long, short)
    with pytest.raises(MissingFileError, match=r"c\.mp4"):
        duration_seconds(long, tmp_path / "c.mp4")


def test_an_attention_checks_clip_is_coarse_but_of_the_same_length(tmp_path):
    path = video(tmp_path / "v.mp4", RED, size=(96, 96))
    intact = frames_of(cut(path, start=0.0, seconds=0.5))
    spoilt = frames_of(cut_spoilt(path, start=0.0, seconds=0.5))
    assert len(intact) == len(spoilt)
    assert intact[0].shape == spoilt[0].shape


def test_blocks_have_one_colour_each():
    noise = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    coarse = in_blocks(noise)
    assert coarse.shape == noise.shape
    side = 70 // 12
    for top in range(0, 50, side):
        for left in range(0, 70, side):
            block = coarse[top : top + side, left : left + side]
            assert (block == block[0, 0]).all()
    assert (coarse[2, 2] == noise[2, 2]).all()
    assert len(np.unique(coarse.reshape(-1, 3), axis=0)) > 50
