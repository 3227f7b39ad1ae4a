"""Held-out tails of real people's videos, in poses that training never saw.

    uv run python -m benchmarks.transfer.real_people FOLDER CLIPS [--only NAME ...] [--seeds 2]
        [--variant "steps=200 l1_weight=5" ...] [--puppet-only [kept]]

The clips are those of real_people.yaml. CLIPS has a clone of each one's repository, by its name, or
the clip's own file or folder of images. A clip that is not there is named and left out. Each is a
project of its own in FOLDER, trained on the first 60 % of its frames with this project's params.
It is measured on the last 25 %, once for each seed and variant. A variant is a list of values in
section `train_gan`, of another one as `section.key=value`, or `preset=NAME`. `labels=true` takes
the drawn poses and face boxes that come with the clip in place of ours. Beside
them stand the film itself, and the puppet alone over the background image. With --puppet-only
nothing is trained. With `--puppet-only kept` nothing is fitted either: this code draws from what an
earlier run left. Written to FOLDER:

- results.md: means over the seeds, and in brackets the range;
- NAME.jpg: the frames that are least like the film, as each variant shows them;
- NAME/tails/: the film's tail, the puppet's and each variant's, as lossless videos, and twelve
  frames of each at full size.
"""

import argparse
import hashlib
import io
import subprocess
from collections.abc import Generator, Mapping, Sequence
from contextlib import chdir, contextmanager
from fractions import Fraction
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import numpy as np
import yaml
from PIL import Image

from benchmarks.machine import markdown_table
from benchmarks.transfer.labels import Labels, labeled
from benchmarks.transfer.project import make_project, reproduce, write_params
from benchmarks.transfer.results import described_run
from benchmarks.transfer.tails import (
    COLUMNS,
    FILM,
    PUPPET,
    Tail,
    compared,
    figures,
    read_tail,
    write_film,
    write_puppet,
    write_variant,
)
from motiontransfer.core.arrays import Frame
from motiontransfer.core.stage_runner import run
from motiontransfer.evaluation.measurements import Measurements, MetricKey
from motiontransfer.plate.target_clips import HeldOut, read_target_clips
from motiontransfer.pose.time_series import peaks
from motiontransfer.rendering.videos import contact_sheet
from motiontransfer.video.frame_store import FrameStore, write_frames
from motiontransfer.video.geometry import resize
from motiontransfer.video.reader import read_frames, read_metadata, upright

MANIFEST = Path("benchmarks/transfer/real_people.yaml")
_TRAINED_SHARE, _HELD_OUT_SHARE = 0.6, 0.25
_DEFAULT = "default"
_NUM_WORST = 8


class Clip(NamedTuple):
    """An entry of the manifest."""

    repository: str
    """On GitHub, OWNER/NAME."""
    commit: str
    path: str
    """Of a video, or of a folder of numbered images."""
    sha256: str
    license: str
    frame_rate: int | None = None
    """Of images."""
    height: int | None = None
    """Of the frames, scaled; None: as they are."""
    labels: str = ""
    """Folder of drawn poses that others made, an image for each frame."""
    face_boxes: str = ""
    """Folder of the faces' places, a text for each frame: see `Labels`."""

    def content(self, folder: Path) -> dict[str, bytes]:
        """Name -> bytes of its files, in the order of their names; empty where there are none.

        Raises:
            ValueError: they are not those of the manifest.
        """
        found = self.files(folder, self.path)
        digest = hashlib.sha256(b"".join(found.values())).hexdigest()
        if found and digest != self.sha256:
            raise ValueError(
                f"{self.path} of {self.repository}: expected SHA-256 {self.sha256}, got {digest}"
            )
        return found

    def files(self, folder: Path, path: str) -> dict[str, bytes]:
        """The same of another path in the repository, unchecked."""
        name = self.repository.split("/")[1]
        clone = next((c for c in (folder / name, folder / f"{name}.git") if c.is_dir()), None)
        return self._in_clone(clone, path) if clone else _in_folder(folder / Path(path).name)

    def labels_in(self, folder: Path) -> tuple[list[bytes], ...]:
        """Content of the labels and of the face boxes, one for each image."""
        return tuple(
            list(self.files(folder, path).values()) for path in (self.labels, self.face_boxes)
        )

    def _in_clone(self, clone: Path, path: str) -> dict[str, bytes]:
        def git(*arguments: str) -> bytes:
            return subprocess.run(
                ["git", "-C", clone, *arguments], check=True, stdout=subprocess.PIPE
            ).stdout

        listed = git("ls-tree", "-r", "--name-only", self.commit, "--", path).decode()
        names = sorted(listed.splitlines())
        return {name: git("cat-file", "blob", f"{self.commit}:{name}") for name in names}


def _in_folder(path: Path) -> dict[str, bytes]:
    files = sorted(path.iterdir()) if path.is_dir() else [path] if path.exists() else []
    return {file.name: file.read_bytes() for file in files}


def main() -> None:
    """Train, evaluate, and write the table and the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--variant", action="append", default=[], metavar="KEY=VALUE ...")
    parser.add_argument("--puppet-only", nargs="?", choices=("fitted", "kept"), const="fitted")
    arguments = parser.parse_args()
    folder, variants = arguments.folder, [_DEFAULT, *arguments.variant]
    manifest = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))
    rows = []
    for name in arguments.only or manifest:
        project, clip = folder / name, Clip(**manifest[name])
        project.mkdir(parents=True, exist_ok=True)
        video = make_video(project, clip, arguments.clips)
        if video is None:
            print(f"{name}: {clip.path} of {clip.repository} is absent")  # noqa: T201
            continue
        is_kept = arguments.puppet_only == "kept"
        if not is_kept:
            make_project(project)
            write_split(project, name, video, {})
            reproduce(project, f"fit_appearance@{name}")
        with chdir(project):
            tail = read_tail(name)
            if not is_kept:
                write_film(tail)
            write_puppet(tail)
        seeds_of = {PUPPET: [PUPPET]} if is_kept else {FILM: [FILM], PUPPET: [PUPPET]}
        for variant in () if arguments.puppet_only else variants:
            changes = _values("" if variant == _DEFAULT else variant)
            is_labeled, seeds_of[variant] = changes.pop("labels", False), []
            for seed in range(arguments.seeds):
                write_split(project, name, video, {**changes, "seed": seed})
                labels = clip.labels_in(arguments.clips) if is_labeled else None
                stage = "fit_appearance" if is_labeled else "train_face_gan"
                reproduce(project, f"{stage}@{name}")
                seeds_of[variant].append(f"{variant} seed {seed}")
                with chdir(project), _trained_on(labels, name):
                    write_variant(tail, seeds_of[variant][-1])
        with chdir(project):
            found = compared(tail, [shown for seeds in seeds_of.values() for shown in seeds])
            for shown, seeds in seeds_of.items():
                of_seeds = [figures(tail, seed, found) for seed in seeds]
                rows.append([name, shown, *(_over_seeds(of_seeds, column) for column in COLUMNS)])
            _write_worst(Path("..") / f"{name}.jpg", tail, found, seeds_of)
        table = markdown_table(["clip", "variant", *COLUMNS], rows)
        print(table)  # noqa: T201
        (folder / "results.md").write_text(f"{described_run()}\n\n{table}\n", encoding="utf-8")


def _values(variant: str) -> dict[str, object]:
    """Values as written on the command line: `steps=200 texture=none`."""
    pairs = (pair.partition("=") for pair in variant.split())
    return {key: yaml.safe_load(value) for key, _, value in pairs}


def make_video(project: Path, clip: Clip, clips: Path) -> Path | None:
    """Make the clip's video in its project; None where it is not in the folder of clips."""
    original = project / Path(clip.path).with_suffix(".mkv" if clip.frame_rate else ".mp4").name
    made = original.with_suffix(".mkv") if clip.height else original
    content = {} if made.exists() else clip.content(clips)
    if made.exists() or not content:
        return made if made.exists() else None
    if clip.frame_rate:
        images = (np.array(Image.open(io.BytesIO(of)).convert("RGB")) for of in content.values())
        write_frames(made, images, frame_rate=Fraction(clip.frame_rate))
        return made
    original.write_bytes(*content.values())
    if clip.height:
        video = read_metadata(original)
        height, width = video.size
        size = clip.height, 2 * round(width * clip.height / height / 2)
        scaled = (resize(upright(timed.item, video), size) for timed in read_frames(video))
        write_frames(made, scaled, frame_rate=video.frame_rate)
    return made


def write_split(project: Path, name: str, video: Path, changes: Mapping[str, object]) -> None:
    """Split the clip; change values of section `train_gan`, or of the one in `section.key`."""
    num_frames = read_metadata(video).num_frames
    assert num_frames is not None
    num_left = num_frames - round(num_frames * _HELD_OUT_SHARE)
    split = {
        "held_out_fraction": _HELD_OUT_SHARE,
        "gap_frames": num_left - round(num_frames * _TRAINED_SHARE),
    }
    people = {key: [name] for key in ("subjects", "targets", "trained")}
    names = {**people, "transfers": {}, "split": split}
    videos = {name: {"path": video.name, "subject": name, "crop": "auto"}}
    own = {key: value for key, value in changes.items() if key != "preset"}
    write_params(project, {"videos": videos, **names}, own, preset=changes.get("preset"))


@contextmanager
def _trained_on(labels: tuple[Sequence[bytes], ...] | None, name: str) -> Generator[None]:
    """Train on labels that others made, which are drawn within this context."""
    if labels is None:
        yield
        return
    (clip,) = read_target_clips(name, HeldOut(held_out_fraction=0, gap_frames=0))
    with labeled(Labels(clip.keypoints, *labels)):
        for stage in ("train_gan", "train_face_gan"):
            if run("stages", [stage, name]):
                raise SystemExit(f"{stage} {name} failed")
        yield


def _over_seeds(of_seeds: Sequence[Mapping[str, float]], column: str) -> str:
    """Mean and range of a figure."""
    values = [found[column] for found in of_seeds if column in found]
    if not values:
        return ""
    spread = f" ({min(values):.3g} to {max(values):.3g})" if len(values) > 1 else ""
    return f"{mean(values):.3g}{spread}"


def _write_worst(
    path: Path, tail: Tail, found: Measurements, seeds_of: Mapping[str, Sequence[str]]
) -> None:
    """A picture of the frames that the last variant shows least like the film."""
    last = [*seeds_of.values()][-1][0]
    scores = found.per_frame[MetricKey("likeness", "person", last, "truth")]
    worst = peaks(-scores, count=_NUM_WORST, apart=len(scores) // (3 * _NUM_WORST))
    rows: dict[str, list[Frame]] = {}
    for shown, seeds in seeds_of.items():
        with FrameStore(tail.video(seeds[0])) as store:
            rows[shown] = [store[index] for index in worst]
    captions = [f"frame {index}, likeness {scores[index]:.2f}" for index in worst]
    Image.fromarray(contact_sheet(rows, captions)).save(path, quality=85)


if __name__ == "__main__":
    main()
