"""What each recipe makes of the demo: likeness, CPU minutes of the trainings, and pictures.

Then the preprint's rows, of held-out frames, each with its change from the first preset.

    uv run python -m benchmarks.recipes FOLDER [PRESET ...]

Each preset runs in FOLDER/PRESET, a clone of the last commit. What it printed it prints again, as
nothing runs twice. Written: docs/recipes/PRESET.jpg, frames of the truth, and below them of the
result.
"""

import argparse
import json
import subprocess
from contextlib import chdir
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.demo import PROJECT
from benchmarks.machine import markdown_table
from benchmarks.record import TRANSFER
from benchmarks.transfer.preprint import changes
from motiontransfer.core import layout
from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.evaluation.measurements import OURS, MetricKey, read_measurements
from motiontransfer.project.presets import apply_preset
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.geometry import resize

PRESETS = ("default", "paper_small")
_TARGET, _TRUTH = "ada", Path("data/truth/demo.mp4")
_DOCS = Path("docs/recipes").resolve()
_REGIONS = ("person", "face", "hands")
_NUM_FRAMES, _FRAME_PX = 6, 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("presets", nargs="*", default=PRESETS)
    arguments = parser.parse_args()
    rows, held_out = [], []
    for preset in arguments.presets:
        project = arguments.folder / preset
        if not project.exists():
            subprocess.run(["git", "clone", "-q", PROJECT, project], check=True)
        with chdir(project):
            apply_preset(preset)
            subprocess.run(["dvc", "repro"], check=True)
            held_out.append(read_measurements(layout.measurements_file("evaluate", _TARGET)))
            rows.append([preset, *likeness(), f"{training_minutes():.1f}"])
            picture(_DOCS / f"{preset}.jpg")
    columns = ["preset", *_REGIONS, "CPU minutes of the trainings"]
    print(markdown_table(columns, rows))  # noqa: T201
    of_preprint = changes([(found, OURS) for found in held_out])
    print(markdown_table(["", *arguments.presets], of_preprint))  # noqa: T201


def likeness() -> list[str]:
    """The result's to the truth in each region, with its interval."""
    file = layout.measurements_file("evaluate_transfer", TRANSFER)
    found = {one.key: one for one in read_measurements(file).summary}
    rows = [found[MetricKey("likeness", region, OURS, "truth")] for region in _REGIONS]
    return ["{:.3f} ({:.3f} to {:.3f})".format(one.value, *one.interval) for one in rows]


def training_minutes() -> float:
    """The trainings' own time, without the start of their processes."""
    files = [layout.times_file(stage, _TARGET) for stage in ("train_gan", "train_face_gan")]
    files.append(layout.times_file("train_face_cycle", TRANSFER))
    # A stage that trains nothing tells no time.
    told = [json.loads(file.read_text("utf-8")) for file in files if file.exists()]
    return sum(times.get("own_minutes", 0.0) for times in told)


def picture(path: Path) -> None:
    """Frames of the truth, and below them of the result."""
    rows = []
    for video in (_TRUTH, layout.results_folder(TRANSFER) / "transfer.mp4"):
        with FrameStore(video) as store:
            shown = evenly_spaced(range(len(store)), count=_NUM_FRAMES)
            frames = [resize(store[index], (_FRAME_PX, _FRAME_PX)) for index in shown]
            rows.append(np.concatenate(frames, axis=1))
    Image.fromarray(np.concatenate(rows)).save(path, quality=85)


if __name__ == "__main__":
    main()
