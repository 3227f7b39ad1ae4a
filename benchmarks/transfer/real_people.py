"""Held-out tails of real people's videos, with texture and without.

    uv run python -m benchmarks.transfer.real_people FOLDER CLIP [CLIP ...] [--seeds 2]

Each clip is a target of its own, by the name of its file. A project in FOLDER with this one's
params trains on them with both values of `train_gan.texture`, once for each seed. Written there:

- results.md: means over the seeds, and in brackets the range;
- CLIP.jpg: the frames least like the film with texture, beside those without and the film;
- study.html: a page on which people choose between the three, two at a time.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from contextlib import chdir
from itertools import combinations
from pathlib import Path
from statistics import mean

import pandas as pd
from PIL import Image

from benchmarks.machine import markdown_table
from benchmarks.transfer.project import make_project, reproduce, write_params
from benchmarks.transfer.results import described_run, value_at
from motiontransfer.rendering.renderer import load_renderer, render_poses, result_size
from motiontransfer.rendering.videos import contact_sheet
from motiontransfer.study.study import Comparison, write_study
from motiontransfer.target_clips import read_target_clips
from motiontransfer.training.distributed import make_runtime
from motiontransfer.video.clip import detection_frames
from motiontransfer.video.color import Frame
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.geometry import resize
from motiontransfer.video.writer import write_video

_TEXTURES = {"none": {"texture": "none", "part_dropout": 0.0}, "puppet": {}}
"""Values of `train_gan.texture`, each with what else it asks for."""
_FIGURES = {
    "person SSIM": "ours.person.ssim",
    "person shift-tolerant SSIM": "ours.person.shift_tolerant_ssim",
    "face shift-tolerant SSIM": "ours.face.shift_tolerant_ssim",
    "hands shift-tolerant SSIM": "ours.hands.shift_tolerant_ssim",
    "pose px": "ours.pose_distance_px.all",
    "hands missed": "ours.missed_detections.hands",
    "face missed": "ours.missed_detections.face",
}
"""Column -> path in a target's metrics."""
_FILM = "film"
_NUM_WORST = 8
_QUESTION, _CLIP_SECONDS = "Which video looks more real?", 0.5


def main() -> None:
    """Train, evaluate, and write the table, the pictures and the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("clips", type=Path, nargs="+", metavar="CLIP")
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    folder, clips = arguments.folder, {clip.stem: clip.resolve() for clip in arguments.clips}
    make_project(folder)
    found: dict[tuple[str, str], list[Mapping]] = {}
    for texture, changes in _TEXTURES.items():
        for seed in range(arguments.seeds):
            _train(folder, clips, {**changes, "seed": seed})
            for name in clips:
                path = folder / f"artifacts/metrics/evaluate/{name}.json"
                metrics = json.loads(path.read_text(encoding="utf-8"))
                found.setdefault((name, texture), []).append(metrics)
        with chdir(folder):
            for name in clips:
                _write_tail(name, texture)
    rows = [
        [*named, *(_over_seeds(of_seeds, path) for path in _FIGURES.values())]
        for named, of_seeds in found.items()
    ]
    table = markdown_table(["clip", "texture", *_FIGURES], rows)
    (folder / "results.md").write_text(f"{described_run()}\n\n{table}\n", encoding="utf-8")
    with chdir(folder):
        for name in clips:
            _write_worst(name)
        _write_page(list(clips))


def _train(folder: Path, clips: Mapping[str, Path], changes: Mapping[str, object]) -> None:
    """Train on each clip with other values in section `train_gan`, and evaluate."""
    videos = {
        name: {"path": str(path), "subject": name, "crop": "auto"} for name, path in clips.items()
    }
    sections = {"videos": videos, "subjects": list(clips), "targets": list(clips), "transfers": {}}
    write_params(folder, sections, changes)
    reproduce(folder, *(f"evaluate@{name}" for name in clips))


def _over_seeds(of_seeds: Sequence[Mapping], path: str) -> str:
    """Mean and range of a figure."""
    values = [value for metrics in of_seeds if (value := value_at(metrics, path)) is not None]
    if not values:
        return ""
    return f"{mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def _tail(name: str, shown: str) -> Path:
    return Path("tails") / f"{name}-{shown}.mp4"


def _write_tail(name: str, texture: str) -> None:
    """Render a target's held-out frames in the size in which poses are detected; the film's too."""
    renderer = load_renderer(
        Path("artifacts/models") / name, make_runtime(precision="auto"), face="residual"
    )
    (clip,) = read_target_clips(name, renderer.main.held_out)
    poses = clip.keypoints.part(clip.held_out)
    Path("tails").mkdir(exist_ok=True)
    with FrameStore(detection_frames(clip.frames.parent)) as store:
        film, size = [store[index] for index in clip.held_out], store.size
    height = min(size[0], result_size(renderer, height=None)[0])
    frames = render_poses(renderer, poses, size=result_size(renderer, height=height))
    for shown, images in ((_FILM, film), (texture, frames)):
        resized = (resize(image, size) for image in images)
        write_video(_tail(name, shown), resized, frame_rate=poses.frame_rate)


def _write_worst(name: str) -> None:
    """A picture of the frames that are least like the film with texture."""
    scores = pd.read_csv(f"artifacts/evaluation/{name}/per_frame.csv")["ours_person_ssim"]
    worst = scores.nsmallest(_NUM_WORST)
    rows: dict[str, list[Frame]] = {}
    for shown in (_FILM, *_TEXTURES):
        with FrameStore(_tail(name, shown)) as store:
            rows[shown] = [store[index] for index in worst.index]
    captions = [f"frame {index}, SSIM {score:.2f}" for index, score in worst.items()]
    Image.fromarray(contact_sheet(rows, captions)).save(f"{name}.jpg", quality=85)


def _write_page(names: Sequence[str]) -> None:
    comparisons = [
        Comparison(a=str(_tail(name, a)), b=str(_tail(name, b)))
        for name in names
        for a, b in combinations(("puppet", "none", _FILM), 2)
    ]
    settings = {"seconds": _CLIP_SECONDS, "clips_each": 1, "num_checks": 1, "seed": 0}
    page = Path("study.html")
    for earlier in (page, page.with_suffix(".key.json")):
        earlier.unlink(missing_ok=True)
    write_study(page, comparisons, question=_QUESTION, **settings)


if __name__ == "__main__":
    main()
