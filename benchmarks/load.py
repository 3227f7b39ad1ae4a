"""CPU time and peak memory of each stage on hours of footage, and on a tenth of it.

    uv run python -m benchmarks.load [--hours 3] [--transfer-frames 50000]

The demo's clips at 64x64 pixels and 10 frames a second are repeated. Each stage
is a process of its own, as DVC runs it. Detection is a stand-in that gives the demo's keypoints, in
real workers and through the real tracker. The generator, with a puppet, is trained for four
steps. Time is linear where both columns of CPU milliseconds a frame are equal; starting up is in
both, so the second is less. Keypoints are in memory: `MiB a 1000 frames` is how the peak grows.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from benchmarks.film import write_film
from benchmarks.machine import recorded, usage_of
from benchmarks.transfer.project import read_sections, write_sections
from motiontransfer.core.arrays import Frame
from motiontransfer.pose.detection import detect_clip
from motiontransfer.pose.keypoints import People
from motiontransfer.pose.keypoints_file import read_keypoints
from motiontransfer.pose.landmarks import Detector
from motiontransfer.pose.skeleton import HOLISTIC, Skeleton
from stages import detect_keypoints

_RATE, _SIDE = 10, 64
_SEGMENT_FRAMES = 300
_VIDEOS = {"demo_target": "ada", "demo_dance": "ben"}
_STAGES = (
    *(("decode", "demo_target"), ("detect_keypoints", "demo_target")),
    *(("clean_keypoints", "demo_target"), ("fit_normalization", "ada")),
    *(("segment_person", "ada"), ("fit_appearance", "ada"), ("train_gan", "ada")),
    *(("decode", "demo_dance"), ("detect_keypoints", "demo_dance")),
    *(("clean_keypoints", "demo_dance"), ("fit_normalization", "ben")),
    *((stage, "ada_as_ben") for stage in ("normalize", "render", "encode")),
)


def main() -> None:
    """Measure every stage at a tenth and at the whole length."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=3.0, help="of the target")
    parser.add_argument("--transfer-frames", type=int, default=50_000)
    parser.add_argument("--detect", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.detect:
        _detect(arguments.detect[0], Path(arguments.detect[1]))
        return
    frames_of = {"ada": round(arguments.hours * 3600 * _RATE), "ben": arguments.transfer_frames}
    with recorded("load") as rows, tempfile.TemporaryDirectory(prefix="motiontransfer-") as root:
        projects = {10: Path(root) / "tenth", 1: Path(root) / "whole"}
        for share, project in projects.items():
            _write_project(project, {name: count // share for name, count in frames_of.items()})
            usage_of([sys.executable, "-m", "stages", "check_params"], folder=project)
        for stage, name in _STAGES:
            command = [sys.executable, "-m", "stages", stage, name]
            if stage == "detect_keypoints":
                keypoints = Path("artifacts/keypoints", _VIDEOS[name], f"{name}.parquet").resolve()
                command = [sys.executable, "-m", __spec__.name, "--detect", name, str(keypoints)]
            of_tenth, of_whole = (usage_of(command, folder=folder) for folder in projects.values())
            frames = frames_of["ben" if name in ("ada_as_ben", "ben", "demo_dance") else "ada"]
            more = (of_whole.peak_mib - of_tenth.peak_mib) / (0.9 * frames)
            rows.append(
                {
                    "stage": f"{stage} {name}",
                    "frames": frames,
                    "CPU ms a frame, of a tenth": round(1e4 * of_tenth.cpu_seconds / frames, 2),
                    "of the whole": round(1e3 * of_whole.cpu_seconds / frames, 2),
                    "peak MiB, of a tenth": round(of_tenth.peak_mib),
                    "MiB of the whole": round(of_whole.peak_mib),
                    "MiB a 1000 frames": round(1000 * more, 1),
                }
            )
            print(rows[-1], file=sys.stderr, flush=True)  # noqa: T201 - it takes an hour


def _write_project(folder: Path, frames_of: dict[str, int]) -> None:
    """Params, videos, and links to the stages' code."""
    params = read_sections()
    params["decode"]["size"] = [_SIDE, _SIDE]
    params["fit_appearance"]["references"] = 20
    params["train_gan"] |= {
        **{"steps": 4, "num_filters": 8, "num_downsamplings": 3, "num_residual_blocks": 2},
        **{"max_channels": 32, "discriminator_filters": 4, "discriminator_layers": 2},
    }
    params["render"] |= {"face": "none", "provenance": "none"}
    params["transfers"]["ada_as_ben"]["truth"] = "none"
    for video, subject in _VIDEOS.items():
        path = folder / params["videos"][video]["path"]
        clip = Path("artifacts/frames") / subject / video / "frames.mkv"
        size, count = (_SIDE, _SIDE), frames_of[subject]
        write_film(clip, path, size, num_frames=count, frame_rate=Fraction(_RATE))
    write_sections(folder, params)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Repeated:
    """A stand-in for a detector: the same people again and again, whatever the frames."""

    people: Float32[np.ndarray, "frames joints 3"]
    skeleton: Skeleton = HOLISTIC
    label: str = "repeated"
    batch_frames: int = 30
    warmup_frames: int = 0

    @property
    def segment_frames(self) -> int:
        """Whole rounds of the people."""
        return len(self.people) * max(1, _SEGMENT_FRAMES // len(self.people))

    @contextmanager
    def open(self) -> Iterator[Detector]:
        """From the first frame on."""
        index = 0

        def detect(frames: Sequence[Frame]) -> list[People]:
            nonlocal index
            index += len(frames)
            which = np.arange(index - len(frames), index) % len(self.people)
            return list(self.people[which, None])

        yield detect


def _detect(video: str, keypoints_file: Path) -> None:
    """The stage `detect_keypoints`, with the keypoints of a clip for a detector."""
    found = read_keypoints(keypoints_file)
    points = found.points * np.float32(_SIDE / found.image_size[0])
    detector = _Repeated(people=np.dstack([points, found.score]))
    detect_keypoints.detect_keypoints = lambda clip, _, *, compute, **__: detect_clip(
        clip / "frames.mkv", detector=detector, compute=compute
    )
    detect_keypoints.load_detector = lambda _, **__: None
    detect_keypoints.main(video)


if __name__ == "__main__":
    main()
