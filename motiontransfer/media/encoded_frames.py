"""Some of a video's frames as bytes, for workers that share no disk; lossless.

Hides that the packets of a frame store are copied as they are, which costs next to nothing, while
frames of other videos are decoded and encoded anew.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import av
import numpy as np
from jaxtyping import UInt8

from motiontransfer.errors import VideoError
from motiontransfer.media.colour import to_srgb
from motiontransfer.media.frame_store import CODEC, PIXEL_FORMAT, FrameStore, FrameWriter


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedFrames:
    """Frames of a video, each encoded by itself."""

    video: Path
    """Where they were; for messages."""

    indices: range
    """Which of its frames they are, ascending."""

    size: tuple[int, int]
    """(height, width), pixels."""

    decoder_settings: bytes
    """What FFV1's decoder must know before the first packet (`extradata`)."""

    packets: tuple[bytes, ...]
    """One a frame."""

    def decoded(self) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
        """Yield the frames in order.

        Raises:
            VideoError: a frame is damaged.
        """
        context = av.CodecContext.create(CODEC, "r")
        assert isinstance(context, av.VideoCodecContext)
        context.height, context.width = self.size
        context.pix_fmt = PIXEL_FORMAT
        context.extradata = self.decoder_settings
        context.thread_count = 1
        for index, packet in zip(self.indices, self.packets, strict=True):
            try:
                pictures = context.decode(av.Packet(packet))
            except av.FFmpegError:
                pictures = []
            if len(pictures) != 1 or pictures[0].is_corrupt:
                raise VideoError(
                    f"{self.video}: frame {index}: it is damaged; make this file again"
                )
            yield to_srgb(pictures[0])


def encode_frames(video: Path, indices: range) -> EncodedFrames:
    """Some frames of a video.

    Args:
        indices: ascending; at least one.

    Raises:
        MissingFileError: no such file.
        DamagedFileError: a frame of a frame store is not as it was written.
        VideoError: a frame is missing or, where it must be decoded, damaged.
    """
    with FrameStore(video) as store:
        copied = _copied(store, indices)
        if copied is not None:
            return copied
        with tempfile.TemporaryDirectory(prefix="motiontransfer-") as folder:
            path = Path(folder) / "frames.mkv"
            with FrameWriter(path, size=store.size, frame_rate=store.frame_rate) as writer:
                frames = store.frames(indices.start, indices[-1] + 1)
                for frame in islice(frames, 0, None, indices.step):
                    writer.write(frame)
            with FrameStore(path) as encoded:
                copied = _copied(encoded, range(len(indices)))
    assert copied is not None
    return replace(copied, video=video, indices=indices)


def _copied(store: FrameStore, indices: range) -> EncodedFrames | None:
    """The packets as they are; None where the file is not as `FrameWriter` makes it."""
    if store.decoder_settings is None:
        return None
    packets: dict[int, bytes] = {}
    for packet in store.packets(indices.start):
        index = store.index_of(packet) if packet.size else None
        if index is None or index > indices[-1]:
            break
        if not packet.is_keyframe:
            return None
        if index in indices:
            packets[index] = bytes(packet)
    if len(packets) < len(indices):
        index = min(set(indices) - set(packets))
        raise VideoError(f"{store.path}: frame {index}: it is missing; make this file again")
    return EncodedFrames(
        video=store.path,
        indices=indices,
        size=store.size,
        decoder_settings=store.decoder_settings,
        packets=tuple(packets[index] for index in indices),
    )
