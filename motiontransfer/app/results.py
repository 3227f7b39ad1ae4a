"""The tab of finished results: found again, played beside the dance, downloaded, deleted."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import gradio as gr

from motiontransfer.app import views
from motiontransfer.app.make import as_html
from motiontransfer.core import layout
from motiontransfer.core.events import Event
from motiontransfer.project.results import Result, finished_results

_SCRIPT = Path(__file__).with_name("results.js").read_text(encoding="utf-8")
_NONE = "<p>Nothing is finished yet: Make makes a dance.</p>"
_FORMATS = {"GIF of 4 seconds": ".gif", "WebM": ".webm"}
_BLANK = ("", "", "", "", gr.update(visible=False))  # no file, comparison, list, notice, button
_FOCUS = "() => document.querySelector('.shows h2')?.focus()"
_CHOOSE = "Choose a result first."


def add_results() -> list[gr.components.Component]:
    """Add the tab; return what is shown of all results: the cards."""
    name = gr.State("")
    with gr.Column(visible=False) as panel:
        one = gr.HTML(js_on_load=_SCRIPT)
        with gr.Row(elem_classes="beside"):
            saves = {
                gr.Button(what, size="sm", min_width=120): end for what, end in _FORMATS.items()
            }
            other = gr.Dropdown(label="Compare with", choices=[], scale=3)
            compare = gr.Button("Compare the two", min_width=140)
        made, compared = gr.HTML(), gr.HTML()
        with gr.Accordion("Delete", open=False):
            what = gr.Dropdown(label="What goes", choices=[])
            ask = gr.Button("Show what would go")
            told = gr.HTML()
            delete = gr.Button("Delete it for good", variant="stop", visible=False)
    notice = gr.HTML()
    cards = gr.HTML(js_on_load=_SCRIPT)
    of_one = [name, panel, one, other, what, made, compared, told, notice, delete]

    def choose(event: gr.EventData) -> list:
        return _opened(event.name)

    def ask_first(gone: str | None) -> tuple[str, dict]:
        listed = as_html(_as_list, "delete", "--dry", gone) if gone else views.fault(_CHOOSE)
        return listed, gr.update(visible=listed.startswith("<ul"))

    def go(name: str, gone: str) -> list:
        said = as_html(_as_list, "delete", "--yes", gone)
        return [*_opened(name)[:-2], said, gr.update(visible=False)]

    cards.click(choose, None, of_one, queue=False).then(None, js=_FOCUS)
    for button, end in saves.items():
        button.click(partial(_saved, end), name, made)
    compare.click(
        lambda name, other: (
            as_html(views.page, "together", name, other) if other else views.fault(_CHOOSE)
        ),
        [name, other],
        compared,
    )
    ask.click(ask_first, what, [told, delete])
    what.change(lambda: ("", gr.update(visible=False)), None, [told, delete], queue=False)
    delete.click(go, [name, what], of_one)
    return [cards]


def _opened(name: str) -> list:
    """What is shown of a result, in the order of the tab's components; nothing if it is gone."""
    found = finished_results()
    result = next((each for each in found if each.name == name), None)
    none = gr.update(choices=[], value=None)
    if result is None:
        return ["", gr.update(visible=False), "", none, none, *_BLANK]
    others = [each.name for each in found if is_comparable(result, each)]
    return [
        name, gr.update(visible=True), detail(result), gr.update(choices=others, value=None),
        gr.update(choices=deletable(result), value=None), *_BLANK,
    ]  # fmt: skip


def is_comparable(result: Result, other: Result) -> bool:
    """Whether two are of one dance, so that they go in sync."""
    return bool(result.source) and other.source == result.source and other.name != result.name


def deletable(result: Result) -> list[tuple[str, str]]:
    """What can be deleted from a result, as people say it and as `delete` takes it."""
    found = [("this result", f"transfers.{result.name}" if result.target else result.name)]
    if result.target:
        found.append((f"everything of {result.target}", f"subjects.{result.target}"))
        found.append((f"the dance {result.source}, with all made of it", f"videos.{result.source}"))
    return found


def gallery(results: Sequence[Result]) -> str:
    """A card for each result: a frame of it, who dances what, when and how large."""
    cards = [(each, _title(each), each.facts) for each in results]
    return views.html_of("gallery", results=cards) if cards else _NONE


def _title(result: Result) -> str:
    return f"{result.target} dances {result.source}" if result.target else result.name


def detail(result: Result) -> str:
    """Players of the dance and the result, in step, and links to what is there of it."""
    dance = result.dance if result.dance and views.is_played(result.dance) else None
    return views.html_of("detail", result=result, title=_title(result), dance=dance)


def _saved(end: str, name: str) -> str:
    """Make a result in another format, and link it."""
    file = layout.results_folder(name) / f"{name}{end}"
    return as_html(
        lambda _: views.html_of("saved", file=file, megabytes=file.stat().st_size / 1e6),
        *("convert", name, "--output", str(file)),
    )


def _as_list(events: Sequence[Event]) -> str:
    return views.html_of("listed", events=events)
