"""What the page shows of runs, films and results, as HTML; its macros are in templates/."""

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.environment import TemplateModule

from motiontransfer.app.films import Project
from motiontransfer.app.runs import Run, Summary
from motiontransfer.core import layout
from motiontransfer.core.events import (
    Event,
    FilmChecked,
    Guided,
    Made,
    Planned,
    PosesCompared,
    in_words,
)
from motiontransfer.core.stages import sentence_of

FILES = "/project"
"""Where the server has files of the project."""

_PLAYED = (".mp4", ".m4v", ".mov", ".webm")
_SEEN = (".jpg", ".jpeg", ".png", ".webp", ".avif")
"""What browsers show; of other files the page has the name alone."""


def address(file: Path | str) -> str:
    """Where the page has a file: another address once its content is another."""
    file = Path(file)
    changed = file.stat().st_mtime_ns if file.exists() else 0
    return f"{FILES}/{file.as_posix()}?{changed}"


def is_played(file: Path) -> bool:
    """Whether browsers play such a film."""
    return file.suffix.lower() in _PLAYED


def _is_seen(file: Path) -> bool:
    return file.suffix.lower() in _SEEN


@cache
def _macros() -> TemplateModule:
    environment = Environment(
        loader=PackageLoader("motiontransfer.app"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["sentence"] = sentence_of
    names = {
        "address": address,
        "is_played": is_played,
        "is_seen": _is_seen,
        "in_words": in_words,
        "folder": layout.BACKGROUNDS_FOLDER,
        "plain": layout.PLAIN_BACKGROUNDS,
    }
    return environment.get_template("views.html", globals=names).module


def html_of(macro: str, **content: object) -> str:
    """A macro filled in; what it is given is escaped."""
    return str(getattr(_macros(), macro)(**content)).strip()


def fault(sentence: str) -> str:
    return html_of("fault", sentence=sentence)


def status(
    run: Run | None, told: Summary, *, names: Mapping[str, str], elsewhere: Collection[str]
) -> str:
    """State of a run: a bar, what it does now and the time left, or how it ended.

    Args:
        names: of films, by their files.
        elsewhere: stages that a terminal runs.
    """
    title = title_of(run, names) if run else ""
    return html_of("status", run=run, told=told, title=title, elsewhere=elsewhere)


def title_of(run: Run, names: Mapping[str, str]) -> str:
    who, dance = (names.get(file, Path(file).stem) for file in (run.me, run.dancer))
    return f"{who} performs {dance}"


def sample(project: Project, run: Run | None, told: Summary) -> str:
    """The newest sample image of the training that goes on."""
    if run is None or run.state != "running" or run.began is None or not told.planned:
        return ""
    return html_of("sample", newest=project.newest_sample(told.planned.title, since=run.began))


def filled(file: Path, found: FilmChecked, *, trim: tuple[float, float] | None) -> str:
    """A film that is chosen: its judgment, its part by two handles, and who is meant."""
    return html_of("filled", file=file, found=found, part=trim or (0.0, found.seconds))


def results(made: Mapping[str, Sequence[Path]], dance: Path) -> str:
    """Preview or result beside the dance, to look at and to download."""
    is_result = "result" in made
    files = made.get("result" if is_result else "preview", ())
    file = next(filter(Path.exists, files), None)
    if file is None:
        return ""
    comparison = file.with_name(layout.COMPARISON_FILE)
    return html_of(
        "results",
        file=file,
        is_result=is_result,
        comparison=comparison if is_result and comparison.exists() else None,
        dance=dance,
        reports=made.get("report", ()),
    )


def advice(events: Sequence[Event]) -> str:
    """How the poses of dance and person compare, and how long it takes."""
    compared = [event for event in events if isinstance(event, PosesCompared)]
    plans = [event for event in events if isinstance(event, Planned)]
    return html_of("advice", compared=compared, plans=plans)


def guide(events: Sequence[Event]) -> str:
    """The film and the poses that `guide` made."""
    made = next(event for event in events if isinstance(event, Guided))
    return html_of("guide", made=made, name=Path(made.film).parent.name)


def queue(runs: Sequence[Run], names: Mapping[str, str]) -> str:
    """What runs and waits, and how the last ones ended."""
    titles = [(title_of(run, names), run.outcome or run.state) for run in reversed(runs)]
    return html_of("queue", titles=titles)


def page(events: Sequence[Event]) -> str:
    """The page that a command wrote."""
    return html_of("page", file=next(e.files[0] for e in events if isinstance(e, Made)))
