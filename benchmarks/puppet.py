"""What the numbers of the puppet are worth: computed actors and films at 512 pixels.

    uv run python -m benchmarks.puppet FOLDER [--pairs arms turns ...] [--films CLIP ...]
        [--dances TRANSFER ...] [--set bending._REACH=4.8 ...] [--each canvas bending ...]

The target of each pair is cut out of frames of one dance, and drawn in another one, in which they
are filmed, too. A film (a clip's folder of an `artifacts/frames`) is cut out of its first 60 % and
drawn in the poses of its last quarter. A transfer of the project here is drawn in the dance of
another's film, which has no truth. There one sees what a rule is for: a film's own poses hide it.
Films stay in FOLDER.

Printed are likeness of person, face and hands, with the standard error over frames, and `switches`
as `evaluate` counts it. The ceiling beside it is the truth moved by half a pixel. Of actors,
`parts` is how far parts cut out of references agree with true ones (intersection over union).

With `--each`, every number of these modules of `motiontransfer.puppet` is taken 0.7 and 1.3 times,
one after another. There are 24 references, and every third pair of frames is drawn. A row has the
share of pixels that change. Of likeness and switches it has the mean changes over all frames that
are farther from 0 than two standard errors. Other numbers of references tell what chance does.
Rows are added to FOLDER/each.csv as they come; FOLDER/each has the three frames of each pair that
change most, before and after.
"""

import argparse
import csv
import importlib
import math
import multiprocessing
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, is_dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import cv2
import numpy as np
from jaxtyping import Int8
from PIL import Image

from benchmarks.machine import recorded
from benchmarks.part_labels import part_iou
from benchmarks.puppet_pairs import (
    LABELS,
    NUM_FRAMES,
    PAIRS,
    TRUTH,
    clip_of,
    film_actor,
    film_tail,
    take_dance,
    working_size,
)
from motiontransfer import body, filming, plate, puppet, retargeting
from motiontransfer.body.parts import BodyPoses, body_parts, body_scales
from motiontransfer.core.arrays import Frame
from motiontransfer.evaluation.frames import HALF_PIXEL, all_regions, moved
from motiontransfer.evaluation.likeness import likeness
from motiontransfer.evaluation.temporal_metrics import flow_between, switches
from motiontransfer.plate.background import median_background
from motiontransfer.plate.full_size import FullSizeFrames
from motiontransfer.plate.masks import write_masks
from motiontransfer.plate.segmentation import clip_masks
from motiontransfer.plate.target_clips import TargetClip
from motiontransfer.pose import cleaning
from motiontransfer.pose.keypoints_file import read_keypoints
from motiontransfer.puppet.appearance import Appearance, pack_appearance
from motiontransfer.puppet.draw.warping import Puppet
from motiontransfer.puppet.fit import filling, fitting
from motiontransfer.puppet.fit.cutting import CutPart
from motiontransfer.rendering.compositing import draw_puppet
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.geometry import resize

_SMALLEST_PX = 11  # side of a box that has a likeness
_FACTORS = 0.7, 1.3
_SCREENED, _OTHER_COUNTS = 24, (22, 23, 26)  # references
_STRIDE = 6  # of the frames drawn then, each with the one behind it
_NUM_SHOWN = 3  # frames that change most

_MODULES = {"cleaning": cleaning.__name__} | {
    each.name.rpartition(".")[2]: each.name
    for package in (puppet, plate, filming, body, retargeting)
    for each in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
}

# What a module's numbers can change: the choice and drawing of references alone, or the masks and
# the room as well; of other modules what is cut out.
DRAWS = {"choice", "retrieval", "warping", "bending", "steady", "canvas", "occlusion"}
OF_ROOM = {"background", "fusion", "inpainting", "overlays", "full_size", "shadow", "masks"}
_OF_MASKS = {"segmentation", "masks", "coverage"}
DRAWS_TOO = {"parts", "part_maps", "appearance"}
# Or the poses.
OF_POSES = {
    *("fit", "objective", "sides", "repair", "cleaning"),
    *("shapes", "statistics", "normalization", "in_view"),
}

_Result = TypeVar("_Result")
_Scores = dict[tuple[str, str, int], float]
"""By what is measured, region and frame."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pairs", nargs="*", choices=PAIRS, default=list(PAIRS))
    parser.add_argument("--films", nargs="*", type=Path, default=[], metavar="CLIP")
    parser.add_argument("--dances", nargs="*", default=[], metavar="TRANSFER")
    parser.add_argument("--set", nargs="*", default=[], metavar="MODULE.NUMBER=VALUE")
    parser.add_argument("--each", nargs="*", default=[], metavar="MODULE")
    arguments = parser.parse_args()
    if arguments.dances and not arguments.each:
        parser.error("--dances: they have no truth to measure by; add --each")
    cv2.setNumThreads(1)  # its threads do not outlive a fork
    for number, value in (each.rsplit("=", 1) for each in arguments.set):
        change(number, float(value))
    for pair in arguments.pairs:
        in_fork(film_actor, arguments.folder / pair, pair)
    for clip in arguments.films:
        in_fork(film_tail, arguments.folder / clip.name, clip)
    for transfer in arguments.dances:
        in_fork(take_dance, arguments.folder / transfer, transfer)
    names = [*arguments.pairs, *(clip.name for clip in arguments.films), *arguments.dances]
    folders = [arguments.folder / name for name in names]
    for folder in folders:
        in_fork(_segment, clip_of(folder))
    with recorded("puppet") as rows, ExitStack() as stack:
        if not arguments.each:
            rows += [in_fork(_measured, folder) for folder in folders]
            return
        pairs = [
            _Pair(folder, stack.enter_context(FullSizeFrames([clip_of(folder)])), stride=_STRIDE)
            for folder in folders
        ]
        for pair in pairs:
            pair.prepare()
        with (arguments.folder / "each.csv").open("a") as file:
            write = csv.writer(file).writerow
            for row in _differences(pairs, arguments.each, arguments.folder / "each"):
                rows.append(row)
                write(row.values())
                file.flush()


def in_fork(function: Callable[..., _Result], *arguments: object) -> _Result:
    """What a function returns in a process of its own, which has all that is in memory here.

    Raises:
        EOFError: it failed.
    """
    forks = multiprocessing.get_context("fork")
    reader, writer = forks.Pipe(duplex=False)
    process = forks.Process(target=lambda: writer.send(function(*arguments)))
    process.start()
    writer.close()
    try:
        return reader.recv()
    finally:
        process.join()


def numbers_of(module: str) -> Iterator[tuple[str, float]]:
    """Each number that a module has by a name of its own, alone, in a tuple or by a key."""

    def within(name: str, value: object) -> Iterator[tuple[str, float]]:
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield name, value
        elif isinstance(value, tuple | dict) or is_dataclass(value):
            value = asdict(value) if is_dataclass(value) else value
            items = value.items() if isinstance(value, dict) else enumerate(value)
            for key, one in items:
                yield from within(f"{name}[{key}]", one)

    for name, value in vars(importlib.import_module(_MODULES[module])).items():
        if name.isupper():
            yield from within(f"{module}.{name}", value)


def change(number: str, value: float) -> None:
    """Take another number, wherever modules of the puppet have it by that name."""
    module, _, place = number.partition(".")
    name, *keys = place.replace("]", "").split("[")

    def changed(before: object, keys: Sequence[str]) -> object:
        if not keys:
            return round(value) if isinstance(before, int) else value
        if isinstance(before, dict):
            return before | {keys[0]: changed(before[keys[0]], keys[1:])}
        if is_dataclass(before):
            return replace(before, **{keys[0]: changed(getattr(before, keys[0]), keys[1:])})
        assert isinstance(before, tuple)
        index = int(keys[0])
        return (*before[:index], changed(before[index], keys[1:]), *before[index + 1 :])

    own = importlib.import_module(_MODULES[module])
    before = getattr(own, name)
    after = changed(before, keys)
    setattr(own, name, after)
    if not name.startswith("_"):
        for holder in map(importlib.import_module, _MODULES.values()):
            if getattr(holder, name, None) is before:
                setattr(holder, name, after)


def cut_here() -> None:
    """Cut references in this process, which alone has other numbers."""
    for user in (fitting, filling):
        vars(user).update(run_parallel=lambda function, items, **_: map(function, items))


class _Pair:
    """A target's film and the dance, and what most numbers do not change."""

    appearance: Appearance
    shown: Mapping[int, Frame]
    scores: _Scores

    def __init__(self, folder: Path, frames: FullSizeFrames, *, stride: int) -> None:
        """Read them; of the dance two frames after one another in so many."""
        self.name, self.frames = folder.name, frames
        self.poses = read_keypoints(folder / "truth.parquet")
        self.drawn = [at for at in range(self.poses.num_frames) if at % stride < 2]
        self.truth: dict[int, Frame] = {}
        if (folder / TRUTH).exists():
            with FrameStore(folder / TRUTH) as store:
                self.truth = {at: store[at] for at in self.drawn}
        self.boxes = all_regions(self.poses)
        for _ in frames.read([(0, index) for index in frames.clips[0].training]):
            pass  # all are kept
        self.room = median_background(frames)

    def prepare(self) -> None:
        """What changes are compared with."""
        self.appearance = in_fork(self.fit, "", _SCREENED)
        self.shown = in_fork(self.draw, self.appearance)
        self.scores = in_fork(self.scored, self.shown, self.drawn)

    def fit(self, module: str, num_references: int) -> Appearance:
        """The appearance, by what a module's numbers can change."""
        cut_here()
        room = self.room
        with TemporaryDirectory() as folder:
            if module in _OF_MASKS:
                clip = replace(self.frames.clips[0], masks=Path(folder) / "masks.parquet")
                _segment(clip)
                self.frames.clips = [clip]
                del self.frames.masks  # as they were read
            if module in _OF_MASKS | OF_ROOM:
                room = median_background(self.frames)
            references = fitting.choose_references(self.frames, count=num_references)
            return fitting.target_appearance(self.frames, room, references)

    def draw(self, appearance: Appearance) -> dict[int, Frame]:
        working = working_size(self.poses)
        clip = Puppet(appearance, working).follow(self.poses.resized(working))
        room = resize(appearance.background, self.poses.image_size)
        drawn = {at: draw_puppet(clip, at, working, room) for at in self.drawn}
        return {at: np.ascontiguousarray(frame[..., :3]) for at, frame in drawn.items()}

    def scored(self, shown: Mapping[int, Frame], among: Sequence[int]) -> _Scores:
        """Likeness of every second frame in the working image, and switches."""
        scores: _Scores = {}
        if not self.truth:
            return scores
        working = working_size(self.poses)
        for region, boxes in all_regions(self.poses.resized(working)).items():
            for at in (at for at in among if at % 2 == 0):
                if (box := boxes[at]) and min(box[2] - box[0], box[3] - box[1]) >= _SMALLEST_PX:
                    group = "hands" if "hand" in region else region
                    real, made = (resize(video[at], working) for video in (self.truth, shown))
                    scores[group, region, at] = likeness(real, made, box)
        for at in among:
            if at + 1 in shown and (box := self.boxes["person"][at]):
                x0, y0, x1, y1 = box
                real, made = (
                    (video[at][y0:y1, x0:x1], video[at + 1][y0:y1, x0:x1])
                    for video in (self.truth, shown)
                )
                found = switches(made, real, flow_between(*real)).mean()
                scores["switches", "person", at] = float(found)
        return scores


def _segment(clip: TargetClip) -> None:
    if not clip.masks_file.exists():
        write_masks(clip.masks_file, clip_masks(clip))


def _measured(folder: Path) -> dict[str, object]:
    cut: list[Sequence[CutPart | None]] = []
    cut_parts = fitting.cut_parts
    vars(fitting).update(
        cut_parts=lambda *of, **held: cut.append(cut_parts(*of, **held)) or cut[-1]
    )
    with FullSizeFrames([clip_of(folder)]) as frames:
        pair = _Pair(folder, frames, stride=1)
        appearance = pair.fit("", NUM_FRAMES)
        shown = pair.draw(appearance)
    scores = _by_group(pair.scored(shown, pair.drawn))
    if (folder / LABELS).exists():
        scores["parts"] = _agreement(np.load(folder / LABELS)["parts"], appearance, cut)
    best = {at: moved(frame, HALF_PIXEL[0]) for at, frame in pair.truth.items()}
    ceiling = _by_group(pair.scored(best, pair.drawn))
    return {
        "pair": pair.name,
        **{group: round(float(np.mean(of)), 5) for group, of in scores.items()},
        **{f"{group} ceiling": round(float(np.mean(of)), 5) for group, of in ceiling.items()},
        **{f"{group} error": _error(of) for group, of in scores.items()},
    }


def _agreement(
    labels: Int8[np.ndarray, "frames height width"],
    appearance: Appearance,
    cut: Sequence[Sequence[CutPart | None]],
) -> list[float]:
    """By each reference, how far its parts agree with the true ones."""
    parts = body_parts(appearance.skeleton)
    poses = BodyPoses(appearance.skeleton, appearance.points, appearance.score)
    heights = appearance.height_px * body_scales(poses, appearance.full_lengths)
    return [
        part_iou(parts, cut[n], labels[frame], poses, n, height_px=float(heights[n]))
        for n, (_, frame) in enumerate(appearance.frames)
    ]


def _by_group(scores: _Scores) -> dict[str, list[float]]:
    groups: dict[str, list[float]] = {}
    for (group, *_), value in scores.items():
        groups.setdefault(group, []).append(value)
    return groups


def _error(values: Sequence[float]) -> float:
    """Standard error of their mean."""
    return round(float(np.std(values) / np.sqrt(len(values))), 5)


def _differences(
    pairs: Sequence[_Pair], modules: Sequence[str], pictures: Path
) -> Iterator[dict[str, object]]:
    """A row for each number, and for other numbers of references: what chance does."""
    pictures.mkdir(exist_ok=True)
    for count in _OTHER_COUNTS:
        found = _told(partial(_effect, pairs, "", count=count))
        yield {"number": "references", "value": _SCREENED, f"{count}": found}
    for module in modules:
        for number, value in numbers_of(module):
            row: dict[str, object] = {"number": number, "value": value}
            for factor in _FACTORS:
                alter = partial(change, number, _times(value, factor))
                show = pictures / f"{number}_{factor}"
                row[f"x {factor}"] = _told(partial(_effect, pairs, module, alter=alter, show=show))
            yield row


def _told(effect: Callable[[], dict[str, tuple[float, float]]]) -> str:
    """Share of pixels that change, and means that are farther from 0 than two standard errors."""
    try:
        found = in_fork(effect)
    except EOFError:
        return "fails"
    changed, _ = found.pop("changed")
    if not changed:
        return "0"
    clear = [
        f"{group} {mean:+.4f}" for group, (mean, error) in found.items() if abs(mean) > 2 * error
    ]
    return ", ".join([f"{changed:.2%}", *clear])


def _times(value: float, factor: float) -> float:
    if isinstance(value, int):
        return math.floor(value * factor) if factor < 1 else math.ceil(value * factor)
    return float(f"{value * factor:.6g}")


def _effect(
    pairs: Sequence[_Pair],
    module: str,
    *,
    alter: Callable[[], object] | None = None,
    count: int = _SCREENED,
    show: Path | None = None,
) -> dict[str, tuple[float, float]]:
    """What it changes to alter a module, or to take another number of references.

    Args:
        show: beginning of the names of pictures.

    Returns:
        Means and their standard errors.
    """
    if alter is not None:
        alter()
    changes: dict[str, list[float]] = {"changed": []}
    for pair in pairs:
        appearance = pair.appearance if module in DRAWS else pair.fit(module, count)
        is_same = module not in DRAWS | DRAWS_TOO and _is_same(appearance, pair.appearance)
        shown = pair.shown if is_same else pair.draw(appearance)
        differ = {
            at: float(np.any(shown[at] != was, axis=2).mean()) for at, was in pair.shown.items()
        }
        if show and any(differ.values()):
            most = sorted(differ, key=differ.__getitem__)[-_NUM_SHOWN:]
            rows = [np.hstack([frames[at] for at in most]) for frames in (pair.shown, shown)]
            Image.fromarray(np.vstack(rows)).save(f"{show}_{pair.name}.png")
        among = [at for at in differ if differ[at] or differ.get(at + 1)]
        again = pair.scored(shown, among)
        own = {key: again.get(key, was) - was for key, was in pair.scores.items()}
        for group, values in {"changed": [*differ.values()], **_by_group(own)}.items():
            changes[group] = changes.get(group, []) + values
    return {group: (float(np.mean(values)), _error(values)) for group, values in changes.items()}


def _is_same(one: Appearance, other: Appearance) -> bool:
    pairs = (pack_appearance(each)[0] for each in (one, other))
    return all(
        np.array_equal(a, b) for a, b in zip(*(each.values() for each in pairs), strict=True)
    )


if __name__ == "__main__":
    main()
