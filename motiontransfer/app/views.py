"""What the page shows of runs, films and results, as HTML."""

import html
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from motiontransfer.app.films import Project
from motiontransfer.app.runs import Run, Summary
from motiontransfer.core import layout
from motiontransfer.core.events import (
    Advice,
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
_SCENES = {"target": "in their own room", "dancer": "in the dancer's film"}
_BACKGROUNDS = {"film": "none", "alpha": "transparent"}
_NEWEST = "The newest sample of the training"
_PLAY, _POSES = "Play it beside the camera", "The poses to strike"


def address(file: Path) -> str:
    """Where the page has a file: another address once its content is another."""
    changed = file.stat().st_mtime_ns if file.exists() else 0
    return html.escape(f"{FILES}/{file.as_posix()}?{changed}")


def fault(sentence: str) -> str:
    return f'<p class="fault">{html.escape(sentence)}</p>'


def status(
    run: Run | None, told: Summary, *, names: Mapping[str, str], elsewhere: Collection[str]
) -> str:
    """State of a run: a bar, what it does now and the time left, or how it ended.

    Args:
        names: of films, by their files.
        elsewhere: stages that a terminal runs.
    """
    is_running = run is not None and run.state == "running"
    if elsewhere and not is_running:
        doing = ", ".join(map(sentence_of, elsewhere))
        return f"<p>A terminal is at work: {html.escape(doing)}.</p>{_stages(elsewhere)}"
    if run is None:
        return ""
    title = title_of(run, names)
    name = html.escape(title)
    if not is_running and "report" not in told.made:
        return fault(f"{title}: {run.outcome}")
    if not is_running:
        return f"<p><b>{name}</b>: {run.outcome}</p>"
    progress = told.progress
    percent = round(100 * progress.share) if progress else 0
    left = told.planned.seconds if told.planned else None
    if progress and progress.seconds_left is not None:
        left = progress.seconds_left
    about = "" if left is None else f", about {in_words(left)} left"
    doing = [str(each) for each in progress.running] if progress else []
    lines = "".join(f"<div>{html.escape(line)} …</div>" for line in doing or ["Getting ready"])
    return (
        f"<p><b>{name}</b>: {percent} %{about}</p>"
        f'<div class="bar"><i style="width: {percent}%"></i></div>{lines}'
        f"{_stages([each.stage for each in progress.running] if progress else [])}"
    )


def title_of(run: Run, names: Mapping[str, str]) -> str:
    who, dance = (names.get(file, Path(file).stem) for file in (run.me, run.dancer))
    return f"{who} performs {dance}"


def _stages(names: Collection[str]) -> str:
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


def examples(files: Mapping[str, Path]) -> str:
    """Pictures of films and photos to begin with; a click tells which."""
    tiles = "".join(
        f'<button type="button" data-film="{html.escape(str(file))}">{_still(file)}'
        f"<span>{html.escape(what)}</span></button>"
        for what, file in files.items()
    )
    return f'<div class="tiles"><span>Or try an example:</span>{tiles}</div>' if tiles else ""


def choices(
    *,
    scene: str,
    rooms: Mapping[str, str | None],
    background: str,
    backgrounds: Sequence[str],
    height: str,
    heights: Mapping[str, str],
) -> str:
    """Room, background and size to choose from.

    Args:
        rooms: a film of each; None: not chosen yet.
        heights: their names, and the heights.
    """
    scenes = {
        each: _tile("scene", each, _SCENES[each], _still(Path(film)) if film else "<i></i>")
        for each, film in rooms.items()
    }
    behind = {
        each: _tile("background", each, _BACKGROUNDS.get(each, each), _background(each))
        for each in backgrounds
    }
    sizes = {each: _tile("height", each, what, "") for what, each in heights.items()}
    return (
        _tiles("Where", scenes, scene)
        + _tiles("A second result with another background", behind, background)
        + _tiles("Height, pixels", sizes, height)
    )


def _tiles(legend: str, tiles: Mapping[str, str], chosen: str) -> str:
    shown = "".join(
        tile.replace("<input", "<input checked", each == chosen) for each, tile in tiles.items()
    )
    return f'<fieldset class="tiles"><legend>{legend}</legend>{shown}</fieldset>'


def _tile(name: str, value: str, what: str, picture: str) -> str:
    return (
        f'<label><input type="radio" name="{name}" value="{html.escape(value)}">{picture}'
        f"<span>{html.escape(what)}</span></label>"
    )


def _background(name: str) -> str:
    is_file = name not in layout.PLAIN_BACKGROUNDS
    return _still(layout.BACKGROUNDS_FOLDER / name) if is_file else f'<i class="{name}"></i>'


def _still(file: Path) -> str:
    """A small picture of a film or photo, which says nothing by itself."""
    if is_played(file):
        return (
            f'<video src="{address(file)}#t=1" muted preload="metadata" aria-hidden="true"></video>'
        )
    return f'<img src="{address(file)}" alt="">' if file.suffix.lower() in _SEEN else "<i></i>"


def filled(file: Path, found: FilmChecked, *, trim: tuple[float, float] | None) -> str:
    """A film that is chosen: its judgment, its part by two handles, and who is meant."""
    points = "".join(f"<li>{html.escape(line)}</li>" for line in found.advice)
    who = _crowd(found) if len(found.people) > 1 else ""
    like = (
        f'<button type="button" data-like="{html.escape(str(file))}" aria-pressed="false" '
        f'title="{html.escape(", ".join(found.recipe))}">Use the settings it was made with</button>'
        if found.recipe
        else ""
    )
    return (
        f'<div class="filled"><div class="look">{film_or_photo(file)}</div>'
        f'<div class="said"><p class="{found.judgment}"><b>{html.escape(found.sentence)}</b></p>'
        f'<button type="button" data-does="change">Choose another</button> {like}</div>'
        f"{_strip(found, trim)}{who}"
        f"<details><summary>What to film better, and what was measured</summary><ul>{points}</ul>"
        f"<pre class='quiet'>{html.escape(chr(10).join(found.facts))}</pre>"
        f"{_image(Path(found.picture), f'What was found: {found.name}')}</details></div>"
    )


def _strip(found: FilmChecked, trim: tuple[float, float] | None) -> str:
    """Frames of a film, with a handle at either end of the part that is used."""
    if not found.strip:
        return ""
    start, end = trim or (0.0, found.seconds)
    handles = "".join(
        f'<input type="range" min="0" max="{found.seconds:.1f}" step="0.1" value="{at:.1f}" '
        f'aria-label="{what}">'
        for what, at in (("Start, seconds", start), ("End, seconds", end))
    )
    ends = (f"{100 * at / found.seconds:.1f}%" for at in (start, end))
    return (
        f'<div class="strip" style="--from: {next(ends)}; --to: {next(ends)}">'
        f'<img src="{address(Path(found.strip))}" alt="Frames of the film">{handles}'
        f"<output>{start:.1f} s to {end:.1f} s</output></div>"
    )


def _crowd(found: FilmChecked) -> str:
    """The frame with most people; a click on one says who is meant."""
    boxes = "".join(
        f'<button type="button" aria-pressed="false" aria-label="Person {number}" '
        f'data-person="{(x0 + x1) / 2:.3f} {(y0 + y1) / 2:.3f} {found.crowd_seconds:.2f}" '
        f'style="left: {x0:.1%}; top: {y0:.1%}; width: {x1 - x0:.1%}; height: {y1 - y0:.1%}">'
        "</button>"
        for number, (x0, y0, x1, y1) in enumerate(found.people, 1)
    )
    picture = f'<img src="{address(Path(found.crowd))}" alt="The people in the film">'
    return f'<div>Who is it? <div class="crowd">{picture}{boxes}</div></div>'


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


def results(made: Mapping[str, Sequence[Path]], dance: Path) -> str:
    """Preview or result beside the dance, to look at and to download."""
    what = "result" if "result" in made else "preview"
    files = [file for file in made.get(what, ()) if file.exists()]
    if not files:
        return ""
    caption = "The result" if what == "result" else "A first look"
    comparison = files[0].with_name(layout.COMPARISON_FILE)
    shown = {caption: _video(files[0], caption)}
    if what == "result" and comparison.exists():
        shown["Beside the dance"] = _video(comparison, "Beside the dance")
    else:
        shown["The dance"] = film_or_photo(dance)
    links = []
    if what == "result":
        links = [download(files[0], f"{files[0].parent.name}.mp4", "Download")]
    links += [
        f'<a href="{address(report)}" target="_blank">Report</a>'
        for report in made.get("report", ())
    ]
    return f"{_figures(shown)}<p>{' · '.join(links)}</p>"


def download(file: Path, name: str, told: str) -> str:
    saved = html.escape(name)
    return f'<a href="{address(file)}" download="{saved}">{html.escape(told)}</a>'


def advice(events: Sequence[Event]) -> str:
    """How the poses of dance and person compare, and how long it takes."""
    cards = [_card(event) for event in events if isinstance(event, PosesCompared)]
    cards += [_plan(event) for event in events if isinstance(event, Planned)]
    return f'<div class="cards">{"".join(cards)}</div>'


def _card(event: Advice) -> str:
    """Judgment and advice, with the picture that shows what is meant; measurements are folded."""
    points = "".join(f"<li>{html.escape(line)}</li>" for line in event.advice)
    folded = html.escape("\n".join(event.facts))
    shown = _image(Path(event.picture), f"What was found: {event.name}") if event.picture else ""
    return (
        f'<article><h2 class="{event.judgment}">{html.escape(event.sentence)}</h2>'
        f"<ul>{points}</ul>{shown}<details><summary>Measured</summary>"
        f"<pre class='quiet'>{folded}</pre></details></article>"
    )


def _plan(event: Planned) -> str:
    """How long it takes, what changes and what else runs again for it; stages are folded."""
    told = f"Takes about {in_words(event.seconds)}" if event.stages else "Is made already"
    lines = {
        "Changes": event.changed,
        "Then made again, when they are next made": event.again,
        "Leaves this project": event.removed,
    }
    listed = "".join(
        f"<li>{what}: {html.escape(', '.join(names))}</li>"
        for what, names in lines.items()
        if names
    )
    stages = "".join(
        f"<li>{html.escape(sentence_of(stage))}: {seconds:.0f} s <span class='quiet'>"
        f"{html.escape(stage)}</span></li>"
        for stage, seconds in event.stages.items()
    )
    steps = f"<details><summary>Steps</summary><ul>{stages}</ul></details>" if stages else ""
    kind = ' class="changes"' if event.changed else ""
    return f"<article{kind}><h2>{told}</h2><ul>{listed}</ul>{steps}</article>"


def guide(events: Sequence[Event]) -> str:
    """The film and the poses that `guide` made."""
    made = next(event for event in events if isinstance(event, Guided))
    film = Path(made.film)
    shown = {_PLAY: _video(film, _PLAY), _POSES: _image(Path(made.sheet), _POSES)}
    return f'<div data-guide="{html.escape(film.parent.name)}">{_figures(shown)}</div>'


def queue(runs: Sequence[Run], names: Mapping[str, str]) -> str:
    """What runs and waits, and how the last ones ended."""
    rows = [f"{title_of(run, names)}: {run.outcome or run.state}" for run in reversed(runs)]
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
