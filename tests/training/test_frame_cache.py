"""Frames are read by several threads as by one."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from motiontransfer.errors import MissingFileError
from motiontransfer.media.frame_store import FrameStore
from motiontransfer.training.frame_cache import FrameCache
from tests.dancer import dance, film, picture


@pytest.fixture
def clips(tmp_path):
    keypoints = [dance(9), dance(5, seed=3)]
    return keypoints, [film(tmp_path / f"{i}.mkv", clip) for i, clip in enumerate(keypoints)]


def test_many_threads_get_the_frames_they_ask_for(clips):
    keypoints, paths = clips
    cache = FrameCache(paths)
    places = [(c, t) for c, clip in enumerate(keypoints) for t in range(clip.num_frames)] * 3
    asked = [places[i] for i in np.random.default_rng(0).permutation(len(places))]
    with ThreadPoolExecutor(4) as threads:
        frames = list(threads.map(cache.__getitem__, asked))
    for (clip, index), frame in zip(asked, frames, strict=True):
        assert np.array_equal(frame, picture(keypoints[clip], index))


def test_a_frame_is_decoded_once(clips, monkeypatch):
    cache, decoded, decode = FrameCache(clips[1]), [], FrameStore.__getitem__

    def counted(store, index):
        decoded.append(index)
        return decode(store, index)

    monkeypatch.setattr(FrameStore, "__getitem__", counted)
    for _ in range(3):
        assert cache[0, 4] is not None
        assert cache[1, 4] is not None
    assert decoded == [4, 4]


def test_a_missing_store_is_told_at_once(tmp_path, clips):
    with pytest.raises(MissingFileError, match=r"absent\.mkv"):
        FrameCache([*clips[1], tmp_path / "absent.mkv"])
