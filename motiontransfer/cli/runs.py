"""Commands that run stages, and that change or check a project.

DVC, PyTorch and MediaPipe take seconds to load: each command imports what it needs.
"""

import json
import logging
import math
import signal
import sys
import time
import webbrowser
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.live import Live
from rich.table import Table
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from motiontransfer.cli.options import AsJson, Yes, command
from motiontransfer.cli.videos import LOOKS, check_films, print_missing_poses
from motiontransfer.core import layout
from motiontransfer.core.errors import (
    FILMS_FILE,
    PARAMS_FILE,
    MissingFileError,
    MotionTransferError,
    ParamsError,
    printable,
)
from motiontransfer.core.events import Guided, Made, Note, Took, emit
from motiontransfer.core.params import Scene, check_params, read_text
from motiontransfer.core.progress import RunMeter
from motiontransfer.core.recipe import read_recipe
from motiontransfer.core.storage import write_text
from motiontransfer.project.presets import apply_preset

if TYPE_CHECKING:
    from motiontransfer.pipeline.plan import Graph
    from motiontransfer.pipeline.runs import Job, Progress
    from motiontransfer.project.dances import Dance

_Trim = tuple[float, float]
_Place = tuple[float, float, float]
_PART = "start and end in seconds; 0 0: all."
_WHO = "a place, shares of width and height, and a time in seconds."
_LEAST_SECONDS = 2.0  # of a stage that is listed at the end


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
        Scene, typer.Option(help="Where ME performs: in ME's own room, or in the film of DANCER.")
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
        typer.Option(help="Of another result: green, alpha, a file in data/backgrounds/, or film."),
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
    from motiontransfer.pipeline.plan import (
        forecast,
        plan,
        planned,
        scratch_project,
        seconds_side_by_side,
    )
    from motiontransfer.pipeline.runs import num_at_once
    from motiontransfer.project.dances import Wishes, add_dance, take_back

    wishes = Wishes(
        of_dance=_keys(trim, person),
        of_me=_keys(trim_me, person_me),
        params={**(_params_of(like) if like else {}), **_params(height, background)},
    )
    if other and scene != "dancer":
        raise ParamsError("--and: two dancers are replaced in their own film; add --scene dancer")

    def add(*, entry_only: bool = False, root: Path = Path()) -> list["Dance"]:
        crop: Literal["none", "auto"] = "none" if other else "auto"
        how = partial(add_dance, dancer, scene=scene, crop=crop, entry_only=entry_only, root=root)
        dances = [how(*me, wishes=wishes)]
        return [*dances, how(other, other=dances[0])] if other else dances

    with scratch_project() as root:  # nothing of the project changes before all is known
        entered = add(entry_only=True, root=root)
        seconds = {each.source for each in entered[1:]}  # the film of the first
        files = {name: file for each in entered for name, file in each.new.items()}
        files = {name: file for name, file in files.items() if name not in seconds}
        if dry:  # to compare poses, those, too, whose poses are not known yet
            files = _unknown(entered[0], root=root) | files
        targets = files.keys() - {entered[0].source}
        parts = {entered[0].source: trim, **dict.fromkeys(targets, trim_me)}
        checked = check_films(files, crop="auto", targets=targets, parts=parts) if check else {}
        dance_film = checked.get(entered[0].source)
        if other and dance_film and max(dance_film.people) < 2:
            raise ParamsError(f"--and: expected two dancers in {dancer}, got one")
        # of whom to train on before the second of two can be shown
        shown = 0 if preview and entered[0].is_trained else -1
        wanted = _wanted(entered[shown], preview=preview)
        foretold = partial(plan, root=root, is_forecast=True, changed=entered[0].changed_stages)
        graph = foretold(*wanted)
        forecasts = forecast(graph, root=root)
        again = _made_again(entered[0], foretold, root=root) if entered[0].changed else ()
    first = entered[0]  # of the second dancer no joint is known yet
    if check:
        print_missing_poses(
            first.transfer, source=first.source, target=first.target, checked=checked
        )
    dances = entered if dry else add()
    dance = dances[shown]
    together = seconds_side_by_side(graph, forecasts, jobs=num_at_once())
    event = planned(dance.transfer, forecasts, together)
    removed, changed = tuple(dances[0].removed), tuple(dances[0].changed)
    emit(replace(event, removed=removed, changed=changed, again=again))
    if dry:
        width = max(map(len, forecasts), default=0)
        lines = (f"  {stage:<{width}}{each / 60:7.1f} min" for stage, each in forecasts.items())
        emit(Note(text="\n".join(lines)))
        return
    logging.basicConfig(level=logging.INFO, format="%(message)s")  # what libraries report
    made: list[Made] = []
    try:
        took = _perform(dance, forecasts, preview=preview, opens=open_, made=made)
    except MotionTransferError as error:
        if not made and not isinstance(error.__cause__, KeyboardInterrupt):
            for each in reversed(dances):
                take_back(each)
        raise
    if long := {stage: seconds for stage, seconds in took.items() if seconds >= _LEAST_SECONDS}:
        emit(Took(stages=long))
        for event in made:  # is not to be looked for above
            emit(event)


def _keys(part: _Trim | None, who: _Place | None) -> dict[str, object]:
    """Keys of a video's entry; all of a film, and the whole picture, are none."""
    keys: dict[str, object] = {}
    if part is not None:
        keys["trim"] = [*part] if any(part) else None
    if who is not None:
        keys |= {"crop": "none", "person": dict(zip(("x", "y", "seconds"), who, strict=True))}
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
    told = f"--like: made by version {recipe.version} with {len(recipe.own)} params of its own"
    if recipe.left_out:
        told += f"; left out: {', '.join(map(printable, recipe.left_out))}"
    emit(Note(text=told))
    return dict(recipe.params)


def _params(height: int | None, background: str | None) -> dict[str, object]:
    given: dict[str, object] = {}
    if height is not None:
        given["render.height"] = height or None
    if background is not None:
        given["render.background"] = background
    return given


def _unknown(dance: "Dance", *, root: Path) -> dict[str, Path]:
    """The films of a dance and its target that no stage has looked at yet."""
    from motiontransfer.project.entries import load_videos

    return {
        name: video.path
        for name, video in load_videos(root).items()
        if (name == dance.source or video.subject == dance.target)
        and not layout.keypoints_file(video.subject, name).exists()
    }


def _made_again(dance: "Dance", foretold: Callable[..., "Graph"], *, root: Path) -> tuple[str, ...]:
    """Other finished transfers that run again after what changes in a project."""
    from motiontransfer.project.entries import load_transfers

    finished = [
        name
        for name in load_transfers(root)
        if name != dance.transfer and (layout.results_folder(name) / layout.TRANSFER_FILE).exists()
    ]
    stages = foretold(*(f"encode@{name}" for name in finished)) if finished else {}
    return tuple(name for name in finished if f"encode@{name}" in stages)


def _wanted(dance: "Dance", *, preview: bool) -> list[str]:
    """Stages to run: of what nothing is trained for, the result is as soon there as a preview."""
    first = [f"preview@{dance.transfer}"] if preview or dance.is_trained else []
    return first if preview else [*first, f"report@{dance.transfer}"]


def _perform(
    dance: "Dance", forecasts: Mapping[str, float], *, preview: bool, opens: bool, made: list[Made]
) -> Mapping[str, float]:
    """Run a dance's stages, and report what is there; return the seconds that each took.

    Args:
        made: what is there, so far.
    """
    from motiontransfer.project.entries import load_videos

    transfer, wanted = dance.transfer, _wanted(dance, preview=preview)
    results, makes = layout.results_folder(transfer), {}
    if f"preview@{transfer}" in wanted:
        makes[f"preview@{transfer}"] = "preview", results / layout.PREVIEW_FILE
    if not preview:
        makes[f"encode@{transfer}"] = "result", results / layout.TRANSFER_FILE
        makes[f"report@{transfer}"] = "report", results / "report.html"

    def tell(stage: str) -> None:
        what, file = makes[stage]
        if not file.exists():
            raise MissingFileError(f"{file}: {stage} has not made it; run the same command again")
        others = sorted(layout.backgrounds_folder(transfer).glob("*.*")) if what == "result" else []
        made.append(Made(what=what, files=tuple(map(str, (file, *others)))))
        emit(made[-1])
        if opens and what == "result":
            webbrowser.open(file.resolve().as_uri())

    subjects = {name: video.subject for name, video in load_videos().items()}
    films = (name for name, subject in subjects.items() if subject == dance.target)
    who = dict.fromkeys((dance.target, *films), "the person")
    who |= dict.fromkeys((dance.source, subjects[dance.source]), "the dancer")
    tell_of, first = dict.fromkeys(makes, tell), next(iter(makes))
    return _run_side_by_side(wanted, transfer, forecasts, first=first, tell=tell_of, who=who)


def _run_side_by_side(
    wanted: Sequence[str],
    title: str,
    forecasts: Mapping[str, float],
    *,
    first: str,
    tell: Mapping[str, Callable[[str], None]],
    who: Mapping[str, str] = MappingProxyType({}),
    keep_going: bool = False,
) -> Mapping[str, float]:
    """Run stages with all that they depend on, as many at once as there are cores for.

    Of those that can run, the one goes before on which the longest chain depends. Others run at a
    lower priority than what a video to be told of waits for.

    Trainings have the threads that they have under `dvc repro`, so that outputs are the same.

    Returns:
        Seconds that each took.

    Args:
        first: stage that goes before all others, with what it depends on.
        tell: of stages, called once their outputs are there, which may be now.
        who: what to call videos and subjects.
        keep_going: after a failure, with what does not depend on it.
    """
    from motiontransfer.pipeline.plan import longest_chain, plan, urgencies
    from motiontransfer.pipeline.runs import LocalExecutor, num_at_once, run_stages

    graph = plan(*wanted)
    for stage in [stage for stage in tell if stage not in graph]:
        tell[stage](stage)
    tell = {stage: tell[stage] for stage in tell if stage in graph}
    videos = [stage for stage in tell if not stage.startswith("report@")]
    hurried = {each for video in videos for each in longest_chain(graph, forecasts, video)}
    with _stages_stopped_when_ended(), metered(title, forecasts, tell=tell, who=who) as show:
        progress = run_stages(
            graph,
            LocalExecutor([{}] * num_at_once(), hurried=hurried),
            keep_going=keep_going,
            show=show,
            urgency=urgencies(graph, forecasts, first=first),
        )
    return progress.done


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
        emit(Made(what="report", files=(str(results / "report.html"),)))

    title, tell_of = "dances", dict.fromkeys(wanted, tell)
    _run_side_by_side(wanted, title, forecasts, first=wanted[0], tell=tell_of, keep_going=True)


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
        check_films(new, crop="auto", targets=new.keys() - {source})
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
    _run_side_by_side([stage], name, forecasts, first=stage, tell={stage: tell}, who=who)


@command
def repro(
    stages: Annotated[
        list[str] | None,
        typer.Argument(help="With all that they depend on: train_gan@me, or train_gan for each."),
    ] = None,
    *,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1, max=1000, help="Maximum number of stages at once; default: one a machine."
        ),
    ] = None,
    ray: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Run them on this Ray cluster.")
    ] = None,
    keep_going: Annotated[bool, typer.Option(help="Run what needs no failed stage.")] = True,
    dry: Annotated[bool, typer.Option("--dry", help="Only say what would run.")] = False,
) -> None:
    """Run `dvc repro` with independent stages in parallel."""
    from motiontransfer.pipeline.plan import plan
    from motiontransfer.pipeline.runs import LocalExecutor, run_stages, share_machine

    if ray is None:
        executor = LocalExecutor(share_machine(jobs or 1))
    else:
        from motiontransfer.pipeline.cluster import RayExecutor

        executor = RayExecutor(ray, jobs)
    graph, shares = plan(*stages or ()), executor.shares
    threads = shares[0]["OMP_NUM_THREADS"]
    typer.echo(f"{len(graph)} stages, {len(shares)} at once, OMP_NUM_THREADS={threads}")
    if dry:
        typer.echo("\n".join(graph))
        return
    logging.basicConfig(level=logging.INFO, format="%(message)s")  # what is waited for
    with _stages_stopped_when_ended(), shown_progress() as show:
        run_stages(graph, executor, keep_going=keep_going, show=show)
        if rest := plan(*stages or ()) if graph else {}:  # what changed meanwhile is not left out
            run_stages(rest, LocalExecutor(), keep_going=False, show=show)
    typer.echo("Data and pipelines are up to date.")


@contextmanager
def _stages_stopped_when_ended() -> Generator[None]:
    """Take SIGTERM and a closed terminal for Ctrl-C: stages run out of their reach."""
    endings = [signal.SIGTERM]
    if sys.platform != "win32":
        endings.append(signal.SIGHUP)
    before = {ending: signal.signal(ending, signal.default_int_handler) for ending in endings}
    try:
        yield
    finally:
        for ending, handler in before.items():
            signal.signal(ending, handler)


@contextmanager
def metered(
    title: str,
    forecasts: Mapping[str, float],
    *,
    tell: Mapping[str, Callable[[str], None]],
    who: Mapping[str, str] = MappingProxyType({}),
) -> Generator[Callable[["Progress"], None]]:
    """Yield a function that shows in one line how far a run of these stages is.

    Args:
        tell: of stages, called once they are done.
        who: what to call videos and subjects.
    """
    from motiontransfer.pipeline.plan import seconds_side_by_side
    from motiontransfer.pipeline.runs import num_at_once, running

    meter, untold = RunMeter(title, total=1.0), [*tell]

    def still_takes(graph: "Graph", spent: Mapping[str, float]) -> float:
        left = {each: max(forecasts.get(each, 0.0) - spent.get(each, 0.0), 0.0) for each in graph}
        return seconds_side_by_side(graph, left, jobs=num_at_once())

    def tell_once(stages: Sequence[str]) -> None:
        for stage in stages:
            untold.remove(stage)
            tell[stage](stage)

    def show(progress: "Progress") -> None:
        now = time.monotonic()
        spent = {stage: now - job.began for stage, job in progress.running.items()}
        there = [stage for stage, seconds in spent.items() if _has_result(stage, seconds)]
        tell_once([stage for stage in untold if stage in (*progress.done, *there)])
        spent |= dict.fromkeys(progress.done, math.inf)
        left = still_takes(progress.graph, spent) / max(still_takes(progress.graph, {}), 1.0)
        if progress.running:
            meter.show_run(min(max(1 - left, 0.001), 0.99), running(progress, who))

    with closing(meter), logging_redirect_tqdm():
        yield show


def _has_result(stage: str, seconds: float) -> bool:
    """Whether a stage has made its transfer's video in so many seconds, and goes on beyond it."""
    group, _, transfer = stage.partition("@")
    file = layout.results_folder(transfer) / layout.TRANSFER_FILE
    return group == "encode" and file.exists() and time.time() - file.stat().st_mtime < seconds


@contextmanager
def shown_progress() -> Generator[Callable[["Progress"], None]]:
    """Yield a function that shows a table, or without a terminal a line for each change."""
    shown: set[str] = set()

    def print_changes(progress: "Progress") -> None:
        states = {"runs": progress.running, "failed": progress.failed, "is done": progress.done}
        for line in [f"{name} {state}" for state, names in states.items() for name in names]:
            if line not in shown:
                shown.add(line)
                typer.echo(f"{len(progress.done)} of {len(progress.graph)}: {line}")

    if sys.stdout.isatty():
        with Live(auto_refresh=False) as live:
            yield lambda progress: live.update(make_table(progress), refresh=True)
    else:
        yield print_changes


def make_table(progress: "Progress") -> Table:
    """One row for each kind of stage: how many are done and wait, which failed, which run."""
    table, kinds = Table("stage", "done", "waits", "failed", "runs", box=None), {}
    for name in progress.graph:
        kind, _, key = name.rpartition(":")[2].partition("@")
        kinds.setdefault(kind, {})[name] = key
    for kind, keys in kinds.items():
        done, waits = (len(keys.keys() & names) for names in (progress.done, progress.waiting()))
        failed = ", ".join(key for name, key in keys.items() if name in progress.failed)
        runs = [
            _activity(keys[name], job) for name, job in progress.running.items() if name in keys
        ]
        table.add_row(kind, str(done or ""), str(waits or ""), failed, "\n".join(runs))
    return table


def _activity(key: str, job: "Job") -> str:
    from motiontransfer.pipeline.runs import last_line

    elapsed = tqdm.format_interval(int(time.monotonic() - job.began))
    return f"{key} {elapsed} {printable(last_line(job.log))}".lstrip()


@command
def preset(
    name: Annotated[str, typer.Argument(help="A preset in presets/, or default.")],
    *,
    dry_run: Annotated[bool, typer.Option(help="Only show what would change.")] = False,
) -> None:
    """Apply a preset to params.yaml, unless a run would refuse it; list the changed params."""
    with TemporaryDirectory() as temporary:  # nothing of the project changes before all is known
        folder = Path(temporary)
        for file in (PARAMS_FILE, FILMS_FILE):
            write_text(folder / file, read_text(file))
        changes = apply_preset(name, params_file=folder / PARAMS_FILE)
        check_params(folder)
    if not dry_run:
        apply_preset(name)
    for change in changes:
        typer.echo(f"{change.key}: {change.old} -> {change.new}")
    typer.echo(f"{len(changes)} values {'would change' if dry_run else 'changed'}")


@command
def clean(*, yes: Yes = False) -> None:
    """Delete orphaned outputs: of stages that dvc.yaml no longer has; your own files stay."""
    from motiontransfer.project.entries import delete, orphaned_outputs

    paths = orphaned_outputs(Path())
    if not paths:
        typer.echo("no orphaned outputs")
        return
    for path in paths:
        typer.echo(path)
    if not yes:
        typer.confirm(f"delete these {len(paths)}?", abort=True)
    delete(Path(), paths)
    typer.echo(f"deleted {len(paths)}")


@command
def doctor(*, as_json: AsJson = False) -> None:
    """Check machine and project; exit status 1 if a run would fail."""
    from motiontransfer.project.doctor import check_all

    colors = {"ok": "green", "warning": "yellow", "fault": "red"}
    results = []
    for result in check_all(Path()):
        results.append(result)
        if as_json:
            continue
        level = typer.style(f"{result.level:<8}", fg=colors[result.level])
        typer.echo(f"{level}{result.subject:<12}{result.message}")
        if result.fix is not None:
            typer.echo(f"{'':<20}-> {result.fix}")
    if as_json:
        typer.echo(json.dumps([result._asdict() for result in results], indent=2))
    if any(result.level == "fault" for result in results):
        raise typer.Exit(1)
