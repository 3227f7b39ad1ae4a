"""Whether a long roll-out drifts: a minute of new dancing, generated from its poses in one go.

    uv run python -m benchmarks.drift artifacts/models/ada [MODELS_FOLDER ...] [--seconds 60]

A MODELS_FOLDER holds a generator.safetensors of the demo's target: of this project, or of an
experiment with another recipe to lay beside it. The target is filmed in a dance that she was never
trained on; the generator is shown the true joints, and her box in its frames is compared with the
film. Three ways to make the same frames, because a dance is not equally hard all the time:

- rolled out: each frame from the one generated before it, from the first to the last;
- begun anew: the same, but from nothing at the start of each window;
- from real frames: each from the film's frame before it, so that no fault can add up.

What the last window loses against the first, and how far the long roll-out falls behind the two
others in the last window, where frames and poses are the same.
"""

import argparse
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor, nn

from demo.actors.choreography import compose
from demo.actors.renderer import film_clip, true_keypoints
from motiontransfer.evaluation.frames import person_regions
from motiontransfer.evaluation.image_metrics import frame_metrics
from motiontransfer.evaluation.plots import write_image
from motiontransfer.fabric import Fabric
from motiontransfer.keypoints import Keypoints
from motiontransfer.models.generators import FrameGenerator, Generated, Textures
from motiontransfer.models.roll_out import roll_out
from motiontransfer.parallel import Compute
from motiontransfer.pose.drawing import PoseMapStyle
from motiontransfer.progress import track
from motiontransfer.rendering.videos import contact_sheet
from motiontransfer.training.distributed import make_fabric
from motiontransfer.training.weights import TrainedGenerator, read_generator
from motiontransfer.video.tensors import Frame, Images, frames_to_tensor, tensor_to_frames

_ACTOR, _FRAME_RATE, _BEATS_PER_MINUTE, _SEED = "ada", 25, 112, 60
_SAMPLES = 2  # rays along each side of a pixel, as in the demo
_BOX_MARGIN = 0.1  # as `evaluate.box_margin`
_ROLLED_OUT, _BEGUN_ANEW, _FROM_REAL = "rolled out", "begun anew", "from real frames"
_COLOURS = {_ROLLED_OUT: "#e8590c", _BEGUN_ANEW: "#a5c8ff", _FROM_REAL: "#2b8a3e"}

Frames = Sequence[Frame]


def main() -> None:
    """Film, generate, compare; print tables, write curves and frames as pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", type=Path, nargs="+", help="folders with generator.safetensors")
    parser.add_argument("--seconds", type=int, default=60, help="length of the dance")
    parser.add_argument("--window", type=int, default=10, help="seconds that are compared")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder of the pictures")
    arguments = parser.parse_args()
    if arguments.seconds < 2 * arguments.window:
        parser.error(f"--seconds: expected at least two windows of {arguments.window} s")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    began = time.monotonic()
    trained = {
        str(folder): read_generator(folder / "generator.safetensors") for folder in arguments.models
    }
    sizes = {one.config.size for one in trained.values()}
    if len(sizes) > 1:
        parser.error(f"expected generators of frames of one size, got {sorted(sizes)}")
    real, keypoints = _film(arguments.seconds, sizes.pop())
    window = arguments.window * _FRAME_RATE
    tables, shown = {}, {"film": _moments(real, window)}
    for name, one in trained.items():
        tables[name], kept = _measure(name, one, real, keypoints, window=window)
        shown[name] = _moments(kept, window)
        print(f"\n{name}\n\n{_report(tables[name], window)}")  # noqa: T201
    arguments.out.mkdir(parents=True, exist_ok=True)
    _draw_curves(arguments.out / "drift.png", tables)
    captions = [f"{round(index / _FRAME_RATE)} s" for index in _last_frames(len(real), window)]
    write_image(arguments.out / "drift.jpg", contact_sheet(shown, captions))
    minutes = (time.monotonic() - began) / 60
    print(f"\n{minutes:.1f} min; pictures: drift.png and drift.jpg in {arguments.out}")  # noqa: T201


def _film(seconds: int, size: tuple[int, int]) -> tuple[Frames, Keypoints]:
    """The target in a dance of her own, and her true joints."""
    motion = compose(
        seconds * _FRAME_RATE,
        frame_rate=float(_FRAME_RATE),
        beats_per_minute=_BEATS_PER_MINUTE,
        seed=_SEED,
    )
    compute = Compute(backend="local", address=None, num_workers=0)
    filmed = film_clip(_ACTOR, motion, size=size, samples=_SAMPLES, compute=compute)
    shots = list(track(filmed, "film", total=len(motion.angles)))
    joints = np.array([shot.joints for shot in shots])
    keypoints = true_keypoints(joints, size=size, frame_rate=Fraction(_FRAME_RATE))
    return [shot.frame for shot in shots], keypoints


def _measure(
    name: str, trained: TrainedGenerator, real: Frames, keypoints: Keypoints, *, window: int
) -> tuple[pd.DataFrame, Frames]:
    """L1 and SSIM of the person in every frame, by way of making it; and the rolled out frames."""
    everything, kept = range(len(real)), []
    fabric = make_fabric(precision="auto")
    network = trained.network.to(fabric.device)
    roll = partial(_rolled_out, style=trained.style, keypoints=keypoints, fabric=fabric)
    windows = (everything[start : start + window] for start in everything[::window])
    made = {
        _ROLLED_OUT: roll(network, frames=everything),
        _BEGUN_ANEW: chain.from_iterable(roll(network, frames=frames) for frames in windows),
        _FROM_REAL: roll(_ShownReal(trained, real), frames=everything),
    }
    boxes = person_regions(keypoints, margin=_BOX_MARGIN)
    rows = []
    for index, frames in enumerate(
        zip(track(real, name, total=len(real)), *made.values(), strict=True)
    ):
        box = {"person": boxes[index]}
        kept.append(frames[1])
        for way, fake in zip(made, frames[1:], strict=True):
            metrics = frame_metrics(frames[0], fake, boxes=box)["person"]
            rows.append({"frame_index": index, "way": way, **metrics})
    return pd.DataFrame(rows), kept


class _ShownReal(FrameGenerator):
    """Is shown the real frame before instead of the one that it generated; for one roll-out."""

    def __init__(self, trained: TrainedGenerator, real: Frames) -> None:
        super().__init__(
            nn.Identity(),
            conditioning_poses=trained.config.conditioning_poses,
            puppet=trained.network.puppet,
        )
        self._generator, self._real = trained.network, iter(real)
        self._before: Frame | None = None

    def forward(
        self,
        pose_map: Float[Tensor, "batch pose_channels height width"],
        previous_frame: Images,
        background: Images | None = None,
        texture: Textures | None = None,
    ) -> Generated:
        """Return the next frame."""
        shown = (
            previous_frame
            if self._before is None
            else frames_to_tensor([self._before]).to(pose_map)
        )
        self._before = next(self._real)
        return self._generator(pose_map, shown, background, texture)


def _rolled_out(
    network: nn.Module, style: PoseMapStyle, keypoints: Keypoints, frames: range, *, fabric: Fabric
) -> Iterator[Frame]:
    images = roll_out(
        network,
        keypoints.points[frames.start : frames.stop],
        keypoints.score[frames.start : frames.stop],
        skeleton=keypoints.skeleton,
        size=keypoints.image_size,
        style=style,
        autocast=fabric.autocast,
    )
    return (tensor_to_frames(image[None])[0] for image in images)


def _report(table: pd.DataFrame, window: int) -> str:
    """A table of the windows, and what they come to."""
    means = _window_means(table, window)
    lines = [
        "| window | " + " | ".join(f"{way}: SSIM | L1" for way in _COLOURS) + " |",
        "|---" * (1 + 2 * len(_COLOURS)) + "|",
    ]
    for index, row in means.iterrows():
        start = int(index) * window // _FRAME_RATE
        cells = [f"{row['ssim', way]:.4f} | {row['l1', way]:.2f}" for way in _COLOURS]
        lines.append(f"| {start} to {start + window // _FRAME_RATE} s | {' | '.join(cells)} |")
    first, last = means.iloc[0], means.iloc[-1]
    lines += ["", "| person | SSIM | L1 |", "|---|---|---|"]
    for way in _COLOURS:
        lines.append(f"| last window / first, {way} | {_ratio(last, way, first, way)} |")
    for other in (_BEGUN_ANEW, _FROM_REAL):
        ratio = _ratio(last, _ROLLED_OUT, last, other)
        lines.append(f"| last window, {_ROLLED_OUT} / {other} | {ratio} |")
    return "\n".join(lines)


def _window_means(table: pd.DataFrame, window: int) -> pd.DataFrame:
    """One row a whole window, one column a (metric, way)."""
    complete = table[table["frame_index"] < (table["frame_index"].max() + 1) // window * window]
    of_window = complete.groupby([complete["frame_index"] // window, "way"])[["ssim", "l1"]]
    return of_window.mean().unstack("way")


def _ratio(above: pd.Series, way: str, below: pd.Series, other: str) -> str:
    return " | ".join(
        f"{above[metric, way] / below[metric, other]:.3f}" for metric in ("ssim", "l1")
    )


def _last_frames(num_frames: int, window: int) -> list[int]:
    """The first frame, and the last one of each window."""
    return [0, *range(window - 1, num_frames, window)]


def _moments(frames: Frames, window: int) -> list[Frame]:
    return [frames[index] for index in _last_frames(len(frames), window)]


def _draw_curves(path: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """One panel a generator: the person's SSIM over time, each second's mean."""
    figure = Figure(figsize=(9, 0.8 + 2.2 * len(tables)), layout="constrained", dpi=110)
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(tables), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    for axis, (name, table) in zip(axes, tables.items(), strict=True):
        for way, colour in _COLOURS.items():
            rows = table[table["way"] == way]
            seconds = rows["ssim"].groupby(rows["frame_index"] // _FRAME_RATE).mean()
            # The first two may lie on one another.
            width, order = (4.0, 1) if way == _BEGUN_ANEW else (1.3, 2)
            axis.plot(
                seconds.index + 0.5, seconds, colour, label=way, linewidth=width, zorder=order
            )
        axis.set_title(name, fontsize=10, loc="left")
        axis.set_ylabel("person's SSIM")
        axis.grid(visible=True, alpha=0.3)
    axes[-1].set_xlabel("seconds")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.savefig(path)


if __name__ == "__main__":
    main()
