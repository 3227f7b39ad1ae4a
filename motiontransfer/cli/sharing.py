"""Commands of a team: `share` and `join` over the team's remote."""

import shlex
from typing import Annotated, Literal

import typer


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
    # Imported here: it loads DVC, and other subcommands do without it.
    from motiontransfer.project.sharing import share as share_project

    shared = share_project(url, name=name, endpoint=endpoint, profile=profile)
    typer.echo(
        f"sent {shared.num_sent} files, {_size_text(shared.sent_bytes)}, and "
        f"{shared.num_runs} past runs to {shared.url}; {shared.num_there} files were there already"
    )
    for path in shared.untracked:
        command = shlex.join(["uv", "run", "dvc", "add", path])
        typer.echo(f"{path} is not tracked: run `{command}`, then share again")
    if shared.stale_stages:
        typer.echo(f"not up to date, others will run it: {', '.join(shared.stale_stages)}")
    if shared.to_commit:
        typer.echo(f"others need from git: git add {shlex.join(shared.to_commit)}, commit, push")
    typer.echo("a teammate then types, in a clone: uv run motiontransfer join")


def join(
    *,
    bring: Annotated[
        Literal["needed", "results", "all"],
        typer.Option(
            help="needed: only dependencies of the stages that run; results: also finished videos; "
            "all: every file.",
        ),
    ] = "results",
) -> None:
    """Fetch results from the team's remote and run the stages that changed."""
    # Imported here: it loads DVC, and other subcommands do without it.
    from motiontransfer.project.sharing import join as join_project

    joined = join_project(bring=bring)
    typer.echo(
        f"brought {len(joined.brought)} outs, {_size_text(joined.brought_bytes)}, from {joined.url}"
    )
    if joined.num_refused_runs:
        typer.echo(
            f"{joined.num_refused_runs} past runs on {joined.url} were not used: "
            "they are not what `share` sends"
        )
    if joined.renewed:
        typer.echo(f"made anew or restored: {', '.join(joined.renewed)}")
        typer.echo(
            f"for the others: git add {shlex.join(joined.to_commit)}, commit, push, and share"
        )
    else:
        typer.echo("nothing had to run")


def _size_text(num_bytes: int | float) -> str:
    """A size in decimal units, as disks are sold: `940 kB`, `23 MB`, `1.4 GB`."""
    for unit, step in (("GB", 1e9), ("MB", 1e6)):
        if num_bytes >= step:
            amount = num_bytes / step
            return f"{amount:.1f} {unit}" if amount < 10 else f"{amount:.0f} {unit}"
    return f"{num_bytes / 1e3:.0f} kB"
