"""`motiontransfer share`: send results and past runs to the team's remote."""

from typing import Annotated

import typer


def share(
    url: Annotated[
        str | None,
        typer.Argument(
            help="The team's remote: a folder, ssh://user@host/folder, s3://bucket/folder. "
            "Needed once; git keeps it in .dvc/config."
        ),
    ] = None,
    *,
    endpoint: Annotated[
        str | None, typer.Option(help="Address of an S3 store that is not Amazon's.")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="Which credentials of ~/.aws to use, on every machine.")
    ] = None,
    name: Annotated[str, typer.Option(help="What .dvc/config calls the remote.")] = "team",
) -> None:
    """Send what others lack to the team's remote, and say what they need from git."""
    # Imported here: it loads DVC, and other subcommands do without it.
    from motiontransfer.workspace.amounts import size_text
    from motiontransfer.workspace.sharing import share as share_project

    shared = share_project(url, name=name, endpoint=endpoint, profile=profile)
    typer.echo(
        f"sent {shared.num_sent} files, {size_text(shared.sent_bytes)}, and "
        f"{shared.num_runs} past runs to {shared.url}; {shared.num_there} files were there already"
    )
    for path in shared.out_of_care:
        typer.echo(f"nobody else will have {path}: run `uv run dvc add {path}`, then share again")
    if shared.stale_stages:
        typer.echo(f"not up to date, others will run it: {', '.join(shared.stale_stages)}")
    if shared.to_commit:
        typer.echo(f"others need from git: git add {' '.join(shared.to_commit)}, commit, push")
    typer.echo("a teammate then types, in a clone: uv run motiontransfer join")
