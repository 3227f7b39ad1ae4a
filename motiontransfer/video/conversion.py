"""A finished video as WebM (VP9 and Opus), or a part of it as an animated GIF.

Neither has Content Credentials; what is drawn into the frames stays.
"""

import math
from itertools import islice, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from motiontransfer.core.storage import replacing
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.writer import store_sound, write_video

GIF_SECONDS = 4.0
_GIF_RATE = 12  # frames a second, at most
_GIF_SIDE_PX = 400  # the longer side, at most


def write_webm(video: Path, path: Path) -> None:
    """Encode a video with its sound.

    Raises:
        VideoError: it cannot be read.
    """
    with TemporaryDirectory(prefix="motiontransfer-") as folder, FrameStore(video) as store:
        sound = Path(folder) / "sound.mka"
        offset = store_sound(video, sound, origin_seconds=0.0, codec="libopus")
        write_video(
            path,
            store.frames(),
            frame_rate=store.frame_rate,
            sound=None if offset is None else sound,
            sound_offset_seconds=offset or 0.0,
        )


def write_gif(video: Path, path: Path, *, seconds: float = GIF_SECONDS) -> None:
    """Write the middle of a video as an animation without end, made smaller.

    Raises:
        VideoError: it cannot be read.
    """
    with FrameStore(video) as store:
        rate = float(store.frame_rate)
        count = round(seconds * rate)
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
