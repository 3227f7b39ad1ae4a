"""Frames a second of detection: one worker, two, and a plain loop.

    uv run python -m benchmarks.detection [CLIP.mkv] [--frames 1500] [--rounds 3]

The plain loop gives a clip's frames to MediaPipe one after the other, in one process on one core,
as one would without this project; two at once, each on a core of its own and on the whole clip, are
the most that two cores can do. All take turns on the same clip (the demo's, repeated), each in a
fresh process; the median turn counts, without starting up (`start`, seconds). `efficiency` is
frames a second against as many plain loops as there are cores; `of CPU time` compares frames for
each second that cores were busy with them, which others on the machine change least. That all but
the plain loops, which have no segments, write the same bytes is checked.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path
from statistics import median

import psutil

from benchmarks.machine import answer, in_own_process, recorded
from motiontransfer.core.params import Compute
from motiontransfer.pose.detection import detect_clip, run_detector
from motiontransfer.pose.detectors import default_detector
from motiontransfer.pose.keypoints import write_detections
from motiontransfer.video.frame_store import FrameStore, write_frames

_PLAIN_LOOPS = {1: "plain loop", 2: "2 plain loops"}
_CORES_OF = {**{"plain loop": 1, "1 worker": 1}, **{"2 plain loops": 2, "2 workers": 2}}
_START_FRAMES = 20
_DETECTOR = default_detector().model_copy(update={"warmup_frames": 5})
_STARTING = _DETECTOR.model_copy(update={"segment_frames": _START_FRAMES // 4})


def main() -> None:
    """Measure in turns; a row for each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    clip = Path("artifacts/frames/ada/demo_target/frames.mkv")
    parser.add_argument("clip", type=Path, nargs="?", default=clip, help="a frame store")
    parser.add_argument("--frames", type=int, default=1500, help="the clip is repeated or cut")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each")
    parser.add_argument("--turn", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.turn:
        name, clip, cores = arguments.turn
        os.sched_setaffinity(0, map(int, cores.split(",")))
        answer(_take_turn(name, Path(clip)))
        return
    with recorded("detection") as rows, tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mkv"
        _repeat(arguments.clip, clip, frames=arguments.frames)
        _repeat(arguments.clip, _start_of(clip), frames=_START_FRAMES)
        turns: dict[str, list[dict[str, float]]] = {name: [] for name in _CORES_OF}
        for _ in range(arguments.rounds):
            for name in _CORES_OF:
                turns[name].append(_in_fresh_processes(name, clip))
        contents = {path.read_bytes() for path in Path(folder).glob("*.parquet")}
        assert len(contents) == 1, "detections differ"
        typical = {
            name: {key: median(turn[key] for turn in results) for key in results[0]}
            for name, results in turns.items()
        }
        for name, of in typical.items():
            most = typical[_PLAIN_LOOPS[_CORES_OF[name]]]
            rows.append(
                {
                    "detection": name,
                    "frames/s": round(arguments.frames / of["seconds"], 1),
                    "efficiency": round(most["seconds"] / of["seconds"], 2),
                    "of CPU time": round(most["cpu_seconds"] / of["cpu_seconds"], 2),
                    "start": round(of["start"], 1),
                }
            )


def _repeat(source: Path, path: Path, *, frames: int) -> None:
    """Write a clip of so many frames."""
    with FrameStore(source) as store:
        indices = islice(cycle(range(len(store))), frames)
        write_frames(path, (store[index] for index in indices), frame_rate=store.frame_rate)


def _start_of(clip: Path) -> Path:
    """The few frames with which everything is started up."""
    return clip.with_name("start.mkv")


def _take_turn(name: str, clip: Path) -> dict[str, float]:
    """Seconds to start up, then seconds and CPU seconds for the clip."""
    run = _runner(name)
    start = time.perf_counter()
    run(_start_of(clip))
    started, busy = time.perf_counter(), _cpu_seconds()
    run(clip)
    return {
        "start": started - start,
        "seconds": time.perf_counter() - started,
        "cpu_seconds": _cpu_seconds() - busy,
    }


def _runner(name: str) -> Callable[[Path], None]:
    if name == "plain loop":
        return _plain_loop
    compute = Compute(num_workers=_CORES_OF[name])

    def run(clip: Path) -> None:
        detections = detect_clip(
            clip, detector=_DETECTOR if clip != _start_of(clip) else _STARTING, compute=compute
        )
        if clip != _start_of(clip):
            write_detections(clip.with_name(f"{name}.parquet"), detections)

    return run


def _plain_loop(clip: Path) -> None:
    with FrameStore(clip) as store:
        run_detector(_DETECTOR, (store[index] for index in range(len(store))))


def _cpu_seconds() -> float:
    """Of this process and all that it started."""
    this = psutil.Process()
    times = [process.cpu_times() for process in (this, *this.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def _in_fresh_processes(name: str, clip: Path) -> dict[str, float]:
    """A turn on as many cores as it has; of plain loops one on each, side by side."""
    cores = [str(core) for core in sorted(os.sched_getaffinity(0))[: _CORES_OF[name]]]
    is_plain = name in _PLAIN_LOOPS.values()
    turn, each_has = (_PLAIN_LOOPS[1], cores) if is_plain else (name, [",".join(cores)])
    with ThreadPoolExecutor() as pool:
        turns = list(pool.map(lambda own: in_own_process("--turn", turn, str(clip), own), each_has))
    return {
        "start": max(turn["start"] for turn in turns),
        "seconds": 1 / sum(1 / turn["seconds"] for turn in turns),  # for as many frames as the clip
        "cpu_seconds": sum(turn["cpu_seconds"] for turn in turns) / len(turns),
    }


if __name__ == "__main__":
    main()
