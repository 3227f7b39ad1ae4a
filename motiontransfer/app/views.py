"""What the page shows of runs, films and results, as HTML."""

import html
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from motiontransfer.app.films import Project
from motiontransfer.app.runs import Run, Told, activity, outcome

FILES = "/project"
"""Where the server has files of the project."""

STYLE = """
.bar {height: 10px; border-radius: 5px; background: var(--border-color-primary)}
.bar i {display: block; height: 100%; border-radius: 5px; background: var(--color-accent)}
.quiet {opacity: .75; font-size: .9em; overflow-wrap: anywhere}
.advice {white-space: pre-wrap}
.fault {border-left: 4px solid #d9480f; padding-left: .7em}
.shown {display: flex; flex-wrap: wrap; gap: 1em; margin-top: 1em}
.shown figure {margin: 0; flex: 1 1 300px; min-width: 0}
.shown video, .shown img {max-width: 100%; max-height: 60vh; border-radius: 6px}
img.live {width: 100%; max-width: 1000px; border-radius: 6px}
iframe.page {width: 100%; height: 80vh; border: 0; background: #fff}
"""

_PICTURE = re.compile(r"(?:what was found:|- look at) (\S.*\.png)$")
_BY_RESULTS = {"result": "The result", "comparison": "Beside the dance", "preview": "A first look"}


def address(file: Path) -> str:
    """Where the page has a file: another address once its content is another."""
    changed = file.stat().st_mtime_ns if file.exists() else 0
    return html.escape(f"{FILES}/{file.as_posix()}?{changed}")


def fault(sentence: str) -> str:
    return f'<p class="fault">{html.escape(sentence)}</p>'


def status(run: Run | None, told: Told) -> str:
    """State of a run: a bar, its stages and the time left, or how it ended."""
    if run is None:
        return "<p>Nothing runs.</p>"
    name = html.escape(told.transfer or f"{Path(run.me).stem}, {Path(run.dancer).stem}")
    if run.state == "waiting":
        return f"<p><b>{name}</b>: waits for its turn.</p>"
    if run.state == "over":
        sentence = outcome(told)
        is_well = "report" in told.made
        return f"<p><b>{name}</b>: {sentence}</p>" if is_well else fault(f"{name}: {sentence}")
    percent = round(100 * told.share_done)
    left = f", about {told.time_left} left" if told.time_left else ""
    lines = [f"{stage}: {activity(stage)}" for stage in told.stages] or ["looks at the films"]
    parts = [
        f"<p><b>{name}</b>: {percent} %{left}</p>",
        f'<div class="bar"><i style="width: {percent}%"></i></div>',
        *(f'<div class="quiet">{html.escape(line)}</div>' for line in lines),
    ]
    return "\n".join(parts)


def sample(project: Project, run: Run | None, told: Told) -> str:
    """The newest sample image of the training that goes on."""
    if run is None or run.state != "running" or run.began is None or not told.transfer:
        return ""
    newest = project.newest_sample(told.transfer, since=run.began)
    return _figures({"The newest sample of the training": _image(newest)}) if newest else ""


def results(told: Told) -> str:
    """Preview or result of a run, the latter beside the dance, and where they are."""
    files = {what: path for what, path in told.made.items() if what != "report"}
    if "result" in files:
        files.pop("preview", None)
        comparison = files["result"].with_name("comparison.mp4")
        files |= {"comparison": comparison} if comparison.exists() else {}
    shown = {_BY_RESULTS[what]: _video(path) for what, path in files.items() if path.exists()}
    if not shown:
        return ""
    folder = html.escape(str(next(iter(files.values())).parent.resolve()))
    links = [f'Folder: <span class="quiet">{folder}</span>']
    if report := told.made.get("report"):
        links.insert(0, f'<a href="{address(report)}" target="_blank">Report</a>')
    return f"{_figures(shown)}<p>{' · '.join(links)}</p>"


def advice(printed: Sequence[str]) -> str:
    """What `dance --dry` printed: advice and forecast, and the pictures that it drew."""
    pictures, lines = {}, []
    for line in printed:
        if found := _PICTURE.search(line):
            path = Path(found[1])
            pictures[path.stem] = _image(path)
        elif line.strip() and not re.match(r"  \w+@?\S* +[\d.]+ min$", line):
            lines.append(html.escape(line))
    text = "\n".join(lines)
    return f'<div class="advice">{text}</div>{_figures(pictures)}'


def queue(runs: Sequence[Run], told: Mapping[int, Told]) -> str:
    """What runs and waits, and how the last ones ended."""
    rows = []
    for run in reversed(runs):
        name = f"{Path(run.me).stem} performs {Path(run.dancer).stem}"
        state = outcome(told[run.number]) if run.is_over else run.state
        rows.append(f"<li>{html.escape(f'{name}: {state}')}</li>")
    return f"<ul>{''.join(rows)}</ul>" if rows else "<p>The queue is empty.</p>"


def page(file: Path) -> str:
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


def _image(file: Path) -> str:
    return f'<a href="{address(file)}" target="_blank"><img src="{address(file)}" alt=""></a>'


def _video(file: Path) -> str:
    return f'<video src="{address(file)}" controls loop playsinline preload="metadata"></video>'
