"""Frames are read by several threads as by one."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from motiontransfer.errors import MissingFileError
from motiontransfer.training.data import FrameCache
from motiontransfer.video.frame_store import FrameStore
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


def test_each_thread_reads_in_a_file_of_its_own(clips, monkeypatch):
    """A store has one position in its file: two threads would move it under each other."""
    cache, decode = FrameCache(clips[1]), FrameStore.__getitem__
    both, users = threading.Barrier(2, timeout=10), []

    def watched(store, index):
        both.wait()
        users.append((threading.get_ident(), id(store)))
        return decode(store, index)

    monkeypatch.setattr(FrameStore, "__getitem__", watched)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(cache.__getitem__, [(0, 1), (0, 2)]))
    (first_thread, first_store), (second_thread, second_store) = users
    assert first_thread != second_thread
    assert first_store != second_store


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
