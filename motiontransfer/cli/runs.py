"""Commands that run stages, and that change or check a project.

DVC, PyTorch and MediaPipe take seconds to load: each command imports what it needs.
"""

import json
import logging
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from motiontransfer.cli.options import AsJson, Yes, command
from motiontransfer.cli.side_by_side import endings_as_interrupt, metered
from motiontransfer.core.errors import FILMS_FILE, PARAMS_FILE
from motiontransfer.core.events import Note, emit
from motiontransfer.core.params import check_params, read_text
from motiontransfer.core.storage import write_text
from motiontransfer.project.presets import apply_preset


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
    from motiontransfer.pipeline.plan import forecast, plan
    from motiontransfer.pipeline.runs import LocalExecutor, run_stages, share_machine

    if ray is None:
        executor = LocalExecutor(share_machine(jobs or 1))
    else:
        from motiontransfer.pipeline.cluster import RayExecutor

        executor = RayExecutor(ray, jobs)
    graph, shares = plan(*stages or ()), executor.shares
    threads = shares[0]["OMP_NUM_THREADS"]
    emit(Note(text=f"{len(graph)} stages, {len(shares)} at once, OMP_NUM_THREADS={threads}"))
    if dry:
        emit(Note(text="\n".join(graph)))
        return
    logging.basicConfig(level=logging.INFO, format="%(message)s")  # what is waited for
    progress = metered("repro", forecast(graph), jobs=len(shares))
    with endings_as_interrupt(), progress as show:
        run_stages(graph, executor, keep_going=keep_going, show=show, level=logging.INFO)
        if rest := plan(*stages or ()) if graph else {}:  # what changed meanwhile is not left out
            run_stages(rest, LocalExecutor(), keep_going=False, show=show, level=logging.INFO)
    emit(Note(text="Data and pipelines are up to date."))


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
        emit(Note(text=f"{change.key}: {change.old} -> {change.new}"))
    emit(Note(text=f"{len(changes)} values {'would change' if dry_run else 'changed'}"))


@command
def clean(*, yes: Yes = False) -> None:
    """Delete orphaned outputs: of stages that dvc.yaml no longer has; your own files stay."""
    from motiontransfer.project.entries import delete, orphaned_outputs

    paths = orphaned_outputs()
    if not paths:
        emit(Note(text="no orphaned outputs"))
        return
    for path in paths:
        emit(Note(text=str(path)))
    if not yes:
        typer.confirm(f"delete these {len(paths)}?", abort=True)
    delete(paths)
    emit(Note(text=f"deleted {len(paths)}"))


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
