"""The paper's recipe on the paper's own dancer on a GPU, and a dance on it and on the CPU.

    uv run python -m benchmarks.gpu FOLDER CLIPS [--minutes 10] [--vgg FILE] [--films DANCER ME]

CLIPS has the clone of `subject4`'s repository, as for benchmarks.transfer.real_people. Preset
`paper` is trained on the first 60 % of its frames at 1024x512 in bf16. Frames get seven eighths of
the minutes, the face one, as 35 epochs to 5. The rate falls to zero in that time. Without
VGG19's weights there is no perceptual loss. The last 25 % are rendered without and with the face
network (the paper's rows `T.S.` and `T.S. + Face`), and compared with the film.
FOLDER/subject4/tails/ gets the videos and twelve frames of each at full size.

With --films, `dance` of two films of this commit follows, on the GPU and with the GPU hidden.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import chdir
from pathlib import Path
from unittest.mock import patch

import yaml

from benchmarks.demo import reproduce as reproduce_commit
from benchmarks.machine import recorded
from benchmarks.transfer.project import make_project, reproduce
from benchmarks.transfer.real_people import MANIFEST, Clip, make_video, write_split
from benchmarks.transfer.tails import FILM, compared, read_tail, write_film, write_variant
from motiontransfer.core.layout import counts_file
from motiontransfer.evaluation.measurements import MetricKey
from motiontransfer.rendering.rendered import FaceMode

_NAME = "subject4"
_FACE_SHARE = 1 / 8
_ROWS: dict[str, FaceMode] = {"T.S.": "none", "T.S. + Face": "residual"}
_TABLE = {
    **{f"{region} likeness": ("likeness", region) for region in ("person", "face", "hands")},
    **{f"{region} SSIM": ("ssim", region) for region in ("person", "face")},
    **{f"{region} LPIPS": ("lpips", region) for region in ("person", "face")},
    **{f"{joints} px": ("pose_distance_px", joints) for joints in ("body", "hands", "face", "all")},
    **{f"{joints} missed": ("missed_detections", joints) for joints in ("body", "hands", "face")},
}
"""Column -> metric and region: likeness, and what the paper's tables have."""


def main() -> None:
    """Train, compare, dance; print tables and write benchmarks/results/gpu.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--vgg", type=Path, help="VGG19's weights, as of train_gan.perceptual_file")
    parser.add_argument("--films", nargs=2, type=Path, metavar=("DANCER", "ME"))
    arguments = parser.parse_args()
    with recorded("gpu") as rows:
        rows += paper(arguments.folder, arguments.clips, arguments.minutes, arguments.vgg)
        if arguments.films:
            rows += dances(arguments.films)


def paper(
    folder: Path, clips: Path, minutes: float, vgg: Path | None
) -> Iterator[dict[str, object]]:
    """Train preset `paper` for so many minutes; a row for each of `_ROWS` and for the film."""
    project = folder / _NAME
    project.mkdir(parents=True, exist_ok=True)
    clip = Clip(**yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))[_NAME])
    video = make_video(project, clip, clips)
    if video is None:
        raise SystemExit(f"{clip.path} of {clip.repository} is absent in {clips}")
    make_project(project)
    changes: dict[str, object] = {"preset": "paper"}
    shares = {"train_gan": 1 - _FACE_SHARE, "train_face_gan": _FACE_SHARE}
    for section, share in shares.items():
        changes[f"{section}.max_minutes"] = minutes * share
        changes[f"{section}.precision"] = "bf16-mixed"
        if vgg is None:
            changes[f"{section}.perceptual_weight"] = 0.0
        else:
            changes[f"{section}.perceptual_file"] = str(vgg.resolve())
    write_split(project, _NAME, video, changes)
    reproduce(project, f"train_face_gan@{_NAME}")
    with chdir(project):
        steps = {
            f"{section} steps": json.loads(counts_file(section, _NAME).read_text())["steps"]
            for section in shares
        }
        tail = read_tail(_NAME)
        write_film(tail)
        for row, face in _ROWS.items():
            write_variant(tail, row, face=face)
        found = compared(tail, [FILM, *_ROWS])
    values = {one.key: one.value for one in found.summary}
    for row in (FILM, *_ROWS):
        measured = {
            column: values.get(MetricKey(metric, region, row, "truth"))
            for column, (metric, region) in _TABLE.items()
        }
        known = {column: round(value, 4) for column, value in measured.items() if value is not None}
        yield {"row": row, **(steps if row != FILM else {}), **known}


def dances(films: Sequence[Path]) -> Iterator[dict[str, object]]:
    """`dance` of two films: seconds of the command, of its trainings and of its rendering."""
    for device, hidden in (("GPU", {}), ("CPU", {"CUDA_VISIBLE_DEVICES": ""})):
        with tempfile.TemporaryDirectory(prefix="motiontransfer-") as scratch:
            began = time.perf_counter()
            with patch.dict(os.environ, hidden):
                _, stages = reproduce_commit(Path(scratch), "HEAD", films=films)
            row = {"row": f"dance, {device}", "s": round(time.perf_counter() - began, 1)}
            for group in ("train_gan", "train_face_gan", "render", "encode"):
                of_group = [used for name, used in stages.items() if name.split()[0] == group]
                row[f"{group} s"] = round(sum(used["seconds"] for used in of_group), 1)
            yield row


if __name__ == "__main__":
    main()
