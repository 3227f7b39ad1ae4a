from fractions import Fraction

import av
import numpy as np
import pytest

from motiontransfer.core.errors import MissingFileError, VideoError
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.writer import Sound, store_sound, write_video
from tests.video.conftest import click_starts, packets_of, write_test_sound

COLOURS = [(200, 30, 60), (10, 220, 90), (20, 40, 230), (255, 255, 255)]


def flat(colour, size=(32, 48)):
    return np.full((*size, 3), colour, dtype=np.uint8)


def write(folder, frames, *, sound=None, **options):
    path = folder / "video.mp4"
    sound = sound and Sound(sound)
    write_video(path, frames, **{"frame_rate": Fraction(25), "sound": sound, **options})
    return path


def moving(num_frames, size=(32, 48)):
    for index in range(num_frames):
        frame = flat((200, 30, 60), size)
        frame[:, : index * size[1] // num_frames] = (10, 220, 90)
        yield frame


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001), Fraction(5)])
def test_frame_count_rate_and_order_are_kept(tmp_path, rate):
    path = write(tmp_path, moving(31), frame_rate=rate, crf=10)
    with FrameStore(path) as store:
        assert (len(store), store.frame_rate, store.size) == (31, rate, (32, 48))
        read = list(store.frames())
        for index in np.random.default_rng(0).permutation(31):
            np.testing.assert_array_equal(store[int(index)], read[index])
    for frame, expected in zip(read, moving(31), strict=True):
        assert np.abs(frame.astype(int) - expected).mean() < 5
    content = path.read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")  # the index first, for the web
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        assert (video.frames, video.start_time, video.average_rate) == (31, 0, rate)


@pytest.mark.parametrize("colour", COLOURS)
def test_colours_survive_and_are_tagged_bt709(tmp_path, colour):
    path = write(tmp_path, [flat(colour)] * 2, crf=1)
    with FrameStore(path) as store:
        assert np.abs(store[1].astype(int) - colour).max() <= 3
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert context.format.name == "yuv420p"
        tags = (context.color_primaries, context.color_trc, context.colorspace, context.color_range)
        assert tags == (1, 1, 1, 1)


def test_odd_sizes_grow_by_a_copy_of_the_edge(tmp_path):
    frame = np.zeros((33, 47, 3), dtype=np.uint8)
    frame[:, -1] = 255
    with FrameStore(write(tmp_path, [frame] * 3, crf=1)) as store:
        read = store[2]
    assert read.shape == (34, 48, 3)
    np.testing.assert_allclose(read[:33, :47], frame, atol=8)
    np.testing.assert_allclose(read[:, 46:], 255, atol=8)


def test_same_frames_give_the_same_bytes(tmp_path):
    sound = write_test_sound(tmp_path / "sound.m4a")
    # x264 has settings with which one run in twenty differs
    written = [write(tmp_path, moving(30, (40, 72)), sound=sound).read_bytes() for _ in range(3)]
    assert len(set(written)) == 1


@pytest.mark.parametrize(
    ("name", "codec"), [("sound.m4a", "aac"), ("sound.mka", "aac"), ("sound.mkv", "libmp3lame")]
)
def test_sound_stays_in_sync_and_is_copied(tmp_path, name, codec):
    sound = write_test_sound(tmp_path / name, codec=codec, seconds=1.2)
    path = write(tmp_path, moving(50), sound=sound, crf=30)
    # Formats without edit lists keep the codec's run-up, so the input itself says where clicks are.
    np.testing.assert_allclose(click_starts(path), click_starts(sound), atol=0.003)
    assert packets_of(path) == packets_of(sound)
    with av.open(str(path)) as container:  # without gaps, though Matroska rounds times
        starts = [packet.pts for packet in container.demux(audio=0) if packet.size]
    assert set(np.diff(starts)) == {1024 if codec == "aac" else 1152}


@pytest.mark.parametrize("name", ["sound.m4a", "sound.wav"])
@pytest.mark.parametrize("offset", [0.25, -0.3])
def test_offset_moves_the_sound(tmp_path, name, offset):
    codec = "aac" if name.endswith("m4a") else "pcm_s16le"
    source = write_test_sound(tmp_path / name, codec=codec, seconds=1.2)
    sound = store_sound(source, tmp_path / "stored.mka", origin_seconds=-offset)
    path = tmp_path / "video.mp4"
    write_video(path, moving(50), frame_rate=Fraction(25), sound=sound, crf=30)
    expected = np.array([0.0, 0.5, 1.0]) + offset
    np.testing.assert_allclose(click_starts(path), expected[expected >= 0], atol=0.003)


@pytest.mark.parametrize("codec", ["aac", "libmp3lame"])
def test_sound_ends_with_the_video(tmp_path, codec):
    sound = write_test_sound(tmp_path / "sound.mka", codec=codec, seconds=3.0)
    with av.open(str(write(tmp_path, moving(25), sound=sound, crf=30))) as container:
        assert container.duration / av.time_base == pytest.approx(1.0, abs=0.03)
        assert container.streams.video[0].frames == 25


def test_faults_are_reported_in_one_line(tmp_path):
    one, two = flat((1, 2, 3)), flat((1, 2, 3), (48, 32))
    silent = write(tmp_path, [one]).rename(tmp_path / "silent.mp4")
    other = write_test_sound(tmp_path / "sound.flac", codec="flac")
    for frames, sound, error, message in (
        ([one, two], None, VideoError, r"frame 1: expected \(32, 48, 3\).*got \(48, 32, 3\)"),
        ([], None, VideoError, "no frames to write"),
        ([one], tmp_path / "no.m4a", MissingFileError, r"no\.m4a: no such file"),
        ([one], silent, VideoError, r"silent\.mp4: holds no sound"),
        ([one], other, VideoError, r"sound\.flac: .*, got flac"),
    ):
        with pytest.raises(error, match=message):
            write(tmp_path, frames, sound=sound)
    assert not (tmp_path / "video.mp4").exists()


def decoded(path, codec=None):
    with av.open(str(path)) as container:
        if codec is None:
            return [frame.to_ndarray(format="rgba") for frame in container.decode(video=0)]
        context = av.CodecContext.create(codec, "r")
        packets = [*container.demux(video=0)]
        frames = (frame for packet in packets for frame in context.decode(packet))
        return [frame.to_ndarray(format="rgba") for frame in frames]


@pytest.mark.parametrize(
    ("name", "decoder", "apart"), [("a.mov", None, 1), ("a.webm", "libvpx-vp9", 3)]
)
def test_alpha_is_read_back_with_the_colors_under_it(tmp_path, name, decoder, apart):
    ramp = np.linspace(0, 255, 96).round().astype(np.uint8)
    alpha = np.broadcast_to(ramp, (64, 96))[..., None]
    shown = [np.concatenate([flat(color, (64, 96)), alpha], axis=2) for color in COLOURS]
    write_video(tmp_path / name, shown, frame_rate=Fraction(25))
    read = decoded(tmp_path / name, decoder)
    assert len(read) == len(shown)
    for frame, expected in zip(read, shown, strict=True):
        apart_by_pixel = np.abs(frame.astype(int) - expected)
        assert apart_by_pixel[..., 3].max() <= apart
        assert apart_by_pixel[..., :3].mean() < 8
