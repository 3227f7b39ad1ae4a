"""The page itself: its tabs, and what their buttons do."""

import time
from functools import partial
from pathlib import Path

import gradio as gr

from motiontransfer.app import views
from motiontransfer.app.films import ALL, EVERYONE, NOT_YET, WAITING, read_project
from motiontransfer.app.live import FRAME_RATE, Live
from motiontransfer.app.make import (
    NAME_DROPS,
    NO_CAMERA,
    How,
    Make,
    Side,
    add_make,
    as_html,
    kept,
    looked_at,
    said,
    state,
)
from motiontransfer.app.results import add_results, gallery
from motiontransfer.app.runs import Queue
from motiontransfer.core.arrays import Frame
from motiontransfer.core.errors import MotionTransferError
from motiontransfer.core.params import read_films
from motiontransfer.project.dances import films, name_of_file
from motiontransfer.project.entries import is_picture

_REFRESH_SECONDS = 1.0
_TITLE = "# Make the person in a photo or film perform another film's dance"
_KEYS = {
    "r": "Someone else: measure anew",
    "f": "Keep my proportions",
    "m": "Mirror",
    " ": "Pause",
    "s": "Save a picture",
}
_START = """async () => {
    const camera = document.getElementById("camera")
    camera.querySelector("[title='grant webcam access'] button")?.click()
    for (let tries = 0; tries < 100; tries++) {
        const starts = camera.querySelector("[title='start recording']")
        if (starts || camera.querySelector("[title='stop recording']")) return starts?.click()
        await new Promise(done => setTimeout(done, 100))
    }
}"""
_STOP_AT_FAULT = """new MutationObserver(() => {
    if (!element.querySelector(".fault")) return
    document.querySelector("#camera [title='stop recording']")?.click()
}).observe(element, {childList: true, subtree: true})"""
_NO_TARGET = "Nobody is there to perform yet: Make adds someone."
_LOOK_FOR_CAMERA = f"""async () => {{
    const devices = await navigator.mediaDevices.enumerateDevices()
    const is_there = devices.some(device => device.kind === "videoinput")
    return is_there ? "" : `{views.fault(NO_CAMERA)}`
}}"""
_STAGE = """<div id="film"><video muted playsinline></video><canvas></canvas>
<div class="told"></div><div class="ticks"></div></div>"""
_FILM = Path(__file__).with_name("film.js").read_text(encoding="utf-8")
_STOP = "() => window.filming?.stop()"
_ADD = """async () => {
    await window.filming?.stop()
    if (!window.filming?.file) return
    const held = new DataTransfer(), input = document.querySelector("#recorded input[type=file]")
    held.items.add(window.filming.file)
    input.files = held.files
    input.dispatchEvent(new Event("change", {bubbles: true}))
}"""
# What happens without a click is not queued: Gradio loses the answer of an event that is queued in
# the moment when the page is told that its queue is empty.
_on = partial(gr.on, queue=False, show_progress="hidden")
_ADDED = "<p>The film is added, and chosen in Make.</p>"
_NOT_KEPT = "The recording was not kept; this page has it until you film again or leave."
_CHOOSE_DANCE = "Choose the dance first."
_CHOOSE_TRANSFERS = "Choose two results of one dance, or more."


def build_page(queue: Queue, live: Live) -> gr.Blocks:
    with gr.Blocks(title="motiontransfer", analytics_enabled=False, fill_width=True) as page:
        gr.Markdown(_TITLE)
        with gr.Tab("Make"):
            make = add_make(queue)
        with gr.Tab("Results"):
            cards = add_results()
        with gr.Tab("Film") as tab:
            _add_film(tab, make)
        with gr.Tab("People and dances"):
            parts = _add_people(queue)
        with gr.Tab("Live") as tab:
            _add_live(tab, live)
        with gr.Tab("Compare"):
            parts += _add_compare()
        parts = [*make.shown, *parts, *cards]
        seen, timer = gr.State([None] * len(parts)), gr.Timer(_REFRESH_SECONDS)

        def refresh(seen: list, dance: Side, me: Side, how: How) -> list:
            """Change only what is another: a video that plays goes on."""
            try:
                new = _state(queue, dance, me, how)
            except MotionTransferError as error:  # of params.yaml, while someone edits it
                new = [views.fault(str(error)), *seen[1:]]
            changes = zip(new, seen, strict=True)
            return [*(gr.skip() if value == before else value for value, before in changes), new]

        page.load(None, js=NAME_DROPS)
        _on([timer.tick, page.load], refresh, [seen, *make.chosen], [*parts, seen])
    return page


def _state(queue: Queue, dance: Side, me: Side, how: How) -> list[str | dict]:
    """What is shown now, in the order of the components."""
    project, runs = read_project(), queue.runs()
    rows = [[target, *states.values()] for target, states in project.states(runs).items()]
    rows += [[EVERYONE, *(ALL for _ in project.dances())]] if len(rows) > 1 else []
    finished = gr.update(choices=[each.name for each in project.results if each.target])
    return [
        *state(queue, project, dance, me, how),
        gr.update(value=rows, headers=["Person", *project.dances()]),
        views.queue(runs, {str(path): name for name, path in films().items()}),
        finished,
        finished,
        gallery(project.results),
    ]


def _add_film(tab: gr.Tab, make: Make) -> None:
    """Add the tab; a film that is added is chosen, with its dance, to be made."""
    gr.Markdown(
        "Film yourself for a dance: its poses are shown over your picture, and ticked when you "
        "strike them, in any order. The pictures go to this page's own server, and are not kept."
    )
    with gr.Row(elem_classes="beside still"):
        dance = gr.Dropdown(label="1. Choose the dance", choices=[], interactive=True, scale=3)
        prepare = gr.Button("Prepare its poses", min_width=140)
    shown = gr.HTML(elem_classes="still")
    with gr.Column(elem_classes="later"):
        gr.Markdown("## 2. Strike the poses before your camera")
        with gr.Row():
            for does, script in (("Film", _FILM), ("Stop", _STOP)):
                gr.Button(does, min_width=100).click(None, js=script)
        gr.HTML(_STAGE)
        gr.Markdown("## 3. Add the film", elem_classes="still")
        with gr.Row(elem_classes="beside still"):
            name = gr.Textbox("me", label="Who is in it", min_width=140)
            add = gr.Button("Add the film", variant="primary", min_width=140)
    recorded = gr.File(elem_id="recorded", elem_classes="unseen")
    added = gr.HTML()
    _on(
        [tab.select],
        lambda: gr.update(
            choices=[(name, str(path)) for name, path in films().items() if not is_picture(path)]
        ),
        None,
        dance,
    )
    prepare.click(_prepared, dance, shown)
    add.click(None, js=_ADD)
    columns = [*make.columns["source"], *make.columns["target"]]
    make.chooses(
        recorded.upload(_added, [recorded, name, dance], [recorded, added, *columns], queue=False)
    )


def _add_people(queue: Queue) -> list[gr.components.Component]:
    gr.Markdown(
        "Rows are people, columns are dances. A click on a missing one adds it to the queue. A "
        "click on a waiting one takes it out. A name or the last row stands for all of them."
    )
    table = gr.Dataframe(interactive=False, show_label=False, elem_id="people", buttons=[])
    refused, listed = gr.HTML(), gr.HTML()

    @said
    def toggle(event: gr.SelectData) -> str:
        toggle_cell(queue, event.value, row=event.row_value[0], column=event.index[1])
        return ""

    table.select(toggle, None, refused)
    return [table, listed]


def toggle_cell(queue: Queue, shown: str, *, row: str, column: int) -> None:
    """Queue what is not there yet of a cell, of a person's name, or of a dance in the last row."""
    project = read_project()
    people, dances = project.people(), project.dances()
    if change := {NOT_YET: queue.add, WAITING: queue.remove}.get(shown):
        change(str([*dances.values()][column - 1]), str(people[row]))
    elif column == 0 or row == EVERYONE:
        for person, states in project.states(queue.runs()).items():
            for dance in [*dances][column - 1 : column] if column else dances:
                if row in (person, EVERYONE) and states[dance] == NOT_YET:
                    queue.add(str(dances[dance]), str(people[person]))


def _add_live(tab: gr.Tab, live: Live) -> None:
    with gr.Row():
        with gr.Column(min_width=300):
            target = gr.Dropdown(label="Who performs", choices=[], interactive=True)
            photo = gr.File(label="or drop a photo of them", elem_classes="drop")
            dropped = gr.State()
            refused, no_camera = gr.HTML(), gr.HTML()
            gr.Button("Start", variant="primary").click(None, js=_START)
            camera = gr.Image(
                sources="webcam", streaming=True, label="Your camera", show_label=False,
                webcam_options=gr.WebcamOptions(mirror=False), elem_id="camera",
            )  # fmt: skip
        with gr.Column(scale=3, min_width=300):
            shown = gr.HTML(js_on_load=_STOP_AT_FAULT)
            with gr.Row():
                for key, does in _KEYS.items():
                    gr.Button(does, min_width=100, size="sm").click(partial(live.press, key))

    def perform(
        frame: Frame, target: str | None, photo: str | None, request: gr.Request
    ) -> str | dict:
        try:
            who = photo or target or _first_performer()
            return live.perform(str(request.session_hash), who, frame) or gr.skip()
        except MotionTransferError as error:  # each is another value, which the page sees
            return f"{views.fault(str(error))}<!-- {time.monotonic()} -->"

    def drop(upload: str) -> tuple[str | None, None, str]:
        side, _, fault, *_ = kept(upload)
        return side.film, None, fault or f"<p>{Path(side.film).name} performs.</p>"

    photo.upload(drop, photo, [dropped, photo, refused], queue=False).then(None, js=NAME_DROPS)
    target.input(lambda: (None, ""), None, [dropped, refused], queue=False)
    _on([tab.select], _performers, target, target)
    tab.select(None, None, no_camera, js=_LOOK_FOR_CAMERA)
    camera.stream(
        perform, [camera, target, dropped], shown, show_progress="hidden",
        stream_every=1 / FRAME_RATE, time_limit=None, concurrency_limit=None,
    )  # fmt: skip


def _first_performer() -> str:
    performers = read_project().performers()
    if not performers:
        raise MotionTransferError(_NO_TARGET)
    return performers[0]


def _performers(chosen: str | None) -> dict:
    names = read_project().performers()
    return gr.update(choices=names, value=chosen if chosen in names else (names or [None])[0])


def _add_compare() -> list[gr.components.Component]:
    with gr.Row(elem_classes="beside"):
        several = gr.Dropdown(
            label="Two results of one dance, or more", multiselect=True, choices=[], min_width=300
        )
        together = gr.Button("Show them together", min_width=200)
    with (
        gr.Accordion("One result at two commits or experiments", open=False),
        gr.Row(elem_classes="beside"),
    ):
        revisions = [
            gr.Textbox(label=label, value=value, min_width=140)
            for label, value in (("Before: a commit or experiment", "HEAD"), ("After", "workspace"))
        ]
        of = gr.Dropdown(label="of the result", choices=[], min_width=140)
        compare = gr.Button("Compare", min_width=140)
    shown = gr.HTML()
    together.click(_together, several, shown)
    compare.click(
        lambda before, after, name: as_html(
            views.page, "compare", before, after, *(["--transfer", name] if name else [])
        ),
        [*revisions, of],
        shown,
    )
    return [several, of]


def _prepared(dancer: str | None) -> str:
    return as_html(views.guide, "guide", dancer) if dancer else views.fault(_CHOOSE_DANCE)


def _added(upload: str, name: str, dancer: str | None) -> list:
    """Add a recording as a film of somebody, and choose it and the dance; or say why not."""
    video, file = name_of_file(Path(upload)), Path(upload)
    command = ("add-video", upload, "--subject", name, "--name", video, "--target")
    told = as_html(lambda _: _ADDED, *command).replace(upload, file.name)
    file.unlink(missing_ok=True)
    if added := read_films().videos.get(video):
        return [
            None, told, *looked_at(dancer, "source"), *looked_at(str(added.path), "target")
        ]  # fmt: skip
    skipped = (gr.skip() for _ in range(2 * len(looked_at(None, "source"))))
    return [None, f"{told}<p>{_NOT_KEPT}</p>", *skipped]


def _together(names: list[str]) -> str:
    return as_html(views.page, "together", *names) if names else views.fault(_CHOOSE_TRANSFERS)
