"""Media files as FFmpeg opens them: inputs with their checksums, outputs, streams, sound tracks."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import av
from av.stream import Disposition

from motiontransfer.core.checksums import append_checksums, check_media, check_pointer, damaged
from motiontransfer.core.errors import MissingFileError, VideoError

BITEXACT = {"fflags": "+bitexact"}
"""Muxer options: no random identifiers, no name of the writing library."""
_OWN_COMMENT = "motiontransfer"  # of files that end in checksums
_FILMS = (
    "mov,matroska,avi,flv,live_flv,asf,mpegts,mpeg,mpegvideo,m4v,ogg,mxf,gxf,dv,rm,nut,wtv,ivf,"
    "h261,h263,h264,hevc,vvc,vc1,obu,av1,mjpeg,yuv4mpegpipe,gif,apng,jpegxl_anim"
)
_PICTURES = "bmp,dds,dpx,exr,gif,hdr,j2k,jpeg,jpegls,jpegxl,pbm,pcx,pgm,png,ppm,psd,qoi,tiff,webp"
_SOUNDS = "aac,aiff,caf,flac,mp3,w64,wav"  # of which it is said that they hold no video
_PIPES = ",".join(f"{picture}_pipe" for picture in _PICTURES.split(","))
FORMATS = f"{_FILMS},{_PIPES},image2,{_SOUNDS}"
"""FFmpeg's formats that are read: no text, which it draws as a terminal would, and no list of other
files, such as a playlist."""
_MOST_SOUND_PACKETS = 100  # a track that gives nothing in so many cannot be decoded


@contextmanager
def open_input(path: Path) -> Generator[av.container.InputContainer]:
    """Open a media file for a `with` block.

    Raises:
        MissingFileError: no such file.
        VideoError: not a file that FFmpeg can open, or, in the block, one whose bytes are damaged.
        DamagedFileError: one that motiontransfer wrote, and not as it was written.
    """
    if not path.exists():
        raise MissingFileError(f"{path}: no such file; expected a video or sound file")
    if path.is_dir():
        raise VideoError(f"{path}: is a folder; expected a video file")
    if path.stat().st_size == 0:
        raise VideoError(f"{path}: the file is empty (0 bytes); copy or download it again")
    check_pointer(path, VideoError)
    options = {"protocol_whitelist": "file", "format_whitelist": FORMATS}
    options |= {"pattern_type": "none"}  # %d.jpg is no sequence of pictures
    has_checksums = check_media(path)
    try:
        # "file:" because FFmpeg takes "12:30.mp4" for the protocol 12; tags need not be UTF-8
        container = av.open(f"file:{path}", "r", options=options, metadata_errors="replace")
    except av.FFmpegError as error:
        raise VideoError(
            f"{path}: cannot be opened: {cause_of(error)}; expected a film, picture or sound, such "
            "as MP4, MOV, WebM, JPEG or PNG; copy or export it again"
        ) from error
    with container:
        if not has_checksums and container.metadata.get("COMMENT") == _OWN_COMMENT:
            raise damaged(path, "it ends before its checksums")
        try:
            yield container
        except av.InvalidDataError as error:  # the block knows no more of it
            raise VideoError(f"{path}: {cause_of(error)}; copy or export it again") from error


def cause_of(error: av.FFmpegError) -> str:
    """Why FFmpeg gives up, in a user's words; of bytes that it cannot read its own say little."""
    if isinstance(error, av.InvalidDataError):
        return "its bytes are damaged, or of another kind"
    return error.strerror or "FFmpeg does not say why"


@contextmanager
def open_output(
    path: Path, *, container_format: str, options: dict[str, str]
) -> Generator[av.container.OutputContainer]:
    """Open a media file to write; a Matroska file gets checksums, which `open_input` compares."""
    has_checksums = container_format == "matroska"
    with av.open(f"file:{path}", "w", format=container_format, container_options=options) as file:
        if has_checksums:
            file.metadata["comment"] = _OWN_COMMENT
        yield file
    if has_checksums:
        append_checksums(path)


def video_stream(container: av.container.InputContainer, path: Path) -> av.VideoStream:
    """The default video stream; cover images do not count."""
    stream = container.streams.best("video")
    if not isinstance(stream, av.VideoStream) or stream.disposition & Disposition.attached_pic:
        kinds = sorted({stream.type for stream in container.streams})
        raise VideoError(
            f"{path}: holds no video stream; expected one, got {', '.join(kinds) or 'nothing'}"
        )
    if stream.codec_context is None:
        raise VideoError(f"{path}: no decoder for its video; convert it, e.g. to H.264")
    return stream


def find_sound(path: Path) -> tuple[int | None, str]:
    """Index of the sound track; where none can be decoded, None and their codecs.

    It is the one that players take, or else the first that can be decoded.
    """
    with open_input(path) as container:
        best = container.streams.best("audio")
        tracks = sorted(container.streams.audio, key=lambda track: track is not best)
        left = {each.index: _MOST_SOUND_PACKETS for each in tracks if each.codec_context}
        heard: set[int] = set()
        broken = {each.index: "unknown" for each in tracks if not each.codec_context}
        packets = container.demux([each for each in tracks if each.index in left])
        while any(left.values()) and next(iter(left)) not in heard:
            try:
                packet = next(packets)
            except (StopIteration, av.FFmpegError):
                break
            index = packet.stream_index
            if not left.get(index):
                continue
            left[index] -= 1
            try:
                heard |= {index} if packet.decode() else set()
            except av.FFmpegError:
                broken[index] = packet.stream.codec_context.name
    index = next((index for index in left if index in heard), None)
    return index, "" if index is not None else ", ".join(sorted({*broken.values()}))


def seconds_of(item: av.Packet | av.VideoFrame | av.AudioFrame) -> float | None:
    """Presentation time; None without a timestamp."""
    if item.pts is None or item.time_base is None:
        return None
    return float(item.pts * item.time_base)
