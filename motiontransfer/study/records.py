"""A study's files besides its page: the key, and what each participant answered.

Hides their format. The key says which of the page's numbered clips came from which video; whoever
takes part gets the page and never the key.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from motiontransfer.errors import MissingFileError, StudyError
from motiontransfer.storage import write_json

ANSWERS_FORMAT = "motiontransfer study answers 1"
_KEY_FORMAT = "motiontransfer study key 1"
_Content = TypeVar("_Content")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two videos of the same motion."""

    a: str
    """Path of the one that the result is about, e.g. ours."""
    b: str
    """Path of the other, e.g. a baseline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two clips that are shown together."""

    a: str
    """Number of the clip from video a; in an attention check of the intact one."""
    b: str
    """Number of the other clip."""
    comparison: int | None
    """Which of the study's comparisons; None for an attention check."""
    start_seconds: float
    """Where in the videos the clips begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """All that the page does not say."""

    study: str
    """Number of the study; answers bear it, too."""
    question: str
    seed: int
    """Of the numbers and the order on the page."""
    comparisons: tuple[Comparison, ...]
    pairs: dict[str, Pair]
    """By the number under which the page knows them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a participant chose of one pair."""

    pair: str
    first: str
    """Number of the clip that was shown on the left, or above."""
    second: str
    chosen: str
    """Number of one of the two."""
    seconds: float
    """From the start of the clips to the choice."""
    replays: int
    """How often the participant watched both again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """All answers of one person."""

    study: str
    participant: str
    """A number drawn by the page, or given in its address."""
    window: tuple[int, int]
    """(width, height) in which the clips were seen, pixels."""
    answers: tuple[Answer, ...]


def write_key(path: Path, key: Key) -> None:
    """Write a key as JSON."""
    write_json(path, {"format": _KEY_FORMAT, **asdict(key)})


def read_key(path: Path) -> Key:
    """Read what `write_key` wrote.

    Raises:
        MissingFileError: no such file.
        StudyError: not a key.
    """
    return _read(path, Key, expected_format=_KEY_FORMAT)


def read_participant(path: Path) -> Participant:
    """Read the file that the page gave to a participant.

    Raises:
        MissingFileError: no such file.
        StudyError: not such a file.
    """
    return _read(path, Participant, expected_format=ANSWERS_FORMAT)


def _read(path: Path, schema: type[_Content], *, expected_format: str) -> _Content:
    if not path.is_file():
        raise MissingFileError(f"{path}: no such file; expected a {expected_format}")
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:  # of JSON, or of its encoding
        raise StudyError(f"{path}: not a {expected_format}: {error}") from error
    found = content.pop("format", None) if isinstance(content, dict) else None
    if found != expected_format:
        raise StudyError(f"{path}: expected a {expected_format}, got {found or 'another file'}")
    try:
        return TypeAdapter(schema).validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise StudyError(f"{path}: {where}: {first['msg']}; the file was changed") from error
