"""The page itself: its tabs, and what their buttons do."""

import subprocess
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

import gradio as gr

from motiontransfer.app import views
from motiontransfer.app.films import DONE, NOT_YET, WAITING, films, keep_film, read_project
from motiontransfer.app.live import FRAME_RATE, Live
from motiontransfer.app.runs import Queue, Run, Told, command, told_by
from motiontransfer.core.errors import MotionTransferError
from motiontransfer.video.color import Frame

_REFRESH_SECONDS = 1.0
_MARKS = {DONE: "✓ done", "running": "▶ running", WAITING: "… waiting", NOT_YET: "+ not yet"}
_KEYS = {"r": "Start over", "f": "Freeze", "m": "Mirror", " ": "Pause", "s": "Save a picture"}
_NO_TARGET = "No target is trained yet: Make trains one."
_NO_CAMERA = "This browser finds no camera: plug one in, and open this tab again."
_LOOK_FOR_CAMERA = f"""async () => {{
    const devices = await navigator.mediaDevices.enumerateDevices()
    const is_there = devices.some(device => device.kind === "videoinput")
    return is_there ? "" : `{views.fault(_NO_CAMERA)}`
}}"""
# What happens without a click is not queued: Gradio loses the answer of an event that is queued in
# the moment when the page is told that its queue is empty.
_on = partial(gr.on, queue=False, show_progress="hidden")
_CHOOSE = "Choose both films: the dance, and whom to render."
_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


def build_page(queue: Queue, live: Live) -> gr.Blocks:
    with gr.Blocks(title="motiontransfer", analytics_enabled=False, fill_width=True) as page:
        gr.Markdown("# motiontransfer")
        seen, timer = gr.State({}), gr.Timer(_REFRESH_SECONDS)
        with gr.Tab("Make"):
            made = _add_make(queue, page)
        with gr.Tab("People and dances"):
            listed = _add_people(queue)
        with gr.Tab("Live") as tab:
            _add_live(tab, live)
        with gr.Tab("Compare"):
            _add_compare(page)
        shown = [*made, *listed]

        def refresh(seen: dict) -> list:
            """Change only what is another: a video that plays goes on."""
            try:
                new = dict(enumerate(_state(queue)))
            except MotionTransferError as error:  # of params.yaml, while someone edits it
                new = {**seen, 0: views.fault(str(error))}
            updates = [
                gr.skip() if seen.get(key) == new.get(key) else _update(new[key])
                for key in range(len(shown))
            ]
            return [*updates, new]

        changed = [*shown, seen]
        _on([timer.tick, page.load], refresh, seen, changed)
    return page


def _add_make(queue: Queue, page: gr.Blocks) -> list[gr.components.Component]:
    chosen = []
    with gr.Row():
        for label in ("The dance", "You, or whom to render"):
            with gr.Column(min_width=300):
                pick = gr.Dropdown(label=label, choices=[], interactive=True)
                upload = gr.File(label="or drop another film here", height=150)
                refused = gr.HTML()
                upload.upload(_kept, upload, [pick, upload, refused], queue=False)
                _on([page.load, pick.focus], _choices, pick, pick)
                chosen.append(pick)
    make = gr.Button("Make", variant="primary")
    advice, status = gr.HTML(), gr.HTML()
    cancel = gr.Button("Cancel: what is done is kept", visible=False)
    results, sample = gr.HTML(), gr.HTML()
    changes = [pick.change for pick in chosen]
    gr.on(changes, _advise, chosen, advice, trigger_mode="always_last", queue=False)
    make.click(_said(lambda *both: _begin(queue, *both)), chosen, None)
    cancel.click(queue.stop)
    return [status, results, cancel, sample]


def _add_people(queue: Queue) -> list[gr.components.Component]:
    gr.Markdown(
        "Rows are people, columns are dances. A click on one that is not there yet adds it to the "
        "queue; on one that waits, takes it out."
    )
    table = gr.Dataframe(interactive=False, show_label=False, elem_id="people", buttons=[])
    listed = gr.HTML()

    def toggle(event: gr.SelectData) -> None:
        row, column = event.index
        project, runs = read_project(), queue.runs()
        people, dances = project.people(), project.dances()
        target, dance = [*people][row], ["", *dances][column]
        me, dancer = str(people[target]), str(dances.get(dance, ""))
        state = project.states(runs).get((target, dance))
        waiting = [run for run in runs if (run.dancer, run.me) == (dancer, me)]
        if state == NOT_YET:
            queue.add(dancer, me)
        elif state == WAITING:
            queue.remove(waiting[-1].number)

    table.select(_said(toggle))
    return [table, listed]


def _add_live(tab: gr.Tab, live: Live) -> None:
    with gr.Row():
        with gr.Column(min_width=300):
            target = gr.Dropdown(label="Who performs", choices=[], interactive=True)
            no_camera = gr.HTML()
            camera = gr.Image(
                sources="webcam", streaming=True, label="Your camera", show_label=False,
                webcam_options=gr.WebcamOptions(mirror=False),
            )  # fmt: skip
        with gr.Column(scale=3, min_width=300):
            shown = gr.HTML()
            with gr.Row():
                for key, does in _KEYS.items():
                    gr.Button(does, min_width=100, size="sm").click(partial(live.press, key))

    def perform(frame: Frame, target: str | None, request: gr.Request) -> str | dict:
        if not target and not (trained := read_project().trained()):
            raise MotionTransferError(_NO_TARGET)
        return live.perform(str(request.session_hash), target or trained[0], frame) or gr.skip()

    _on([tab.select], _trained, target, target)
    tab.select(None, None, no_camera, js=_LOOK_FOR_CAMERA)
    camera.stream(
        _said(perform), [camera, target], shown, show_progress="hidden",
        stream_every=1 / FRAME_RATE, time_limit=None, concurrency_limit=None,
    )  # fmt: skip


def _trained(chosen: str | None) -> dict:
    trained = read_project().trained()
    return gr.update(choices=trained, value=chosen if chosen in trained else (trained or [None])[0])


def _add_compare(page: gr.Blocks) -> None:
    with gr.Row():
        several = gr.Dropdown(
            label="Transfers of one dance, in sync", multiselect=True, choices=[], min_width=300
        )
        together = gr.Button("Show them together", min_width=200)
    with gr.Row():
        revisions = [
            gr.Textbox(label=label, value=value, min_width=140)
            for label, value in (("Before: a commit or experiment", "HEAD"), ("After", "workspace"))
        ]
        of = gr.Dropdown(label="of the transfer", choices=[], min_width=140)
        compare = gr.Button("Compare", min_width=140)
    shown = gr.HTML()
    for pick in (several, of):
        _on([page.load, pick.focus], _finished, None, pick)
    together.click(lambda names: _page_of("together", *(names or [])), several, shown)
    compare.click(
        lambda before, after, name: _page_of(
            "compare", before, after, *(["--transfer", name] if name else [])
        ),
        [*revisions, of],
        shown,
    )


def _said(call: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """Let the page say in one sentence what a user or their data caused."""

    @wraps(call)
    def told(*arguments: _Parameters.args, **named: _Parameters.kwargs) -> _Result:
        try:
            return call(*arguments, **named)
        except (MotionTransferError, OSError) as error:
            raise gr.Error(str(error), duration=None, print_exception=False) from error

    return told


def _choices(value: str | None) -> dict:
    paths = {name: str(path) for name, path in films().items()}
    kept = value if value in paths.values() else None
    return gr.update(choices=[*paths.items()], value=kept)


def _finished() -> dict:
    return gr.update(choices=[*read_project().finished()])


def _kept(upload: str) -> tuple[dict, None, str]:
    """Keep an upload and choose it, or say why not."""
    try:
        return _choices(str(keep_film(Path(upload)))), None, ""
    except (MotionTransferError, OSError) as error:
        return gr.skip(), None, views.fault(str(error).replace(upload, Path(upload).name))


def _begin(queue: Queue, dancer: str | None, me: str | None) -> None:
    if not dancer or not me:
        raise gr.Error(_CHOOSE, print_exception=False)
    queue.add(dancer, me)


def _advise(dancer: str | None, me: str | None) -> str:
    if not dancer or not me:
        return f"<p>{_CHOOSE}</p>"
    printed, error = _printed("dance", "--dry", dancer, me)
    return views.fault(error) if error else views.advice(printed)


def _page_of(*arguments: str) -> str:
    """Page that a command writes."""
    printed, error = _printed(*arguments)
    pages = [line.removeprefix("wrote ") for line in printed if line.startswith("wrote ")]
    return views.page(Path(pages[-1])) if pages else views.fault(error)


def _printed(*arguments: str) -> tuple[list[str], str]:
    """Lines that a command prints, and its error or nothing."""
    done = subprocess.run(
        command(*arguments), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
    error = errors[0].removeprefix("ERROR: ") if errors else "it failed; the terminal says why"
    return done.stdout.splitlines(), error if done.returncode else ""


def _state(queue: Queue) -> tuple:
    """What is shown now, in the order of the components."""
    project, runs = read_project(), queue.runs()
    told = {run.number: told_by(run) for run in runs}
    run = _shown(runs)
    of_run = told[run.number] if run else Told()
    states, names = project.states(runs), [*project.dances()]
    rows = [
        [target, *(_MARKS.get(states.get((target, name), ""), "") for name in names)]
        for target in project.people()
    ]
    return (
        views.status(run, of_run),
        views.results(of_run),
        {"visible": run is not None and run.state == "running"},
        views.sample(project, run, of_run),
        {"value": rows, "headers": ["", *names]},
        views.queue(runs, told),
    )


def _shown(runs: list[Run]) -> Run | None:
    """What runs, else what ended last."""
    begun = [run for run in runs if run.state != "waiting"]
    running = [run for run in begun if run.state == "running"]
    return (running or begun or [None])[-1]


def _update(value: str | dict) -> str | dict:
    return gr.update(**value) if isinstance(value, dict) else value
