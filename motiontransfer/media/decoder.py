"""FFmpeg's decoder, made honest about damage.

It patches broken pictures and marks them at most; here a patched picture or a decoding error ends
the stream, after every good picture before it, the same number on every machine.
"""

import logging
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Literal

import av

from motiontransfer.media.opening import open_input, video_stream

_logger = logging.getLogger(__name__)


class Damage(Exception):  # noqa: N818 - `reading` turns it into an error that names the frame
    """The pictures cannot be read any further; the message is the cause."""


def decoded(path: Path) -> Iterator[av.VideoFrame]:
    """Yield pictures, fast as long as all is well.

    Damage is located with one thread, so that every machine finds the same.
    """
    num_frames = 0
    try:
        for picture in _decoded_with(path, "AUTO"):
            yield picture
            num_frames += 1
    except Damage as damage:
        _logger.debug("%s: near frame %d: %s", path, num_frames, damage)
    else:
        return
    yield from islice(_decoded_with(path, "NONE"), num_frames, None)


def _decoded_with(path: Path, threads: Literal["AUTO", "NONE"]) -> Iterator[av.VideoFrame]:
    with open_input(path) as container:
        stream = video_stream(container, path)
        stream.thread_type = threads
        packets = container.demux(stream)
        has_begun = False
        while True:
            packet: av.Packet | None = None
            try:
                packet = next(packets)
                pictures = packet.decode()
            except (StopIteration, EOFError):
                return
            except av.FFmpegError as error:
                if not has_begun and packet is not None and not packet.is_keyframe:
                    continue  # recordings may begin between key frames
                if threads == "NONE":
                    yield from _held_back(stream, None if packet is None else packet.pts)
                raise Damage(f"cannot be decoded: {error.strerror}") from error
            for picture in pictures:
                if picture.is_corrupt:
                    raise Damage("the picture is damaged")
                has_begun = True
                yield picture


def _held_back(stream: av.VideoStream, before: int | None) -> Iterator[av.VideoFrame]:
    """Yield the good pictures that the decoder still holds and that come before the damage."""
    try:
        pictures = stream.decode(None)
    except av.FFmpegError:
        return
    for picture in pictures:
        if picture.is_corrupt or (before is not None and (picture.pts or 0) >= before):
            return
        yield picture
