"""Engines of an exported target: CPU time of the main generator, and what each loses.

    uv run motiontransfer export ada --output ada --int8
    uv run python -m benchmarks.engines ada artifacts/poses/ada_as_ben.parquet

All engines generate the same poses in turns, on one thread, each from its own frames before.
Differences are to OpenVINO in fp32, in levels of 255; sharpness is the standard deviation of the
Laplacian in the person's box. `--pictures FOLDER` keeps frames side by side, to look at.
"""

import argparse
import time
from pathlib import Path
from typing import get_args

import cv2
import numpy as np

from benchmarks.machine import recorded
from motiontransfer.evaluation.frames import person_regions
from motiontransfer.evaluation.image_metrics import frame_metrics
from motiontransfer.export.player import Engine, Inputs, Output, Player, generator_file
from motiontransfer.pose.keypoints import read_keypoints

_MARGIN = 0.1
_NUM_PICTURES = 4


class Timed:
    """A player's network, which notes the CPU time of each call."""

    def __init__(self, player: Player) -> None:
        self.seconds: list[float] = []
        self._network, player.network = player.network, self

    def __call__(self, inputs: Inputs) -> Output:
        """Generate."""
        began = time.process_time()
        output = self._network(inputs)
        self.seconds.append(time.process_time() - began)
        return output


def main() -> None:
    """Measure all engines in turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="an exported target")
    parser.add_argument("poses", type=Path)
    parser.add_argument("--pictures", type=Path)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    poses = read_keypoints(arguments.poses)
    engines = [it for it in get_args(Engine) if generator_file(arguments.folder, it).is_file()]
    players = {it: Player(arguments.folder, engine=it, num_threads=1) for it in engines}
    timed = {it: Timed(player) for it, player in players.items()}
    frames: dict[str, list[np.ndarray]] = {it: [] for it in engines}
    for index in range(poses.num_frames):
        for engine, player in players.items():
            frames[engine].append(player.generate(poses.part(range(index + 1)[-25:]))())
    regions = person_regions(poses, margin=_MARGIN)
    exact = frames["openvino"]
    with recorded("engines") as rows:
        for engine in engines:
            made, milliseconds = frames[engine], 1000 * np.array(timed[engine].seconds)
            away = np.abs(np.stack(made).astype(int) - np.stack(exact))
            likeness = [
                frame_metrics(expected, frame, boxes={"person": box})["person"]
                for expected, frame, box in zip(exact, made, regions, strict=True)
            ]
            rows.append(
                {
                    "engine": engine,
                    "CPU ms, median": round(float(np.median(milliseconds)), 1),
                    "least": round(float(milliseconds.min()), 1),
                    "difference, max": int(away.max()),
                    "mean": round(float(away.mean()), 3),
                    "mean, last quarter": round(float(away[-len(away) // 4 :].mean()), 3),
                    "SSIM": round(float(np.mean([it["ssim"] for it in likeness if it])), 4),
                    "sharpness": round(float(np.mean([*map(_sharpness, made, regions)])), 2),
                }
            )
    if arguments.pictures:
        _draw(arguments.pictures, frames)


def _sharpness(frame: np.ndarray, box: tuple[int, int, int, int]) -> float:
    x0, y0, x1, y1 = np.maximum(np.array(box), 0).astype(int)
    gray = cv2.cvtColor(frame[y0:y1, x0:x1], cv2.COLOR_RGB2GRAY)
    return float(cv2.Laplacian(gray, cv2.CV_32F).std())


def _draw(folder: Path, frames: dict[str, list[np.ndarray]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    num_frames = len(frames["openvino"])
    for index in np.linspace(0, num_frames - 1, _NUM_PICTURES + 2).astype(int)[1:-1].tolist():
        beside = np.concatenate([made[index] for made in frames.values()], axis=1)
        cv2.imwrite(str(folder / f"{index:06}.png"), beside[..., ::-1])


if __name__ == "__main__":
    main()
