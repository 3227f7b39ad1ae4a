"""Let an exported target perform, without PyTorch.

`python run.py play poses/TRANSFER.json out.mp4` renders poses from a file, `python run.py live`
those of the person whom a camera sees.

Parquet poses are those of the pipeline in artifacts/poses or, with --normalization, of another
person's video in artifacts/keypoints; they need pyarrow. JSON poses are `{"image_size": [height,
width], "frame_rate": "25", "groups": [["body", ["nose", ...]], ...], "joints": [[[x, y, score],
...], ...]}`: pixels, a list for each frame. Where it is known, `depth` has as many lists: how
far each joint is behind the hips, in heights of the body. An output without suffix is a folder of
PNG files.

Keys in the window of `live`: q quits, space pauses, r forgets the person's proportions and place
and f freezes them, m mirrors. What it shows and records has the visible label.
"""

import argparse
import json
import os
from contextlib import ExitStack
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import get_args

import cv2
import numpy as np

from motiontransfer.body.completion import complete
from motiontransfer.core.errors import KeypointsError, MotionTransferError, ParamsError, VideoError
from motiontransfer.core.storage import check_output
from motiontransfer.export.onnx_networks import (
    STATISTICS_FILE,
    Engine,
    has_networks,
    open_appearance,
    open_target,
    read_label,
    read_model,
)
from motiontransfer.live.devices import Window, open_camera, open_video, recording
from motiontransfer.live.motion import SourceMotion
from motiontransfer.live.session import Session, working_framing
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.keypoints_file import read_keypoints
from motiontransfer.pose.openvino_holistic import follow_person
from motiontransfer.pose.skeleton import Skeleton
from motiontransfer.puppet.draw.warping import Puppet
from motiontransfer.rendering.compositing import labeled, puppet_frames
from motiontransfer.rendering.frame import LivePuppet, full_size, live_generator, render_poses
from motiontransfer.retargeting.in_view import fit_path
from motiontransfer.retargeting.normalization import LIVE_MODES, normalize_poses
from motiontransfer.retargeting.statistics import PoseStatistics, fit_statistics, read_statistics
from motiontransfer.retargeting.unfilmed_sides import face_camera
from motiontransfer.video.writer import write_video

FOLDER = Path(__file__).parent
_MOST_THREADS = 1000
DETECTOR_FOLDER = "detector"
"""MediaPipe's models."""


def read_poses(path: Path) -> Keypoints:
    if path.suffix != ".json":
        return read_keypoints(path)
    try:
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
            depth=np.array(content["depth"], np.float32) if "depth" in content else None,
        )
    except (ValueError, LookupError, TypeError) as error:
        raise KeypointsError(f"{path}: expected poses as in `--help`, got {error!r}") from error


def play(arguments: argparse.Namespace, target: PoseStatistics) -> None:
    poses = read_poses(arguments.poses)
    if arguments.normalization != "none":
        model, dance = read_model(FOLDER), complete(poses)
        source = fit_statistics([dance], **model["fit_normalization"])
        poses = normalize_poses(
            dance, mode=arguments.normalization, centering="median", source=source, target=target
        )
        if model["path"] == "fit":
            poses = fit_path(poses, dance, target)[0]
        if model["unfilmed_sides"] == "face_camera":
            poses = face_camera(poses, target).poses
    if has_networks(FOLDER):
        renderer = open_target(FOLDER, engine=arguments.engine, num_threads=arguments.threads)
        frames = render_poses(renderer, poses, size=full_size(renderer))
    else:
        appearance = open_appearance(FOLDER)
        size = appearance.background.shape[:2]
        drawn = puppet_frames(Puppet(appearance, poses.image_size), poses, size=size)
        frames = (frame[..., :3] for frame in drawn)
    if arguments.output.suffix:
        write_video(arguments.output, frames, frame_rate=poses.frame_rate)
        return
    arguments.output.mkdir(parents=True, exist_ok=True)
    for index, frame in enumerate(frames):
        file = arguments.output / f"{index:06}.png"
        if not cv2.imwrite(str(file), frame[..., ::-1]):
            raise VideoError(f"{file}: cannot be written; is the disk full?")


def live(arguments: argparse.Namespace, target: PoseStatistics) -> None:
    source = open_video(arguments.video) if arguments.video else open_camera(arguments.camera)
    with ExitStack() as stack:
        outputs = []
        if arguments.output is not None:
            outputs.append(stack.enter_context(recording(source, arguments.output)))
        window = None if arguments.headless else stack.enter_context(Window())
        if has_networks(FOLDER):
            generator = live_generator(
                open_target(FOLDER, engine=arguments.engine, num_threads=arguments.threads)
            )
        else:
            generator = LivePuppet(open_appearance(FOLDER), target.image_size)
        model = read_model(FOLDER)
        statistics = model["fit_normalization"]
        motion = SourceMotion(
            partial(fit_statistics, **statistics),
            min_score=statistics["min_score"],
            mode=arguments.normalization,
            centering="median",
            unfilmed_sides=model["unfilmed_sides"],
            target=target,
            skeleton=source.skeleton,
            image_size=working_framing(source, height=generator.size[0]).size,
        )
        session = Session(
            source,
            motion,
            generator,
            detect=follow_person(FOLDER / DETECTOR_FOLDER),
            with_label=partial(labeled, label=read_label(FOLDER)),
        )
        session.run(window=window, outputs=outputs)
    print(session.summary())  # noqa: T201 - a program


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    player = commands.add_parser("play", help="poses from a file")
    player.add_argument("poses", type=Path)
    player.add_argument("output", type=Path, help="an .mp4, or a folder")
    player.set_defaults(run=play, suffixes=(".mp4", ""))
    camera = commands.add_parser("live", help="a camera, or a video in its place")
    camera.add_argument("--camera", type=int, default=0, help="its number")
    camera.add_argument("--video", type=Path, help="played in its own time")
    camera.add_argument("--output", type=Path, help="an .mp4 to record, with the video's sound")
    camera.add_argument("--headless", action="store_true", help="open no window")
    camera.set_defaults(run=live, suffixes=(".mp4",))
    half = max(1, (os.cpu_count() or 1) // 2)  # of the cores; the other half detects
    for command, engine, mode, threads in (
        (player, "openvino", "none", 0),
        (camera, "openvino_bf16", "body", half),
    ):
        command.add_argument("--engine", choices=get_args(Engine), default=engine)
        command.add_argument(
            "--threads", type=int, default=threads, help="0: the engine's own choice"
        )
        command.add_argument(
            "--normalization",
            choices=LIVE_MODES,
            default=mode,
            help="to the target's proportions and place",
        )
    arguments = parser.parse_args()
    if not 0 <= arguments.threads <= _MOST_THREADS:
        parser.error(f"--threads: expected 0 to {_MOST_THREADS}, got {arguments.threads}")
    cv2.setNumThreads(1)  # its operations here are too small to be shared
    try:
        if (output := arguments.output) is not None:
            if output.suffix not in arguments.suffixes:
                raise ParamsError(f"{output}: expected a name that ends in .mp4")
            given = (vars(arguments).get(name) for name in ("poses", "video"))
            check_output(output, filter(None, given))
        arguments.run(arguments, read_statistics(FOLDER / STATISTICS_FILE))
    except (MotionTransferError, OSError) as error:
        parser.exit(1, f"{error}\n")
    except ModuleNotFoundError as error:  # of poses in Parquet
        parser.exit(1, f"{error}: pip install {error.name}\n")


if __name__ == "__main__":
    main()
