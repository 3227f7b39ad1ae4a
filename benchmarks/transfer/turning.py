"""Where dances break: turning actors, in clothes and in a suit with a color for each part.

    uv run python -m benchmarks.transfer.turning FOLDER [--code CHECKOUT ...] [--only CASE ...]

Films the pairs of turning.yaml once (15 CPU minutes). The puppet of each checkout, by default of
this one, draws each target by each of its films, without any network. It does so by the pipeline's
poses and by true joints. For each checkout there is a project in FOLDER, which runs only what
its code changes. All are judged by this code, in one run. A table goes to benchmarks/results/:

- faults of structure in 100 frames by their kinds (suit.py), and limbs drawn mirrored;
- unfilmed: those where truth shows a side of the trunk that the film never shows. No drawing from
  this film can avoid them, unlike a face behind;
- IoU of the suit's parts, likeness of person, face and hands in clothes;
- standard errors by blocks of half a second, and beside each pair its ceiling, which is the truth
  moved by half a pixel. Films of a pair have the same truth, so that errors of means are too small.

Of several checkouts the last rows are differences to the first, frame by frame. FOLDER/sheets has
pictures, and FOLDER/faults.csv every fault that was counted.
"""

import argparse
import csv
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import chdir
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml
from jaxtyping import Bool, Float
from PIL import Image

from benchmarks.machine import RESULTS, commit_of, markdown_table, recorded
from benchmarks.transfer.project import make_project, reproduce, write_params
from benchmarks.transfer.results import described_run
from benchmarks.transfer.suit import (
    FAULTS,
    PARTS,
    Compared,
    Fault,
    PartMap,
    compare,
    moved_map,
    part_map,
    room_colors,
    shift_onto,
    shown_parts,
)
from benchmarks.transfer.turning_films import (
    empty_room,
    film_file,
    film_pairs,
    joints_file,
    read_definition,
)
from benchmarks.transfer.turning_puppet import POSES, TARGETS, drawn_file
from motiontransfer.core.arrays import Frame
from motiontransfer.core.params import Compute, load_section
from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.evaluation.frames import HALF_PIXEL, Regions, all_regions, moved
from motiontransfer.evaluation.likeness import likeness
from motiontransfer.pose.keypoints_file import read_keypoints
from motiontransfer.pose.time_series import peaks
from motiontransfer.rendering.videos import contact_sheet
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.geometry import resize

GROUPS = {
    "arms": ("upper_arm", "forearm", "hand"),
    "legs": ("thigh", "shin", "foot"),
    "trunk": ("trunk",),
    "head": ("head",),
}
REGIONS = {"person": ("person",), "face": ("face",), "hands": ("left_hand", "right_hand")}
IN_FRAMES = 100  # faults are counted in so many
_LIKENESS_EVERY = 2  # frames
_SMALLEST_PX = 11  # side of a box that has a likeness
_FILM_EVERY = 5  # frames of a film that are looked at for the parts that it shows
BLOCK = 10  # frames, half a second, of which errors are those of independent means
_NUM_SHOWN = 10
_STAGES = Path("benchmarks/transfer/turning_stages.yaml")
_DRAWING = "benchmarks/transfer/turning_puppet.py"

COUNTED = ("faults", *FAULTS, "unfilmed", "mirrored")
FIGURES = (*COUNTED, "IoU", *GROUPS, *REGIONS)
Figures = Mapping[str, Float[np.ndarray, " frames"]]
"""Each of them; NaN where a frame has none."""


class Case(NamedTuple):
    """A pair and the film that the pipeline gets of its target."""

    pair: str
    film: str

    def __str__(self) -> str:
        return f"{self.pair}_{self.film}"


class Found(NamedTuple):
    """What was found in drawn frames."""

    figures: Figures
    faults: list[list[Fault]]
    """Of each frame."""


OfCase = Mapping[tuple[str, str], Found]
"""By poses and checkout."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--code", nargs="+", type=Path, default=[Path()], metavar="CHECKOUT")
    parser.add_argument("--only", nargs="+", metavar="CASE")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    definition = read_definition()
    film_pairs(folder, num_workers=load_section(Compute, "compute").num_workers)
    cases = [
        case
        for pair, entry in definition["pairs"].items()
        for case in (Case(pair, film) for film in entry["films"])
        if not arguments.only or str(case) in arguments.only
    ]
    commits = {code.resolve().name: commit_of(code) for code in arguments.code}
    projects = [make(folder, code.resolve(), cases) for code in arguments.code]
    found: dict[Case, OfCase] = {}
    with recorded("turning") as rows:
        for pair, of_pair in groupby(cases, lambda case: case.pair):
            truth = Truth.read(folder, pair)
            rows.append(_row(pair, "ceiling", "", [truth.ceiling().figures]))
            for case in of_pair:
                filmed = filmed_parts(folder, case)
                found[case] = {
                    (poses, project.name): truth.judge(
                        suit=drawn_frames(project, case, poses, "suit"),
                        clothes=drawn_frames(project, case, poses, "clothes"),
                        filmed=filmed,
                    )
                    for poses in POSES
                    for project in projects
                }
                rows += [_row(str(case), *key, [one.figures]) for key, one in found[case].items()]
                _write_sheets(folder / "sheets", case, truth, projects, found[case])
        rows += _means([*found.values()], [*commits])
    _write_faults(folder / "faults.csv", found)
    codes = "; ".join(f"{name} is {commit}" for name, commit in commits.items())
    table = markdown_table([*rows[0]], [[*row.values()] for row in rows])
    text = f"{described_run()}\n\n{codes}\n\n{table}\n"
    (RESULTS / "turning.md").write_text(text, encoding="utf-8")


def make(folder: Path, code: Path, cases: Sequence[Case]) -> Path:
    """The project of a checkout, with everything drawn."""
    project = folder / code.name
    with chdir(code):
        make_project(project, _DRAWING)
        write_params(project, _sections(cases), {"normalization.unfilmed_sides": "as_danced"})
    if not (code / _DRAWING).exists():
        (project / _DRAWING).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(_DRAWING, project / _DRAWING)
    shutil.copytree(folder / "films", project / "data/films", dirs_exist_ok=True)
    shutil.copy(_STAGES, project / "demo/dvc.yaml")
    names = {"cases": {str(case): case.pair for case in cases}}
    (project / "demo/turning_cases.yaml").write_text(yaml.safe_dump(names), encoding="utf-8")
    reproduce(project, *(f"demo/dvc.yaml:draw@{case}" for case in cases))
    return project


def _sections(cases: Sequence[Case]) -> dict[str, object]:
    """The sections of films.yaml that say who is who."""
    dances = dict.fromkeys(f"{case.pair}_dance" for case in cases)
    targets = [str(case) for case in cases]
    videos = [*dances, *targets, *(f"{target}_suit" for target in targets)]
    return {
        "videos": {
            name: {"path": f"data/films/{name}.mp4", "subject": name, "crop": "none"}
            for name in videos
        },
        "subjects": videos,
        "targets": targets,
        "trained": [],
        "transfers": {
            str(case): {
                **{"source": f"{case.pair}_dance", "source_subject": f"{case.pair}_dance"},
                **{"target": str(case), "truth": "none"},
            }
            for case in cases
        },
    }


def drawn_frames(project: Path, case: Case, poses: str, worn: str) -> Iterator[Frame]:
    """What a checkout drew."""
    return _frames(drawn_file(project, str(case), worn, poses))


def _frames(video: Path) -> Iterator[Frame]:
    with FrameStore(video) as store:
        yield from store.frames()


def filmed_parts(folder: Path, case: Case) -> set[str]:
    """Parts that a film of a pair shows in any frame."""
    room = room_colors(empty_room(read_definition(), case.pair))
    film = film_file(folder, case.pair, case.film, "suit")
    maps = (part_map(frame) for frame in islice(_frames(film), 0, None, _FILM_EVERY))
    return set().union(*(shown_parts(np.where(room, np.int8(-1), one)) for one in maps))


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """The target in the dance, in clothes and in the suit."""

    clothes: list[Frame]
    suit: list[Frame]
    maps: list[PartMap]
    """Parts that the suit shows."""
    room: Bool[np.ndarray, "height width"]
    """Pixels of the room that have a part's color."""
    boxes: Mapping[str, Regions]

    @classmethod
    def read(cls, folder: Path, pair: str) -> "Truth":
        clothes, suit = ([*_frames(film_file(folder, pair, "truth", worn))] for worn in TARGETS)
        room = room_colors(empty_room(read_definition(), pair))
        return cls(
            clothes=clothes,
            suit=suit,
            maps=[np.where(room, np.int8(-1), part_map(frame)) for frame in suit],
            room=room,
            boxes=all_regions(read_keypoints(joints_file(folder, pair, "truth"))),
        )

    def ceiling(self) -> Found:
        """What the truth itself gets, moved by half a pixel."""
        suit, clothes = (
            (moved(frame, HALF_PIXEL[0]) for frame in frames)
            for frames in (self.suit, self.clothes)
        )
        return self.judge(suit=suit, clothes=clothes)

    def judge(
        self,
        *,
        suit: Iterable[Frame],
        clothes: Iterable[Frame],
        filmed: Collection[str] = PARTS,
        every: int = 1,
        first: int = 0,
    ) -> Found:
        """Compare drawn frames with the truth: one in so many of its frames from one on.

        Args:
            filmed: parts that the film of the target shows.
        """
        figures: list[dict[str, float]] = []
        faults = []
        for number, frames in enumerate(zip(suit, clothes, strict=True)):
            index = first + number * every
            in_suit, in_clothes = (resize(frame, self.room.shape) for frame in frames)
            got = np.where(self.room, np.int8(-1), part_map(in_suit))
            shift = shift_onto(self.maps[index], got)
            compared = compare(self.maps[index], moved_map(got, shift))
            faults.append(compared.faults)
            figures.append(figures_of_suit(compared, filmed))
            if number % _LIKENESS_EVERY == 0:
                figures[-1] |= self._likeness(index, moved(in_clothes, shift))
        return Found(
            {name: np.array([one.get(name, np.nan) for one in figures]) for name in FIGURES}, faults
        )

    def _likeness(self, index: int, drawn: Frame) -> dict[str, float]:
        found = {}
        for name, regions in REGIONS.items():
            boxes = [self.boxes[region][index] for region in regions]
            large = [
                box for box in boxes if box and min(np.subtract(box[2:], box[:2])) >= _SMALLEST_PX
            ]
            if large:
                values = [likeness(self.clothes[index], drawn, box) for box in large]
                found[name] = float(np.mean(values))
        return found


def figures_of_suit(compared: Compared, filmed: Collection[str]) -> dict[str, float]:
    """Figures of a frame in the suit, by a film that shows some parts."""
    kinds = [fault.kind for fault in compared.faults]
    unfilmed = {*PARTS}.difference(filmed)
    found = {kind: float(kinds.count(kind)) for kind in FAULTS}
    found |= {"faults": float(len(kinds)), "mirrored": float(compared.num_mirrored)}
    never = [
        fault for fault in compared.faults if fault.kind == "turned" and fault.part in unfilmed
    ]
    found["unfilmed"] = float(len(never))
    for group, things in GROUPS.items():
        values = [iou for name, iou in compared.iou.items() if name.startswith(things)]
        if values:
            found[group] = float(np.mean(values))
    return found | {"IoU": float(np.mean([*compared.iou.values()]))}


def _row(film: str, poses: str, code: str, found: Sequence[Figures]) -> dict[str, object]:
    """Means of films, with their standard errors."""
    cells = {}
    for name in FIGURES:
        times = IN_FRAMES if name in COUNTED else 1
        mean, error = mean_and_error([one[name] for one in found])
        digits = 1 if name in COUNTED else 4
        cells[name] = f"{times * mean:.{digits}f} ± {times * error:.{digits}f}"
    return {"film": film, "poses": poses, "code": code, **cells}


def mean_and_error(
    of_films: Sequence[Float[np.ndarray, " frames"]], *, block: int = BLOCK
) -> tuple[float, float]:
    """Mean of the films' means, and its standard error by blocks of frames."""
    means, variances = [], []
    for values in of_films:
        blocks = [values[start : start + block] for start in range(0, len(values), block)]
        known = np.array([np.nanmean(one) for one in blocks if np.isfinite(one).any()])
        means.append(np.nanmean(values))
        variances.append(known.var(ddof=1) / len(known))
    return float(np.mean(means)), float(np.sqrt(np.sum(variances)) / len(variances))


def _means(found: Sequence[OfCase], codes: Sequence[str]) -> Iterator[dict[str, object]]:
    """Rows of all films, and of what the others change against the first checkout."""
    for poses in POSES:
        of_codes = {code: [one[poses, code].figures for one in found] for code in codes}
        for code, figures in of_codes.items():
            yield _row("mean", poses, code, figures)
        for code in codes[1:]:
            pairs = zip(of_codes[code], of_codes[codes[0]], strict=True)
            changes = [{name: new[name] - old[name] for name in FIGURES} for new, old in pairs]
            yield _row("change", poses, code, changes)


def _write_faults(file: Path, found: Mapping[Case, OfCase]) -> None:
    with file.open("w", encoding="utf-8") as lines:
        write = csv.writer(lines).writerow
        write(["film", "poses", "code", "frame", "fault", "part"])
        for case, of_case in found.items():
            for key, one in of_case.items():
                for index, faults in enumerate(one.faults):
                    for fault in faults:
                        write([case, *key, index, *fault])


def _write_sheets(
    folder: Path, case: Case, truth: Truth, projects: Sequence[Path], found: OfCase
) -> None:
    """Pictures of a film: frames spread over the dance, and those that have the most faults."""
    folder.mkdir(exist_ok=True)
    ours = found[POSES[0], projects[-1].name]
    spread = evenly_spaced(range(len(truth.clothes)), count=_NUM_SHOWN)
    worst = peaks(ours.figures["faults"], count=_NUM_SHOWN, apart=BLOCK // 2)
    for name, chosen in {"spread": spread, "worst": sorted(worst)}.items():
        rows: dict[str, list[Frame]] = {}
        for worn, real in {"suit": truth.suit, "clothes": truth.clothes}.items():
            rows[worn] = [real[index] for index in chosen]
            for project in projects:
                for poses in POSES:
                    with FrameStore(drawn_file(project, str(case), worn, poses)) as store:
                        rows[f"{project.name}, {poses}, {worn}"] = [store[at] for at in chosen]
        captions = [f"{index}: {len(ours.faults[index])} faults" for index in chosen]
        Image.fromarray(contact_sheet(rows, captions)).save(
            folder / f"{case}_{name}.jpg", quality=90
        )


if __name__ == "__main__":
    main()
