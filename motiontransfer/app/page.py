"""The page itself: its tabs, and what their buttons do."""

import base64
import subprocess
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import gradio as gr

from motiontransfer.app import views
from motiontransfer.app.films import ALL, EVERYONE, NOT_YET, WAITING, keep_film, read_project
from motiontransfer.app.live import FRAME_RATE, Live
from motiontransfer.app.results import add_results, gallery
from motiontransfer.app.runs import FOLDER, Queue, Summary, command, environment, read_log
from motiontransfer.core.errors import MotionTransferError
from motiontransfer.core.events import Event, read_events
from motiontransfer.core.params import Scene
from motiontransfer.pipeline.runs import stages_that_run
from motiontransfer.project.dances import films, name_of_file
from motiontransfer.project.entries import Role
from motiontransfer.project.results import finished_results
from motiontransfer.video.color import Frame

_REFRESH_SECONDS = 1.0
_KEYS = {"r": "Start over", "f": "Freeze", "m": "Mirror", " ": "Pause", "s": "Save a picture"}
_NO_TARGET = "Nobody is there to perform yet: Make adds someone."
_NO_CAMERA = "This browser finds no camera: plug one in, and open this tab again."
_LOOK_FOR_CAMERA = f"""async () => {{
    const devices = await navigator.mediaDevices.enumerateDevices()
    const is_there = devices.some(device => device.kind === "videoinput")
    return is_there ? "" : `{views.fault(_NO_CAMERA)}`
}}"""
_PHOTO = "photo"  # name of one that is taken here
_COUNTDOWN_SECONDS = 5  # to step back until the feet are in view
_TAKE_PHOTO = f"""async () => {{
    const shown = document.createElement("div"), left = document.createElement("b")
    const video = document.createElement("video")
    shown.className = "countdown"
    shown.append(video, left)
    let stream = null
    try {{
        stream = await navigator.mediaDevices.getUserMedia({{video: {{height: {{ideal: 1080}}}}}})
        video.srcObject = stream
        document.body.append(shown)
        await video.play()
        for (let seconds = {_COUNTDOWN_SECONDS}; seconds > 0; seconds--) {{
            left.textContent = seconds
            await new Promise(done => setTimeout(done, 1000))
        }}
        const canvas = document.createElement("canvas")
        canvas.width = video.videoWidth
        canvas.height = video.videoHeight
        canvas.getContext("2d").drawImage(video, 0, 0)
        return canvas.toDataURL("image/jpeg", 0.95)
    }} catch (error) {{
        return ""
    }} finally {{
        shown.remove()
        stream?.getTracks().forEach(track => track.stop())
    }}
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
# Gradio gives all of them one name, which is not what is read on them.
_NAME_DROPS = """() => document.querySelectorAll(".drop").forEach(drop => {
    const button = drop.querySelector("button[aria-dropeffect]")
    const names = [drop.querySelector("label"), button].map(each => each?.innerText)
    button?.setAttribute("aria-label", names.join(": "))
})"""
# What happens without a click is not queued: Gradio loses the answer of an event that is queued in
# the moment when the page is told that its queue is empty.
_on = partial(gr.on, queue=False, show_progress="hidden")
_SCENES = [("in my room", "target"), ("in the dancer's film", "dancer")]
_ROLES: dict[Role, tuple[str, str]] = {
    "source": ("The dance", "film"),
    "target": ("You, or whom to render", "film or photo"),
}
_CHOOSE = "Choose both: the dance, and a film or photo of whom to render."
_CHOOSE_DANCE = "Choose the dance first."
_CHOOSE_TRANSFERS = "Choose two transfers of one dance, or more."


def build_page(queue: Queue, live: Live) -> gr.Blocks:
    with gr.Blocks(title="motiontransfer", analytics_enabled=False, fill_width=True) as page:
        gr.Markdown("# motiontransfer")
        with gr.Tab("Make"):
            shown, chosen = _add_make(queue)
        with gr.Tab("Results"):
            cards = add_results(_shown)
        with gr.Tab("Film") as tab:
            _add_film(tab, chosen)
        with gr.Tab("People and dances"):
            shown += _add_people(queue)
        with gr.Tab("Live") as tab:
            _add_live(tab, live)
        with gr.Tab("Compare"):
            shown += _add_compare()
        shown += cards
        seen, timer = gr.State([None] * len(shown)), gr.Timer(_REFRESH_SECONDS)

        def refresh(seen: list, *chosen: str | None) -> list:
            """Change only what is another: a video that plays goes on."""
            try:
                new = _state(queue, chosen)
            except MotionTransferError as error:  # of params.yaml, while someone edits it
                new = [views.fault(str(error)), *seen[1:]]
            changes = zip(new, seen, strict=True)
            return [*(gr.skip() if value == before else value for value, before in changes), new]

        page.load(None, js=_NAME_DROPS)
        _on([timer.tick, page.load], refresh, [seen, *chosen], [*shown, seen])
    return page


def _state(queue: Queue, chosen: Sequence[str | None]) -> list[str | dict]:
    """What is shown now, in the order of the components; `chosen` are the two films."""
    project, runs = read_project(), queue.runs()
    run = next((run for run in reversed(runs) if run.state != "waiting"), None)
    told = run.summary if run else Summary()
    rows = [[target, *states.values()] for target, states in project.states(runs).items()]
    rows += [[EVERYONE, *(ALL for _ in project.dances())]] if len(rows) > 1 else []
    choices = [(name, str(path)) for name, path in films().items()]
    paths = {path for _, path in choices}
    finished = gr.update(choices=[*project.finished()])
    return [
        views.status(run, told, sorted(stages_that_run())),
        views.results(run, told),
        gr.update(visible=run is not None and run.state == "running"),
        views.sample(project, run, told),
        *map(views.chosen, chosen),
        *(gr.update(choices=choices, value=one if one in paths else None) for one in chosen),
        gr.update(value=rows, headers=["Person", *project.dances()]),
        views.queue(runs),
        finished,
        finished,
        gallery(finished_results()),
    ]


def _add_make(queue: Queue) -> tuple[list[gr.components.Component], list[gr.State]]:
    """Add the tab.

    Returns:
        What is shown, and the two films that are chosen. These are states, because two answers of
        the server that cross would leave a choice without the film that was just uploaded.
    """
    pictures, picks, chosen, choices = [], [], [], []
    with gr.Row():
        for role, (label, what) in _ROLES.items():
            with gr.Column(min_width=300, elem_classes="pick"):
                pictures.append(gr.HTML())
                upload = gr.File(label=f"{label}: drop a {what} here", elem_classes="drop")
                refused = gr.HTML()
                pick = gr.Dropdown(
                    label=f"{label}: or one that is here", choices=[], interactive=True
                )
                film = gr.State()
                choices += [
                    pick.input(lambda path: path, pick, film, queue=False),
                    upload.upload(
                        partial(_kept, role=role), upload, [film, upload, refused], queue=False
                    ).then(None, js=_NAME_DROPS),
                ]
                picks.append(pick)
                chosen.append(film)
                if len(picks) == 2:
                    camera = gr.Button(
                        f"or take a photo in {_COUNTDOWN_SECONDS} seconds", size="sm"
                    )
                    taken, kept = gr.Textbox(visible=False), [film, refused]
                    choices.append(
                        camera.click(_photographed, taken, kept, js=_TAKE_PHOTO, queue=False)
                    )
    with gr.Accordion("Where it is danced", open=False):
        scene = gr.Radio(_SCENES, value="target", label="Room", interactive=True)
    make = gr.Button("Make", variant="primary")
    status = gr.HTML()
    cancel = gr.Button("Cancel: what is done is kept", visible=False)
    results, advice = gr.HTML(), gr.HTML()
    with gr.Accordion("Training", open=False):
        sample = gr.HTML()

    @_said()
    def begin(dancer: str | None, me: str | None, scene: Scene) -> None:
        present = {str(path) for path in films().values()}
        if not dancer or not me or not present.issuperset((dancer, me)):
            raise gr.Error(_CHOOSE, print_exception=False)
        queue.add(dancer, me, scene)

    for choice in [*choices, scene.input(lambda: None, queue=False)]:
        choice.then(_advise, [*chosen, scene], advice, trigger_mode="always_last", queue=False)
    make.click(begin, [*chosen, scene])
    cancel.click(queue.stop)
    return [status, results, cancel, sample, *pictures, *picks], chosen


def _add_film(tab: gr.Tab, chosen: list[gr.State]) -> None:
    """Add the tab; a film that is added is chosen, with its dance, to be made."""
    gr.Markdown(
        "Film yourself for a dance: its poses are shown over your picture, and ticked when you "
        "strike them, in any order. The pictures go to this page's own server, and are not kept."
    )
    with gr.Row():
        dance = gr.Dropdown(label="Which dance", choices=[], interactive=True, scale=3)
        prepare = gr.Button("Prepare its poses", min_width=140)
    shown = gr.HTML()
    gr.HTML(_STAGE)
    with gr.Row():
        for does, script in (("Film", _FILM), ("Stop", _STOP)):
            gr.Button(does, min_width=100).click(None, js=script)
        name = gr.Textbox("me", label="Who is in it", min_width=140)
        add = gr.Button("Add the film", variant="primary", min_width=140)
    recorded = gr.File(elem_id="recorded", elem_classes="unseen")
    added, advice = gr.HTML(), gr.HTML()
    _on(
        [tab.select],
        lambda: gr.update(choices=[(name, str(path)) for name, path in films().items()]),
        None,
        dance,
    )
    prepare.click(_prepared, dance, shown)
    add.click(None, js=_ADD)
    recorded.upload(_added, [recorded, name, dance], [recorded, added, *chosen], queue=False).then(
        _advise, chosen, advice, queue=False
    )


def _add_people(queue: Queue) -> list[gr.components.Component]:
    gr.Markdown(
        "Rows are people, columns are dances. A click on one that is not there yet adds it to the "
        "queue; on one that waits, takes it out; on a name or the last row, all of them."
    )
    table = gr.Dataframe(interactive=False, show_label=False, elem_id="people", buttons=[])
    listed = gr.HTML()

    @_said()
    def toggle(event: gr.SelectData) -> None:
        toggle_cell(queue, event.value, row=event.row_value[0], column=event.index[1])

    table.select(toggle)
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

    @_said()
    def perform(frame: Frame, target: str | None, request: gr.Request) -> str | dict:
        if not target and not (performers := read_project().performers()):
            raise MotionTransferError(_NO_TARGET)
        return live.perform(str(request.session_hash), target or performers[0], frame) or gr.skip()

    _on([tab.select], _performers, target, target)
    tab.select(None, None, no_camera, js=_LOOK_FOR_CAMERA)
    camera.stream(
        perform, [camera, target], shown, show_progress="hidden",
        stream_every=1 / FRAME_RATE, time_limit=None, concurrency_limit=None,
    )  # fmt: skip


def _performers(chosen: str | None) -> dict:
    names = read_project().performers()
    return gr.update(choices=names, value=chosen if chosen in names else (names or [None])[0])


def _add_compare() -> list[gr.components.Component]:
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
    together.click(_together, several, shown)
    compare.click(
        lambda before, after, name: _shown(
            views.page, "compare", before, after, *(["--transfer", name] if name else [])
        ),
        [*revisions, of],
        shown,
    )
    return [several, of]


@contextmanager
def _said() -> Generator[None]:
    """Let the page say in one sentence what a user or their data caused."""
    try:
        yield
    except (MotionTransferError, OSError) as error:
        raise gr.Error(str(error), duration=None, print_exception=False) from error


def _kept(upload: str, *, role: Role = "target") -> tuple[str | dict, None, str]:
    """Keep an upload of somebody and choose it, or say why not."""
    file = Path(upload)
    try:
        if not (refused := _shown(lambda _: "", "inspect", upload, "--role", role)):
            return str(keep_film(file)), None, ""
    except (MotionTransferError, OSError) as error:
        refused = views.fault(str(error))
    file.unlink(missing_ok=True)
    return gr.skip(), None, refused.replace(upload, file.name)


def _prepared(dancer: str | None) -> str:
    return _shown(views.guide, "guide", dancer) if dancer else views.fault(_CHOOSE_DANCE)


def _added(upload: str, name: str, dancer: str | None) -> tuple[None, str, str | dict, str | dict]:
    """Add a recording as a film of somebody, and choose it and the dance; or say why not."""
    video, file = name_of_file(Path(upload)), Path(upload)
    command = ("add-video", upload, "--subject", name, "--name", video, "--target")
    told = _shown(views.advice, *command).replace(upload, file.name)
    if added := read_project().videos.get(video):
        file.unlink(missing_ok=True)
        return None, told, dancer or gr.skip(), str(added.path)
    return None, f"{told}<p>The recording is kept: {keep_film(file)}</p>", gr.skip(), gr.skip()


def _photographed(photo: str) -> tuple[str | dict, str]:
    """Keep a photo, a JPEG as a data URL, and choose it; without a camera none was taken."""
    if not photo:
        return gr.skip(), views.fault(_NO_CAMERA)
    file = FOLDER / f"{_PHOTO}.jpg"
    file.write_bytes(base64.b64decode(photo.partition(",")[2]))
    kept, _, refused = _kept(str(file))
    return kept, refused


def _advise(dancer: str | None, me: str | None, scene: Scene = "target") -> str:
    if not dancer or not me:
        return f"<p>{_CHOOSE}</p>"
    return _shown(views.advice, "dance", "--dry", "--scene", scene, dancer, me)


def _together(names: list[str]) -> str:
    return _shown(views.page, "together", *names) if names else views.fault(_CHOOSE_TRANSFERS)


def _shown(show: Callable[[Sequence[Event]], str], *arguments: str) -> str:
    """What a command reports, or its error, as HTML."""
    done = subprocess.run(
        command(*arguments, "--events"), env=environment(), stdin=subprocess.DEVNULL,
        capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    if not done.returncode:
        return show([*read_events(done.stdout)])
    failed = read_log(done.stdout).failed
    return views.fault(failed.message if failed else f"it failed: {done.stderr.strip()[-200:]}")
