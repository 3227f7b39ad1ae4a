"""CPU time and peak memory of rendering and evaluation by length, resolution and workers.

    uv run python -m benchmarks.scaling [--frames 100] [--lengths 1 4 16] [--sizes 128 256]

The demo's clips are repeated to each length, resized, and given to the stages `render`, `evaluate`
and `evaluate_transfer`, each a process of its own, with a small untrained generator. `CPU ms a
frame` is of the frames beyond the row above: without starting up, and constant where time is
linear. Memory that does not grow with the clip is the same in all rows of a size.
"""

import argparse
import sys
import tempfile
from dataclasses import asdict, replace
from itertools import cycle, islice
from pathlib import Path

import cv2
import yaml

from benchmarks.machine import recorded, usage_of
from motiontransfer.keypoints import Keypoints, read_keypoints, write_keypoints
from motiontransfer.models.generators import GeneratorConfig, build_generator
from motiontransfer.models.layers import initialise
from motiontransfer.pose.drawing import PoseMapStyle
from motiontransfer.retargeting.statistics import fit_statistics, write_statistics
from motiontransfer.training.weights import write_no_weights, write_weights
from motiontransfer.video.clip import read_clip, write_description
from motiontransfer.video.frame_store import FrameStore, write_frames
from motiontransfer.video.geometry import fit_framing

_TRANSFER = "ada_as_ben"
_STAGES = {"render": _TRANSFER, "evaluate": "ada", "evaluate_transfer": _TRANSFER}
_STYLE = PoseMapStyle(encoding="limbs", line_width_px=3.0)


def main() -> None:
    """Measure each length, then the other sizes and numbers of workers at the first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=100, help="of a clip of length 1")
    parser.add_argument("--lengths", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256], help="side, pixels")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="of detection")
    arguments = parser.parse_args()
    frames, size, workers = arguments.frames, arguments.sizes[0], arguments.workers[0]
    cases = [
        *((frames * length, size, workers) for length in arguments.lengths),
        *((frames, other, workers) for other in arguments.sizes[1:]),
        *((frames, size, other) for other in arguments.workers[1:]),
    ]
    with recorded("scaling") as rows, tempfile.TemporaryDirectory(prefix="motiontransfer-") as root:
        projects = [Path(root) / "x".join(map(str, case)) for case in cases]
        for project, case in zip(projects, cases, strict=True):
            _write_project(project, *case)
        for stage, name in _STAGES.items():
            command = [sys.executable, "-m", "stages", stage, name]
            before: tuple[int, float] | None = None
            for project, (frames, size, workers) in zip(projects, cases, strict=True):
                used = usage_of(command, folder=project)
                milliseconds: float | str = ""
                if before and frames > before[0]:
                    added = used.cpu_seconds - before[1]
                    milliseconds = round(1000 * added / (frames - before[0]), 1)
                before = (frames, used.cpu_seconds)
                rows.append(
                    {
                        **{"stage": stage, "frames": frames, "size": size, "workers": workers},
                        "seconds": round(used.seconds, 1),
                        "CPU seconds": round(used.cpu_seconds, 1),
                        "CPU ms a frame": milliseconds,
                        "peak MiB": round(used.peak_mib),
                    }
                )


def _write_project(folder: Path, num_frames: int, size: int, num_workers: int) -> None:
    """The demo's clips, repeated and resized, an untrained generator and the params."""
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["transfers"][_TRANSFER]["truth"] = "none"
    params["render"] |= {"face": "none", "provenance": "none"}
    params["compute"]["num_workers"] = num_workers
    artifacts = folder / "artifacts"
    artifacts.mkdir(parents=True)
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    for subject, video in (("ben", "demo_dance"), ("ada", "demo_target")):
        keypoints = _write_clip(artifacts, subject, video, num_frames, size)
        statistics = fit_statistics(
            [keypoints], min_score=0.5, cluster_fraction=None, outlier_quantile=0.98
        )
        write_statistics(artifacts / f"statistics/{subject}.json", statistics)
    config = GeneratorConfig(
        **{"architecture": "fast", "background": "generated", "size": (size, size)},
        **{"num_filters": 8, "num_downsamplings": 3, "num_residual_blocks": 2},
        **{"max_channels": 32, "pose_channels": _STYLE.num_channels},
    )
    description = {
        "generator": asdict(config),
        "pose_map": asdict(_STYLE),
        "held_out": {"held_out_fraction": 0.5, "gap_frames": 10},
    }
    models = artifacts / "models/ada"
    network = build_generator(config, background_image=None).apply(initialise)
    write_weights(models / "generator.safetensors", network, description=description)
    write_no_weights(models / "face_generator.safetensors", "face_generator")


def _write_clip(artifacts: Path, subject: str, video: str, num_frames: int, size: int) -> Keypoints:
    folder = artifacts / "frames" / subject / video
    clip = read_clip(Path("artifacts/frames") / subject / video)
    found = read_keypoints(Path("artifacts/keypoints") / subject / f"{video}.parquet")
    repeating = [index % found.num_frames for index in range(num_frames)]
    keypoints = found.part(repeating).resized((size, size))
    write_keypoints(artifacts / "keypoints" / subject / f"{video}.parquet", keypoints)
    with FrameStore(clip.frames) as store:
        frames = [cv2.resize(frame, (size, size)) for frame in store.frames()]
    repeated = islice(cycle(frames), num_frames)
    write_frames(folder / clip.frames.name, repeated, frame_rate=clip.frame_rate)
    framing = fit_framing(clip.framing.source_size, clip.framing.crop, size=(size, size))
    made = replace(clip, sound=None, framing=framing, num_frames=num_frames)
    write_description(folder, made, source={})
    return keypoints


if __name__ == "__main__":
    main()
