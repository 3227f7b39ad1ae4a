"""Held-out tails of real people's videos, in poses that training never saw.

    uv run python -m benchmarks.transfer.real_people FOLDER CLIPS [--only NAME ...] [--seeds 2]
        [--variant "steps=200 l1_weight=5" ...]

The clips are those of real_people.yaml. CLIPS has a clone of each one's repository, by its name, or
the clip's own file or folder of images; a clip that is not there is named and left out. Each is a
project of its own in FOLDER: trained on the first 60 % of its frames with this project's params,
and measured on the last 25 %, once for each seed; and so for each variant, which is a list of
values in section `train_gan`, `preset=NAME`, and `labels=true` for the drawn poses and face boxes
that come with the clip in place of ours. Written to FOLDER:

- results.md: means over the seeds, and in brackets the range;
- NAME.jpg: the frames that are least like the film, as each variant shows them;
- NAME/tails/: the film's tail and each variant's, as videos.
"""

import argparse
import hashlib
import io
import json
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
from benchmarks.transfer.results import described_run, value_at
from benchmarks.transfer.wholeness import wholeness
from motiontransfer.core import layout
from motiontransfer.core.stage_runner import run
from motiontransfer.evaluation.frames import PosedFrames
from motiontransfer.evaluation.measurements import OURS, MetricKey, read_measurements
from motiontransfer.evaluation.sharp_frames import film_frames, sharp_frames
from motiontransfer.models.runtime import make_runtime
from motiontransfer.models.weights import read_appearance
from motiontransfer.pose.time_series import peaks
from motiontransfer.puppet.target_clips import HeldOut, read_target_clips
from motiontransfer.rendering.frame import render_poses, result_size
from motiontransfer.rendering.renderer import load_renderer
from motiontransfer.rendering.videos import contact_sheet
from motiontransfer.video.clip import detection_frames
from motiontransfer.video.color import Frame
from motiontransfer.video.frame_store import FrameStore, write_frames
from motiontransfer.video.geometry import resize
from motiontransfer.video.reader import read_frames, read_metadata, upright
from motiontransfer.video.writer import write_video

_MANIFEST = Path("benchmarks/transfer/real_people.yaml")
_TRAINED_SHARE, _HELD_OUT_SHARE = 0.6, 0.25
_FIGURES = {
    "person SSIM": "ours.person.ssim",
    "person": "ours.person.likeness",
    "face": "ours.face.likeness",
    "hands": "ours.hands.likeness",
    "sharpness": "ours.person.sharpness",
    "L1": "ours.person.l1",
    "pose px": "ours.pose_distance_px.all",
    "hands missed": "ours.missed_detections.hands",
    "face missed": "ours.missed_detections.face",
    "frame change": "temporal.frame_change_to_real.ours",
    "background flicker": "background_flicker.ours",
    **{name: f"wholeness.{name}" for name in ("holes", "stray", "left over", "seams", "shadow")},
    "sharp faces": "sharp.face",
    "sharp hands": "sharp.hands",
    "sharp faces, film": "sharp_film.face",
    "sharp hands, film": "sharp_film.hands",
}
"""Column -> path in a target's metrics, `wholeness` beside them."""
_DEFAULT, _FILM = "default", "film"
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
    arguments = parser.parse_args()
    folder, variants = arguments.folder, [_DEFAULT, *arguments.variant]
    manifest = yaml.safe_load(_MANIFEST.read_text(encoding="utf-8"))
    rows = []
    for name in arguments.only or manifest:
        project, clip = folder / name, Clip(**manifest[name])
        project.mkdir(parents=True, exist_ok=True)
        video = _video(project, clip, arguments.clips)
        if video is None:
            print(f"{name}: {clip.path} of {clip.repository} is absent")  # noqa: T201
            continue
        make_project(project)
        for variant in variants:
            changes = _values("" if variant == _DEFAULT else variant)
            is_labeled, metrics = changes.pop("labels", False), []
            for seed in reversed(range(arguments.seeds)):  # pictures are of seed 0
                _write_params(project, name, video, {**changes, "seed": seed})
                labels = clip.labels_in(arguments.clips) if is_labeled else None
                reproduce(project, f"{'fit_appearance' if is_labeled else 'evaluate'}@{name}")
                with chdir(project), _trained_on(labels, name):
                    metrics.append({**_evaluated(name), **_write_tail(name, variant)})
            cells = (_over_seeds(metrics, path) for path in _FIGURES.values())
            rows.append([name, variant, *cells])
        with chdir(project):
            _write_worst(Path("..") / f"{name}.jpg", name, variants)
        table = markdown_table(["clip", "variant", *_FIGURES], rows)
        (folder / "results.md").write_text(f"{described_run()}\n\n{table}\n", encoding="utf-8")


def _values(variant: str) -> dict[str, object]:
    """Values of `train_gan` as written on the command line: `steps=200 texture=none`."""
    pairs = (pair.partition("=") for pair in variant.split())
    return {key: yaml.safe_load(value) for key, _, value in pairs}


def _video(project: Path, clip: Clip, clips: Path) -> Path | None:
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


def _write_params(project: Path, name: str, video: Path, changes: Mapping[str, object]) -> None:
    """Split the clip; change values of section `train_gan`."""
    num_frames = read_metadata(video).num_frames
    assert num_frames is not None
    num_left = num_frames - round(num_frames * _HELD_OUT_SHARE)
    split = {
        "held_out_fraction": _HELD_OUT_SHARE,
        "gap_frames": num_left - round(num_frames * _TRAINED_SHARE),
    }
    names = {"subjects": [name], "targets": [name], "transfers": {}, "split": split}
    videos = {name: {"path": video.name, "subject": name, "crop": "auto"}}
    own = {key: changes[key] for key in changes if key != "preset"}
    sections = {"videos": videos, **names}
    write_params(project, sections, own, preset=changes.get("preset"))


@contextmanager
def _trained_on(labels: tuple[Sequence[bytes], ...] | None, name: str) -> Generator[None]:
    """Train and evaluate on labels that others made, which are drawn within this context."""
    if labels is None:
        yield
        return
    (clip,) = read_target_clips(name, HeldOut(held_out_fraction=0, gap_frames=0))
    with labeled(Labels(clip.keypoints, *labels)):
        for stage in ("train_gan", "train_face_gan", "evaluate"):
            if run("stages", [stage, name]):
                raise SystemExit(f"{stage} {name} failed")
        yield


def _evaluated(name: str) -> Mapping:
    return json.loads(layout.metrics_file("evaluate", name).read_text(encoding="utf-8"))


def _over_seeds(of_seeds: Sequence[Mapping], path: str) -> str:
    """Mean and range of a figure."""
    values = [value for metrics in of_seeds if (value := value_at(metrics, path)) is not None]
    if not values:
        return ""
    spread = f" ({min(values):.3f} to {max(values):.3f})" if len(values) > 1 else ""
    return f"{mean(values):.3f}{spread}"


def _tail(shown: str) -> Path:
    return Path("tails") / f"{shown.replace(' ', '_')}.mp4"


def _write_tail(name: str, variant: str) -> dict[str, dict[str, float]]:
    """Render the held-out frames in the size in which poses are detected; the film's too.

    Returns:
        How whole the person is in them, and in how many faces and hands are sharp.
    """
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
    made = [resize(frame, size) for frame in frames]
    for shown, images in ((_FILM, film), (variant, made)):
        write_video(_tail(shown), images, frame_rate=poses.frame_rate)
    background = resize(read_appearance(layout.appearance_file(name)).background, size)
    frames = [(_tail(variant), index) for index in range(poses.num_frames)]
    rendered = PosedFrames(frames=frames, keypoints=poses.resized(size))
    films = film_frames([clip], height=size[0])
    sharp, of_film = sharp_frames(rendered, films, system=OURS)
    return {
        "wholeness": wholeness(poses.resized(size), film, made, background),
        "sharp": {key.region: metric.mean() or 0.0 for key, metric in sharp.items()},
        "sharp_film": {key.region: value or 0.0 for key, (value, _) in of_film.items()},
    }


def _write_worst(path: Path, name: str, variants: Sequence[str]) -> None:
    """A picture of the frames that the last variant shows least like the film."""
    found = read_measurements(layout.measurements_file("evaluate", name))
    scores = found.per_frame[MetricKey("likeness", "person", OURS)]
    worst = peaks(-scores, count=_NUM_WORST, apart=len(scores) // (3 * _NUM_WORST))
    rows: dict[str, list[Frame]] = {}
    for shown in (_FILM, *variants):
        with FrameStore(_tail(shown)) as store:
            rows[shown] = [store[index] for index in worst]
    captions = [f"frame {index}, likeness {scores[index]:.2f}" for index in worst]
    Image.fromarray(contact_sheet(rows, captions)).save(path, quality=85)


if __name__ == "__main__":
    main()
