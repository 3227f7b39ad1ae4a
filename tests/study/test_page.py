"""Clips show the same moments of both videos; the page is complete and reveals no side."""

import base64
import io
import json
import re
from html import unescape

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motiontransfer.errors import MissingFileError, StudyError
from motiontransfer.study.study import (
    Comparison,
    clip_starts,
    cut,
    duration_seconds,
    key_file_of,
    pixelate,
    read_key,
    write_study,
)
from motiontransfer.video.frame_store import FrameStore
from tests.study.videos import BLUE, RED, study, video


def frames_of(clip):
    with av.open(io.BytesIO(clip)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
        return [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]


@given(duration=st.floats(0.5, 600), share=st.floats(0.01, 1.0), num_clips=st.integers(1, 12))
def test_clips_are_evenly_spaced_within_the_video(duration, share, num_clips):
    starts = clip_starts(duration, seconds=share * duration, num_clips=num_clips)
    assert len(starts) == num_clips
    assert np.allclose(np.diff(starts, 2), 0, atol=1e-9 * duration)  # evenly spaced
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


def test_an_attention_check_is_pixelated_but_of_the_same_length_and_size(tmp_path):
    path = video(tmp_path / "v.mp4", RED, size=(96, 96))
    intact = frames_of(cut(path, start=0.0, seconds=0.5))
    coarse = frames_of(cut(path, start=0.0, seconds=0.5, change=pixelate))
    assert np.shape(intact) == np.shape(coarse)
    noise = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    squares = pixelate(noise)
    assert squares.shape == noise.shape
    side = 70 // 12
    for top in range(0, 50, side):
        for left in range(0, 70, side):
            block = squares[top : top + side, left : left + side]
            assert (block == block[0, 0]).all()
    assert (squares[2, 2] == noise[2, 2]).all()
    assert len(np.unique(squares.reshape(-1, 3), axis=0)) > 50


def content_of(page):
    """The page's data, as the browser reads it."""
    text = page.read_text()
    found = re.search(r'<script type="application/json" id="content">(.*?)</script>', text)
    return json.loads(found[1])


def test_there_is_a_pair_for_each_moment_and_each_check(tmp_path):
    key = study(tmp_path, clips_each=3, num_checks=2)
    assert key == read_key(tmp_path / "study.key.json")
    kinds = [pair.comparison for pair in key.pairs.values()]
    assert (kinds.count(0), kinds.count(None)) == (3, 2)
    compared = sorted(pair.start_seconds for pair in key.pairs.values() if pair.comparison == 0)
    assert compared == pytest.approx([0.0, 0.25, 0.5])
    content = content_of(tmp_path / "study.html")
    assert content["pairs"].keys() == key.pairs.keys()
    for number, clips in content["pairs"].items():
        assert set(clips) == {key.pairs[number].a, key.pairs[number].b}
    assert len(content["clips"]) == 2 * len(key.pairs)
    for clip in content["clips"].values():
        assert len(frames_of(base64.b64decode(clip))) == 10


def test_nothing_on_the_page_reveals_the_sides(tmp_path):
    key = study(tmp_path, clips_each=30, num_checks=0)
    ours_first = sum(pair.a < pair.b for pair in key.pairs.values())
    assert 6 < ours_first < 24  # 30 throws of a coin
    text = (tmp_path / "study.html").read_text()
    for word in ("red.mp4", "blue.mp4", str(tmp_path), str(key.seed) + ",", "comparison"):
        assert word not in text
    content = content_of(tmp_path / "study.html")
    assert content.keys() == {"study", "format", "pairs", "clips"}
    assert all(re.fullmatch("[0-9a-f]{16}", number) for number in content["clips"])
    assert list(content["clips"]) == sorted(content["clips"])
    assert list(content["pairs"]) == sorted(content["pairs"])
    assert all(clips == sorted(clips) for clips in content["pairs"].values())


def test_the_page_loads_nothing_and_shows_the_question_as_text(tmp_path):
    study(tmp_path)
    text = (tmp_path / "study.html").read_text()
    assert "default-src 'none'" in unescape(text)
    assert "unsafe-inline" not in text
    assert "Which video is &lt;warmer&gt; &amp; redder?" in text
    outside = re.sub(r'"[A-Za-z0-9+/=]{200,}"', "", text)
    assert not re.search(r"https?:|//cdn|@import|url\(", outside)


def test_the_same_seed_gives_the_same_page_and_another_one_another(tmp_path):
    pages = []
    for name, seed in (("a.html", 5), ("b.html", 5), ("c.html", 6)):
        study(tmp_path, seed=seed, page=name)
        pages.append((tmp_path / name).read_bytes())
    assert pages[0] == pages[1]
    assert pages[0] != pages[2]
    numbers = [set(read_key(tmp_path / f"{name}.key.json").pairs) for name in "ac"]
    assert not numbers[0] & numbers[1]


def test_a_key_is_never_written_over(tmp_path):
    study(tmp_path)
    before = (tmp_path / "study.key.json").read_bytes()
    with pytest.raises(StudyError, match=r"study\.key\.json: exists, and answers .*another name"):
        study(tmp_path, seed=6)
    assert (tmp_path / "study.key.json").read_bytes() == before


def test_without_comparisons_or_with_a_missing_video_nothing_is_written(tmp_path):
    wishes = {"question": "?", "seconds": 1.0, "clips_each": 1, "num_checks": 1, "seed": 0}
    with pytest.raises(StudyError, match="at least one comparison"):
        write_study(tmp_path / "p.html", [], **wishes)
    with pytest.raises(FileNotFoundError, match=r"none\.mp4"):
        write_study(tmp_path / "p.html", [Comparison(a="none.mp4", b="none.mp4")], **wishes)
    assert not list(tmp_path.iterdir())
    assert key_file_of(tmp_path / "p.html") == tmp_path / "p.key.json"
