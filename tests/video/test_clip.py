from fractions import Fraction

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import motiontransfer.video.clip as clip_module
from motiontransfer.core.errors import MissingFileError, VideoError
from motiontransfer.core.storage import read_checked_json, write_checked_json
from motiontransfer.rendering.videos import result_writer
from motiontransfer.video.film import Film
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.geometry import fit_framing
from motiontransfer.video.reader import DamagedVideoError
from tests.films import clip_in
from tests.video.conftest import click_starts, decode, greys, index_of, noise, write_test_video


def make_clip(folder, *, with_sound=True):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "frames.mkv").write_bytes(b"frames")
    if with_sound:
        (folder / "sound.mka").write_bytes(b"sound")
    framing = fit_framing((100, 200), (10, 0, 190, 100), size=(64, 48))
    heard = {"sound": with_sound, "offset": 0.043991 * with_sound}
    clip = clip_in(folder, framing, 17, rate=Fraction(30000, 1001), **heard)
    clip_module.write_description(folder, clip, source={"codec": "h264"})
    return clip


@pytest.mark.parametrize("name", ["clip.json", "frames.mkv", "sound.mka"])
def test_a_clip_comes_back_as_it_was_and_a_missing_file_is_named_with_the_remedy(tmp_path, name):
    for with_sound in (False, True):
        clip = make_clip(tmp_path, with_sound=with_sound)
        assert clip_module.read_clip(tmp_path) == clip
    (tmp_path / name).unlink()
    with pytest.raises(MissingFileError, match=rf"{name}: missing; run the stage decode"):
        clip_module.read_clip(tmp_path)
    with pytest.raises(MissingFileError, match="nowhere: missing; run the stage decode"):
        clip_module.read_clip(tmp_path / "nowhere")


@pytest.mark.parametrize("content", [{"format": "other"}, {"version": 2}])
def test_the_description_of_another_format_is_refused(tmp_path, content):
    make_clip(tmp_path)
    file = tmp_path / "clip.json"
    write_checked_json(file, read_checked_json(file) | content)
    (value,) = content.values()
    with pytest.raises(VideoError, match=rf"clip\.json: .*got .*{value}"):
        clip_module.read_clip(tmp_path)


SIZE = (32, 48)


def frames_of(folder):
    with FrameStore(clip_module.read_clip(folder).frames) as store:
        return list(store.frames())


def shown_in(folder):
    return [index_of(frame) for frame in frames_of(folder)]


def test_a_constant_video_comes_through_frame_by_frame(tmp_path):
    path = write_test_video(tmp_path / "v.mp4", greys(9), sound_seconds=0.9)
    metrics = decode(path, tmp_path / "clip")
    clip = clip_module.read_clip(tmp_path / "clip")
    assert (clip.num_frames, clip.frame_rate, clip.size) == (9, Fraction(10), SIZE)
    assert shown_in(tmp_path / "clip") == list(range(9))
    expected = {
        **{"frames": 9, "seconds": 0.9, "frame_rate": 10.0, "source_frames": 9},
        **{"frames_duplicated": 0, "frames_dropped": 0, "frames_lost_to_damage": 0},
        "has_sound": True,
    }
    assert {name: metrics[name] for name in expected} == expected


def test_variable_rate_becomes_constant_by_time(tmp_path):
    # ticks at 0, 100 … 900 ms; 520 and 550 are within one tick, 100 stays for long
    pts = [0, 100, 430, 530, 560, 640, 700, 800, 900]
    path = write_test_video(tmp_path / "v.mkv", greys(9), pts_ms=pts)
    metrics = decode(path, tmp_path / "clip", frame_rate=Fraction(10))
    expected = [0, 1, 1, 1, 1, 2, 4, 6, 7, 8]
    assert shown_in(tmp_path / "clip") == expected
    assert (metrics["frames_duplicated"], metrics["frames_dropped"]) == (3, 2)
    table = pq.read_table(tmp_path / "clip" / "index.parquet").to_pydict()
    assert table["frame_index"] == list(range(10))
    np.testing.assert_allclose(table["pts_seconds"], np.arange(10) / 10)
    np.testing.assert_allclose(
        table["source_pts_seconds"], [0, 0.1, 0.1, 0.1, 0.1, 0.43, 0.56, 0.7, 0.8, 0.9]
    )
    assert table["source_frame_index"] == expected


def test_a_part_of_a_film_has_its_frames_and_its_sound(tmp_path):
    """A click begins at each half second; the part begins a tenth before one."""
    path = write_test_video(tmp_path / "v.mp4", greys(9) * 2, sound_seconds=1.8)
    metrics = decode(path, tmp_path / "clip", trim=(0.4, 1.2))
    assert shown_in(tmp_path / "clip") == [4, 5, 6, 7, 8, 0, 1, 2]
    assert (metrics["source_frames"], metrics["frames_dropped"]) == (8, 0)
    clip = clip_module.read_clip(tmp_path / "clip")
    assert clip.trim == (0.4, 1.2)
    table = pq.read_table(tmp_path / "clip" / "index.parquet").to_pydict()
    assert table["source_frame_index"] == list(range(4, 12))
    frames = clip_module.film_frames(path, clip, SIZE, 0)
    assert [index_of(frame) for frame in frames] == [4, 5, 6, 7, 8, 0, 1, 2]
    with result_writer(tmp_path / "result.mp4", clip, crf=18) as write:
        for frame in frames_of(tmp_path / "clip"):
            write(frame)
    np.testing.assert_allclose(click_starts(tmp_path / "result.mp4"), [0.1, 0.6], atol=0.03)
    with pytest.raises(VideoError, match=r"trim: expected a part of 1\.7 s, got \(2\.0, 3\.0\)"):
        decode(path, tmp_path / "beyond", trim=(2.0, 3.0))
    assert not (tmp_path / "beyond").exists()


def test_crop_follows_the_people_that_a_function_finds(tmp_path):
    path = write_test_video(tmp_path / "v.mp4", greys(9))
    seen = []

    def find(frames):
        seen.extend(map(index_of, frames))
        assert next(frames, None) is None  # none waits in memory
        return [[(0, 8, 4, 9), (10, 8, 20, 20)] if index > 3 else [] for index in seen]

    decode(path, tmp_path / "clip", size=(16, 16), crop=find)
    assert seen == list(range(9))
    x0, y0, x1, y1 = clip_module.read_clip(tmp_path / "clip").framing.crop
    assert (x1 - x0) == (y1 - y0)
    assert x0 <= 10 < 20 <= x1 <= 25
    assert y0 <= 8 < 20 <= y1 <= 25
    decode(path, tmp_path / "of nobody", crop=lambda frames: [[] for _ in frames])
    assert clip_module.read_clip(tmp_path / "of nobody").framing.crop == (0, 0, 48, 32)


@pytest.mark.parametrize(("seconds", "crop"), [(0.3, (28, 6, 40, 18)), (0.5, (0, 0, 8, 8))])
def test_crop_follows_who_is_at_a_place_at_a_time_of_the_film(tmp_path, seconds, crop):
    """Of the part from .2 s, ten frames a second, the second and the fourth show somebody."""
    path = write_test_video(tmp_path / "v.mp4", greys(9))
    people = [[], [(30, 8, 36, 16)], [], [(2, 2, 6, 6)], [], [], []]

    def find(frames):
        return people[: len(list(frames))]

    how = {"person": (0.5, 0.5, seconds), "trim": (0.2, 9.0)}
    decode(path, tmp_path / "clip", size=(16, 16), crop=find, **how)
    assert clip_module.read_clip(tmp_path / "clip").framing.crop == crop


@pytest.mark.parametrize("degrees", [90, 180, 270])
@pytest.mark.parametrize("size", [(64, 64), (24, 24)])  # without a copy of the film, and with one
def test_a_film_on_its_side_is_turned_clockwise_wherever_it_is_read(tmp_path, degrees, size):
    shown = noise(3)
    stored = [np.rot90(frame, degrees // 90) for frame in shown]  # counterclockwise
    path = write_test_video(tmp_path / "v.mkv", stored, codec="ffv1", pix_fmt="bgr0")
    for name, film, turn in (("a", path, degrees), ("b", tmp_path / "upright.mkv", 0)):
        if not turn:
            write_test_video(film, shown, codec="ffv1", pix_fmt="bgr0")
        decode(film, tmp_path / name, size=size, rotate=turn)
    assert clip_module.read_clip(tmp_path / "a").rotate == degrees
    np.testing.assert_array_equal(frames_of(tmp_path / "a"), frames_of(tmp_path / "b"))
    full = ([*Film(tmp_path / name).read([0, 2])] for name in "ab")
    np.testing.assert_array_equal(*full)
    clip = clip_module.read_clip(tmp_path / "a")
    whole = clip_module.film_frames(path, clip, clip.framing.source_size, degrees)
    np.testing.assert_array_equal([*whole], shown)


def test_damage_fails_and_leaves_nothing_or_is_cut_off_and_counted(tmp_path):
    whole = noise(12)
    path = write_test_video(tmp_path / "damaged.mkv", whole, codec="ffv1", pix_fmt="bgr0")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DamagedVideoError, match=r"damaged\.mkv: frame \d: the file ends"):
        decode(path, tmp_path / "out" / "clip", size=(64, 64))
    assert list((tmp_path / "out").iterdir()) == []
    metrics = decode(path, tmp_path / "clip", size=(64, 64), on_damage="truncate")
    frames = frames_of(tmp_path / "clip")
    assert 3 <= len(frames) <= 6
    np.testing.assert_array_equal(frames, whole[: len(frames)])
    assert metrics["frames"] == len(frames)
    assert metrics["frames_lost_to_damage"] == 12 - len(frames)


def test_same_video_gives_the_same_bytes(tmp_path):
    path = write_test_video(tmp_path / "v.mp4", greys(5), sound_seconds=0.5)
    written = []
    for name in ("a", "b"):
        decode(path, tmp_path / name)
        files = sorted((tmp_path / name).iterdir())
        written.append({file.name: file.read_bytes() for file in files})
    assert sorted(written[0]) == ["clip.json", "frames.mkv", "index.parquet", "sound.mka"]
    assert written[0] == written[1]


def test_detectors_are_given_twice_the_pixels(tmp_path):
    frames = [np.kron(frame, np.ones((4, 4, 1), np.uint8)) for frame in greys(9)]
    decode(write_test_video(tmp_path / "v.mkv", frames), tmp_path / "clip", size=32)
    path = clip_module.detection_frames(tmp_path / "clip")
    assert path.name == "detection.mkv"
    with FrameStore(path) as store:
        assert (store.size, store.frame_rate, len(store)) == ((64, 96), 10, 9)
        assert [index_of(frame) for frame in store.frames()] == list(range(9))
    decode(write_test_video(tmp_path / "w.mkv", greys(2)), tmp_path / "small", size=32)
    assert clip_module.detection_frames(tmp_path / "small") == tmp_path / "small/frames.mkv"


def decoded(path, folder, **options):
    """The clip."""
    decode(path, folder, size=64, **options)
    return clip_module.read_clip(folder)


def test_a_pictures_mask_is_kept_at_each_size_and_its_colors_lie_on_gray(tmp_path):
    levels = np.full((300, 200, 4), 200, np.uint8)
    levels[:, :100, 3] = 0
    Image.fromarray(levels).save(tmp_path / "me.png")
    clip = decoded(tmp_path / "me.png", tmp_path / "clip")
    assert (clip.num_frames, clip.size) == (1, (64, 42))
    for name in ("frames.mkv", "full_size.mkv"):
        with FrameStore(tmp_path / "clip" / name) as store:
            assert store.has_masks
            (frame,) = store.masked_frames()
            assert frame[5, 2].tolist() == [128, 128, 128, 0]
            assert frame[5, -2].tolist() == [184, 184, 184, 200]  # 200 over 128
            assert store[0].shape == (*store.size, 3)
    with FrameStore(tmp_path / "clip/detection.mkv") as store:
        assert store.size == (128, 84)


def test_a_large_picture_is_made_smaller_and_a_film_of_its_size_is_not(tmp_path):
    pixels = np.zeros((1200, 800, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "me.jpg")
    decoded(tmp_path / "me.jpg", tmp_path / "photo")
    with FrameStore(tmp_path / "photo/full_size.mkv") as store:
        assert store.size == (1024, 672)  # the aspect of the working image, 64x42
    write_test_video(tmp_path / "me.mp4", [pixels] * 2)
    assert decoded(tmp_path / "me.mp4", tmp_path / "film").full_framing.size == (1200, 800)


def test_around_a_photo_there_is_room_to_dance(tmp_path):
    Image.new("RGB", (800, 800)).save(tmp_path / "me.jpg")
    write_test_video(tmp_path / "me.mp4", [np.zeros((800, 800, 3), np.uint8)] * 2)

    def found(frames):
        return [[(350, 300, 450, 500)] for _ in frames]

    crops = [
        decoded(tmp_path / name, tmp_path / f"clip of {name}", crop=found).framing.crop
        for name in ("me.jpg", "me.mp4")
    ]
    assert crops == [(260, 260, 540, 540), (290, 290, 510, 510)]
