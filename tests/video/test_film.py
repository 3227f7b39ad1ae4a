"""A clip's frames with the input's pixels, by index."""

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from motiontransfer.video import clip as clip_module
from motiontransfer.video import reader
from motiontransfer.video.film import Film
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.geometry import resize
from motiontransfer.video.reader import read_frames, read_metadata, upright
from tests.video.conftest import decode, grey_frame, greys, index_of, write_test_video

SIZE = (32, 48)


def film_of(path, folder, *, size=16, **options):
    decode(path, folder, size=size, **options)
    return Film(folder)


def levels(film, indices):
    return [index_of(frame) for frame in film.read(indices)]


@pytest.mark.parametrize("name", ["v.mkv", "v.mp4", "v.avi"])
def test_any_frames_are_read_at_the_inputs_own_size(tmp_path, name):
    """Beside key frames, between them, neighbors, the first and the last of 66."""
    frames = [grey_frame(index % 10, SIZE) for index in range(66)]
    film = film_of(
        write_test_video(tmp_path / name, frames, options={"g": "50"}), tmp_path / "clip"
    )
    assert film.size == SIZE
    wanted = [0, 7, 8, 11, 12, 13, 40, 49, 50, 51, 65]
    with FrameStore(tmp_path / "clip/frames.mkv") as store:
        assert levels(film, wanted) == [index_of(store[index]) for index in wanted]
        assert name == "v.avi" or index_of(store[25]) == 5  # an AVI has no times
        assert levels(film, [25]) == [index_of(store[25])]
    assert levels(film, []) == []


def test_frames_before_that_no_other_needs_are_not_decoded(tmp_path, monkeypatch):
    decoded = []
    whole = reader.seconds_of
    frames = [grey_frame(index % 10, SIZE) for index in range(40)]
    one_key = {"g": "100", "x264-params": "scenecut=0:bframes=3:b-adapt=0"}
    film = film_of(write_test_video(tmp_path / "v.mp4", frames, options=one_key), tmp_path / "clip")

    def counted(item):
        decoded.extend([item] if isinstance(item, av.VideoFrame) else [])
        return whole(item)

    monkeypatch.setattr(reader, "seconds_of", counted)
    assert levels(film, [13, 38]) == [3, 8]
    assert len(decoded) < 30


@pytest.mark.parametrize(("rate", "shown"), [(20, [0, 1, 1, 2]), (5, [2, 4, 6, 8])])
def test_frames_are_those_of_the_clips_clock(tmp_path, rate, shown):
    """At twice the rate each is shown twice, at half of it every second one."""
    path = write_test_video(tmp_path / "v.mp4", greys(9, SIZE))
    film = film_of(path, tmp_path / "clip", frame_rate=Fraction(rate))
    assert levels(film, [1, 2, 3, 4]) == shown


def natural(num_frames, size):
    rng = np.random.default_rng(0)
    return [
        cv2.resize(rng.integers(60, 190, (9, 7, 3), dtype=np.uint8), size[::-1])
        for _ in range(num_frames)
    ]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"matrix": (0, -(1 << 16), 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)},  # turned and mirrored
        {"tags": {"colorspace": 1, "color_range": 2}},
        {"pix_fmt": "yuv420p10le"},
    ],
)
def test_frames_are_the_exact_conversion_and_the_working_images_nearly(tmp_path, options):
    path = write_test_video(tmp_path / "v.mp4", natural(3, (192, 256)), **options)
    video = read_metadata(path)
    exact = [upright(timed.item, video)[8:168, 16:144] for timed in read_frames(video)]
    film = film_of(path, tmp_path / "clip", size=40, crop=(16, 8, 144, 168))
    np.testing.assert_array_equal([*film.read([0, 1, 2])], exact)
    clip = clip_module.read_clip(tmp_path / "clip")
    with FrameStore(clip.frames) as store:
        for frame, whole in zip(store.frames(), exact, strict=True):
            apart = np.abs(frame.astype(int) - resize(np.ascontiguousarray(whole), clip.size))
            assert apart.mean() < 0.5
            assert apart[1:-1, 1:-1].max() <= 3


def test_what_is_not_reduced_is_kept_once_and_films_of_8k_are_read_in_4k(tmp_path, monkeypatch):
    """In miniature: at most so many pixels a side."""
    film = film_of(write_test_video(tmp_path / "w.mkv", greys(9)), tmp_path / "whole", size=32)
    assert not (tmp_path / "whole/film").exists()
    assert film.size == SIZE
    assert levels(film, [2, 8]) == [2, 8]
    monkeypatch.setattr(clip_module, "_LARGEST_SIDE_PX", 24)
    film = film_of(write_test_video(tmp_path / "v.mkv", greys(2)), tmp_path / "clip", size=8)
    assert film.size == (16, 24)
    assert next(film.read([1])).shape == (16, 24, 3)
