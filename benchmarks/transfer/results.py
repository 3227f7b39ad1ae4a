"""The table and the picture of the benchmark set."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.machine import machine, markdown_table
from benchmarks.transfer.film import clip_path
from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.rendering.videos import contact_sheet
from motiontransfer.video.frame_store import FrameStore

FOLDER = Path("benchmarks/transfer")
_COLUMNS = 6

_FIGURES = {
    "person SSIM": "truth.{}.person.ssim",
    "person L1": "truth.{}.person.l1",
    "person likeness": "truth.{}.person.likeness",
    "face likeness": "truth.{}.face.likeness",
    "hands likeness": "truth.{}.hands.likeness",
    "pose px": "truth.{}.pose_distance_px.all",
    "hands missed": "detection.{}.missed_detections.hands",
    "face missed": "detection.{}.missed_detections.face",
    "flicker": "temporal.background_flicker.{}",
    "warping error": "temporal.warping_error_person.{}",
}
"""Column -> path in a transfer's metrics."""


def write_results(metrics: Mapping[str, Mapping], *, folder: Path, name: str | None) -> None:
    """Write the table, and our videos' picture.

    Args:
        metrics: pair -> its metrics, as evaluation writes them.
        folder: the set's project.
        name: of another system whose videos these are; None: ours.
    """
    rows = []
    for pair, found in metrics.items():
        for method in ("ours", "nearest_neighbours"):
            figures = [_figure(found, path.format(method)) for path in _FIGURES.values()]
            if any(figures):
                who = (name or "ours") if method == "ours" else "nearest neighbours"
                rows.append([pair, who, *figures])
    table = markdown_table(["pair", "method", *_FIGURES], rows)
    heading = f"# Results of {name or 'this pipeline'} on the benchmark set\n\n{described_run()}\n"
    path = FOLDER / ("results.md" if name is None else f"results-{name}.md")
    if name is not None:
        path.write_text(f"{heading}\n{table}\n", encoding="utf-8")
        return
    picture = "![source, result and truth of each pair](results.jpg)"
    path.write_text(f"{heading}\n{table}\n\n{picture}\n", encoding="utf-8")
    _write_picture(list(metrics), folder)


def described_run() -> str:
    """Date, commit and machine of a table that is made now."""
    here, date = machine(), datetime.now(UTC).date()
    return f"{date}, commit {here['commit']}, {here['cores']} cores of {here['cpu']}, no GPU used."


def value_at(metrics: Mapping, path: str) -> float | None:
    """Value at a dotted path in nested metrics; None where there is none."""
    value = metrics
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _figure(metrics: Mapping, path: str) -> str:
    value = value_at(metrics, path)
    return "" if value is None else f"{value:.3g}"


def _write_picture(pairs: list[str], folder: Path) -> None:
    rows: dict[str, list[np.ndarray]] = {}
    for pair in pairs:
        videos = {
            "source": clip_path(pair, "source"),
            "result": Path("results") / pair / "transfer.mp4",
            "truth": clip_path(pair, "truth"),
        }
        for role, video in videos.items():
            with FrameStore(folder / video) as store:
                chosen = evenly_spaced(range(len(store)), count=_COLUMNS)
                rows[f"{pair}: {role}"] = [store[index] for index in chosen]
    captions = [f"frame {index}" for index in chosen]
    Image.fromarray(contact_sheet(rows, captions)).save(FOLDER / "results.jpg", quality=85)
