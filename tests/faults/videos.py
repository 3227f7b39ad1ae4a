"""Odd, damaged and hostile videos, made in code, for `decode`."""

import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np

from motiontransfer.video.clip import read_clip
from motiontransfer.video.frame_store import FrameStore
from stages.check_params import write_video_params
from tests.faults.outcomes import Case
from tests.project_files import write_sections
from tests.video.conftest import greys, index_of, write_test_video

SIZE = (32, 48)
NUM_FRAMES = 9
FFV1 = {"codec": "ffv1", "pix_fmt": "bgr0"}


def write_decode_params(path: str, *, on_damage="fail", name="clip"):
    params = {
        "videos": {name: {"path": path, "subject": "ada"}},
        "decode": {"size": [32, 48], "frame_rate": None, "on_damage": on_damage},
    }
    write_sections(params)
    write_video_params()


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


def check_at_most(num_frames) -> None:
    assert len(decoded()) <= num_frames


def decode_case(
    name, write, expected="handled", *, file="v.mp4", check=None, on_damage="fail"
) -> Case:
    def prepare() -> None:
        write(Path(file))
        write_decode_params(file, on_damage=on_damage)

    return Case(
        name=name,
        prepare=prepare,
        stage=("decode", "clip"),
        check=check or partial(check_indices, range(NUM_FRAMES)),
        expected=expected,
    )


def video(frames=None, **options) -> Callable[[Path], object]:
    return lambda path: write_test_video(path, greys() if frames is None else frames, **options)


def _then(write, change) -> Callable[[Path], None]:
    def written(path: Path) -> None:
        write(path)
        content = bytearray(path.read_bytes())
        path.write_bytes(bytes(change(content) or content))

    return written


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


def _two_streams(path: Path) -> None:
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("ffv1", rate=10) for _ in range(2)]
        for stream in streams:
            stream.height, stream.width, stream.pix_fmt = *SIZE, "bgr0"
        for index, frame in enumerate(greys()):
            for stream in streams:
                image = av.VideoFrame.from_ndarray(frame if stream is streams[0] else 255 - frame)
                image.pts, image.time_base = index, Fraction(1, 10)
                container.mux(stream.encode(image))
        for stream in streams:
            container.mux(stream.encode(None))


def _renamed(path: Path) -> None:
    write_test_video(Path("v.mp4"), greys()).rename(path)


FILE_NAMES = (
    *("-rf.mp4", "a b.mp4", "äöü 日本.mp4", "http:x.mp4", "<script>.mp4", "a\nb.mp4", "%d.mp4"),
    *("'; rm -rf x; '.mp4", "video.txt", "video.jpg", "video.wav", "video"),
)


def odd_videos() -> Iterator[Case]:
    """Kinds of videos that people have, and that break readers; tests/video/ has more."""
    case, refused, either = decode_case, "refused", "either"
    count, mkv = partial(check_count, NUM_FRAMES), "v.mkv"
    late = range(500, 1400, 100)
    yield case("a link to nowhere", lambda path: path.symlink_to("nowhere"), refused)
    for name in FILE_NAMES:
        yield case(f"file called {name!r}", _renamed, file=name)
    yield case("one frame", video(greys(1)), check=partial(check_indices, [0]))
    one = video(greys(2, (1, 1)), **FFV1)
    yield case("1x1", one, file=mkv, check=partial(check_count, 2))
    large = np.full((4320, 7680, 3), 99, np.uint8)
    fast = video([large], options={"preset": "ultrafast"})
    yield case("8K", fast, check=partial(check_count, 1))
    yield case("two video streams", _two_streams, file=mkv)
    yield case("edit list", video(pts_ms=late, options={"bf": "3"}))
    yield case("sound before the video", video(sound_seconds=1.5, pts_ms=late))
    yield case("ten times the duration", _then(video(), _duration(10)))
    yield case("duration 0", _then(video(), _duration(0)))
    no_rate = _then(video(codec="mpeg4"), _no_rate)
    yield case("0 frames a second", no_rate, either, file="v.avi", check=count)
    quick = [round(1000 * index / 240) for index in range(9)]
    yield case("240 frames a second", video(rate=240, pts_ms=quick))


def mutations(num_cases: int, *, seed=0) -> Iterator[Case]:
    """Flipped bits and cuts of two small clips; what is accepted has no more frames than before.

    A flipped bit in a frame's data decodes to another picture without a complaint, since MP4 and
    WebM have no checksums.
    """
    clips = {"v.mp4": {"codec": "libx264", "sound_seconds": 1.0}, "v.webm": {"codec": "libvpx-vp9"}}
    generator = np.random.default_rng(seed)
    for number in range(num_cases):
        file = list(clips)[number % 2]
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
            _then(video(**clips[file]), change),
            file=file,
            expected="either",
            on_damage="truncate",
            check=partial(check_at_most, NUM_FRAMES),
        )
