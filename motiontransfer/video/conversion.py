"""A finished video as WebM (VP9 and Opus), or a part of it as an animated GIF.

Neither has Content Credentials; what is drawn into the frames stays.
"""

import math
from collections.abc import Callable, Mapping
from itertools import islice, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

from PIL import Image

from motiontransfer.core.storage import replacing
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.writer import store_sound, write_video

_GIF_SECONDS = 4.0
_GIF_RATE = 12  # frames a second, at most
_GIF_SIDE_PX = 400  # the longer side, at most


def write_webm(video: Path, path: Path) -> None:
    """Encode a video with its sound.

    Raises:
        VideoError: it cannot be read.
    """
    with TemporaryDirectory(prefix="motiontransfer-") as folder, FrameStore(video) as store:
        stored = Path(folder) / "sound.mka"
        sound = store_sound(video, stored, origin_seconds=0.0, codec="libopus")
        write_video(path, store.frames(), frame_rate=store.frame_rate, sound=sound)


def write_gif(video: Path, path: Path) -> None:
    """Write the middle of a video as an animation without end, made smaller.

    Raises:
        VideoError: it cannot be read.
    """
    with FrameStore(video) as store:
        rate = float(store.frame_rate)
        count = round(_GIF_SECONDS * rate)
        step = math.ceil(rate / _GIF_RATE)
        first = max((len(store) - count) // 2, 0)
        frames = []
        for frame in islice(store.frames(), first, first + count, step):
            image = Image.fromarray(frame)
            image.thumbnail((_GIF_SIDE_PX, _GIF_SIDE_PX), Image.Resampling.LANCZOS)
            frames.append(image)
    shown = [round(100 * step * index / rate) for index in range(len(frames) + 1)]
    milliseconds = [10 * (end - start) for start, end in pairwise(shown)]  # GIF's step is 10
    with replacing(path) as temporary:
        frames[0].save(
            temporary, save_all=True, append_images=frames[1:], loop=0, duration=milliseconds
        )


WRITERS: Mapping[str, Callable[[Path, Path], None]] = MappingProxyType(
    {".gif": write_gif, ".webm": write_webm}
)
"""Suffix -> what writes such a file of a video, at a path."""
