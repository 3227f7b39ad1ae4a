"""Odd, damaged and hostile videos, made in code, for `decode`."""

import shutil
import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
import yaml

from motiontransfer.video.clip import read_clip
from motiontransfer.video.frame_store import FrameStore
from tests.faults.outcomes import Case
from tests.video.conftest import (
    _encode_sound,
    grey_frame,
    index_of,
    write_test_sound,
    write_test_video,
)

SIZE = (32, 48)
NUM_FRAMES = 9
CLOCKWISE = (0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
MIRRORED = (-(1 << 16), 0, 0, 0, 1 << 16, 0, 48 << 16, 0, 1 << 30)
FFV1 = {"codec": "ffv1", "pix_fmt": "bgr0"}
HDR = {"color_primaries": 9, "color_trc": 16, "colorspace": 9}


def greys(num_frames=NUM_FRAMES, size=SIZE):
    return [grey_frame(index, size) for index in range(num_frames)]


def write_decode_params(path: str, *, on_damage="fail", name="clip"):
    params = {
        "videos": {name: {"path": path, "subject": "ada"}},
        "decode": {"size": [32, 48], "frame_rate": None, "on_damage": on_damage},
    }
    Path("params.yaml").write_text(yaml.safe_dump(params, allow_unicode=True))


def decoded(name="clip") -> list[np.ndarray]:
    clip = read_clip(Path("artifacts/frames/ada") / name)
    with FrameStore(clip.frames) as store:
        frames = list(store.frames())
    assert len(frames) == clip.num_frames
    return frames


def check_indices(expected) -> None:
    assert [index_of(frame) for frame in decoded()] == list(expected)


def check_count(expected) -> None:
    assert len(decoded()) == expected


def check_times(pts_ms) -> None:
    """Each frame is the last that began by then, give or take a quarter of an interval."""
    rate = read_clip(Path("artifacts/frames/ada/clip")).frame_rate
    starts = np.array(pts_ms) / 1000
    for tick, frame in enumerate(decoded()):
        shown = np.searchsorted(starts, [tick / rate, (tick + 0.3) / rate], side="right") - 1
        assert shown[0] <= index_of(frame) <= shown[1]


def check_corner(rows, columns) -> None:
    """The white corner, stored top left, is here."""
    assert decoded()[0][rows, columns].min() > 200


def decode_case(
    name, write, *, file="v.mp4", expected="handled", check=None, on_damage="fail", **options
):
    def prepare() -> None:
        write(Path(file))
        write_decode_params(file, on_damage=on_damage)

    return Case(
        name=name,
        prepare=prepare,
        stages=(("decode", "clip"),),
        check=check or partial(check_indices, range(NUM_FRAMES)),
        expected=expected,
        **options,
    )


def video(frames=None, **options) -> Callable[[Path], object]:
    return lambda path: write_test_video(path, greys() if frames is None else frames, **options)


def _then(write, change) -> Callable[[Path], None]:
    def written(path: Path) -> None:
        write(path)
        content = bytearray(path.read_bytes())
        path.write_bytes(bytes(change(content) or content))

    return written


def _block_times(times) -> Callable[[bytearray], None]:
    """Change the times of Matroska's blocks, each of two bytes before the flags and the packet."""

    def change(content: bytearray) -> None:
        Path("before.mkv").write_bytes(content)
        with av.open("before.mkv") as container:
            packets = [bytes(packet) for packet in container.demux() if packet.size]
        for packet, time in zip(packets, times, strict=True):
            start = content.index(packet) - 3
            content[start : start + 2] = struct.pack(">h", time)

    return change


def _duration(factor: int) -> Callable[[bytearray], None]:
    """Change the durations of an MP4: in units of the movie, the track and the medium."""

    def change(content: bytearray) -> None:
        for box, offset in ((b"mvhd", 20), (b"tkhd", 24), (b"mdhd", 20)):
            place = content.index(box) + offset
            (value,) = struct.unpack_from(">I", content, place)
            struct.pack_into(">I", content, place, value * factor)

    return change


def _no_rate(content: bytearray) -> None:
    """Change the stream header of an AVI to 0 frames in a second."""
    struct.pack_into("<I", content, content.index(b"strh") + 8 + 24, 0)


def _many_streams(path: Path, *, num_videos=1, num_sounds=0) -> None:
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("ffv1", rate=10) for _ in range(num_videos)]
        sounds = [
            container.add_stream("aac", rate=48_000, layout="mono") for _ in range(num_sounds)
        ]
        for stream in streams:
            stream.height, stream.width, stream.pix_fmt = *SIZE, "bgr0"
        for index, frame in enumerate(greys()):
            for stream in streams:
                image = av.VideoFrame.from_ndarray(frame if stream is streams[0] else 255 - frame)
                image.pts, image.time_base = index, Fraction(1, 10)
                container.mux(stream.encode(image))
        for stream in streams:
            container.mux(stream.encode(None))
        for sound in sounds:
            _encode_sound(container, sound, NUM_FRAMES / 10, 0.0)


def _renamed(path: Path) -> None:
    write_test_video(Path("v.mp4"), greys()).rename(path)


def _bytes(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def odd_videos() -> Iterator[Case]:
    """Kinds of videos that people have, and that break readers."""
    uneven = [0, 100, 150, 400, 900, 1000, 1050, 1100, 1300]
    yield decode_case("empty file", _bytes(b""), expected="refused")
    yield decode_case("a text", _bytes(b"hello " * 999), expected="refused")
    yield decode_case(
        "a playlist",
        _bytes(b"#EXTM3U\n#EXTINF:1,\nfile:/etc/passwd\n"),
        file="v.m3u8",
        expected="refused",
    )
    for name in ("video.txt", "video.jpg", "video.wav", "video"):
        yield decode_case(f"an MP4 called {name}", _renamed, file=name)
    yield decode_case(
        "sound only", lambda path: write_test_sound(path), file="v.m4a", expected="refused"
    )
    yield decode_case("one frame", video(greys(1)), check=partial(check_indices, [0]))
    yield decode_case("two frames", video(greys(2)), check=partial(check_indices, [0, 1]))
    yield decode_case(
        "1x1", video(greys(2, (1, 1)), **FFV1), file="v.mkv", check=partial(check_count, 2)
    )
    yield decode_case(
        "8K",
        video([np.full((4320, 7680, 3), 99, np.uint8)], options={"preset": "ultrafast"}),
        check=partial(check_count, 1),
    )
    yield decode_case(
        "16K by 16K",
        video([np.full((9000, 9000, 3), 99, np.uint8)], codec="mjpeg", pix_fmt="yuvj420p"),
        file="v.avi",
        expected="refused",
    )
    yield decode_case("odd size", video(greys(size=(31, 47)), pix_fmt="yuv444p"))
    yield decode_case(
        "extreme aspect", video(greys(size=(720, 1280)), aspect=Fraction(255)), expected="refused"
    )
    yield decode_case("variable rate", video(pts_ms=uneven), check=partial(check_times, uneven))
    yield decode_case(
        "rotated", video(matrix=CLOCKWISE), check=lambda: check_corner(slice(1, 5), slice(29, 33))
    )
    yield decode_case(
        "mirrored", video(matrix=MIRRORED), check=lambda: check_corner(slice(1, 6), slice(40, 47))
    )
    yield decode_case("interlaced", video(options={"x264-params": "tff=1"}))
    yield decode_case("10 bit", video(pix_fmt="yuv420p10le"))
    yield decode_case(
        "HDR", video(pix_fmt="yuv420p10le", tags=HDR), check=partial(check_count, NUM_FRAMES)
    )
    yield decode_case("alpha", video(codec="qtrle", pix_fmt="argb"), file="v.mov")
    yield decode_case("two video streams", partial(_many_streams, num_videos=2), file="v.mkv")
    yield decode_case("six sound tracks", partial(_many_streams, num_sounds=6), file="v.mkv")
    yield decode_case("edit list", video(pts_ms=range(500, 1400, 100), options={"bf": "3"}))
    yield decode_case(
        "sound before the video", video(sound_seconds=1.5, pts_ms=range(500, 1400, 100))
    )
    yield decode_case(
        "times that run back",
        _then(video(**FFV1), _block_times([0, 100, 50, 300, 400, 500, 450, 700, 800])),
        file="v.mkv",
        check=partial(check_count, NUM_FRAMES),
    )
    yield decode_case(
        "all at one time",
        _then(video(**FFV1), _block_times([0] * NUM_FRAMES)),
        file="v.mkv",
        expected="either",
        check=partial(check_count, NUM_FRAMES),
    )
    yield decode_case("ten times the duration", _then(video(), _duration(10)))
    yield decode_case("duration 0", _then(video(), _duration(0)))
    yield decode_case("ten hours later", video(pts_ms=[*range(8), 36_000_000]), expected="refused")
    yield decode_case(
        "ten hours later, kept before",
        video(pts_ms=[*range(0, 800, 100), 36_000_000]),
        on_damage="truncate",
        expected="either",
        check=lambda: check_indices(range(len(decoded()))),
    )
    yield decode_case(
        "0 frames a second",
        _then(video(codec="mpeg4"), _no_rate),
        file="v.avi",
        expected="either",
        check=partial(check_count, NUM_FRAMES),
    )
    yield decode_case(
        "240 frames a second",
        video(rate=240, pts_ms=[round(1000 * i / 240) for i in range(NUM_FRAMES)]),
    )
    slow = range(0, 450_000, 50_000)
    yield decode_case(
        "one frame in 50 seconds", video(pts_ms=slow), check=partial(check_times, slow)
    )
    for name in (
        "-rf.mp4",
        "a b.mp4",
        "äöü 日本.mp4",
        "http:x.mp4",
        "<script>.mp4",
        "a\nb.mp4",
        "%d.mp4",
        "'; rm -rf x; '.mp4",
    ):
        yield decode_case(f"file called {name!r}", _renamed, file=name)
    yield decode_case("a folder", lambda path: path.mkdir(), expected="refused")
    yield decode_case(
        "a link to nowhere", lambda path: path.symlink_to("nowhere"), expected="refused"
    )


_CLIPS = {"v.mp4": {"codec": "libx264", "sound_seconds": 1.0}, "v.webm": {"codec": "libvpx-vp9"}}


def mutations(num_cases: int, *, on_damage="truncate", seed=0) -> Iterator[Case]:
    """Flipped bits and cuts of two small clips.

    Where `decode` accepts a file, its frames are compared with those of the intact clip.
    """
    generator = np.random.default_rng(seed)
    for number in range(num_cases):
        file = list(_CLIPS)[number % 2]
        kind = "cut" if number % 5 == 4 else "flip"
        place, bit = float(generator.random()), int(generator.integers(8))

        def change(content: bytearray, kind=kind, place=place, bit=bit):
            at = int(place * len(content))
            if kind == "cut":
                return content[:at]
            content[at] ^= 1 << bit
            return content

        yield decode_case(
            f"{file}: {kind} at {place:.4f}",
            _then(video(textured(), **_CLIPS[file]), change),
            file=file,
            expected="either",
            on_damage=on_damage,
            check=check_textured,
            has_checksums=False,
        )


def videos_of(folder: Path) -> Iterator[Case]:
    """Each file of a folder, refused or decoded to frames."""
    for file in sorted(folder.iterdir()):
        for on_damage in ("fail", "truncate"):
            yield decode_case(
                f"{file.name}, on_damage: {on_damage}",
                partial(shutil.copy, file),
                file=file.name,
                expected="either",
                on_damage=on_damage,
                check=decoded,
            )


def textured(num_frames=NUM_FRAMES):
    """Frames that do not compress to nothing: noise over the grey levels."""
    noise = np.random.default_rng(0).integers(-9, 10, (num_frames, *SIZE, 1))
    return [
        np.clip(f + n, 0, 255).astype(np.uint8)
        for f, n in zip(greys(num_frames), noise, strict=True)
    ]


def check_textured() -> None:
    found = decoded()
    assert len(found) <= NUM_FRAMES
    for frame, expected in zip(found, textured(), strict=False):
        difference = np.abs(frame.astype(int) - expected)
        assert difference.mean() < 8, f"mean difference {difference.mean():.1f}"
