"""Commands on a project: videos and transfers, runs, presets, outputs, checks, sharing.

DVC, PyTorch and MediaPipe take seconds to load: each command imports what it needs.
"""

import json
import logging
import re
import signal
import sys
import time
import webbrowser
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, closing, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.live import Live
from rich.table import Table
from tqdm import tqdm

from motiontransfer.core import layout
from motiontransfer.core.errors import printable
from motiontransfer.core.progress import ProgressMeter
from motiontransfer.project.params_editing import apply_preset, preset_changes

if TYPE_CHECKING:
    from motiontransfer.pipeline.runs import Job, Progress

AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]

_STAGE = re.compile(r"^(?:(Running s)|S)tage '(.+?)'", re.MULTILINE)  # of what DVC prints
_START_SECONDS = 5.0


def dance(
    dancer: Annotated[Path, typer.Argument(help="A film of the dance.")],
    me: Annotated[Path, typer.Argument(help="A film of whom to render, in many poses.")],
    *,
    open_: Annotated[bool, typer.Option("--open", help="Open the report in the browser.")] = False,
    dry: Annotated[bool, typer.Option("--dry", help="Only say what would run and take.")] = False,
) -> None:
    """Check and add both films, and run all that renders ME performing the dance of DANCER."""
    from motiontransfer.core.params import load_section
    from motiontransfer.pipeline.runs import forecast, in_words, plan, rehearsal, run_dvc_repro
    from motiontransfer.project import entries

    videos = entries.load_videos()
    files = {path for path in layout.VIDEOS_FOLDER.glob("*") if path not in (dancer, me)}
    taken = {*videos, *load_section(list[str], "subjects"), *(path.stem for path in files)}
    source = entries.name_of(dancer, taken)
    target = entries.name_of(me, taken | {source})
    new = {name: file for name, file in ((source, dancer), (target, me)) if name not in videos}
    for name, file in new.items():
        _check(file, crop="auto", is_target=name == target)
    with rehearsal() if dry else nullcontext(Path()) as root:
        for name, file in new.items():
            settings = {"name": name, "subject": name, "crop": "auto", "role": "source"}
            entries.add_video(file, **settings, entry_only=dry, root=root)
        subject = target if target in new else videos[target].subject
        transfer = entries.pair(source, subject, root=root)
        removed = entries.remove_demo_videos(root=root)
        forecasts = forecast(plan(f"report@{transfer}", root=root, is_forecast=True), root=root)
    if removed:
        typer.echo(f"removed, of the demo: {', '.join(removed)}")
    typer.echo(f"{transfer}: {in_words(forecasts)}")
    if dry:
        for stage, (seconds, _) in forecasts.items():
            typer.echo(f"  {stage:<40}{seconds / 60:6.1f} min")
        return
    logging.basicConfig(level=logging.INFO, format="%(message)s")  # progress without a terminal
    seconds = {stage: seconds for stage, (seconds, _) in forecasts.items()}
    _stop_stages_when_ended()
    with _metered(transfer, seconds) as show:
        run_dvc_repro("dance", f"report@{transfer}", show=show)
    results = layout.results_folder(transfer)
    typer.echo(f"result: {results / layout.TRANSFER_FILE}\nreport: {results / 'report.html'}")
    if open_:
        webbrowser.open((results / "report.html").resolve().as_uri())


def add_video(
    file: Annotated[Path, typer.Argument(help="The video file.")],
    *,
    subject: Annotated[str, typer.Option(help="The person in it.")],
    name: Annotated[str | None, typer.Option(help="Its name; default: the subject.")] = None,
    crop: Annotated[
        Literal["auto", "none"],
        typer.Option(help="auto: around the person; none: the whole image."),
    ] = "auto",
    target: Annotated[
        bool, typer.Option("--target", help="Train a generator of the subject.")
    ] = False,
) -> None:
    """Add a video to the project, check it, and print what to fix."""
    from motiontransfer.pipeline.runs import forecast, in_words, plan
    from motiontransfer.project.entries import add_video as add
    from motiontransfer.project.entries import check_new_video

    name = name or subject
    role = "target" if target else "source"
    check_new_video(name, subject)
    _check(file, crop=crop, is_target=target)
    path = add(file, name=name, subject=subject, crop=crop, role=role)
    typer.echo(f"added videos.{name} to params.yaml; the file is {path}, kept by {path}.dvc")
    stages = [it for it in plan(is_forecast=True) if it.partition("@")[2] in (name, subject)]
    typer.echo(f"it takes {in_words(forecast(stages))}")
    typer.echo("next: `motiontransfer add-transfer --source VIDEO --target SUBJECT`")


def _check(file: Path, *, crop: Literal["auto", "none"], is_target: bool) -> None:
    from motiontransfer.core.params import load_section
    from motiontransfer.pose.quality import NOTHING_TO_FIX
    from motiontransfer.project.video_check import advice, check_video, metadata_line, quality_lines
    from motiontransfer.video.geometry import WorkingSize
    from motiontransfer.video.isolation import run_isolated

    size = load_section(WorkingSize, "decode.size")
    check = run_isolated(check_video, file, size=size, crop=crop)
    typer.echo("\n".join([metadata_line(check), *quality_lines(check)]))
    sentences = advice(check, is_target=is_target)
    if sentences == [NOTHING_TO_FIX]:
        typer.echo(NOTHING_TO_FIX)
    else:
        typer.echo("\n  - ".join(["to fix:", *sentences]))


def import_dataset(
    folder: Annotated[Path, typer.Argument(help="Its folder, or that of a subject.")],
) -> None:
    """Add the data set of Everybody Dance Now, in its authors' layout."""
    from motiontransfer.project.dataset import import_dataset as import_

    for name in import_(folder):
        typer.echo(f"added videos.{name} to params.yaml")
    typer.echo("next: `motiontransfer add-transfer --source VIDEO --target SUBJECT`")


def add_transfer(
    *,
    source: Annotated[str, typer.Option(help="The video whose motion is copied.")],
    target: Annotated[str, typer.Option(help="The subject that performs it.")],
    name: Annotated[str | None, typer.Option(help="Its name; default: TARGET_as_SUBJECT.")] = None,
    truth: Annotated[
        str, typer.Option(help="Ground truth: a file in data/truth/ of the target.")
    ] = "none",
) -> None:
    """Add a transfer to params.yaml."""
    from motiontransfer.core.params import load_section
    from motiontransfer.project.entries import add_transfer as add

    is_target = target in load_section(list[str], "targets")
    name = add(source=source, target=target, name=name, truth=truth)
    typer.echo(f"added transfers.{name} to params.yaml: {target} performs {source}")
    if is_target:
        typer.echo(f"{target} is a target already: this needs no training of its own")
    else:
        typer.echo(f"added {target} to targets: `dvc repro` will train a generator of {target}")


def remove_video(
    name: Annotated[str, typer.Argument(help="Its name in params.yaml.")],
    *,
    yes: Yes = False,
    delete: Annotated[bool, typer.Option("--delete", help="Delete the file too.")] = False,
) -> None:
    """Remove a video from params.yaml, with the transfers that use it."""
    from motiontransfer.project.entries import orphaned_outputs, removal_of
    from motiontransfer.project.entries import remove_video as remove

    removal = removal_of(name)
    gone = [f"{section}.{key}" for section, key in removal.entries]
    gone += [f"{item} in {section}" for section, item in removal.items]
    typer.echo(f"will be removed from params.yaml: {', '.join(gone)}")
    delete = delete and not removal.users_of_file
    if delete:
        typer.echo(f"will be deleted: {removal.path}")
    if not yes:
        typer.confirm("go on?", abort=True)
    remove(removal)
    if delete:
        removal.path.unlink(missing_ok=True)
    elif removal.path.exists():
        reason = "".join(f"; {user} uses it" for user in removal.users_of_file)
        typer.echo(f"{removal.path} stays where it is{reason}")
    if not Path("dvc.lock").exists():
        return
    paths = orphaned_outputs(Path())
    if paths:
        typer.echo(f"orphaned outputs: {len(paths)}; `motiontransfer clean` deletes them")


def preset(
    name: Annotated[str, typer.Argument(help="A preset in presets/, or default.")],
    *,
    dry_run: Annotated[bool, typer.Option(help="Only show what would change.")] = False,
) -> None:
    """Apply a preset to params.yaml and list the changed params."""
    changes = preset_changes(name) if dry_run else apply_preset(name)
    for change in changes:
        typer.echo(f"{change.key}: {change.old} -> {change.new}")
    typer.echo(f"{len(changes)} values {'would change' if dry_run else 'changed'}")


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


def share(
    url: Annotated[
        str | None,
        typer.Argument(
            help="The team's remote: a folder, ssh://user@host/folder, s3://bucket/folder. "
            "Required once; stored in .dvc/config."
        ),
    ] = None,
    *,
    endpoint: Annotated[
        str | None, typer.Option(help="Endpoint URL of an S3-compatible store.")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="Profile in ~/.aws, on every machine.")
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the remote in .dvc/config.")] = "team",
) -> None:
    """Push videos, outputs and past runs to the team's remote."""
    from motiontransfer.pipeline.sharing import share as share_project

    for line in share_project(url, name=name, endpoint=endpoint, profile=profile):
        typer.echo(line)


def join(
    *,
    bring: Annotated[
        Literal["needed", "results", "all"],
        typer.Option(
            help="needed: only dependencies of the stages that run; results: also finished videos; "
            "all: every file."
        ),
    ] = "results",
) -> None:
    """Fetch results from the team's remote and run the stages that changed."""
    from motiontransfer.pipeline.sharing import join as join_project

    for line in join_project(bring=bring):
        typer.echo(line)


def repro(
    *,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Maximum number of stages at once; default: one a machine."),
    ] = None,
    ray: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Run them on this Ray cluster.")
    ] = None,
    keep_going: Annotated[bool, typer.Option(help="Run what needs no failed stage.")] = True,
    dry: Annotated[bool, typer.Option("--dry", help="Only say what would run.")] = False,
) -> None:
    """Run `dvc repro` with independent stages in parallel."""
    from motiontransfer.pipeline.runs import (
        dvc_server,
        plan,
        run_dvc_repro,
        run_stages,
        share_machine,
        start,
    )

    if ray is None:
        shares = share_machine(jobs or 1)
        starters = [dvc_server(share) for share in shares]
    else:
        from motiontransfer.pipeline.cluster import repro_on, share_cluster

        shares = share_cluster(ray, jobs)
        on_cluster = partial(start, command=partial(repro_on, ray))
        starters = [nullcontext(partial(on_cluster, variables=share)) for share in shares]
    graph = plan()
    threads = shares[0]["OMP_NUM_THREADS"]
    typer.echo(f"{len(graph)} stages, {len(shares)} at once, OMP_NUM_THREADS={threads}")
    if dry:
        typer.echo("\n".join(graph))
        return
    _stop_stages_when_ended()
    with shown_progress() as show, ExitStack() as stack:
        at_once = [stack.enter_context(starter) for starter in starters]
        run_stages(graph, at_once, keep_going=keep_going, show=show)
    run_dvc_repro("dvc")  # what changed meanwhile is not left out
    typer.echo("Data and pipelines are up to date.")


def _stop_stages_when_ended() -> None:
    """Take SIGTERM and a closed terminal for Ctrl-C: stages run out of their reach."""
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.default_int_handler)


@contextmanager
def _metered(title: str, seconds: Mapping[str, float]) -> Generator[Callable[["Progress"], None]]:
    """Yield a function that shows in one line how far one `dvc repro` is, by what it prints."""
    seconds, jobs, began = {"dvc repro": _START_SECONDS, **seconds}, {}, {}
    meter = ProgressMeter(title, total=max(round(sum(seconds.values())), 1))

    def show(progress: "Progress") -> None:
        jobs.update(progress.running)  # the one that there is, also once it has ended
        for job in jobs.values():
            said = [("runs", "dvc repro"), *_STAGE.findall(job.printed())]
            names, started = {name for _, name in said}, [name for runs, name in said if runs]
            number, stage = len(started) - 1, started[-1]
            elapsed = time.monotonic() - began.setdefault(stage, time.monotonic())
            done = min(elapsed, seconds.get(stage, 0.0))
            done += sum(seconds.get(name, 0.0) for name in names - {stage})
            note = f", {number} of {number + len(seconds.keys() - names)}: {stage}"
            meter.show(max(round(done), 1), note=note)

    with closing(meter):
        yield show


@contextmanager
def shown_progress() -> Generator[Callable[["Progress"], None]]:
    told: set[str] = set()

    def tell(progress: "Progress") -> None:
        states = {"runs": progress.running, "failed": progress.failed, "is done": progress.done}
        for line in [f"{name} {state}" for state, names in states.items() for name in names]:
            if line not in told:
                told.add(line)
                typer.echo(f"{len(progress.done)} of {len(progress.graph)}: {line}")

    if sys.stdout.isatty():
        with Live(auto_refresh=False) as live:
            yield lambda progress: live.update(make_table(progress), refresh=True)
    else:
        yield tell


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
    elapsed = tqdm.format_interval(int(time.monotonic() - job.began))
    last = printable(job.printed().rpartition("\n")[2])
    return f"{key} {elapsed} {last}".lstrip()
