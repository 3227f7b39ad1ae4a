"""`motiontransfer heal`: find and replace what is damaged on the team's remote."""

import typer

from motiontransfer.errors import RemoteError


def heal() -> None:
    """Read and hash everything on the team's remote; replace what is damaged or missing."""
    # Imported here: it loads DVC, and other subcommands do without it.
    from motiontransfer.workspace.healing import heal as heal_remote

    healed = heal_remote()
    for path in healed.damaged:
        typer.echo(f"damaged: {path}")
    for path in healed.missing:
        typer.echo(f"missing: {path}")
    typer.echo(
        f"checked {healed.num_checked} files on {healed.url}: {len(healed.damaged)} damaged, "
        f"{len(healed.missing)} missing, {len(healed.sent)} sent anew"
    )
    if healed.lost:
        raise RemoteError(
            f"{healed.url}: this machine has no whole copy of {', '.join(healed.lost)}; run "
            "`uv run motiontransfer heal` where they were made, or make them again with "
            "`uv run dvc repro`, then `uv run motiontransfer share`"
        )
