"""What the page shows of runs, films and results, as HTML."""

import html
from collections.abc import Mapping, Sequence
from pathlib import Path

from motiontransfer.app.films import Project
from motiontransfer.app.runs import Run, Summary
from motiontransfer.core import layout
from motiontransfer.core.events import Advice, Event, Guided, Made, Planned, in_words
from motiontransfer.core.stages import sentence_of

FILES = "/project"
"""Where the server has files of the project."""

STYLE = """
.bar {height: 10px; border-radius: 5px; background: var(--border-color-primary)}
.bar i {display: block; height: 100%; border-radius: 5px; background: var(--color-accent)}
.quiet {opacity: .75; font-size: .9em; overflow-wrap: anywhere}
.chosen {display: grid; place-items: center; height: 45vh; border-radius: 6px;
         background: var(--background-fill-secondary)}
.chosen video, .chosen img {max-width: 100%; max-height: 45vh; border-radius: 6px}
.pick:not(:has(.chosen)) .drop {height: 45vh}
.drop {height: 160px}
.drop button {height: 100% !important; min-height: 0}
.cards {columns: 280px; column-gap: 1em}
.cards article {break-inside: avoid; margin-bottom: 1em; padding: .8em; overflow-wrap: anywhere;
                border: 1px solid var(--border-color-primary); border-radius: 6px}
.cards h2 {font-size: 1em; margin: 0 0 .5em}
.cards img {max-width: 100%; max-height: 40vh; margin: 0 auto; border-radius: 6px}
.cards pre {white-space: pre-wrap; font-family: inherit}
.fault {border-left: 4px solid #d9480f; padding-left: .7em}
.shown {display: flex; flex-wrap: wrap; gap: 1em; margin-top: 1em}
.shown figure {margin: 0; flex: 1 1 300px; min-width: 0}
.shown video, .shown img {max-width: 100%; max-height: 60vh; border-radius: 6px}
img.live {width: 100%; max-width: 1000px; border-radius: 6px}
.countdown {position: fixed; inset: 0; z-index: 9999; background: #000}
.countdown video {width: 100%; height: 100%; object-fit: contain; transform: scaleX(-1)}
.countdown b {position: absolute; inset: auto 0 1rem; text-align: center; font-size: 30vmin;
              color: #fff; text-shadow: 0 0 1rem #000}
#film {position: relative; margin: 0 auto}
#film video, #film canvas {display: block; width: 100%; transform: scaleX(-1); border-radius: 6px}
#film video {background: #000; min-height: 30vh}
#film canvas {position: absolute; inset: 0 0 auto}
#film .told {position: absolute; inset: .5em .5em auto; text-align: center; font-size: 1.6em;
             color: #fff; text-shadow: 0 0 .4em #000, 0 0 .2em #000}
#film .ticks {display: flex; flex-wrap: wrap; gap: .4em; justify-content: center; margin: .5em 0}
#film .ticks span {width: 2.2em; line-height: 2.2em; text-align: center; border-radius: 50%;
                   background: var(--border-color-primary)}
#film .ticks .now {outline: 3px solid var(--color-accent)}
#film .ticks .done {background: #2e9e5b; color: #fff}
.unseen {display: none !important}
button.primary {background: var(--primary-700) !important}
[role=tab].selected {color: var(--primary-700) !important}
.dark [role=tab].selected {color: var(--primary-400) !important}
.or {color: inherit !important}
iframe.page {width: 100%; height: 80vh; border: 0; background: #fff}
"""

_PLAYED, _SEEN = (".mp4", ".m4v", ".mov", ".webm"), (".jpg", ".jpeg", ".png", ".webp", ".avif")
"""What browsers show; of other files the page has the name alone."""
_NEWEST = "The newest sample of the training"
_PLAY, _POSES = "Play it beside the camera", "The poses to strike"


def address(file: Path) -> str:
    """Where the page has a file: another address once its content is another."""
    changed = file.stat().st_mtime_ns if file.exists() else 0
    return html.escape(f"{FILES}/{file.as_posix()}?{changed}")


def fault(sentence: str) -> str:
    return f'<p class="fault">{html.escape(sentence)}</p>'


def status(run: Run | None, told: Summary, elsewhere: Sequence[str]) -> str:
    """State of a run: a bar, what it does now and the time left, or how it ended.

    Args:
        elsewhere: stages that a terminal runs.
    """
    is_running = run is not None and run.state == "running"
    if elsewhere and not is_running:
        doing = ", ".join(map(sentence_of, elsewhere))
        return f"<p>A terminal is at work: {html.escape(doing)}.</p>{_stages(elsewhere)}"
    if run is None:
        return ""
    name = html.escape(run.title)
    if not is_running and "report" not in told.made:
        return fault(f"{run.title}: {run.outcome}")
    if not is_running:
        return f"<p><b>{name}</b>: {run.outcome}</p>"
    progress = told.progress
    percent = round(100 * progress.share) if progress else 0
    left = told.planned.seconds if told.planned else None
    if progress and progress.seconds_left is not None:
        left = progress.seconds_left
    about = "" if left is None else f", about {in_words(left)} left"
    doing = [str(each) for each in progress.running] if progress else []
    lines = "".join(
        f"<div>{html.escape(line)} …</div>" for line in doing or ["Looking at the films"]
    )
    return (
        f"<p><b>{name}</b>: {percent} %{about}</p>"
        f'<div class="bar"><i style="width: {percent}%"></i></div>{lines}'
        f"{_stages([each.stage for each in progress.running] if progress else [])}"
    )


def _stages(names: Sequence[str]) -> str:
    """Stages by their names, folded."""
    listed = html.escape(", ".join(names))
    more = f"<details class='quiet'><summary>Stages</summary>{listed}</details>"
    return more if names else ""


def sample(project: Project, run: Run | None, told: Summary) -> str:
    """The newest sample image of the training that goes on."""
    if run is None or run.state != "running" or run.began is None or not told.planned:
        return ""
    newest = project.newest_sample(told.planned.title, since=run.began)
    return _figures({_NEWEST: _image(newest, _NEWEST)}) if newest else ""


def chosen(file: str | None) -> str:
    """A film or photo that is chosen, as a large picture."""
    return f'<div class="chosen">{film_or_photo(Path(file))}</div>' if file else ""


def is_played(file: Path) -> bool:
    """Whether browsers play such a film."""
    return file.suffix.lower() in _PLAYED


def film_or_photo(file: Path) -> str:
    """A film or a photo, if browsers show it; else its name."""
    if is_played(file):
        return _video(file, file.name)
    if file.suffix.lower() in _SEEN:
        return _image(file, file.name)
    return f"<p>{html.escape(file.name)}</p>"


def results(run: Run | None, told: Summary) -> str:
    """Preview or result of a run beside the dance, which they follow, and where they are."""
    files = {"A first look": told.made["preview"][0]} if "preview" in told.made else {}
    if result := told.made.get("result"):
        files = {"The result": result[0]}
    shown = {caption: _video(file, caption) for caption, file in files.items() if file.exists()}
    if not shown or run is None:
        return ""
    folder = next(iter(files.values())).parent
    comparison = folder / layout.COMPARISON_FILE
    if result and comparison.exists():
        shown["Beside the dance"] = _video(comparison, "Beside the dance")
    else:
        shown["The dance"] = film_or_photo(Path(run.dancer))
    links = [f'Folder: <span class="quiet">{html.escape(str(folder.resolve()))}</span>']
    if report := told.made.get("report"):
        links.insert(0, f'<a href="{address(report[0])}" target="_blank">Report</a>')
    return f"{_figures(shown)}<p>{' · '.join(links)}</p>"


def advice(events: Sequence[Event]) -> str:
    """A card for each film, for how their poses compare and for the forecast."""
    cards = [_card(event) for event in events if isinstance(event, Advice)]
    cards += [
        f"<article><h2>{html.escape(event.duration)}</h2></article>"
        for event in events
        if isinstance(event, Planned)
    ]
    return f'<div class="cards">{"".join(cards)}</div>'


def _card(event: Advice) -> str:
    """Judgment and advice, with the picture that shows what is meant; measurements are folded."""
    points = "".join(f"<li>{html.escape(line)}</li>" for line in event.advice)
    folded = html.escape("\n".join(event.facts))
    shown = _image(Path(event.picture), f"What was found: {event.name}") if event.picture else ""
    return (
        f'<article class="{event.judgment}"><h2>{html.escape(event.sentence)}</h2>{shown}'
        f"<ul>{points}</ul><details><summary>Measured</summary><pre>{folded}</pre></details>"
        "</article>"
    )


def guide(events: Sequence[Event]) -> str:
    """The film and the poses that `guide` made."""
    made = next(event for event in events if isinstance(event, Guided))
    film = Path(made.film)
    shown = {_PLAY: _video(film, _PLAY), _POSES: _image(Path(made.sheet), _POSES)}
    return f'<div data-guide="{html.escape(film.parent.name)}">{_figures(shown)}</div>'


def queue(runs: Sequence[Run]) -> str:
    """What runs and waits, and how the last ones ended."""
    rows = [
        f"{Path(run.me).stem} performs {Path(run.dancer).stem}: {run.outcome or run.state}"
        for run in reversed(runs)
    ]
    items = "".join(f"<li>{html.escape(row)}</li>" for row in rows)
    return f"<ul>{items}</ul>" if items else "<p>The queue is empty.</p>"


def page(events: Sequence[Event]) -> str:
    """The page that a command wrote."""
    file = Path(next(event.files[0] for event in events if isinstance(event, Made)))
    return (
        f'<p><a href="{address(file)}" target="_blank">Open it alone</a> '
        f'<span class="quiet">{html.escape(str(file))}</span></p>'
        f'<iframe class="page" src="{address(file)}"></iframe>'
    )


def _figures(shown: Mapping[str, str]) -> str:
    figures = "".join(
        f"<figure>{content}<figcaption class='quiet'>{html.escape(caption)}</figcaption></figure>"
        for caption, content in shown.items()
    )
    return f'<div class="shown">{figures}</div>' if shown else ""


def _image(file: Path, caption: str) -> str:
    shown = f'<img src="{address(file)}" alt="{html.escape(caption)}">'
    return f'<a href="{address(file)}" target="_blank">{shown}</a>'


def _video(file: Path, caption: str) -> str:
    return (
        f'<video src="{address(file)}" aria-label="{html.escape(caption)}" '
        'controls loop playsinline preload="metadata"></video>'
    )
