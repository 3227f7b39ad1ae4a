"""Where commands are registered, what all of them check, and options that several have."""

from collections.abc import Iterable, Iterator
from functools import partial, wraps
from pathlib import Path
from types import FunctionType
from typing import Annotated, Any

import typer

from motiontransfer.core.errors import FILMS_FILE, PARAMS_FILE
from motiontransfer.core.params import Video, check_project, load_section, read_sections
from motiontransfer.core.storage import check_output

app = typer.Typer(no_args_is_help=True, add_completion=False)

AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
OutputFile = partial(typer.Option, dir_okay=False)
"""The option `output` of a command that writes one file."""
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]

_ANYWHERE = ("doctor", "score", "verify")  # commands that work without a project
_LOCK = Path("dvc.lock")
_OWN = (PARAMS_FILE, FILMS_FILE, _LOCK, *map(Path, ("dvc.yaml", "data", ".dvc", ".git")))


@app.callback()
def _root() -> None:
    """Motion transfer: commands beyond `dvc repro`."""


def command(function: FunctionType) -> FunctionType:
    """Register a command, which begins in a project only, and overwrites nothing that stays.

    Its option `output`, if it has one, is the path to which it writes.
    """

    @app.command()
    @wraps(function)
    def begun(**given: object) -> None:
        if function.__name__ not in _ANYWHERE:
            check_project(PARAMS_FILE, FILMS_FILE)
        if isinstance(output := given.get("output"), Path):
            others = {name: value for name, value in given.items() if name != "output"}
            check_output(output, [*_files_in(others.values()), *_of_project(output)])
        function(**given)

    return function


def _files_in(values: Iterable[object]) -> Iterator[Path]:
    for value in values:
        each = value if isinstance(value, list) else [value]
        given = (Path(one) for one in each if isinstance(one, str | Path))
        yield from (path for path in given if path.is_file())  # a word may name something else


def _of_project(output: Path) -> Iterator[Path]:
    """What the project keeps: films, settings, what stages made, and what git tracks."""
    yield from _OWN
    videos = load_section(dict[str, Video] | None, "videos") or {}
    yield from (video.path for video in videos.values())
    if _LOCK.exists():
        stages: Any = read_sections(_LOCK).get("stages", {})
        yield from (Path(out["path"]) for each in stages.values() for out in each.get("outs", []))
    if output.exists() and Path(".dvc").is_dir():
        from motiontransfer.pipeline.git import git  # DVC takes seconds to load

        yield from map(Path, git(Path(), "ls-files", "-z").split("\0")[:-1])
