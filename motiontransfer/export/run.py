"""Render poses with an exported target, without PyTorch: `python run.py poses.parquet out.mp4`.

Parquet poses are those of the pipeline in artifacts/poses or, with --normalization, of another
person's video in artifacts/keypoints; they need pyarrow. JSON poses are `{"image_size": [height,
width], "frame_rate": "25", "groups": [["body", ["nose", ...]], ...], "joints": [[[x, y, score],
...], ...]}`: pixels, a list for each frame. An output without suffix is a folder of PNG files.
"""

import argparse
import json
from fractions import Fraction
from pathlib import Path
from typing import get_args

import cv2
import numpy as np

from motiontransfer.export.engines import Engine
from motiontransfer.export.player import STATISTICS_FILE, Player
from motiontransfer.keypoints import Keypoints, read_keypoints
from motiontransfer.pose.normalization import normalize_poses
from motiontransfer.pose.statistics import fit_statistics, read_statistics
from motiontransfer.skeleton import Skeleton
from motiontransfer.video.writer import write_video


def read_poses(path: Path) -> Keypoints:
    """Read poses from Parquet or JSON."""
    if path.suffix != ".json":
        return read_keypoints(path)
    content = json.loads(path.read_text(encoding="utf-8"))
    joints = np.array(content["joints"], np.float32)
    groups = tuple((group, tuple(names)) for group, names in content["groups"])
    height, width = content["image_size"]
    return Keypoints(
        points=joints[..., :2].copy(),
        score=joints[..., 2].copy(),
        skeleton=Skeleton(groups=groups),
        image_size=(height, width),
        frame_rate=Fraction(content["frame_rate"]),
        detector="json",
    )


def main() -> None:
    """Render a file of poses."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("poses", type=Path)
    parser.add_argument("output", type=Path, help="an .mp4, or a folder")
    parser.add_argument("--engine", choices=get_args(Engine), default="onnxruntime")
    parser.add_argument("--threads", type=int, default=0, help="0: the engine's own choice")
    parser.add_argument(
        "--normalization",
        choices=["limbs", "ankle", "none"],
        default="none",
        help="to the target's proportions and place",
    )
    arguments = parser.parse_args()
    poses, folder = read_poses(arguments.poses), Path(__file__).parent
    if arguments.normalization != "none":
        target = read_statistics(folder / STATISTICS_FILE)
        poses = normalize_poses(
            poses,
            mode=arguments.normalization,
            centring="median",
            source=fit_statistics(
                [poses],
                min_score=target.min_score,
                cluster_fraction=None,
                outlier_quantile=0.98,  # as in params.yaml
            ),
            target=target,
        )
    cv2.setNumThreads(1)  # its operations here are too small to be shared
    player = Player(folder, engine=arguments.engine, num_threads=arguments.threads)
    frames = player.play(poses)
    if arguments.output.suffix:
        write_video(arguments.output, frames, frame_rate=poses.frame_rate)
        return
    arguments.output.mkdir(parents=True, exist_ok=True)
    for index, frame in enumerate(frames):
        cv2.imwrite(str(arguments.output / f"{index:06}.png"), frame[..., ::-1])


if __name__ == "__main__":
    main()
