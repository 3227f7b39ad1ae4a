import threading
import time
from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest

from motiontransfer.core.errors import VideoError
from motiontransfer.live.devices import open_camera, open_poses, open_video
from motiontransfer.live.session import Clock, LatestValue, capture
from motiontransfer.pose.keypoints_file import write_keypoints
from motiontransfer.video.writer import write_video
from tests.live.parts import joints_of, source_of
from tests.people import SIZE, dance, picture
from tests.video.conftest import kill_decoder


class Taken(LatestValue):
    def __init__(self):
        super().__init__()
        self.items = []

    def put(self, item):
        self.items.append(item)


def test_frames_come_when_they_are_due():
    clock, sink = Clock(), Taken()
    capture(source_of(dance(5), rate=50), sink, clock)
    ended = time.monotonic()
    assert [item.seconds for item in sink.items] == [0, 0.02, 0.04, 0.06, 0.08]
    np.testing.assert_allclose(np.diff([item.at for item in sink.items]), 0.02)
    assert sink.items[-1].at <= ended
    assert sink.has_ended


def test_while_it_is_paused_nothing_comes_and_no_time_is_lost_and_it_can_be_stopped():
    clock, sink = Clock(), Taken()
    thread = threading.Thread(target=capture, args=(source_of(dance(4), rate=20), sink, clock))
    clock.toggle_pause()
    thread.start()
    time.sleep(0.15)
    assert not sink.items
    assert clock.is_paused
    clock.toggle_pause()
    thread.join(timeout=5)
    assert [item.seconds for item in sink.items] == [0, 0.05, 0.1, 0.15]
    np.testing.assert_allclose(np.diff([item.at for item in sink.items]), 0.05)
    thread = threading.Thread(target=capture, args=(source_of(dance(3), rate=0.01), sink, clock))
    thread.start()
    clock.stopped.set()
    thread.join(timeout=5)
    assert not thread.is_alive()


def test_a_video_is_its_frames_and_its_time(tmp_path):
    keypoints, path = dance(4), tmp_path / "a.mp4"
    frames = [picture(keypoints, index) for index in range(4)]
    write_video(path, frames, frame_rate=Fraction(25), crf=0)
    source = open_video(path)
    assert (source.frame_rate, source.sound, source.has_frames) == (25, None, True)
    assert source.size == SIZE
    assert source.files == {"video": path}
    times, loads = zip(*source.stream(), strict=True)
    np.testing.assert_allclose(times, [0, 0.04, 0.08, 0.12])
    for load, frame in zip(loads, frames, strict=True):
        assert np.abs(load().astype(int) - frame).mean() < 6  # colour at half resolution


def test_a_video_that_kills_its_decoder_is_one_line(tmp_path, monkeypatch):
    write_video(tmp_path / "a.mp4", [picture(dance(1), 0)] * 2, frame_rate=Fraction(25), crf=0)
    monkeypatch.setattr("motiontransfer.live.devices.upright", kill_decoder)
    source = open_video(tmp_path / "a.mp4")
    with pytest.raises(VideoError, match=r"a\.mp4: decoding it was killed"):
        list(source.stream())


def test_poses_are_people_by_frame_and_nobody_where_none_was_found(tmp_path):
    keypoints = replace(dance(3, missing=[1]), frame_rate=Fraction(10))
    write_keypoints(tmp_path / "a.parquet", keypoints)
    source = open_poses(tmp_path / "a.parquet")
    assert (source.size, source.has_frames) == (SIZE, False)
    times, loads = zip(*source.stream(), strict=True)
    assert times == (0.0, 0.1, 0.2)
    people = [load() for load in loads]
    assert [len(found) for found in people] == [1, 0, 1]
    np.testing.assert_array_equal(people[2][0], joints_of(keypoints)[2])


class Camera:
    """Stands for OpenCV's: two frames, then it is unplugged."""

    is_open, left, released = True, 2, False

    def __init__(self, index):
        Camera.opened = self

    def isOpened(self):  # noqa: N802 - OpenCV's name
        return self.is_open

    def set(self, *_):
        return True

    def get(self, what):
        return {cv2.CAP_PROP_FRAME_HEIGHT: 4.0, cv2.CAP_PROP_FRAME_WIDTH: 6.0}.get(what, 0.0)

    def read(self):
        self.left -= 1
        return (self.left >= 0), np.full((4, 6, 3), (200, 0, 10), np.uint8)

    def release(self):
        self.released = True


def test_a_camera_that_is_unplugged_says_so_in_one_line(monkeypatch):
    monkeypatch.setattr("cv2.VideoCapture", Camera)
    source, sink = open_camera(3), Taken()
    assert (source.frame_rate, source.files, source.size) == (30, {}, (4, 6))
    with pytest.raises(VideoError, match=r"^camera 3: sent no more frames after 2; .*$"):
        capture(source, sink, Clock())
    assert sink.items[0].load()[0, 0].tolist() == [10, 0, 200]  # RGB
    assert 0 <= sink.items[0].seconds < sink.items[1].seconds
    assert Camera.opened.released
    assert sink.is_closed


def test_a_camera_that_is_not_there_says_so_in_one_line(monkeypatch):
    monkeypatch.setattr("cv2.VideoCapture", type("Missing", (Camera,), {"is_open": False}))
    with pytest.raises(VideoError, match=r"^camera 9: cannot be opened; .*$"):
        open_camera(9)
    for number in (-1, 100):
        with pytest.raises(VideoError, match=r"^camera .*: expected a number from 0 to 99$"):
            open_camera(number)
