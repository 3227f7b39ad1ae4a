"""Stages on bad input, each case in a folder of its own, and how they ended."""

import contextlib
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from motiontransfer.core.stage_runner import run

_MADE = ("artifacts", "results")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Bad input of a stage."""

    name: str
    prepare: Callable[[], object]
    """Called in an empty folder; it writes params.yaml, films.yaml and files."""
    stage: tuple[str, ...] = ("check_params",)
    """Arguments of `python -m stages`."""
    check: Callable[[], object] = lambda: None
    """Called after it succeeded; an AssertionError is a wrong result."""
    expected: Literal["handled", "refused", "either"] = "either"
    named: tuple[str, ...] = ()
    """What a refusal names."""


def bad_endings(cases: Iterable[Case], folder: Path) -> list[tuple[str, str]]:
    """(name, reason) of each case that was neither handled rightly nor refused in clear lines."""
    bad = []
    for number, case in enumerate(cases):
        (folder / str(number)).mkdir()
        try:
            with contextlib.chdir(folder / str(number)):
                _check(case)
        except Exception as error:  # noqa: BLE001 - whatever a user would see as a traceback
            bad.append((case.name, repr(error)))
    return bad


def _check(case: Case) -> None:
    case.prepare()
    before, output = _made(), io.StringIO()
    with contextlib.redirect_stderr(output):
        is_refused = run("stages", case.stage) != 0
    assert ("ERROR: " in output.getvalue()) == is_refused
    if is_refused:
        assert _made() == before, f"left behind: {_made() - before}"
        assert case.expected != "handled", output.getvalue()
        assert not [it for it in case.named if it not in output.getvalue()]
    else:
        assert case.expected != "refused"
        case.check()
        assert not [path for path in _made() if ".tmp" in path.name]


def _made() -> set[Path]:
    """Files of outputs; the folders above them may stay."""
    return {path for root in _MADE for path in Path(root).rglob("*") if not path.is_dir()}
