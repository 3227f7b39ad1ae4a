"""A camera on a stand is told from one that moves, whoever dances before it."""

from fractions import Fraction

import numpy as np
import pytest

from motiontransfer.pose.camera_motion import camera_speed, pairs_of_clip
from motiontransfer.video.frame_store import FrameStore, FrameWriter
from tests.pose.whole_person import person

SIZE = (256, 256)
HIPS = [(60.0 + 4 * frame, 128.0) for frame in range(30)]


def room():
    """A wall of coloured boxes, wider than the picture."""
    rng = np.random.default_rng(0)
    return np.kron(rng.integers(0, 256, (32, 64, 3)), np.ones((8, 8, 1))).astype(np.uint8)


def filmed(path, frames):
    with FrameWriter(path, size=SIZE, frame_rate=Fraction(25)) as writer:
        for frame in frames:
            writer.write(frame)
    return FrameStore(path)


def with_dancer(frame, hips):
    """A dark figure with a bright pattern that moves along."""
    shown, x = frame.copy(), int(hips[0])
    shown[50:206, max(0, x - 30) : x + 30] = 20
    shown[80:100:4, max(0, x - 20) : x + 20] = 250
    return shown


@pytest.mark.parametrize(("pixels_a_frame", "speed"), [(0, 0.0), (2, 2 * 25 / 256)])
def test_the_background_tells_how_fast_it_is(tmp_path, pixels_a_frame, speed):
    wall = room()
    frames = [
        with_dancer(wall[:, pixels_a_frame * index :][:, :256], hips)
        for index, hips in enumerate(HIPS)
    ]
    with filmed(tmp_path / "frames.mkv", frames) as store:
        assert camera_speed(pairs_of_clip(store, person(HIPS))) == pytest.approx(speed, abs=0.01)


def test_a_plain_wall_tells_nothing(tmp_path):
    plain = np.full((*SIZE, 3), 128, np.uint8)
    with filmed(tmp_path / "frames.mkv", [with_dancer(plain, hips) for hips in HIPS]) as store:
        assert camera_speed(pairs_of_clip(store, person(HIPS))) is None


def test_a_moment_tells_nothing(tmp_path):
    with filmed(tmp_path / "frames.mkv", [room()[:, :256]] * 3) as store:
        assert camera_speed(pairs_of_clip(store, person(HIPS[:3]))) is None
