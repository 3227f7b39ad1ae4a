"""The tables of the preprint (Chan et al., arXiv 1808.07371v1): smoothing and face GAN on a dancer.

    uv run python -m benchmarks.transfer.preprint FOLDER CLIPS [--steps 5000] [--face-steps 2000]

The dancer is the paper's *subject4*, as in `benchmarks.transfer.real_people`, with its split and in
its folders. Rows are those of the preprint without LPIPS, whose weights are a download. SSIM is in
boxes around person and face. Then come distances of detected poses, and missed joints a frame. In
brackets is the change from `frame_by_frame`. Each column is trained for as many steps. Nothing runs
twice.
"""

import argparse
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path

import yaml

from benchmarks.machine import markdown_table
from benchmarks.transfer.project import make_project, reproduce
from benchmarks.transfer.real_people import MANIFEST, Clip, make_video, write_split
from benchmarks.transfer.tails import FILM, compared, read_tail, write_film, write_variant
from motiontransfer.evaluation.measurements import Measurements

_TARGET = "subject4"
_PRESETS = {"frame_by_frame": "pix2pixHD", "v1": "T.S.", "paper_small": "T.S. + Face"}
"""Ours -> the preprint's name."""
_GROUPS = ("body", "face", "hands", "all")
_ROWS = {
    **{f"SSIM, {region}": ("ssim", region) for region in ("person", "face")},
    **{f"pose distance px, {group}": ("pose_distance_px", group) for group in _GROUPS},
    **{f"missed joints, {group}": ("missed_joints_per_frame", group) for group in _GROUPS},
    "background flicker": ("background_flicker", ""),
    "warping error": ("warping_error_person", ""),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--face-steps", type=int, default=2000)
    arguments = parser.parse_args()
    project = arguments.folder / _TARGET
    project.mkdir(parents=True, exist_ok=True)
    clip = Clip(**yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))[_TARGET])
    video = make_video(project, clip, arguments.clips)
    if video is None:
        raise SystemExit(f"{arguments.clips}: expected a clone of {clip.repository}")
    make_project(project)
    variants = []
    for preset in _PRESETS:
        steps = {"steps": arguments.steps}
        if preset == "paper_small":
            steps["train_face_gan.steps"] = arguments.face_steps
        write_split(project, _TARGET, video, {"preset": preset, **steps})
        reproduce(project, f"train_face_gan@{_TARGET}")
        variants.append(" ".join([preset, *map(str, steps.values())]))
        with chdir(project):
            tail = read_tail(_TARGET)
            if not tail.video(FILM).exists():
                write_film(tail)
            if not tail.video(variants[-1]).exists():
                write_variant(tail, variants[-1])
    with chdir(project):
        found = compared(tail, variants)
    names = [f"`{preset}` ({name})" for preset, name in _PRESETS.items()]
    print(markdown_table(["", *names], changes([(found, each) for each in variants])))  # noqa: T201


def changes(shown: Sequence[tuple[Measurements, str]]) -> list[list[str]]:
    """The preprint's rows, each with the change from the first system's.

    Args:
        shown: systems, each with the measurements of real frames that it is in.
    """
    values = [
        ({one.key[:3]: one.value for one in found.summary}, system) for found, system in shown
    ]
    rows = []
    for row, key in _ROWS.items():
        cells = [of.get((*key, system)) for of, system in values]
        rows.append([row, *(_changed(value, cells[0]) for value in cells)])
    return rows


def _changed(value: float | None, first: float | None) -> str:
    """A value and its change from the first system's."""
    if value is None or not first:
        return "" if value is None else f"{value:.3g}"
    return f"{value:.4g} ({100 * (value / first - 1):+.1f} %)"


if __name__ == "__main__":
    main()
