"""What phones, cameras, browsers, downloads and editors make, in miniature, and what comes of it.

A row is a file and what is expected: the indices of the frames shown, told by their grey level,
the rate, the size, and when clicks are heard, or the refusal.
"""

from fractions import Fraction
from functools import partial

import av
import numpy as np
import pytest
from av.stream import Disposition
from PIL import Image, ImageCms

from motiontransfer.video.clip import read_clip
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.reader import decode_at, read_metadata, upright
from tests.video.conftest import click_starts, decode, grey_frame, greys, index_of, write_test_video

CLICKS = [0.0, 0.5]
CLOCKWISE = (0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
MIRRORED = (-(1 << 16), 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
# Its name made PyAV free the same memory twice.
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
TOP_FIRST = {"flags": "+ilme+ildct", "x264-params": "tff=1", "crf": "1"}


def film(path, **options):
    write_test_video(path, options.pop("frames", greys(9)), **options)


def filmed(**options):
    return partial(film, **options)


def sounding(codec, video="libx264", **options):
    return filmed(sound_seconds=0.9, sound_codec=codec, codec=video, **options)


def fielded(moments):
    return partial(fields, moments=moments)


def cat(path, make, *, then=None, drop_bytes=0):
    """Two recordings in one file, whose times begin anew, or the end of one."""
    make(path)
    content = path.read_bytes()
    (then or make)(path)
    path.write_bytes(content[drop_bytes:] + (b"" if drop_bytes else path.read_bytes()))


def resized(path, *, sizes, codec="libvpx"):
    """A stream that changes its size: three frames of the first, six of the second."""
    parts = [
        write_test_video(path.with_name(f"{number}{path.name}"), frames, codec=codec)
        for number, frames in enumerate([greys(9, sizes[0])[:3], greys(9, sizes[1])[3:]])
    ]
    with av.open(str(path), "w") as made, av.open(str(parts[0])) as first:
        stream = made.add_stream_from_template(first.streams[0])
        for number, part in enumerate(parts):
            with av.open(str(part)) as source:
                for packet in source.demux(video=0):
                    if packet.size:
                        packet.pts = packet.dts = packet.pts + number * 300
                        packet.stream = stream
                        made.mux(packet)


def fields(path, *, moments):
    """Frames stored as two fields: a bar that moves on with each of these moments."""
    bars = np.zeros((24, 64, 64, 3), np.uint8)
    for moment, bar in enumerate(bars):
        bar[:, 2 * moment : 2 * moment + 16] = 255
    frames = bars[moments[::2]]
    frames[:, 1::2] = bars[moments[1::2], 1::2]
    write_test_video(path, frames, options=TOP_FIRST)


def picture(path, *, orientation=None, mode="RGB", **options):
    image = Image.fromarray(grey_frame(4)).convert(mode)
    exif = image.getexif()
    if orientation:
        exif[0x112] = orientation
    image.save(path, exif=exif, **options)


def transparent(path, **options):
    frames = [np.dstack([frame, np.full(frame.shape[:2], 255, np.uint8)]) for frame in greys(9)]
    for frame in frames:
        frame[:, 24:, 3] = 0
    write_test_video(path, frames, **options)


def unknown_sound(path, *, tracks):
    """Two sound tracks, of which the first ones have a codec that nobody knows."""
    write_test_video(path, greys(9), sound_seconds=0.9, sound_tracks=2)
    parts = path.read_bytes().split(b"mp4a\0\0\0\0")
    names = [b"apac" if number < tracks else b"mp4a" for number in range(len(parts) - 1)]
    content = parts[0] + b"".join(
        name + b"\0\0\0\0" + part for name, part in zip(names, parts[1:], strict=True)
    )
    path.write_bytes(content.replace(b"esds", b"esdX", tracks))


def broken_sound(path):
    """Two sound tracks; no packet of the first is as it was encoded."""
    whole = path.with_suffix(".mov")
    write_test_video(whole, greys(9), sound_seconds=0.9, sound_codec="ac3", sound_tracks=2)
    with av.open(str(whole)) as source, av.open(str(path), "w") as made:
        streams = [made.add_stream_from_template(stream) for stream in source.streams]
        streams[1].disposition = Disposition.default  # players take it
        for packet in source.demux():
            if packet.size:
                copy = av.Packet(bytes(packet.size)) if packet.stream_index == 1 else packet
                copy.pts, copy.dts, copy.time_base = packet.pts, packet.dts, packet.time_base
                copy.stream = streams[packet.stream_index]
                made.mux(copy)


NINE = {"shown": [*range(9)], "rate": 10, "size": (32, 48), "clicks": None}
HEARD = {**NINE, "clicks": CLICKS}
TURNED = {**NINE, "size": (48, 32)}
ONE = {"shown": [4], "size": (32, 48), "clicks": None}
TWICE = {"shown": [*range(9)] * 2, "clicks": [0.0, 0.5, 0.94, 1.44]}
AAC = sounding("aac")
MPEG = sounding("mp2", "mpeg2video", rate=25, pts_ms=range(0, 360, 40))
TALL = (1080, 16)
NEARLY = Fraction(1280, 1281)
CORPUS = {
    # Containers and codecs.
    "a.mp4": (film, NINE),
    "a.mkv": (filmed(codec="ffv1", pix_fmt="yuv422p10le"), NINE),
    "a.avi": (filmed(codec="mpeg4"), NINE),
    "a.ts": (film, NINE),
    "a.mpg": (MPEG, {"rate": 25}),
    "a.gif": (filmed(codec="gif", pix_fmt="rgb8"), {**NINE, "shown": None}),
    "odd.webm": (filmed(frames=greys(9, (31, 47)), codec="libvpx-vp9"), {**NINE, "size": (31, 47)}),
    "fragments.mp4": (filmed(container_options={"movflags": "frag_keyframe+empty_moov"}), NINE),
    "live.webm": (filmed(codec="libvpx", container_options={"live": "1"}), NINE),
    "late.ts": (filmed(pts_ms=range(95_000_000, 95_000_900, 100)), NINE),
    "cut_start.ts": (partial(cat, make=filmed(options={"g": "3"}), drop_bytes=1000), {"rate": 10}),
    # Shapes.
    "turned.mp4": (filmed(matrix=CLOCKWISE), TURNED),
    "mirrored.mp4": (filmed(matrix=MIRRORED), NINE),
    "wide.mp4": (filmed(aspect=Fraction(2)), {**NINE, "size": (32, 96)}),
    "square.mp4": (filmed(frames=greys(9, TALL), aspect=NEARLY), {**NINE, "size": TALL}),
    "turns.webm": (partial(resized, sizes=[(32, 48), (48, 32)]), {**TURNED, "fitted": 3, "top": 0}),
    "grows.webm": (partial(resized, sizes=[(16, 24), (32, 48)]), {**NINE, "fitted": 3}),
    # Fields.
    "interlaced.mp4": (fielded([*range(24)]), {"rate": 20, "frames": 24}),
    "whole_frames.mp4": (fielded(sorted([*range(12)] * 2)), {"rate": 10, "frames": 12}),
    "telecined.mp4": (
        fielded([t for t in range(10) for _ in range(2 + t % 2)][:24]),
        {"rate": 10, "frames": 12},
    ),
    # Pictures.
    "exif.jpg": (partial(picture, orientation=6), {**ONE, "size": (48, 32)}),
    "mirrored_exif.jpg": (partial(picture, orientation=2), ONE),
    "a.tiff": (picture, ONE),
    "cmyk.jpg": (partial(picture, mode="CMYK"), ONE),
    "profile.png": (partial(picture, icc_profile=PROFILE), ONE),
    "palette.png": (partial(picture, mode="P"), {"size": (32, 48)}),
    "alpha.mov": (partial(transparent, codec="png", pix_fmt="rgba"), {"right": 128}),
    "alpha.webm": (partial(transparent, codec="libvpx-vp9", pix_fmt="yuva420p"), {"right": 128}),
    # Sound.
    "mulaw.mov": (sounding("pcm_mulaw", sound_rate=8000), HEARD),
    "flac.mkv": (sounding("flac", sound_rate=96_000, sound_layout="5.1"), HEARD),
    "four.mkv": (sounding("pcm_s16le", sound_layout="4.0"), HEARD),
    "ac3.mkv": (sounding("ac3"), {**HEARD, "clicks": [0.005, 0.505]}),
    "wma.asf": (sounding("wmav2", "wmv2"), {**HEARD, "clicks": [0.043, 0.5]}),
    "adpcm.avi": (sounding("adpcm_ms", "mpeg4"), HEARD),
    "late.mp4": (sounding("aac", sound_start_seconds=0.3), {**HEARD, "clicks": [0.3, 0.8]}),
    "two_in_one.ts": (partial(cat, make=AAC), {**TWICE, "packets": 18}),
    "other_sound.ts": (partial(cat, make=AAC, then=sounding("aac", sound_rate=44_100)), TWICE),
    "two_in_one.mpg": (partial(cat, make=MPEG), {"frames": 18}),
    "second_track.mp4": (partial(unknown_sound, tracks=1), HEARD),
    "broken_track.mkv": (broken_sound, HEARD),
    "no_track.mp4": (partial(unknown_sound, tracks=2), {**NINE, "unheard": "unknown"}),
}


@pytest.mark.parametrize("name", CORPUS)
def test_a_file_comes_through_as_expected(tmp_path, name):
    make, expected = CORPUS[name]
    path = tmp_path / name
    make(path)
    video = read_metadata(path)
    clip = tmp_path / "clip"
    metrics = decode(path, clip, size=video.size)
    with FrameStore(clip / "frames.mkv") as store:
        frames = list(store.frames())
    places = [0, 4, -1] if len(frames) > 4 else [0]
    times = video.packet_times.starts_seconds[places]  # as the check samples them
    sampled = [index_of(upright(timed.item, video)) for timed in decode_at(video, times)]
    sound = read_clip(clip).sound
    found = {
        "shown": [index_of(frame) for frame in frames],
        "frames": len(frames),
        "packets": video.num_frames,
        "rate": video.frame_rate,
        "size": video.size,
        "fitted": metrics.get("frames_of_another_size", 0),
        "right": round(float(frames[-1][8:24, -8:].mean())),
        "top": round(float(frames[0][:8].mean())),  # bars
        "unheard": video.unheard,
        "clicks": None if sound is None else click_starts(sound.file) + sound.offset_seconds,
    }
    if expected.get("shown"):
        assert sampled == [expected["shown"][place] for place in places]
    for key, value in expected.items():
        if key == "clicks" and value is not None:
            np.testing.assert_allclose(found[key], value, atol=0.03)
        elif value is not None:
            assert found[key] == value, key


def test_interlaced_frames_have_no_combs(tmp_path):
    fields(tmp_path / "v.mp4", moments=[*range(24)])
    decode(tmp_path / "v.mp4", tmp_path / "c", size=(64, 64))
    with FrameStore(tmp_path / "c/frames.mkv") as store:
        frames = np.array(list(store.frames()), int)[2:-2, ..., 0]
    inside = frames[:, 4:-4]
    combs = np.minimum(abs(inside[:, 1:-1] - inside[:, :-2]), abs(inside[:, 1:-1] - inside[:, 2:]))
    assert combs.mean() < 3  # 20 as stored
