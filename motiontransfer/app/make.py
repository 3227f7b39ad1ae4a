"""The tab that makes a dance: two films, what is set beside them, and what becomes of them."""

import base64
import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial, wraps
from pathlib import Path
from typing import NamedTuple, ParamSpec, TypeVar

import gradio as gr

from motiontransfer.app import views
from motiontransfer.app.films import Project, keep_film
from motiontransfer.app.runs import FOLDER, Queue, Summary, reported
from motiontransfer.core import layout
from motiontransfer.core.errors import MotionTransferError
from motiontransfer.core.events import Event, FilmChecked
from motiontransfer.core.params import load_section, read_films
from motiontransfer.pipeline.runs import stages_that_run
from motiontransfer.project.dances import films, same_films
from motiontransfer.project.entries import Role

_PHOTO = "photo"  # name of one that is taken here
_COUNTDOWN_SECONDS = 5  # to step back until the feet are in view
NO_CAMERA = "This browser finds no camera: plug one in, and open this tab again."
_TAKE_PHOTO = Path(__file__).with_name("photo.js").read_text(encoding="utf-8")
# Gradio gives all of them one name, which is not what is read on them.
NAME_DROPS = """() => document.querySelectorAll(".drop").forEach(drop => {
    const button = drop.querySelector("button[aria-dropeffect]")
    const names = [drop.querySelector("label"), button].map(each => each?.innerText)
    button?.setAttribute("aria-label", names.join(": "))
})"""
_SCRIPT = Path(__file__).with_name("make.js").read_text(encoding="utf-8")
_ROLES: dict[Role, tuple[str, str]] = {
    "source": ("1. Dance video", "Drop a video of the dance"),
    "target": ("2. Photo or video of the person", "Drop a photo or a video"),
}
EXAMPLES: dict[Role, dict[str, Path]] = {
    "source": {"a dance": Path("demo/clips/source.mp4")},
    "target": {"a photo": Path("demo/ada.png"), "a video": Path("demo/clips/target.mp4")},
}
"""The demo's, which are in git."""
_CHOOSE = "Choose a dance video, and a photo or video of the person."
_AGREE = "Tick first that everyone in these pictures agrees."
_CONSENT = "I may use these pictures, and everyone in them agrees to this."
_HEIGHTS = {"as the film": 0, "1080": 1080, "720": 720, "512": 512}
_EACH = "multiple"  # clicks count, also those before an earlier one is answered
_LOOKING = '<p role="status">Looking at {} …</p>'

_Given = ParamSpec("_Given")
_Told = TypeVar("_Told")


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What is chosen of the dance or of the person."""

    film: str | None = None
    trim: tuple[float, float] | None = None
    """Seconds; None: as it is."""
    person: tuple[float, float, float] | None = None
    """A place and a time; None: as it is."""
    like: str | None = None
    """A result, whose params are taken."""
    height: int = 0
    """Of results of whom it shows, at most."""

    def options(self, suffix: str) -> list[str]:
        """Options of `dance`; those of the person end so."""
        return _words(
            {f"--trim{suffix}": self.trim, f"--person{suffix}": self.person, "--like": self.like}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """What is set beside the films; None: as it is."""

    scene: str = "target"
    background: str | None = None
    height: str | None = None

    def options(self) -> list[str]:
        """Options of `dance`."""
        return _words(
            {"--scene": self.scene, "--background": self.background, "--height": self.height}
        )


def _words(options: Mapping[str, str | tuple[float, ...] | None]) -> list[str]:
    """Those options that have a value, each before its own."""
    words: list[str] = []
    for option, value in options.items():
        if value:
            words += [option, value] if isinstance(value, str) else [option, *map(str, value)]
    return words


class Make(NamedTuple):
    """What the page keeps up to date of the tab, and what others fill."""

    shown: Sequence[gr.components.Component]
    """In the order of `state`."""
    chosen: Sequence[gr.State]
    """Dance, person, and what is set beside them."""
    columns: Mapping[Role, Sequence[gr.components.Component]]
    """To show what `looked_at` returns."""
    chooses: Callable[[gr.events.Dependency], None]
    """Makes an event one after which both films are looked at."""


def chosen_options(dance: Side, me: Side, how: How) -> list[str]:
    return [*how.options(), *dance.options(""), *me.options("-me")]


def add_make(queue: Queue) -> Make:
    """Add the tab.

    What is chosen are states, because two answers of the server that cross would leave a choice
    without the film that was just uploaded.
    """
    columns, changes = {}, []
    how = gr.State(How())
    with gr.Row(elem_classes="steps"):
        for role in _ROLES:
            with gr.Column(min_width=280):
                columns[role], changed = _add_side(role)
            changes += changed
        with gr.Column(min_width=280):
            gr.Markdown("## 3. Make")
            choices = gr.HTML(js_on_load=_SCRIPT)
            consent = gr.Checkbox(label=_CONSENT, value=_agreed, container=False, interactive=True)
            make = gr.Button("Make", variant="primary")
            refused = gr.HTML()
            cancel = gr.Button("Cancel: what is done is kept", visible=False)
    sides = [each[0] for each in columns.values()]
    picks = [each[-1] for each in columns.values()]
    status, results = gr.HTML(), gr.HTML()
    advice = gr.HTML(elem_classes="advice")
    with gr.Accordion("What the training shows", open=False, visible=False) as training:
        sample = gr.HTML()

    @said
    def begin(agrees: bool, dance: Side, me: Side, how: How) -> str:
        present = {str(path) for path in [*films().values(), *_examples()]}
        if not present.issuperset((dance.film, me.film)):
            raise MotionTransferError(_CHOOSE)
        if not agrees:
            raise MotionTransferError(_AGREE)
        (FOLDER / "consent").touch()
        options = ["--no-check", *chosen_options(dance, me, how)]  # both were looked at
        queue.add(str(dance.film), str(me.film), options)
        return ""

    def choose(how: How, event: gr.EventData) -> How:
        keys = ("scene", "background", "height")
        given = {key: value for key in keys if (value := getattr(event, key, None)) is not None}
        return replace(how, **given)

    def advise_after(change: gr.events.Dependency) -> None:
        change.then(_both_looked_at, sides, [advice, refused], queue=False).then(
            _advise, [*sides, how], advice, trigger_mode="always_last", queue=False
        )

    chosen = choices.click(choose, how, how, trigger_mode=_EACH, queue=False)
    for change in [*changes, chosen]:
        advise_after(change)
    make.click(begin, [consent, *sides, how], refused, queue=False)
    cancel.click(queue.stop)
    shown = [status, results, cancel, training, sample, choices, *picks]
    return Make(shown, [*sides, how], columns, advise_after)


def _add_side(role: Role) -> tuple[list, list[gr.events.Dependency]]:
    """Add a column to choose a film in; return its parts, and what changes them."""
    heading, drop = _ROLES[role]
    side = gr.State(Side())
    gr.Markdown(f"## {heading}")
    with gr.Column() as empty:
        upload = gr.File(label=drop, elem_classes="drop")
        with gr.Row(elem_classes="beside"):
            pick = gr.Dropdown(
                label="or choose one you added before", choices=[], interactive=True, min_width=160
            )
            camera = gr.Button(
                f"or take a photo in {_COUNTDOWN_SECONDS} s", size="sm", min_width=100,
                visible=role == "target",
            )  # fmt: skip
        examples = gr.HTML(partial(_shown_examples, role), js_on_load=_SCRIPT)
    notice = gr.HTML()
    filled = gr.HTML(js_on_load=_SCRIPT)
    shown = [side, empty, notice, filled, upload, pick]

    taken = partial(looked_at, role=role)

    def changed(side: Side, event: gr.EventData) -> list:
        if getattr(event, "change", None):
            return _empty()
        given = {
            key: tuple(value) if isinstance(value, list) else value
            for key in ("trim", "person", "like")
            if (value := getattr(event, key, None)) is not None
        }
        return [replace(side, **given), *(gr.skip() for _ in shown[1:])]

    def started(file: str) -> str:
        return _LOOKING.format(html.escape(Path(file or "").name))

    taken_photo, example = gr.Textbox(visible=False), gr.State()
    looks = [
        upload.upload(started, upload, notice, queue=False).then(
            partial(kept, role=role), upload, shown, queue=False
        ),
        pick.input(started, pick, notice, queue=False).then(taken, pick, shown, queue=False),
        examples.click(_example, None, [example, notice], queue=False).then(
            taken, example, shown, queue=False
        ),
        camera.click(
            lambda photo: photo,
            taken_photo,
            taken_photo,
            js=_TAKE_PHOTO % _COUNTDOWN_SECONDS,
            queue=False,
        )
        .then(lambda: _LOOKING.format("the photo"), None, notice, queue=False)
        .then(_photographed, taken_photo, shown, queue=False),
        filled.click(changed, side, shown, trigger_mode=_EACH, queue=False),
    ]
    for look in looks:
        look.then(None, js=NAME_DROPS)
    return shown, looks


def _example(event: gr.EventData) -> tuple[str, str]:
    return str(getattr(event, "film", "")), _LOOKING.format("the example")


def _examples() -> list[Path]:
    found = [path for of_role in EXAMPLES.values() for path in of_role.values()]
    return [path for path in found if path.exists()]


def _shown_examples(role: Role) -> str:
    files = {what: path for what, path in EXAMPLES[role].items() if path.exists()}
    return views.html_of("examples", files=files)


def _agreed() -> bool:
    return (FOLDER / "consent").exists()


def looked_at(film: str | None, role: Role) -> list:
    """What a column shows of a film that is here, or why it is refused."""
    if not film:
        return _empty()
    try:
        known = str(next(iter(same_films(Path(film)).values()), film))  # of an example
        return _filled(known, _checked(known, Path(known).stat().st_mtime_ns, role))
    except (MotionTransferError, OSError) as error:
        return _empty(error, file=film)


def _empty(error: Exception | None = None, *, file: str = "") -> list:
    told = "" if error is None else views.fault(str(error).replace(file, Path(file).name))
    return [Side(), gr.update(visible=True), told, "", None, None]


def _filled(film: str, checked: FilmChecked) -> list:
    entered = {video.path: video for video in read_films().videos.values()}.get(Path(film))
    shown = views.filled(Path(film), checked, trim=entered.trim if entered else None)
    return [
        Side(film=film, height=checked.height),
        gr.update(visible=False),
        "",
        shown,
        None,
        gr.skip(),
    ]


@cache
def _checked(film: str, changed: int, role: Role) -> FilmChecked:  # noqa: ARG001 - of another film
    """What is found in a film.

    Raises:
        MotionTransferError: it is of no use.
    """
    events = reported("inspect", film, "--role", role)
    return next(event for event in events if isinstance(event, FilmChecked))


def kept(upload: str, *, role: Role = "target") -> list:
    """Keep an upload of somebody and choose it, or say why not: then nothing of it is kept."""
    file = Path(upload)
    try:
        checked = _checked(upload, file.stat().st_mtime_ns, role)
        return _filled(str(keep_film(file)), checked)
    except (MotionTransferError, OSError) as error:
        file.unlink(missing_ok=True)
        return _empty(error, file=upload)


def _photographed(photo: str) -> list:
    """Keep a photo, a JPEG as a data URL, and choose it; without a camera none was taken."""
    if not photo:
        return _empty(MotionTransferError(NO_CAMERA))
    file = FOLDER / f"{_PHOTO}.jpg"
    file.write_bytes(base64.b64decode(photo.partition(",")[2]))
    return kept(str(file))


def _both_looked_at(dance: Side, me: Side) -> tuple[str, str]:
    """What is done now, and nothing of what was refused before."""
    return _LOOKING.format("both together") if dance.film and me.film else "", ""


def _advise(dance: Side, me: Side, how: How) -> str:
    if not dance.film or not me.film:
        return ""
    options = chosen_options(dance, me, how)
    return as_html(views.advice, "dance", "--dry", *options, dance.film, me.film)


def state(queue: Queue, project: Project, dance: Side, me: Side, how: How) -> list[str | dict]:
    """What is shown now, in the order of `Make.shown`."""
    runs = queue.runs()
    begun = [run for run in runs if run.state != "waiting"]
    of_pair = [run for run in begun if (run.dancer, run.me) == (dance.film, me.film)]
    last = of_pair if dance.film or me.film else begun
    running = (run for run in runs if run.state == "running")
    run = next(running, last[-1] if last else None)
    told = run.summary if run else Summary()
    made = told.made
    if run is None and dance.film and me.film:
        made = project.made_of(Path(dance.film), Path(me.film))
    sample = views.sample(project, run, told)
    choices = [(name, str(path)) for name, path in films().items()]
    paths = {path for _, path in choices}
    return [
        views.status(
            run, told, names={path: name for name, path in choices}, elsewhere=stages_that_run()
        ),
        views.results(made, Path(run.dancer if run else dance.film or "")),
        gr.update(visible=run is not None and run.state == "running"),
        gr.update(visible=bool(sample)),
        sample,
        _pictures(dance, me, how),
        *(
            gr.update(choices=choices, value=one.film if one.film in paths else None)
            for one in (dance, me)
        ),
    ]


def _pictures(dance: Side, me: Side, how: How) -> str:
    """Scene, background and size to choose from."""
    present = load_section(str, "render.background"), load_section(int | None, "render.height")
    files = sorted(path.name for path in layout.BACKGROUNDS_FOLDER.glob("[!.]*"))
    height = how.height or str(present[1] or 0)
    most = me.height or max(_HEIGHTS.values())
    heights = {what: str(value) for what, value in _HEIGHTS.items() if value <= most}
    films = {"target": me.film, "dancer": dance.film}
    return views.html_of(
        "choices",
        scene=how.scene,
        rooms={scene: film and Path(film) for scene, film in films.items()},
        background=how.background or present[0],
        backgrounds=[*dict.fromkeys([*layout.PLAIN_BACKGROUNDS, *files])],
        height=height,
        heights=heights | ({} if height in heights.values() else {height: height}),
    )


def said(does: Callable[_Given, _Told]) -> Callable[_Given, _Told | str]:
    """Say in the page, in one sentence, what a user or their data caused; nothing is raised."""

    @wraps(does)  # Gradio reads the signature
    def told(*arguments: _Given.args, **named: _Given.kwargs) -> _Told | str:
        try:
            return does(*arguments, **named)
        except (MotionTransferError, OSError) as error:
            return views.fault(str(error))

    return told


def as_html(show: Callable[[Sequence[Event]], str], *arguments: str) -> str:
    """What a command reports, or its error, as HTML."""
    try:
        return show(reported(*arguments))
    except MotionTransferError as error:
        return views.fault(str(error))
