"""Commands that make dances, and guides to film oneself by.

DVC, PyTorch and MediaPipe take seconds to load: each command imports what it needs.
"""

import json
import logging
import webbrowser
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from pydantic import ValidationError

from motiontransfer.cli.options import command
from motiontransfer.cli.side_by_side import executor_of, run_side_by_side
from motiontransfer.cli.videos import LOOKS, check_films, print_missing_poses
from motiontransfer.core import layout
from motiontransfer.core.errors import MissingFileError, MotionTransferError, ParamsError
from motiontransfer.core.events import Guided, Made, Note, Planned, Took, emit
from motiontransfer.core.params import PersonAt, SceneChoice, read_films
from motiontransfer.core.recipe import read_recipe

if TYPE_CHECKING:
    from motiontransfer.pipeline.plan import Graph
    from motiontransfer.pipeline.runs import LocalExecutor
    from motiontransfer.project.dances import Dance

_Trim = tuple[float, float]
_Place = tuple[float, float, float]
_What = Literal["preview", "result", "report"]
_PART = "start and end in seconds; 0 0: all."
_WHO = "a place, shares of width and height, and a time in seconds."
_PLAIN = ", ".join(layout.PLAIN_BACKGROUNDS)
_SELDOM = 0.02  # of the dance's frames, without the dancer
_LEAST_SECONDS = 2.0  # of a stage that is listed at the end
_STAGES = (
    *("decode", "detect_keypoints", "clean_keypoints", "segment_person", "fit_appearance"),
    *("train_gan", "train_face_gan", "render", "encode", "evaluate", "evaluate_transfer", "report"),
)
"""What is loaded while films are looked at."""


@command
def dance(  # noqa: PLR0913 - a command's options
    dancer: Annotated[Path, typer.Argument(help="A film of the dance.")],
    me: Annotated[
        list[Path],
        typer.Argument(help="A film of whom to render, in many poses; or one photo or several."),
    ],
    *,
    open_: Annotated[
        bool, typer.Option("--open", help="Open the result in the browser once it is there.")
    ] = False,
    dry: Annotated[bool, typer.Option("--dry", help="Only say what would run and take.")] = False,
    preview: Annotated[
        bool, typer.Option("--preview", help="Stop at the preview, before any training.")
    ] = False,
    scene: Annotated[
        SceneChoice,
        typer.Option(help="Where ME performs: in ME's own room, or in the film of DANCER."),
    ] = "target",
    other: Annotated[
        Path | None,
        typer.Option(
            "--and", help="Whom to put in place of the smaller of two dancers, ME of the larger."
        ),
    ] = None,
    trim: Annotated[_Trim | None, typer.Option(help=f"Part of DANCER: {_PART}")] = None,
    trim_me: Annotated[_Trim | None, typer.Option(help=f"Part of ME: {_PART}")] = None,
    person: Annotated[_Place | None, typer.Option(help=f"Who dances: {_WHO}")] = None,
    person_me: Annotated[_Place | None, typer.Option(help=f"Who ME is: {_WHO}")] = None,
    height: Annotated[
        int | None, typer.Option(min=0, max=8192, help="Of results, pixels; 0: of ME's film.")
    ] = None,
    background: Annotated[
        str | None,
        typer.Option(help=f"Of another result: {_PLAIN}, or a file in data/backgrounds/."),
    ] = None,
    like: Annotated[
        Path | None, typer.Option(help="A result, whose params are taken from its file.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="Look at the films first.")
    ] = True,
) -> None:
    """Check and add the files, and run all that renders ME performing the dance of DANCER.

    Part, person, height and background are kept in films.yaml and params.yaml.
    """
    if check:
        emit(LOOKS)
    from motiontransfer.project.dances import Wishes, add_dance

    wishes = Wishes(
        of_dance=_keys(trim, person),
        of_me=_keys(trim_me, person_me, of="-me"),
        params={**(_params_of(like) if like else {}), **_params(height, background)},
    )
    if other and scene != "dancer":
        raise ParamsError("--and: two dancers are replaced in their own film; add --scene dancer")

    def add(*, entry_only: bool = False, root: Path = Path()) -> list["Dance"]:
        crop: Literal["none", "auto"] = "none" if other else "auto"
        how = partial(add_dance, dancer, scene=scene, crop=crop, entry_only=entry_only, root=root)
        dances = [how(*me, wishes=wishes)]
        return [*dances, how(other, other=dances[0])] if other else dances

    looks = [
        {"trim": keys.get("trim"), "person": who}
        for keys, who in ((wishes.of_dance, person), (wishes.of_me, person_me))
    ]
    with nullcontext() if dry else executor_of(_STAGES) as executor:
        event, shown = _foreseen(
            add,
            looks=looks if check else None,
            height=height if scene != "dancer" else None,
            is_dry=dry,
            preview=preview,
        )
        if executor is None:
            emit(event)
            if event.stages:
                emit(Note(text=str(Took(stages=event.stages))))
            return
        dances = add()
        emit(event)
        logging.basicConfig(level=logging.INFO, format="%(message)s")  # what libraries report
        how = {"preview": preview, "opens": open_, "executor": executor}
        _perform(dances, dances[shown], event.stages, **how)


def _foreseen(
    add: Callable[..., Sequence["Dance"]],
    *,
    looks: Sequence[Mapping[str, object]] | None,
    height: int | None,
    is_dry: bool,
    preview: bool,
) -> tuple[Planned, int]:
    """What will run, and which dance is to be shown; nothing of the project changes.

    Args:
        add: enters dances in a project.
        looks: what `check_video` is told of the films of the dance and of ME; None: look at none.
        height: of results, pixels, where it is given and they are of ME's film.
        is_dry: films of the project count, too, whose poses are not known yet.
    """
    from motiontransfer.pipeline.plan import scratch_project

    with scratch_project() as root:
        entered = add(entry_only=True, root=root)
        _tell_names(entered[0])
        if height:
            _check_height(height, highest=_decoded_height(entered[0].target))
        # of whom to train on before the second of two can be shown
        shown = 0 if preview and entered[0].is_trained else -1
        planned = _planned(entered[0], entered[shown], preview=preview, root=root)
        if looks is not None:
            _check(entered, *looks, height=height, root=root if is_dry else None)
        return planned, shown


def _tell_names(dance: "Dance") -> None:
    """Say of new films that another one has the name of their file."""
    from motiontransfer.core.names import valid_name

    for name, file in dance.new.items():
        known = valid_name(file.stem)
        if name in (dance.source, dance.target) and name != known:
            told = f"{file}: {known} is another file here; this one is added as {name}"
            emit(Note(text=f"{told}; to replace that one, first `motiontransfer delete {known}`"))


def _check(
    dances: Sequence["Dance"],
    of_dance: Mapping[str, object],
    of_me: Mapping[str, object],
    *,
    height: int | None,
    root: Path | None,
) -> None:
    """Print what to fix in new films of dances, and how their poses compare.

    Args:
        of_dance: what `check_video` is told of its film.
        height: of results, pixels; a new target's films have to have as many.
        root: a project; its films count, too, whose poses are not known yet.

    Raises:
        ParamsError: the films have fewer pixels, or one dancer where there are to be two.
    """
    first = dances[0]  # of the second dancer no joint is known yet
    films_of_first = {each.source for each in dances[1:]}
    files = {name: file for each in dances for name, file in each.new.items()}
    files = {name: file for name, file in files.items() if name not in films_of_first}
    if root:
        files = _unknown(first, root=root) | files
    targets = files.keys() - {first.source}
    looks = {first.source: of_dance, **dict.fromkeys(targets, of_me)}
    checked = check_films(files, targets=targets, looks=looks)
    if height and first.target in first.new:
        of_target = [checked[name].full_height for name in targets if name in checked]
        _check_height(height, highest=max(of_target, default=0))
    dance_film = checked.get(first.source)
    if len(dances) > 1 and dance_film and max(dance_film.people) < 2:
        raise ParamsError(f"--and: expected two dancers in {files[first.source]}, got one")
    print_missing_poses(first.transfer, source=first.source, target=first.target, checked=checked)


def _decoded_height(subject: str) -> int:
    """Height of the largest of a subject's films, pixels; 0 where it is not known."""
    from motiontransfer.video.clip import read_clip

    videos = read_films().videos.items()
    folders = (layout.clip_folder(subject, name) for name, of in videos if of.subject == subject)
    try:
        clips = [read_clip(folder) for folder in folders if folder.exists()]
    except MotionTransferError:  # of another version: decoded anew
        return 0
    return max(((clip.full_framing or clip.framing).size[0] for clip in clips), default=0)


def _check_height(height: int, *, highest: int) -> None:
    """Raise what `encode` would raise; nothing where the highest is not known."""
    if highest and height > highest:
        raise ParamsError(f"--height: expected at most {highest}, as ME has, got {height}")


def _planned(first: "Dance", dance: "Dance", *, preview: bool, root: Path) -> Planned:
    """What will run for a dance of a project in which it is entered, and what that changes.

    Args:
        first: of two dances, the one that was entered first.
    """
    from motiontransfer.pipeline.plan import forecast, plan, seconds_side_by_side
    from motiontransfer.pipeline.runs import num_at_once

    foretold = partial(plan, root=root, is_forecast=True, changed=first.changed_stages)
    graph = foretold(*_makes(dance, preview=preview))
    forecasts = forecast(graph, root=root)
    return Planned(
        title=dance.transfer,
        stages=forecasts,
        seconds=seconds_side_by_side(graph, forecasts, jobs=num_at_once()),
        removed=tuple(first.removed),
        changed=tuple(first.changed),
        again=_made_again(first, foretold, root=root) if first.changed else (),
    )


def _keys(part: _Trim | None, who: _Place | None, *, of: str = "") -> dict[str, object]:
    """Keys of a video's entry; all of a film is none.

    Args:
        of: what the names of the options end in.

    Raises:
        ParamsError: no film has such a part or place.
    """
    keys: dict[str, object] = {}
    if part is not None:
        if any(part) and not 0 <= part[0] < part[1]:
            got = "{:g} {:g}".format(*part)
            raise ParamsError(
                f"--trim{of}: expected start and end in seconds, 0 <= start < end, or 0 0 for all, "
                f"got {got}"
            )
        keys["trim"] = [*part] if any(part) else None
    if who is not None:
        place = dict(zip(("x", "y", "seconds"), who, strict=True))
        try:
            PersonAt.model_validate(place)
        except ValidationError as error:
            got = "{:g} {:g} {:g}".format(*who)
            raise ParamsError(
                f"--person{of}: expected a place, shares of width and height from 0 to 1, and a "
                f"time in seconds, got {got}"
            ) from error
        keys["person"] = place
    return keys


def _params_of(result: Path) -> dict[str, object]:
    """Params of a result's recipe, which are checked with all others."""
    from motiontransfer.video.isolation import run_isolated
    from motiontransfer.video.reader import read_metadata

    recipe = read_recipe(run_isolated(read_metadata, result).comment)
    if recipe is None:
        raise ParamsError(
            f"--like: {result} carries no recipe: it is no result, was made with "
            "render.provenance: none, or was sent by an app that drops it"
        )
    emit(Note(text=f"--like: {recipe}"))
    return dict(recipe.params)


def _params(height: int | None, background: str | None) -> dict[str, object]:
    given: dict[str, object] = {}
    if height is not None:
        given["render.height"] = height or None
    if background is not None:
        given["render.background"] = background
    return given


def _unknown(dance: "Dance", *, root: Path) -> dict[str, Path]:
    """The films of a dance and its target that are here, and no stage has looked at yet."""
    return {
        name: video.path
        for name, video in read_films(root).videos.items()
        if (name == dance.source or video.subject == dance.target)
        and not layout.keypoints_file(video.subject, name).exists()
        and video.path.is_file()
    }


def _made_again(dance: "Dance", foretold: Callable[..., "Graph"], *, root: Path) -> tuple[str, ...]:
    """Other finished transfers that run again after what changes in a project."""
    finished = [
        name
        for name in read_films(root).transfers
        if name != dance.transfer and (layout.results_folder(name) / layout.TRANSFER_FILE).exists()
    ]
    stages = foretold(*(f"encode@{name}" for name in finished)) if finished else {}
    return tuple(name for name in finished if f"encode@{name}" in stages)


def _makes(dance: "Dance", *, preview: bool) -> dict[str, tuple[_What, Path]]:
    """What is to be there of a dance, and its file, by the stage that makes it.

    Of what nothing is trained for, the result is as soon there as a preview.
    """
    results = layout.results_folder(dance.transfer)
    makes = {}
    if preview or dance.is_trained:
        makes[f"preview@{dance.transfer}"] = "preview", results / layout.PREVIEW_FILE
    if not preview:
        makes[f"encode@{dance.transfer}"] = "result", dance.result
        makes[f"report@{dance.transfer}"] = "report", results / layout.REPORT_FILE
    return makes


def _perform(
    dances: Sequence["Dance"],
    dance: "Dance",
    forecasts: Mapping[str, float],
    *,
    preview: bool,
    opens: bool,
    executor: "LocalExecutor",
) -> None:
    """Run the stages of one of some dances, and report what is there, and what took long.

    What fails before anything is there takes all of them back.
    """
    from motiontransfer.project.dances import take_back

    made: list[Made] = []
    makes = _makes(dance, preview=preview)

    def tell(stage: str) -> None:
        what, file = makes[stage]
        if not file.exists():
            raise MissingFileError(f"{file}: {stage} has not made it; run the same command again")
        backgrounds = layout.backgrounds_folder(dance.transfer)
        others = sorted(backgrounds.glob("*.*")) if what == "result" else []
        if not made and (text := _absence(dance.source)):
            emit(Note(text=text))
        made.append(Made(what=what, files=tuple(map(str, (file, *others)))))
        emit(made[-1])
        if opens and what == "result":
            webbrowser.open(file.resolve().as_uri())

    if not forecasts and all(file.exists() for _, file in makes.values()):
        for stage in makes:  # what they were made from need not be here, as after `join`
            tell(stage)
        return
    who = _roles(dance)
    try:
        took = run_side_by_side(
            [*makes], dance.transfer, forecasts, tell=tell, who=who, executor=executor
        )
    except MotionTransferError:
        if not made:
            for each in reversed(dances):
                take_back(each)
        raise
    if long := {stage: seconds for stage, seconds in took.items() if seconds >= _LEAST_SECONDS}:
        emit(Took(stages=long))
        for event in made:  # is not to be looked for above
            emit(event)


def _roles(dance: "Dance") -> dict[str, str]:
    """What to call the videos and subjects of a dance."""
    subjects = {name: video.subject for name, video in read_films().videos.items()}
    films = (name for name, subject in subjects.items() if subject == dance.target)
    who = dict.fromkeys((dance.target, *films), "the person")
    return who | dict.fromkeys((dance.source, subjects[dance.source]), "the dancer")


def _absence(source: str) -> str:
    """Where nobody is drawn, as the dancer is not found; empty if that is seldom."""
    file = layout.counts_file("clean_keypoints", source)
    counts = json.loads(file.read_bytes()) if file.exists() else {}
    lost = 1 - counts.get("coverage_trunk", 1.0)
    if lost <= _SELDOM:
        return ""
    return (
        f"{source}: the dancer is not found in {100 * lost:.0f} % of the frames, up to "
        f"{counts['longest_gap_trunk_frames']} of {counts['frames']} in a row: nobody is drawn "
        "there. Leave them out by --trim, or say who dances by --person"
    )


@command
def dance_all(
    *,
    source: Annotated[str | None, typer.Option(help="One dance, a video, for all targets.")] = None,
    target: Annotated[str | None, typer.Option(help="One target, for all dances.")] = None,
) -> None:
    """Add and run one dance for all targets, all dances for one of them, or all for all."""
    from motiontransfer.pipeline.plan import forecast, plan, planned
    from motiontransfer.project.dances import pair_all

    names = pair_all(source=source, target=target)
    wanted = [f"report@{name}" for name in names]
    forecasts = forecast(plan(*wanted, is_forecast=True))
    emit(planned(f"{len(names)} transfers, one after another", forecasts))
    logging.basicConfig(level=logging.INFO, format="%(message)s")

    def tell(stage: str) -> None:
        results = layout.results_folder(stage.partition("@")[2])
        emit(Made(what="report", files=(str(results / layout.REPORT_FILE),)))

    run_side_by_side(wanted, "dances", forecasts, tell=tell, keep_going=True)


@command
def guide(
    dancer: Annotated[Path, typer.Argument(help="A film of the dance.")],
    me: Annotated[
        Path | None, typer.Argument(help="A film of whom it is for: what it shows is left out.")
    ] = None,
    *,
    open_: Annotated[
        bool, typer.Option("--open", help="Open the film in the browser once it is there.")
    ] = False,
) -> None:
    """Make a film to film oneself by, and a sheet of poses to strike, for the dance of DANCER."""
    from motiontransfer.pipeline.plan import forecast, plan, scratch_project
    from motiontransfer.project.dances import add_guide

    with scratch_project() as root:
        name, source, new = add_guide(dancer, me, entry_only=True, root=root)
        check_films(new, targets=new.keys() - {source})
        stage = f"guide@{name}"
        forecasts = forecast(plan(stage, root=root, is_forecast=True), root=root)
    add_guide(dancer, me)

    def tell(_: str) -> None:
        film = layout.guide_folder(name) / layout.GUIDE_FILE
        counts = json.loads(film.with_name(layout.GUIDE_COUNTS_FILE).read_text(encoding="utf-8"))
        sheet = film.with_name(layout.GUIDE_SHEET_FILE)
        emit(Guided(film=str(film), sheet=str(sheet), poses=counts["poses"],
                    coverage=counts["coverage"]))  # fmt: skip
        if open_:
            webbrowser.open(film.resolve().as_uri())

    who = {source: "the dancer"}
    run_side_by_side([stage], name, forecasts, tell=tell, who=who)
