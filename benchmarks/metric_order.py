"""Whether each metric puts in order what everybody puts in order: on the demo, against its truth.

`uv run python -m benchmarks.metric_order [--short VIDEO]` after `uv run dvc repro`. Methods are the
truth itself, the result, a result of shorter training (a video, if given), nearest neighbours and
noise. Prints a table as Markdown, and which metrics do not keep the order.
"""

import argparse
import itertools
import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from motiontransfer.evaluation.benchmark import (
    Yardsticks,
    detected_footage,
    judges_of,
    nearest_footage,
    watch,
)
from motiontransfer.evaluation.identity import training_looks
from motiontransfer.evaluation.pose_accuracy import pose_scores
from motiontransfer.evaluation.regions import person_regions
from motiontransfer.evaluation.series import flattened, group
from motiontransfer.keypoints import Keypoints, read_keypoints
from motiontransfer.media.frame_store import FrameWriter
from motiontransfer.parallel import Compute
from motiontransfer.training.split import HeldOut
from motiontransfer.training.target_clips import TargetClip, read_target_clips
from motiontransfer.training.weights import read_description

MARGIN = 0.1
TRUTH, RESULT = Path("data/truth/demo.mp4"), Path("results/ada_as_ben/transfer.mp4")
_COMPUTE = Compute(backend="local", address=None, num_workers=0)

_Values = Mapping[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One row of the table."""

    values: _Values
    """Method -> what it reaches; None where there was nothing to measure."""

    best: str
    """`high`, `low`, or `as truth`."""

    def badness(self, method: str) -> float:
        """Lower is better; what could not be measured is worst."""
        value = self.values[method]
        if value is None:
            return math.inf
        if self.best == "as truth":
            truth = self.values["truth"]
            assert truth is not None
            return abs(value - truth)
        return -value if self.best == "high" else value


def main() -> None:
    """Print the table and the exceptions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", type=Path, help="a result of shorter training, frame for frame")
    metrics = measure(parser.parse_args().short)
    methods = list(next(iter(metrics.values())).values)
    header = ["metric", "best", *(method.replace("_", " ") for method in methods), "in order"]
    print(" | ".join(header))  # noqa: T201
    print(" | ".join(["---"] * len(header)))  # noqa: T201
    faults: dict[str, list[str]] = {}
    for name, metric in metrics.items():
        faults[name] = out_of_order(metric)
        cells = [_cell(metric.values[method]) for method in methods]
        print(" | ".join([name, metric.best, *cells, "" if faults[name] else "✓"]))  # noqa: T201
    in_order = sum(not fault for fault in faults.values())
    print(f"\n{in_order} of {len(metrics)} keep the whole order. Not in order:")  # noqa: T201
    for name, pairs in faults.items():
        if pairs:
            print(f"- {name}: {'; '.join(pairs)}")  # noqa: T201


def out_of_order(metric: Metric) -> list[str]:
    """Neighbours in the list of methods of which the first is not better than the second."""
    faults: list[str] = []
    for better, worse in itertools.pairwise(metric.values):
        if metric.badness(better) > metric.badness(worse):
            faults.append(f"{better} is worse than {worse}")
        elif metric.badness(better) == metric.badness(worse):
            faults.append(f"{better} and {worse} are equal")
    return faults


def measure(short: Path | None) -> dict[str, Metric]:
    """Every metric of every method, methods in the order in which they should come."""
    intended = read_keypoints(Path("artifacts/poses/ada_as_ben.parquet"))
    clips = _clips()
    detected = partial(detected_footage, size=intended.image_size, compute=_COMPUTE)
    truth = detected(TRUTH)
    with tempfile.TemporaryDirectory(prefix="motiontransfer-") as scratch:
        methods = {
            "truth": truth,
            "trained": detected(RESULT),
            **({"trained_shortly": detected(short)} if short else {}),
            "nearest_neighbours": nearest_footage(intended, clips),
            "noise": detected(_noise(Path(scratch), intended)),
        }
        videos = {"reference": truth, **methods}
        judges = judges_of(
            videos,
            real="reference",
            late=None,
            background=person_regions(intended, margin=MARGIN),
            yardsticks=Yardsticks(
                box_margin=MARGIN, distances={}, looks=training_looks(clips, margin=MARGIN)
            ),
        )
        frames = {name: footage.frames for name, footage in videos.items()}
        found = watch(frames, judges, size=intended.image_size)
    warping = group(found["warping"])
    of_method = {
        name: {
            **_means(group(found["pictures"])[name]),
            **_means(pose_scores(methods[name].keypoints, truth.keypoints)),
            "background_flicker": _mean(found["flicker"], name),
            "warping_error": _mean(warping["frame"], name),
            "warping_error_person": _mean(warping["person"], name),
            "frame_change_to_truth": _mean(found["change"], name),
            "distance_to_training": _mean(found["identity"], name),
        }
        for name in methods
    }
    return {
        name: Metric(values={m: of_method[m][name] for m in methods}, best=_best(name))
        for name in of_method["truth"]
    }


def _best(name: str) -> str:
    if any(part in name for part in ("psnr", "ssim", "pck", "found")):
        return "high"
    like_truth = ("flicker", "warping", "change", "distance_to_training")
    return "as truth" if any(part in name for part in like_truth) else "low"


def _means(scores: object) -> dict[str, float | None]:
    return {name: series.mean() for name, series in flattened(group(scores)).items()}


def _mean(scores: object, method: str) -> float | None:
    return _means(scores)[method]


def _cell(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"


def _clips() -> list[TargetClip]:
    description = read_description(Path("artifacts/models/ada/generator.safetensors"))
    held_out = TypeAdapter(HeldOut).validate_python(description["held_out"])
    return list(
        read_target_clips(Path("artifacts/frames/ada"), Path("artifacts/keypoints/ada"), held_out)
    )


def _noise(folder: Path, like: Keypoints) -> Path:
    path = folder / "noise.mkv"
    rng = np.random.default_rng(0)
    with FrameWriter(path, size=like.image_size, frame_rate=like.frame_rate) as writer:
        for _ in range(like.num_frames):
            writer.write(rng.integers(0, 256, (*like.image_size, 3), np.uint8))
    return path


if __name__ == "__main__":
    main()
