"""What the puppet adds at equal training: without a network, with one, and the network alone.

    uv run python -m benchmarks.texture TARGET [TRANSFER] [--steps 50 100 200 400]

Trains the main generator for so many steps each, with `train_gan.texture` puppet and none, and
compares the held-out tails of TARGET's clips, and the truth of TRANSFER, with what it generates.
Writes benchmarks/results/texture.json and docs/texture.png: similarity over CPU time. Needs a
finished `uv run dvc repro`; the face generator is left out.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.machine import recorded
from motiontransfer.evaluation.frames import all_regions
from motiontransfer.evaluation.image_metrics import frame_metrics
from motiontransfer.keypoints import Keypoints, read_keypoints
from motiontransfer.params import Transfer, load_section
from motiontransfer.puppet.appearance import Appearance
from motiontransfer.puppet.puppet import Puppet
from motiontransfer.rendering.renderer import load_renderer, render_poses
from motiontransfer.target_clips import HeldOut, Target, read_target_clips
from motiontransfer.training.distributed import make_fabric
from motiontransfer.training.pose_gan import PoseGanConfig
from motiontransfer.training.train_pose_gan import train_generator
from motiontransfer.training.trainer import RunPaths
from motiontransfer.training.weights import read_appearance
from motiontransfer.video.color import Frame
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.geometry import resize
from stages.train_gan import TrainGanParams, generator_networks

_BOX_MARGIN = 0.1  # as `evaluate.box_margin`
_REGIONS = {"person": "person", "face": "face", "left_hand": "hands", "right_hand": "hands"}
_COLOURS = {"puppet": "#e8590c", "none": "#1c7ed6", "alone": "#868e96"}

Footage = tuple[str, Keypoints, list[Frame]]
"""Name, poses, and the real frames of the same."""


def main() -> None:
    """Train, compare, print a table, draw the curves."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target")
    parser.add_argument("transfer", nargs="?")
    parser.add_argument("--steps", type=int, nargs="+", default=[50, 100, 200, 400])
    parser.add_argument("--out", type=Path, default=Path("docs/texture.png"))
    arguments = parser.parse_args()
    params = load_section(TrainGanParams, "train_gan")
    appearance_file = Path("artifacts/appearance") / f"{arguments.target}.safetensors"
    target = Target(
        clips=read_target_clips(arguments.target, params.fill(HeldOut)),
        held_out=params.fill(HeldOut),
        appearance=read_appearance(appearance_file),
        appearance_file=appearance_file,
    )
    footage = list(_footage(target, arguments.transfer))
    with recorded("texture") as rows:
        rows += _compare("alone", 0, 0.0, _puppet_alone(target.appearance, footage), footage)
        for steps in arguments.steps:
            for texture in ("puppet", "none"):
                with tempfile.TemporaryDirectory() as folder:
                    seconds = _train(params, target, texture, steps, Path(folder))
                    renderer = load_renderer(
                        Path(folder) / "models", make_fabric(precision="auto"), face="none"
                    )
                    made = [list(render_poses(renderer, poses)) for _, poses, _ in footage]
                rows += _compare(texture, steps, seconds, made, footage)
    _draw(arguments.out, pd.DataFrame(rows))


def _footage(target: Target, transfer: str | None) -> Iterator[Footage]:
    for clip in target.clips:
        tail = clip.keypoints.part(clip.held_out)
        with FrameStore(clip.frames) as store:
            yield "held out", tail, [store[index] for index in clip.held_out]
    if transfer and (truth := load_section(Transfer, f"transfers.{transfer}").truth_path):
        with FrameStore(truth) as store:
            yield (
                transfer,
                read_keypoints(Path("artifacts/poses") / f"{transfer}.parquet"),
                list(store.frames()),
            )


def _train(params: TrainGanParams, target: Target, texture: str, steps: int, folder: Path) -> float:
    """Train into a folder; return CPU seconds."""
    changes = {"texture": texture, "steps": steps, "max_minutes": None, "sample_every_steps": steps}
    changes |= {} if texture == "puppet" else {"part_dropout": 0.0}
    changed = params.model_copy(update=changes)
    began = time.process_time()
    with changed.launched() as fabric:
        train_generator(
            target,
            fabric,
            networks=generator_networks(changed, target.clips),
            config=changed.fill(PoseGanConfig),
            schedule=changed.schedule,
            paths=RunPaths(
                checkpoints=folder / "checkpoints", models=folder / "models", logs=folder / "logs"
            ),
        )
    return time.process_time() - began


def _puppet_alone(appearance: Appearance, footage: Sequence[Footage]) -> list[list[Frame]]:
    """The puppet over the background image."""
    made = []
    for _, poses, _ in footage:
        height, width = poses.image_size
        puppet = Puppet(appearance, poses.image_size)
        background = resize(appearance.background, poses.image_size)
        clip = puppet.follow(poses.points, poses.score, skeleton=poses.skeleton)
        frames = []
        for index in range(poses.num_frames):
            texture = clip.draw(index, box=(0, 0, width, height))
            behind = background * (1 - texture[..., 3:4] / 255)
            frames.append((texture[..., :3] + behind).clip(0, 255).round().astype(np.uint8))
        made.append(frames)
    return made


def _compare(
    texture: str,
    steps: int,
    seconds: float,
    made: Sequence[Sequence[Frame]],
    footage: Sequence[Footage],
) -> Iterator[dict[str, object]]:
    """One row a clip: shift-tolerant SSIM of person, face and hands."""
    for (name, poses, real), frames in zip(footage, made, strict=True):
        regions = all_regions(poses, margin=_BOX_MARGIN)
        found: dict[str, list[float]] = {region: [] for region in _REGIONS.values()}
        for index, (truth, frame) in enumerate(zip(real, frames, strict=True)):
            boxes = {box: regions[box][index] for box in _REGIONS}
            for box, metrics in frame_metrics(truth, frame, boxes=boxes).items():
                if metrics:
                    found[_REGIONS[box]].append(metrics["shift_tolerant_ssim"])
        means = {region: round(float(np.mean(values)), 3) for region, values in found.items()}
        yield {
            "texture": texture,
            "steps": steps,
            "cpu_seconds": round(seconds),
            "frames": name,
            **means,
        }


def _draw(path: Path, table: pd.DataFrame) -> None:
    names = list(dict.fromkeys(table["frames"]))
    regions = list(dict.fromkeys(_REGIONS.values()))
    figure = Figure(figsize=(4 * len(regions), 3 * len(names)), layout="constrained")
    axes = figure.subplots(len(names), len(regions), squeeze=False, sharex=True)
    for row, name in zip(axes, names, strict=True):
        for axis, region in zip(row, regions, strict=True):
            for texture, colour in _COLOURS.items():
                of = table[(table["texture"] == texture) & (table["frames"] == name)]
                if texture == "alone":
                    axis.axhline(of[region].mean(), color=colour, ls="--", label="puppet alone")
                else:
                    label = "network and puppet" if texture == "puppet" else "network alone"
                    means = of.groupby("cpu_seconds")[region].mean()
                    axis.plot(means.index, means, "o-", color=colour, label=label)
            axis.set_title(f"{region}, {name}")
            axis.set_xlabel("CPU seconds of training")
    axes[0, 0].set_ylabel("shift-tolerant SSIM")
    axes[0, 0].legend()
    FigureCanvasAgg(figure).print_png(path)


if __name__ == "__main__":
    main()
