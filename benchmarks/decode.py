"""CPU time, disk and wall time of decoding a phone's film, by its size.

    uv run python -m benchmarks.decode [FILM] [--seconds 10] [--sizes 1024x512 1080x1920 2160x3840]

FILM (by default the demo's target) is scaled to each size, encoded in H.264 at 30 frames a second,
and decoded as the stage does, with a crop around a person. Each is a process of its own.
"""

import argparse
import sys
import tempfile
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path

from benchmarks.machine import recorded, usage_of
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.geometry import resize
from motiontransfer.video.writer import write_video

_RATE = 30
_DECODE = """
import sys
from pathlib import Path
from motiontransfer.video.clip import decode_video

def find_people(frames):  # in the middle
    height, width, _ = frames[0].shape
    return [(width // 4, height // 8, width * 3 // 4, height * 7 // 8)] * len(frames)

film, folder = map(Path, sys.argv[1:])
options = {"frame_rate": None, "crop": find_people, "on_damage": "fail"}
decode_video(film, folder, size=256, **options)
"""


def main() -> None:
    """A row for each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    film = Path("artifacts/frames/ada/demo_target/frames.mkv")
    parser.add_argument("film", type=Path, nargs="?", default=film)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--sizes", nargs="+", default=["1024x512", "1080x1920", "2160x3840"])
    arguments = parser.parse_args()
    num_frames = _RATE * arguments.seconds
    with recorded("decode") as rows, tempfile.TemporaryDirectory(prefix="motiontransfer-") as root:
        for size in arguments.sizes:
            width, height = map(int, size.split("x"))
            path, folder = Path(root) / f"{size}.mp4", Path(root) / size
            with FrameStore(arguments.film) as store:
                frames = (
                    resize(store[index], (height, width))
                    for index in islice(cycle(range(len(store))), num_frames)
                )
                write_video(path, frames, frame_rate=Fraction(_RATE))
            used = usage_of([sys.executable, "-c", _DECODE, str(path), str(folder)], folder=Path())
            disk = sum(file.stat().st_size for file in folder.iterdir())
            rows.append(
                {
                    "film": size,
                    "frames": num_frames,
                    "CPU ms a frame": round(1000 * used.cpu_seconds / num_frames, 1),
                    "s": round(used.seconds, 1),
                    "MB on disk": round(disk / 1e6, 1),
                    "peak MiB": round(used.peak_mib),
                }
            )


if __name__ == "__main__":
    main()
