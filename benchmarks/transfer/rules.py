"""What each number of the puppet is worth where dances break.

    python -m benchmarks.transfer.rules FOLDER [--only NUMBER[=VALUE] ...] [--cases CASE ...]
        [--every 8] [--all NUMBER=VALUE ...]

FOLDER is that of `benchmarks.transfer.turning`, which ran there with this checkout. Each number of
what draws, or of `--only` (the beginnings of names), is changed, one after another. It is taken as
0, half and twice of it, or as rules.yaml says; `--all` are several at once. For other modules all
is cut anew out of fewer references; these stay, and so do masks. The room is made anew for those of
the plate. For those of body and retargeting poses are made anew, and references stay. The puppet is
drawn by the pipeline's poses, one frame in `--every`, and compared with the truth as turning.py
does.

A row has the pixels that change in the frame that changes most. It also has the gain of faults in
100 frames, of the IoU of parts and arms, and of likeness of person, face and hands. `room` is what
the mean difference beside the person grows by, in levels of 255. Standard errors are those of
differences frame by frame. It is added to FOLDER/rules.csv as it comes. Where a frame changes by
more than 1 %, FOLDER/rules has the frames that change most: the truth, before, after.
"""

import argparse
import csv
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import yaml
from PIL import Image

from benchmarks.machine import recorded
from benchmarks.puppet import (
    DRAWS,
    DRAWS_TOO,
    OF_POSES,
    OF_ROOM,
    change,
    cut_here,
    in_fork,
    numbers_of,
)
from benchmarks.transfer.turning import IN_FRAMES, Figures, Truth, mean_and_error
from benchmarks.transfer.turning_joints import danced
from benchmarks.transfer.turning_puppet import TARGETS, drawn
from motiontransfer.core import layout
from motiontransfer.core.arrays import Frame
from motiontransfer.core.params import SplitParams, load_section
from motiontransfer.plate.background import Background, median_background
from motiontransfer.plate.full_size import FullSizeFrames
from motiontransfer.plate.target_clips import HeldOut, read_target_clips
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.keypoints_file import read_keypoints
from motiontransfer.puppet.appearance import Appearance
from motiontransfer.puppet.appearance_file import read_appearance
from motiontransfer.puppet.fit.fitting import choose_references, target_appearance
from motiontransfer.rendering.videos import contact_sheet
from motiontransfer.video.geometry import resize

_CASES = ("woman_all", "child_short", "heavy_front", "tall_all")
_FIGURES = ("faults", "IoU", "arms", "person", "face", "hands", "room")
_NUM_REFERENCES = 24  # where they are cut anew
_SHOWN = 0.01  # share of a frame's pixels, from which on a change is shown
_NUM_SHOWN = 8  # frames that change most
_TABLE = Path(__file__).with_suffix(".yaml")

Trial = Mapping[str, float]
"""Values of numbers."""
Worn = Mapping[str, list[Frame]]
"""Drawn frames, by what is worn."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", default=[], metavar="NUMBER[=VALUE]")
    parser.add_argument("--cases", nargs="*", default=_CASES, metavar="CASE")
    parser.add_argument("--every", type=int, default=8, metavar="FRAMES")
    parser.add_argument("--all", nargs="*", default=[], metavar="NUMBER=VALUE")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)  # its threads do not outlive a fork
    tried = [_values(arguments.all)] if arguments.all else [*trials(arguments.only)]
    folder, every = arguments.folder.resolve(), arguments.every
    cuts = any(_cuts(trial) for trial in tried)
    cases = [_Case(folder, name, every=every, is_cut=cuts) for name in arguments.cases]
    (folder / "rules").mkdir(exist_ok=True)
    with recorded("rules") as rows, (folder / "rules.csv").open("a", encoding="utf-8") as file:
        rows.append({"numbers": "as they are", **_cells([case.figures for case in cases])})
        for trial in tried:
            rows.append({"numbers": text_of(trial), **_gains(cases, trial, folder / "rules")})
            csv.writer(file).writerow(rows[-1].values())
            file.flush()


def trials(only: Sequence[str]) -> Iterator[Trial]:
    """Each number alone."""
    yield from (_values([each]) for each in only if "=" in each)
    names = tuple(each for each in only if "=" not in each)
    if only and not names:
        return
    table = yaml.safe_load(_TABLE.read_text(encoding="utf-8"))
    modules = dict.fromkeys(name.partition(".")[0] for name in names) or table["modules"]
    for number, value in (each for module in modules for each in numbers_of(module)):
        if number.startswith(names or tuple(modules)):
            usual = [0, value / 2, 2 * value]
            names_of = [name for name in table["values"] if f"{number}[".startswith(f"{name}[")]
            tried = table["values"][max(names_of, key=len)] if names_of else usual
            yield from ({number: float(new)} for new in tried)


def _values(texts: Sequence[str]) -> Trial:
    return {number: float(value) for number, value in (text.rsplit("=", 1) for text in texts)}


def text_of(trial: Trial) -> str:
    return " ".join(f"{number}={value:g}" for number, value in trial.items())


def _cuts(trial: Trial) -> bool:
    return not _modules(trial) <= DRAWS | DRAWS_TOO | OF_POSES | {"sharpness"}


def _modules(trial: Trial) -> set[str]:
    return {number.partition(".")[0] for number in trial}


class _Film(NamedTuple):
    """What is cut out of a target's film."""

    frames: FullSizeFrames
    room: Background
    references: Sequence[tuple[int, int]]

    @classmethod
    def read(cls, project: Path, target: str) -> "_Film":
        held_out = load_section(SplitParams, "split").to_config(HeldOut)
        frames = FullSizeFrames(read_target_clips(target, held_out, root=project))
        references = choose_references(frames, count=_NUM_REFERENCES)
        return cls(frames, median_background(frames, among=references), references)


class _Case:
    """A target in a dance as it is drawn today, beside the truth."""

    def __init__(self, folder: Path, name: str, *, every: int, is_cut: bool) -> None:
        project = self.project = folder / Path().resolve().name
        self.name, self.every, self._is_room_anew = name, every, False
        self.truth = Truth.read(folder, name.partition("_")[0])
        self.poses: Keypoints = read_keypoints(project / layout.poses_file(name))
        self._films = {
            worn: _Film.read(project, target.format(name))
            for worn, target in TARGETS.items()
            if is_cut
        }
        self._appearances = {
            worn: read_appearance(project / layout.appearance_file(target.format(name)))
            for worn, target in TARGETS.items()
            if not is_cut
        }
        self.shown = in_fork(self.draw)
        self.figures = in_fork(partial(self._judge, range(len(self.shown["suit"])), self.shown))

    def draw(self) -> Worn:
        return {
            worn: [*drawn(self._appearance(worn), self.poses, fades=fades, every=self.every)]
            for worn, fades in {"suit": False, "clothes": True}.items()
        }

    def _appearance(self, worn: str) -> Appearance:
        if worn in self._appearances:
            return self._appearances[worn]
        cut_here()
        film = self._films[worn]
        if self._is_room_anew:
            film = film._replace(room=median_background(film.frames, among=film.references))
        return target_appearance(*film)

    def _judge(self, among: Sequence[int], shown: Worn) -> Figures:
        """Figures of some of the frames; NaN for the others."""
        figures = {name: np.full(len(shown["suit"]), np.nan) for name in _FIGURES}
        for number in among:
            suit, clothes = ([shown[worn][number]] for worn in ("suit", "clothes"))
            index = number * self.every
            found = dict(self.truth.judge(suit=suit, clothes=clothes, first=index).figures)
            found["room"] = [self._beside_person(clothes[0], index)]
            for name in _FIGURES:
                figures[name][number] = found[name][0]
        return figures

    def _beside_person(self, shown: Frame, index: int) -> float:
        """Levels by which a frame differs from the truth there."""
        real = self.truth.clothes[index]
        differs = cv2.absdiff(real, resize(shown, real.shape[:2])).mean(axis=2)
        x0, y0, x1, y1 = self.truth.boxes["person"][index] or (0, 0, 0, 0)
        differs[y0:y1, x0:x1] = np.nan
        return float(np.nanmean(differs))

    def tried(self, trial: Trial) -> tuple[np.ndarray, Worn, Figures]:
        """With other numbers, in this process: pixels that change, frames, what figures gain."""
        for number, value in trial.items():
            change(number, value)
        self._is_room_anew = bool(_modules(trial) & OF_ROOM)
        if _modules(trial) & OF_POSES:
            self.poses = danced(self.project, self.name)
        shown = self.draw()
        changed = np.max([_changed(self.shown[worn], shown[worn]) for worn in TARGETS], axis=0)
        now = self._judge(np.flatnonzero(changed).tolist(), shown)
        gains = {
            name: np.where(changed > 0, now[name], before) - before
            for name, before in self.figures.items()
        }
        return changed, shown, gains


def _changed(before: Sequence[Frame], after: Sequence[Frame]) -> list[float]:
    """Share of the pixels of each frame."""
    pairs = zip(before, after, strict=True)
    return [float(np.any(one != other, axis=2).mean()) for one, other in pairs]


def _gains(cases: Sequence[_Case], trial: Trial, pictures: Path) -> dict[str, str]:
    """The cells of a trial's row."""
    try:
        return in_fork(partial(_gains_here, cases, trial, pictures / f"{text_of(trial)}.jpg"))
    except EOFError:
        return {"pixels": "fails"}


class _Most(NamedTuple):
    """A frame that changes, and how much."""

    changed: float
    case: _Case
    number: int
    after: Worn


def _gains_here(cases: Sequence[_Case], trial: Trial, picture: Path) -> dict[str, str]:
    gains, most = [], []
    for case in cases:
        changed, after, gained = case.tried(trial)
        gains.append(gained)
        most += [_Most(float(share), case, at, after) for at, share in enumerate(changed)]
    most = sorted(most, key=lambda each: -each.changed)[:_NUM_SHOWN]
    if most[0].changed > _SHOWN:
        rows: dict[str, list[Frame]] = {}
        for worn in TARGETS:
            truths = [getattr(one.case.truth, worn)[one.number * one.case.every] for one in most]
            rows[worn] = truths
            rows[f"{worn}, before"] = [one.case.shown[worn][one.number] for one in most]
            rows[f"{worn}, after"] = [one.after[worn][one.number] for one in most]
        captions = [f"{one.case.name} {one.number * one.case.every}" for one in most]
        Image.fromarray(contact_sheet(rows, captions)).save(picture, quality=90)
    return {"pixels": f"{most[0].changed:.1%}", **_cells(gains)}


def _cells(figures: Sequence[Figures]) -> dict[str, str]:
    cells = {}
    for name in _FIGURES:
        mean, error = mean_and_error([one[name] for one in figures], block=1)
        times, digits = (IN_FRAMES, 1) if name == "faults" else (1, 4)
        cells[name] = f"{times * mean:+.{digits}f} ± {times * error:.{digits}f}"
    return cells


if __name__ == "__main__":
    main()
