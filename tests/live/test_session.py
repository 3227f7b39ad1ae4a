import threading
import time

import numpy as np
import pytest

from motiontransfer.core.errors import VideoError
from motiontransfer.live.devices import Source, Window, recording
from motiontransfer.live.session import Captured, LatestValue, work_on
from motiontransfer.rendering.compositing import with_label
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.tensors import tensor_to_frames
from tests.live.parts import background_image, joints_of, session_of, source_of
from tests.people import SIZE, dance

HEIGHT, WIDTH = SIZE
(BACKGROUND,) = tensor_to_frames(background_image()[None])


class Screen(Window):
    """Stands for the window: remembers what is shown, and presses keys."""

    def __init__(self, *keys):
        self.images, self.keys = [], list(keys)

    def show(self, image):
        self.images.append(image)

    def key(self):
        if not self.images or not self.keys:
            return ""
        return self.keys.pop(0)


def num_frames(path):
    with FrameStore(path) as store:
        return len(store)


def test_all_that_is_captured_is_shown_or_counted_as_dropped(tmp_path):
    source, screen = source_of(dance(20)), Screen()
    session = session_of(source)
    with recording(source, tmp_path / "a.mp4", crf=0) as record:
        session.run(window=screen, outputs=[record])
    dropped = [it.dropped for it in (session.captured, session.detected, session.results)]
    assert len(screen.images) + sum(dropped) == 20
    assert num_frames(tmp_path / "a.mp4") in (19, 20)
    assert f"{len(screen.images)} frames shown in " in session.summary()
    assert f"{sum(dropped)} frames dropped: {dropped[0]} before detection" in session.summary()


def run_and_fail(source, session, path, error):
    with pytest.raises(error), recording(source, path, crf=0) as record:
        session.run(outputs=[record])
    return num_frames(path)


def test_the_recording_is_whole_after_the_source_failed_or_a_bug_in_a_thread(tmp_path, monkeypatch):
    source = source_of(dance(10), fails=VideoError("camera 0: unplugged"))
    path = tmp_path / "a.mp4"
    assert run_and_fail(source, session_of(source), path, VideoError) in (9, 10)
    source = source_of(dance(200))
    session, calls = session_of(source), iter(range(200))

    def generate(poses):
        if next(calls) == 3:
            raise ZeroDivisionError
        return lambda: BACKGROUND

    monkeypatch.setattr(session._target, "generate", generate)
    assert run_and_fail(source, session, path, ZeroDivisionError) >= 3
    assert session.seconds < 4


def test_nobody_is_the_background_on_screen_and_in_the_recording():
    source, screen, sent = source_of(dance(6, missing=range(6))), Screen(), []
    session_of(source).run(window=screen, outputs=[lambda frame, _: sent.append(frame)])
    assert len(sent) == len(screen.images) > 0
    np.testing.assert_array_equal(sent, [BACKGROUND] * len(sent))
    for image in screen.images:
        np.testing.assert_array_equal(image[-HEIGHT:-20, -WIDTH:], BACKGROUND[:-20])
        assert not image[-HEIGHT:-20, WIDTH + 4 : 2 * WIDTH + 4].any()  # no pose


def test_the_window_has_the_source_the_pose_and_the_result():
    keypoints = dance(30)
    frames = np.random.default_rng(0).integers(0, 255, (30, 96, 80, 3), np.uint8)
    people = joints_of(keypoints)

    def stream():
        for index, frame in enumerate(frames):
            yield index / 25, lambda frame=frame: frame

    shown = []

    def detect(pictures):
        shown.extend(pictures)
        return [people[len(shown) - 1][None]]

    source = Source(name="film", stream=stream, frame_rate=keypoints.frame_rate, size=(96, 80))
    session, screen = session_of(source, detect=detect), Screen("m")
    session.run(window=screen)
    left = [image[-HEIGHT:-20, :WIDTH] for image in screen.images]
    pictures = {picture[:-20].tobytes() for picture in shown}
    assert {panel.tobytes() for panel in left} <= pictures
    assert session.is_mirrored
    assert screen.images[0].shape[1] == 3 * WIDTH + 8
    assert screen.images[0][-HEIGHT:-20, WIDTH + 4 : 2 * WIDTH + 4].any()


def test_mirrored_frames_are_turned_before_anyone_is_looked_for():
    frame = np.zeros((*SIZE, 3), np.uint8)
    frame[:, : SIZE[1] // 2] = 200
    seen = []

    def detect(pictures):
        seen.append(pictures[0][0, 0, 0])
        return [joints_of(dance(1))]

    session = session_of(source_of(dance(1)), detect=detect)
    captured = Captured(load=lambda: frame, seconds=0.0, at=0.0)
    for session.is_mirrored in (False, True):
        session._detect(captured)
    assert seen == [200, 0]


def test_keys_quit_pause_restart_freeze_and_save():
    session, saved = session_of(source_of(dance(400))), []
    detected = [""] * 10  # frames until the statistics are new
    screen = Screen("f", "r", *detected, "f", "s", " ", " ", "q")
    session.run(window=screen, save=saved.append)
    assert session.seconds < 8
    assert session._motion.is_frozen
    assert not session.clock.is_paused
    assert session.clock.stopped.is_set()
    assert [frame.shape for frame in saved] == [(*SIZE, 3)]
    assert session._motion._samples.maxlen > len(session._motion._samples)


def test_the_label_is_on_screen_in_recordings_and_in_pictures(monkeypatch):
    monkeypatch.setattr("motiontransfer.live.session.write_text", lambda image, text: image)
    screen, saved = Screen("s"), []
    source = source_of(dance(3, missing=range(3)))
    session_of(source, with_label=with_label).run(window=screen, save=saved.append)
    np.testing.assert_array_equal(saved[0], with_label(BACKGROUND))
    np.testing.assert_array_equal(screen.images[0][-HEIGHT:, -WIDTH:], saved[0])


def test_quantiles_of_latencies_are_those_of_the_milliseconds():
    session = session_of(source_of(dance(3)))
    assert ", latency 0 ms, 95 % below 0 ms. " in session.summary()
    session.latencies_ms += [*range(1, 100), 25_000]
    assert ", latency 50 ms, 95 % below 95 ms. " in session.summary()


def test_the_latest_value_wins_and_the_others_are_counted():
    queue = LatestValue()
    for item in (1, 2, 3):
        queue.put(item)
    assert (queue.take(), queue.dropped) == (3, 2)
    assert queue.take(seconds=0.0) is None
    with queue:
        queue.put(4)  # before the end: it is still taken
    assert not queue.has_ended
    assert (list(queue), queue.dropped) == ([4], 2)
    assert queue.has_ended
    assert queue.take() is None


def test_a_worker_makes_nothing_new_before_what_it_made_is_taken():
    source, sink, made = LatestValue(), LatestValue(), []
    arguments = source, sink, lambda item: made.append(item) or 10 * item
    thread = threading.Thread(target=work_on, args=arguments)
    thread.start()
    source.put(1)
    while not made:
        time.sleep(0.01)
    source.put(2)
    time.sleep(0.1)
    assert made == [1]
    source.put(3)
    assert (sink.take(), source.dropped) == (10, 1)
    assert sink.take(seconds=5.0) == 30
    with source:
        pass
    thread.join(timeout=5)
    assert (made, sink.dropped, sink.has_ended) == ([1, 3], 0, True)
