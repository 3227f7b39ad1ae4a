import ctypes
import faulthandler
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from motiontransfer.core.errors import VideoError
from motiontransfer.video import isolation
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.isolation import iterate_isolated, restart_time_limit, run_isolated
from motiontransfer.video.reader import DamagedVideoError, read_frames, read_metadata
from tests.video.conftest import grey_frame, write_test_video

FILE = Path("v.mp4")


def pid_of(path, *, size):
    return os.getpid(), path, np.zeros(size)


def crash(path):
    faulthandler.disable()
    ctypes.string_at(0)


def allocate(path):
    return np.ones(2 * isolation.MEMORY_BYTES, np.uint8).sum()


def wait(path, seconds, rounds):
    for _ in range(rounds):
        time.sleep(seconds)
        restart_time_limit()
    return "done"


def read_slowly(path, frames_of):
    for _ in frames_of(path):
        time.sleep(0.3)
    return "done"


def frames_of_video(path):
    return read_frames(read_metadata(path))


def frames_of_store(path):
    with FrameStore(path) as store:
        yield from store.frames()


def fail(path):
    raise DamagedVideoError(f"{path}: frame 3: torn; repair the file, or set")


def be_killed(path):
    os.kill(os.getpid(), signal.SIGKILL)


def test_of_several_threads_one_forks_at_a_time(monkeypatch):
    fork, forking, most = os.fork, [], []

    def slow_fork():
        forking.append(1)
        most.append(len(forking))
        time.sleep(0.1)
        pid = fork()
        forking.pop()
        return pid

    monkeypatch.setattr(os, "fork", slow_fork)
    with ThreadPoolExecutor(3) as threads:
        pids = [pid for pid, *_ in threads.map(partial(run_isolated, pid_of, size=1), [FILE] * 3)]
    assert len(set(pids)) == 3
    assert set(most) == {1}


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (crash, r"^v\.mp4: decoding it crashed \(SIGSEGV\); the file is damaged or hostile"),
        (be_killed, r"^v\.mp4: decoding it was killed, perhaps for lack of memory"),
        (fail, r"^v\.mp4: frame 3: torn; repair the file, or set"),
    ],
)
def test_an_end_that_is_no_result_is_one_line(function, text):
    with pytest.raises(VideoError, match=text) as info:
        run_isolated(function, FILE)
    assert "\n" not in str(info.value)


def count(path, number):
    for index in range(number):
        yield os.getpid(), np.full(10**6, index, np.uint8)


def one_and_then(path, end):
    yield 0
    end(path)


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_a_result_or_items_one_by_one_come_from_one_other_process(start, monkeypatch):
    monkeypatch.setenv("MOTIONTRANSFER_START", start)
    pid, path, zeros = run_isolated(pid_of, FILE, size=10**6)
    assert pid != os.getpid()
    assert (path, len(zeros)) == (FILE, 10**6)
    pids, arrays = zip(*iterate_isolated(count, FILE, 3), strict=True)
    assert os.getpid() not in pids
    assert len(set(pids)) == 1
    assert [set(array) for array in arrays] == [{0}, {1}, {2}]
    assert list(iterate_isolated(count, FILE, 0)) == []


@pytest.mark.parametrize(("end", "text"), [(crash, "crashed"), (fail, "frame 3: torn")])
def test_items_come_until_the_end(end, text):
    items = iterate_isolated(one_and_then, FILE, end)
    assert next(items) == 0
    with pytest.raises(VideoError, match=text):
        next(items)


def test_who_wants_no_more_items_ends_the_process():
    items = iterate_isolated(count, FILE, 1000)
    pid, _ = next(items)
    items.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_slow_reader_is_no_lack_of_progress(monkeypatch):
    monkeypatch.setattr(isolation, "SECONDS_PER_FRAME", 1)
    items = iterate_isolated(count, FILE, 3)
    next(items)
    time.sleep(1.5)
    assert len(list(items)) == 2


def test_memory_is_limited(monkeypatch):
    monkeypatch.setattr(isolation, "MEMORY_BYTES", 2 * 2**30)
    with pytest.raises(MemoryError):
        run_isolated(allocate, FILE)


def test_time_is_limited_from_frame_to_frame(monkeypatch):
    monkeypatch.setattr(isolation, "SECONDS_PER_FRAME", 1)
    assert run_isolated(wait, FILE, 0.3, 5) == "done"
    with pytest.raises(VideoError, match=r"^v\.mp4: decoding it showed no progress for 1 s"):
        run_isolated(wait, FILE, 30, 1)


@pytest.mark.parametrize("frames_of", [frames_of_video, frames_of_store])
def test_each_frame_has_its_own_time(frames_of, monkeypatch, tmp_path):
    monkeypatch.setattr(isolation, "SECONDS_PER_FRAME", 1)
    video = write_test_video(tmp_path / "v.mkv", [grey_frame(index) for index in range(6)])
    assert run_isolated(read_slowly, video, frames_of) == "done"
