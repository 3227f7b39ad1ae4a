from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from motiontransfer.core.errors import MissingFileError, VideoError
from motiontransfer.video import reader
from motiontransfer.video.container import FORMATS, open_input
from tests.video.conftest import (
    grey_frame,
    greys,
    index_of,
    noise,
    write_test_sound,
    write_test_video,
)


def read_all(path):
    metadata = reader.read_metadata(path)
    timed = list(reader.read_frames(metadata))
    return metadata, timed, [reader.upright(each.item, metadata) for each in timed]


def read_until_damage(path):
    metadata = reader.read_metadata(path)
    kept = []
    with pytest.raises(reader.DamagedVideoError) as caught:
        kept.extend(reader.upright(timed.item, metadata) for timed in reader.read_frames(metadata))
    assert "\n" not in str(caught.value)
    return kept, str(caught.value)


@pytest.mark.parametrize("name", ["video.mkv", "video.webm", "video.mp4"])
def test_a_file_cut_short_is_damage_and_what_is_whole_is_read(tmp_path, name):
    codec = "libvpx-vp9" if name.endswith("webm") else "libx264"
    path = write_test_video(tmp_path / name, noise(12), codec=codec)
    if name.endswith("mp4"):
        path = remux(path, tmp_path / "front.mp4")
    whole = read_all(path)[2]
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.6)])
    kept, message = read_until_damage(path)
    assert 2 < len(kept) < 9
    np.testing.assert_array_equal(kept, whole[: len(kept)])
    assert f"{path}: frame {len(kept)}: the file ends " in message
    assert "on_damage: truncate" in message


def remux(path, copy, *, packets=slice(None), attachment=None):
    """Copy packets of the only stream; an MP4 gets its index in front."""
    faststart = {"movflags": "faststart"} if copy.suffix == ".mp4" else {}
    with av.open(str(path)) as source, av.open(str(copy), "w", container_options=faststart) as made:
        stream = made.add_stream_from_template(source.streams[0])
        if attachment is not None:
            made.add_attachment(attachment.name, "image/png", attachment.read_bytes())
        for packet in [packet for packet in source.demux() if packet.size][packets]:
            packet.stream = stream
            made.mux(packet)
    return copy


def test_truncation_leaves_no_holes_between_reordered_frames(tmp_path):
    options = {"x264-params": "b-adapt=0:bframes=3:scenecut=0"}
    path = write_test_video(tmp_path / "video.mp4", noise(16), options=options)
    path = remux(path, tmp_path / "front.mp4")
    content = path.read_bytes()
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    assert [packet.pts for packet in packets] != sorted(packet.pts for packet in packets)
    for index, packet in enumerate(packets[3:], start=3):
        path.write_bytes(content[: packet.pos])
        metadata, starts = reader.read_metadata(path), []
        assert metadata.packet_times.num_missing == len(packets) - index
        with pytest.raises(reader.DamagedVideoError):
            starts.extend(timed.start_seconds for timed in reader.read_frames(metadata))
        np.testing.assert_allclose(starts, np.arange(len(starts)) / 10, atol=1e-6)


@pytest.mark.parametrize("broken", [8, 13, 14])
def test_all_frames_before_a_broken_packet_are_kept(tmp_path, broken):
    path = write_test_video(tmp_path / "video.mp4", noise(20), options={"bf": "0"})
    whole = read_all(path)[2]
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes())
    start, size = packets[broken].pos, packets[broken].size
    content[start : start + size] = b"\xff" * size
    path.write_bytes(bytes(content))
    kept, message = read_until_damage(path)
    assert f"frame {broken}: cannot be decoded: its bytes are damaged" in message
    np.testing.assert_array_equal(kept, whole[:broken])


@pytest.mark.parametrize("times_ms", [(0, 100, 0, 100, 400, 500), (0,) * 6])
def test_time_that_runs_back_or_stands_goes_on_at_the_rate(tmp_path, monkeypatch, times_ms):
    path = write_test_video(tmp_path / "v.mkv", greys(6))
    metadata, decoded = reader.read_metadata(path), reader._decoded

    def running_back(path):
        for frame, milliseconds in zip(decoded(path), times_ms, strict=True):
            frame.pts = milliseconds
            yield frame

    monkeypatch.setattr(reader, "_decoded", running_back)
    starts = [timed.start_seconds for timed in reader.read_frames(metadata)]
    np.testing.assert_allclose(starts, [0, 0.1, 0.2, 0.3, 0.4, 0.5])


def test_a_raw_stream_without_times_gets_the_rate_it_names(tmp_path):
    path = write_test_video(tmp_path / "v.h264", greys(6), pts_ms=[40 * i for i in range(6)])
    metadata, timed, frames = read_all(path)
    assert [index_of(frame) for frame in frames] == list(range(6))
    steps = np.diff([each.start_seconds for each in timed])
    np.testing.assert_allclose(steps, float(1 / metadata.frame_rate))


def test_a_frame_that_ffmpeg_concealed_is_damage(tmp_path):
    path = write_test_video(tmp_path / "video.avi", noise(12), codec="mpeg4")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 300] = np.random.default_rng(0).bytes(300)
    path.write_bytes(bytes(content))
    kept, message = read_until_damage(path)
    assert 0 < len(kept) < 12
    assert f"frame {len(kept)}: the frame is damaged" in message


def test_files_without_video_are_refused_in_one_line(tmp_path):
    sound = write_test_sound(tmp_path / "sound.m4a")
    with pytest.raises(VideoError, match=r"sound\.m4a: holds no video stream; .* got audio"):
        reader.read_metadata(sound)
    png = av.VideoFrame.from_ndarray(grey_frame(0), format="rgb24").to_image()
    png.save(tmp_path / "cover.png")
    song = remux(sound, tmp_path / "song.mka", attachment=tmp_path / "cover.png")
    with av.open(str(song)) as container:
        assert len(container.streams.video) == 1
    with pytest.raises(VideoError, match=r"song\.mka: holds no video stream"):
        reader.read_metadata(song)


def test_damage_while_a_file_is_open_is_told_with_the_file_and_what_to_do(tmp_path):
    path = write_test_video(tmp_path / "video.mp4", noise(60), options={"bf": "0"})
    told = r"video\.mp4: its bytes are damaged, or of another kind; copy or export it again\Z"
    with pytest.raises(VideoError, match=told), open_input(path) as container:  # noqa: PT012 - both
        half = path.stat().st_size // 2  # of which FFmpeg has read little
        with path.open("r+b") as file:
            file.seek(half)
            file.write(b"\xff" * half)
        for _ in container.decode(video=0):
            pass


PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.mp4", b"", r"empty\.mp4: the file is empty"),
        (
            "text.mp4",
            b"hello " * 100,
            r"text\.mp4: cannot be opened: its bytes are damaged, or of another kind",
        ),
        ("me.jpg", b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git"),
        ("list.m3u8", PLAYLIST, r"list\.m3u8: cannot be opened"),  # it may not reach out
        ("list.mp4", b"ffconcat version 1.0\nfile v.mp4\n", r"list\.mp4: cannot be opened"),
        ("%d.jpg", b"a letter", r"%d\.jpg: frame 0: no frame can be decoded"),  # no sequence
        *(
            (f"letter.{suffix}", b"\x1b[31mDear Ada,\n" * 99, f"{suffix}: cannot be opened")
            for suffix in ("txt", "nfo", "ans", "diz", "html")
        ),
        ("a.srt", b"1\n00:00:01,000 --> 00:00:02,000\nHello\n\n" * 9, r"srt: cannot be opened"),
        (".", None, "is a folder"),
        ("nowhere.mp4", None, r"nowhere\.mp4: no such file"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    write_test_video(tmp_path / "v.mp4", greys(2))  # others of the folder are never opened
    write_test_video(tmp_path / "1.jpg", greys(1), codec="mjpeg", pix_fmt="yuvj420p")
    with pytest.raises((VideoError, MissingFileError), match=message) as info:
        reader.read_metadata(tmp_path / name)
    assert "\n" not in str(info.value)


def test_the_formats_that_are_read_are_known_to_ffmpeg():
    assert av.formats_available.issuperset(FORMATS.split(","))


def test_a_video_without_one_intact_frame_is_refused(tmp_path):
    path = write_test_video(tmp_path / "video.webm", noise(2), codec="libvpx-vp9")
    with av.open(str(path)) as container:
        packets = [(bytes(packet), packet.size) for packet in container.demux() if packet.size]
    content = path.read_bytes()
    for data, size in packets:
        content = content.replace(data, b"\xff" * size)
    path.write_bytes(content)
    with pytest.raises(VideoError, match=r"video\.webm: frame 0: no frame can be decoded: "):
        reader.read_metadata(path)


def test_a_tiny_file_cannot_ask_for_a_huge_image(tmp_path):
    frames = greys(2, size=(720, 1280))
    path = write_test_video(tmp_path / "video.mp4", frames, aspect=Fraction(255))
    told = "at most 67,108,864 pixels a frame, got 326400x720 .stored 1280x720, pixel aspect"
    with pytest.raises(VideoError, match=told):
        reader.read_metadata(path)


def test_a_photo_may_have_as_many_pixels_as_phones_give(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "_MAX_PIXELS", 100)
    Image.new("RGB", (16, 8)).save(tmp_path / "me.png")
    assert reader.read_metadata(tmp_path / "me.png").size == (8, 16)
    monkeypatch.setattr(reader, "_MAX_PIXELS_OF_PHOTO", 127)
    with pytest.raises(VideoError, match=r"at most 127 pixels a frame, got 16x8"):
        reader.read_metadata(tmp_path / "me.png")


@pytest.mark.parametrize(("name", "late"), [("video.mp4", 1), ("video.mkv", 5), ("video.ts", 11)])
def test_a_jump_in_time_is_damage_and_not_an_hour_of_one_frame(tmp_path, name, late):
    times = [100 * index + (36_000_000 if index >= late else 0) for index in range(12)]
    path = write_test_video(tmp_path / name, greys(12), pts_ms=times)
    kept, message = read_until_damage(path)
    assert len(kept) in (late - 1, late)  # of some formats the frame before has the long duration
    assert f"frame {len(kept)}: it begins " in message
    assert "expected at most 60 s" in message


@pytest.mark.parametrize(
    ("interval", "expected"), [(4, [0, 4, 8, 12, 19]), (40, [0, 5, 10, 14, 19])]
)
def test_samples_are_key_frames_where_there_are_enough(tmp_path, interval, expected):
    """Wanted are frames 0, 5, 10, 14 and 19 of 20: a key frame less than 2.4 before stands in."""
    options = {"g": str(interval), "sc_threshold": "0"}
    frames = [grey_frame(index % 10) for index in range(20)]
    path = write_test_video(tmp_path / "v.mp4", frames, options=options)
    shown = [index_of(it) for it in reader.sample_frames(reader.read_metadata(path), num_samples=5)]
    assert shown == [index % 10 for index in expected]
