"""Where commands are registered, what all of them check, and options that several have."""

import logging
import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from inspect import Parameter, signature
from pathlib import Path
from types import FunctionType
from typing import Annotated, Any

import typer
from tqdm import tqdm

from motiontransfer.core import events
from motiontransfer.core.errors import FILMS_FILE, PARAMS_FILE, MotionTransferError, one_line
from motiontransfer.core.events import Failed, emit
from motiontransfer.core.params import check_project, read_films, read_sections
from motiontransfer.core.stage_runner import fault
from motiontransfer.core.storage import check_output

app = typer.Typer(no_args_is_help=True, add_completion=False)

AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
OutputFile = partial(typer.Option, dir_okay=False)
"""The option `output` of a command that writes one file."""
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]

_AS_EVENTS = Annotated[bool, typer.Option("--events", help="Print events: one JSON object a line.")]
_ANYWHERE = ("doctor", "score", "verify")  # commands that work without a project
_LOCK = Path("dvc.lock")
_OWN = (PARAMS_FILE, FILMS_FILE, _LOCK, *map(Path, ("dvc.yaml", "data", ".dvc", ".git")))


@app.callback()
def _root() -> None:
    """Motion transfer: commands beyond `dvc repro`."""


def command(function: FunctionType) -> FunctionType:
    """Register a command, which begins in a project only, and overwrites nothing that stays.

    Its option `output`, if it has one, is the path to which it writes. What it reports by events is
    printed, with `--events` as JSON, unless it has a `--json` of its own.
    """

    @wraps(function)
    def begun(**given: object) -> None:
        with printed_events(as_json=bool(given.pop("events", False))):
            checked(**given)

    def checked(**given: object) -> None:
        if function.__name__ not in _ANYWHERE:
            check_project(PARAMS_FILE, FILMS_FILE)
        if isinstance(output := given.get("output"), Path):
            others = {name: value for name, value in given.items() if name != "output"}
            check_output(output, [*_files_in(others.values()), *_of_project(output)])
        function(**given)

    own = signature(function)
    if "as_json" not in own.parameters:
        as_events = Parameter("events", Parameter.KEYWORD_ONLY, default=False)
        begun.__signature__ = own.replace(parameters=[*own.parameters.values(), as_events])  # ty: ignore[missing-attribute]
        begun.__annotations__ = {**function.__annotations__, "events": _AS_EVENTS}
        del begun.__wrapped__  # Typer would read its signature
    app.command()(begun)
    return function


@contextmanager
def printed_events(*, as_json: bool) -> Generator[None]:
    """Print events as lines of text, or of JSON; an exception is an event, too."""
    logger = logging.getLogger(events.LOGGER)
    printer, before = _Printer(), (logger.level, logger.propagate)
    printer.setFormatter(events.JsonLines() if as_json else logging.Formatter("%(message)s"))
    printer.setLevel(logging.DEBUG if as_json else logging.INFO)
    if not as_json:  # standard error has it
        printer.addFilter(lambda record: not isinstance(record.msg, Failed))
    logger.addHandler(printer)
    logger.setLevel(printer.level)
    logger.propagate = False
    try:
        with _interrupt_told():
            yield
    except Exception as error:
        message = (fault(error) or one_line(error)).partition("\n")[0]
        emit(Failed(message=message, is_stopped=isinstance(error.__cause__, KeyboardInterrupt)))
        raise
    finally:
        logger.removeHandler(printer)
        logger.level, logger.propagate = before


@contextmanager
def _interrupt_told() -> Generator[None]:
    """End a command at Ctrl-C with a sentence, wherever it is."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise MotionTransferError("stopped; the same command goes on from there") from error


class _Printer(logging.Handler):
    """Prints at once, above a bar that is shown: who reads a log shall see it, too."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record))
        sys.stdout.flush()


def _files_in(values: Iterable[object]) -> Iterator[Path]:
    for value in values:
        each = value if isinstance(value, list) else [value]
        given = (Path(one) for one in each if isinstance(one, str | Path))
        yield from (path for path in given if path.is_file())  # a word may name something else


def _of_project(output: Path) -> Iterator[Path]:
    """What the project keeps: films, settings, what stages made, and what git tracks."""
    yield from _OWN
    yield from (video.path for video in read_films().videos.values())
    if _LOCK.exists():
        stages: Any = read_sections(_LOCK).get("stages", {})
        yield from (Path(out["path"]) for each in stages.values() for out in each.get("outs", []))
    if output.exists() and Path(".dvc").is_dir():
        from motiontransfer.pipeline.git import git  # DVC takes seconds to load

        yield from map(Path, git(Path(), "ls-files", "-z").split("\0")[:-1])
