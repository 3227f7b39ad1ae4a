"""Films, people and transfers of the project as the page lists them."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from motiontransfer.app.runs import Run
from motiontransfer.core import layout
from motiontransfer.core.params import Films, read_films
from motiontransfer.core.storage import replacing
from motiontransfer.project.dances import dances_of, name_of_file, same_films
from motiontransfer.project.entries import suffix_of
from motiontransfer.project.results import Result, finished_results

DONE, NOT_YET = "✓ done", "+ not yet"
EVERYONE, ALL = "everyone", "+ all"
"""The last row of the table: what is not there yet of a dance."""
RUNNING, WAITING = "▶ running", "… waiting"


def keep_film(upload: Path) -> Path:
    """Move an uploaded film to data/videos/, unless the same one is there; return which."""
    try:
        if known := [*same_films(upload).values()]:
            return known[0]
        path = layout.VIDEOS_FOLDER / f"{name_of_file(upload)}{suffix_of(upload)}"
        with replacing(path) as temporary:
            shutil.move(upload, temporary)  # data/ may be another disk
        return path
    finally:
        upload.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """What films.yaml has of people and dances."""

    films: Films
    results: Sequence[Result]
    """Those that are finished."""

    def people(self) -> dict[str, Path]:
        """A film of each target."""
        shown = {video.subject: video.path for video in self.films.videos.values()}
        return {target: shown[target] for target in self.films.targets if target in shown}

    def dances(self) -> dict[str, Path]:
        return dances_of(self.films)

    def performers(self) -> list[str]:
        """Targets whose generator is there, or whose appearance where none is trained."""

        def weights(target: str) -> Path:
            is_trained = target in self.films.trained
            file = layout.GENERATOR_FILE if is_trained else layout.APPEARANCE_FILE
            return layout.models_folder(target) / file

        return [target for target in self.films.targets if weights(target).exists()]

    def made_of(self, dance: Path, me: Path) -> dict[str, list[Path]]:
        """Result and report of a film's dance by who is in another; empty where there is none."""
        subjects = {video.subject for video in self.films.videos.values() if video.path == me}
        for each in self.results:
            if each.dance == dance and each.target in subjects:
                return {"result": [each.video], "report": [each.report] if each.report else []}
        return {}

    def states(self, runs: Sequence[Run]) -> dict[str, dict[str, str]]:
        """Of each target, for each dance: whether its result is there, runs, waits, or is not."""
        marks = {"running": RUNNING, "waiting": WAITING}
        begun = {(run.me, run.dancer): marks.get(run.state) for run in runs}
        done = {(each.target, each.source) for each in self.results}
        return {
            target: {
                name: ""
                if self.films.videos[name].subject == target
                else begun.get((str(me), str(dancer)))
                or (DONE if (target, name) in done else NOT_YET)
                for name, dancer in self.dances().items()
            }
            for target, me in self.people().items()
        }

    def newest_sample(self, transfer: str, *, since: float) -> Path | None:
        """The newest sample image of a transfer's trainings, made since a Unix time."""
        known = self.films.transfers.get(transfer)
        made = {
            image: image.stat().st_mtime
            for name in {transfer, *([known.target] if known else [])}
            for image in layout.training_folder(name).rglob("images/*.png")
        }
        new = [image for image, seconds in made.items() if seconds >= since]
        return max(new, key=made.__getitem__, default=None)


def read_project() -> Project:
    return Project(films=read_films(), results=finished_results())
