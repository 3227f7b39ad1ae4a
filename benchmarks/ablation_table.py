"""The tables and the picture of benchmarks/ablation.py, made from DVC's experiments."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from dvc.api import DVCFileSystem
from dvc.repo import Repo
from PIL import Image

from benchmarks.markdown import markdown_table
from motiontransfer.evaluation.bootstrap import rounded
from motiontransfer.evaluation.comparison import FrameMetric, detected_footage, measure
from motiontransfer.evaluation.frames import Footage, all_regions
from motiontransfer.evaluation.image_metrics import image_scores
from motiontransfer.evaluation.measurements import OURS, Key
from motiontransfer.parallel import Compute
from motiontransfer.rendering.videos import contact_sheet, evenly_spaced
from motiontransfer.video.frame_store import FrameStore

TABLE_FILE = Path("docs/ablation.csv")
PAGE_FILE = Path("docs/ablation.md")
PICTURE_FILE = Path("docs/recipes.jpg")
_RESULT = "results/ada_as_ben/transfer.mp4"
_TRUTH = Path("data/truth/demo.mp4")
_COLUMNS = 6
_BOX_MARGIN = 0.1
_ALL_CORES = Compute(backend="local", address=None, num_workers=0)

METRICS = {
    "person SSIM": "results/ada_as_ben/metrics.json:truth.ours.person.ssim",
    "person L1": "results/ada_as_ben/metrics.json:truth.ours.person.l1",
    "face SSIM": "results/ada_as_ben/metrics.json:truth.ours.face.ssim",
    "pose px": "results/ada_as_ben/metrics.json:truth.ours.pose_distance_px.all",
    "hands missed": "results/ada_as_ben/metrics.json:detection.ours.missed_detections.hands",
    "face missed": "results/ada_as_ben/metrics.json:detection.ours.missed_detections.face",
    "flicker": "results/ada_as_ben/metrics.json:temporal.background_flicker.ours",
    "held-out SSIM": "artifacts/metrics/evaluate/ada.json:ours.person.ssim",
    "held-out L1": "artifacts/metrics/evaluate/ada.json:ours.person.l1",
    "steps": "artifacts/metrics/train_gan/ada.json:steps",
}
"""Column of a table -> metric of an experiment."""

BASELINE = {
    "person SSIM": "results/ada_as_ben/metrics.json:truth.nearest_neighbours.person.ssim",
    "person L1": "results/ada_as_ben/metrics.json:truth.nearest_neighbours.person.l1",
    "face SSIM": "results/ada_as_ben/metrics.json:truth.nearest_neighbours.face.ssim",
    "pose px": "results/ada_as_ben/metrics.json:truth.nearest_neighbours.pose_distance_px.all",
    "held-out SSIM": "artifacts/metrics/evaluate/ada.json:nearest_neighbours.person.ssim",
    "held-out L1": "artifacts/metrics/evaluate/ada.json:nearest_neighbours.person.l1",
}
"""The same of the nearest neighbours, which are the same in all experiments."""

_INTRODUCTION = """# Ablation

Each row is a DVC experiment on the demo: trained on the target's clip, evaluated on the dance of
the ground-truth clip. All rows of a table train for about the same time, counted in steps by the
CPU time of a step relative to the default (`benchmarks/step_costs.json`); `time` is relative to the
first row. One run each; `other_seed` shows the noise. Higher is better for SSIM, lower for the
others; flicker should equal the ground truth's. Command: `uv run python -m benchmarks.ablation`.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An experiment that belongs into a table."""

    group: str
    """Which table."""
    name: str
    what: str
    """What it changes, in words."""
    experiment: str
    """Its name among DVC's."""
    step_time: float
    """What one of its steps takes, beside the whole training of the table's first row."""


def write_tables(wanted: Sequence[Row]) -> None:
    """Write docs/ablation.csv and .md, and the recipes' results beside each other."""
    finished = finished_experiments()
    wanted = [row for row in wanted if row.experiment in finished]
    truth = detected_footage(_TRUTH, size=_size(), compute=_ALL_CORES)
    videos = {row.experiment: _video(row.experiment) for row in wanted}
    rows = []
    for row in wanted:
        metrics = _metrics(row.experiment, METRICS)
        time = round(metrics["steps"] * row.step_time, 2)
        named = {"group": row.group, "variant": row.name, "what it changes": row.what}
        ssims = _shift_tolerant(videos[row.experiment], truth)
        rows.append({**named, **ssims, **metrics, "time": time})
    rows.append(
        {"group": "recipes", "variant": "nearest neighbours", "what it changes": "no network"}
        | _metrics(wanted[0].experiment, BASELINE)
    )
    table = pd.DataFrame(rows)
    table.to_csv(TABLE_FILE, index=False)
    sections = [
        f"\n## {group.capitalize()}\n\n{_markdown(of_group.drop(columns='group'))}"
        for group, of_group in table.groupby("group", sort=False)
    ]
    picture = "\n![The recipes and the ground truth at the same frames](recipes.jpg)\n"
    PAGE_FILE.write_text(_INTRODUCTION + picture + "".join(sections), encoding="utf-8")
    _write_picture({row.name: videos[row.experiment] for row in wanted if row.group == "recipes"})


def finished_experiments() -> set[str]:
    """Names of DVC's experiments that came to their end, whatever commit they began from."""
    with Repo() as repo:
        of_commit = repo.experiments.ls(all_commits=True)
    return {name for experiments in of_commit.values() for name, _ in experiments}


def _metrics(revision: str, wanted: Mapping[str, str]) -> dict[str, float]:
    """Column -> its metric in a revision; None where it was not measured."""
    files = DVCFileSystem(rev=revision)
    found = {}
    for column, metric in wanted.items():
        path, _, keys = metric.partition(":")
        value = json.loads(files.read_text(path))
        for key in keys.split("."):
            value = value[key]
        found[column] = value
    return found


def _video(revision: str) -> Path:
    """A revision's result, as a file that can be read."""
    video = Path("artifacts/ablation") / f"{revision}.mp4"
    video.parent.mkdir(parents=True, exist_ok=True)
    DVCFileSystem(rev=revision).get_file(_RESULT, str(video))
    return video


def _shift_tolerant(video: Path, truth: Footage) -> dict[str, float | None]:
    """Shift-tolerant SSIM; read off the video, so that runs of older code have it, too."""
    regions = all_regions(truth.keypoints, margin=_BOX_MARGIN)
    images = partial(image_scores, real="truth", systems=[OURS], regions=regions, distances={})
    ours = Footage(frames=[(video, index) for _, index in truth.frames], keypoints=truth.keypoints)
    metrics = {"images": FrameMetric(images)}
    found = measure({"truth": truth, OURS: ours}, metrics)["images"]
    means = {
        region: found[Key("shift_tolerant_ssim", region, OURS)].mean()
        for region in ("person", "face")
    }
    return {
        f"{region} shift-tolerant SSIM": None if mean is None else rounded(mean)
        for region, mean in means.items()
    }


def _size() -> tuple[int, int]:
    with FrameStore(_TRUTH) as store:
        return store.size


def _markdown(table: pd.DataFrame) -> str:
    rows = [["" if pd.isna(value) else value for value in row] for row in table.values]
    return markdown_table(list(table.columns), rows) + "\n"


def _write_picture(videos: Mapping[str, Path]) -> None:
    """A row of frames for each recipe, and the truth's."""
    rows = {name: _frames(video) for name, video in {**videos, "truth": _TRUTH}.items()}
    moments = [f"frame {index}" for index in _moments(_TRUTH)]
    Image.fromarray(contact_sheet(rows, moments)).save(PICTURE_FILE, quality=85)


def _moments(video: Path) -> list[int]:
    with FrameStore(video) as store:
        return evenly_spaced(len(store), _COLUMNS)


def _frames(video: Path) -> list[np.ndarray]:
    with FrameStore(video) as store:
        return [store[index] for index in _moments(video)]


if __name__ == "__main__":
    raise SystemExit("run `python -m benchmarks.ablation --table`")
