"""Videos drawn in code: small, and every frame tells its index by its grey level."""

import multiprocessing
import os
import signal
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from motiontransfer.video.clip import decode_video

GREY_STEP = 20


def grey_frame(index, size=(32, 48)):
    """A flat frame of grey level 20 + 20 * index; a white corner shows where the top left is."""
    frame = np.full((*size, 3), GREY_STEP * (index + 1), dtype=np.uint8)
    frame[: size[0] // 4, : size[1] // 4] = 255
    return frame


def greys(num_frames=9, size=(32, 48)):
    return [grey_frame(index, size) for index in range(num_frames)]


def noise(num_frames, *, size=(64, 64), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (num_frames, *size, 3), dtype=np.uint8)


def packets_of(path):
    """Of a file's sound."""
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def index_of(frame):
    """Which grey frame this is, told from its middle."""
    height, width = frame.shape[:2]
    middle = frame[height // 2 - 2 : height // 2 + 2, width // 2 - 2 : width // 2 + 2]
    return round(float(middle.mean()) / GREY_STEP) - 1


def click_track(seconds, rate=48_000):
    """A click of 50 ms at the start of each half second, as float mono samples."""
    times = np.arange(int(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * 440 * times) * (times % 0.5 < 0.05)).astype(np.float32)


def click_starts(path):
    """When the clicks of a file's sound begin, on the file's clock."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        frames = list(container.decode(stream))
        rate = stream.codec_context.sample_rate
        start = frames[0].time
    samples = np.concatenate([frame.to_ndarray()[:1].astype(float) for frame in frames], axis=1)[0]
    loud = np.flatnonzero(np.abs(samples) > 0.3 * np.abs(samples).max())
    first = np.r_[True, np.diff(loud) > 0.2 * rate]
    return loud[first] / rate + start


def write_test_sound(path, *, seconds=1.0, codec="aac", start_seconds=0.0):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=48_000, layout="mono")
        _encode_sound(container, stream, seconds, start_seconds)
    return path


def _encode_sound(container, stream, seconds, start_seconds):
    rate, channels = stream.codec_context.sample_rate, stream.codec_context.channels
    samples = (click_track(seconds, rate) * 32767).astype(np.int16).repeat(channels)[np.newaxis]
    layout = stream.codec_context.layout.name
    frame = av.AudioFrame.from_ndarray(samples, format="s16", layout=layout)
    frame.sample_rate = rate
    frame.time_base = Fraction(1, rate)
    frame.pts = round(start_seconds * rate)
    container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def decode(path, folder, **options):
    """Make a clip of a video; return what is measured of it."""
    defaults = {"size": (32, 48), "frame_rate": None, "crop": "none", "on_damage": "fail"}
    return decode_video(path, folder, **(defaults | options))


def kill_decoder(*_):
    """In a decoder's place: end its process, as a hostile file may."""
    if multiprocessing.parent_process() is not None:  # not pytest itself
        os.kill(os.getpid(), signal.SIGKILL)


def write_test_video(
    path: Path,
    frames: Sequence[np.ndarray],
    *,
    pts_ms: Sequence[int] | None = None,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    matrix: Sequence[int] | None = None,
    aspect: Fraction | None = None,
    tags: dict[str, int] | None = None,
    options: dict[str, str] | None = None,
    sound_seconds: float = 0.0,
    sound_start_seconds: float = 0.0,
    sound_codec: str = "aac",
    sound_rate: int = 48_000,
    sound_layout: str = "mono",
    sound_tracks: int = 1,
    container_options: dict[str, str] | None = None,
    rate: Fraction | int = 10,
):
    """Write frames at 10 a second, or at the given milliseconds."""
    times = [100 * index for index in range(len(frames))] if pts_ms is None else pts_ms
    with av.open(str(path), "w", container_options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pix_fmt
        is_mpeg = codec == "mpeg2video"  # which knows few rates
        stream.codec_context.time_base = 1 / Fraction(rate) if is_mpeg else Fraction(1, 1000)
        stream.codec_context.thread_count = 1
        for name, value in (tags or {}).items():
            setattr(stream.codec_context, name, value)
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if matrix is not None:
            stream.set_display_matrix(matrix)
        tracks = [
            container.add_stream(sound_codec, rate=sound_rate, layout=sound_layout)
            for _ in range(sound_tracks if sound_seconds else 0)
        ]
        if sound_codec.startswith("wma"):  # which has no default
            tracks[0].codec_context.bit_rate = 96_000
        for frame, time in zip(frames, times, strict=True):
            kind = "rgba" if frame.shape[2] == 4 else "rgb24"
            image = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format=kind)
            image.pts, image.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(image))
        container.mux(stream.encode(None))
        for sound in tracks:
            _encode_sound(container, sound, sound_seconds, sound_start_seconds)
    return path
