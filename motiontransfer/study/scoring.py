"""Answers of a forced-choice study: preferences with confidence intervals."""

import json
from collections.abc import Container, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError
from scipy.stats import binomtest

from motiontransfer.errors import MissingFileError, StudyError
from motiontransfer.storage import write_json

ANSWERS_FORMAT = "motiontransfer study answers 1"
_KEY_FORMAT = "motiontransfer study key 1"
_CONFIDENCE = 0.95
_Content = TypeVar("_Content")


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError(f"expected printable text, got {text!r}")
    return text


Text = Annotated[str, AfterValidator(_printable)]
"""Printed as it is: no line breaks or control characters of a terminal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two videos of the same motion."""

    a: Text
    """Path of the one that the result is about, e.g. ours."""
    b: Text
    """Path of the other, e.g. a baseline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two clips that are shown together."""

    a: Text
    """Id of the clip from video a; in an attention check of the intact one."""
    b: Text
    """Id of the other clip."""
    comparison: int | None
    """Index of the comparison; None for an attention check."""
    start_seconds: float
    """Start of the clips in the videos."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerKey:
    """Assignment of the clips to videos, which the page does not reveal."""

    study: Text
    """Id of the study, also in its answers."""
    question: Text
    seed: int
    """Of the ids on the page."""
    comparisons: tuple[Comparison, ...]
    pairs: dict[str, Pair]
    """By their ids on the page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A participant's choice in one pair."""

    pair: Text
    first: Text
    """Id of the clip on the left, or above."""
    second: Text
    chosen: Text
    """Id of one of the two."""
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """From the start of the clips to the choice."""
    replays: int
    """Number of replays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """All answers of one person."""

    study: Text
    participant: Text
    """An id drawn by the page, or given in its address."""
    window: tuple[int, int]
    """(width, height) in which the clips were seen, pixels."""
    answers: tuple[Answer, ...]


def write_key(path: Path, key: AnswerKey) -> None:
    """Write a key as JSON."""
    write_json(path, {"format": _KEY_FORMAT, **asdict(key)})


def read_key(path: Path) -> AnswerKey:
    """Read what `write_key` wrote.

    Raises:
        MissingFileError: no such file.
        StudyError: not a key.
    """
    return _read(path, AnswerKey, expected_format=_KEY_FORMAT)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """Preference rate of one video over another."""

    comparison: Comparison
    preferred: int
    """Answers for a."""
    answers: int
    share: float
    """Of answers for a."""
    interval: tuple[float, float]
    """95 % interval of the share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantCount:
    """One participant's answers, counted."""

    participant: Text
    preferred: int
    """Answers for a, of all comparisons."""
    answers: int
    missed_checks: int
    is_counted: bool
    """False where too many attention checks were missed."""
    median_seconds: float
    """Median time of a choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The result of a study."""

    question: Text
    preferences: tuple[Preference, ...]
    """Empty where no participant counts."""
    participants: tuple[ParticipantCount, ...]
    num_checks: int
    """Attention checks that each participant was given."""
    excluded: int
    """Participants whose answers do not count."""


def read_answers(key: AnswerKey, files: Sequence[Path]) -> list[Participant]:
    """Read the answers of all participants.

    Raises:
        MissingFileError: a file is not there.
        StudyError: a file belongs to another study, is incomplete, or a participant is there twice.
    """
    file_of: dict[str, Path] = {}
    participants = []
    for file in files:
        participant = _read(file, Participant, expected_format=ANSWERS_FORMAT)
        if participant.study != key.study:
            raise StudyError(
                f"{file}: answers to study {participant.study}; expected {key.study}, as the key"
            )
        _check_complete(file, participant, key)
        if participant.participant in file_of:
            raise StudyError(
                f"{file}: participant {participant.participant} is in"
                f" {file_of[participant.participant]}, too; leave one of the files out"
            )
        file_of[participant.participant] = file
        participants.append(participant)
    return participants


def _check_complete(file: Path, participant: Participant, key: AnswerKey) -> None:
    answered = sorted(answer.pair for answer in participant.answers)
    if answered != sorted(key.pairs):
        raise StudyError(
            f"{file}: expected one answer to each of {len(key.pairs)} pairs, got {len(answered)}"
            f" to {len(set(answered) & set(key.pairs))} of them; the file was changed"
        )
    for answer in participant.answers:
        clips = (key.pairs[answer.pair].a, key.pairs[answer.pair].b)
        if {answer.first, answer.second} != {*clips} or answer.chosen not in clips:
            raise StudyError(
                f"{file}: pair {answer.pair}: expected clips {clips[0]} and {clips[1]}, got"
                f" {answer.first} and {answer.second}, chosen {answer.chosen}; the file was changed"
            )


def score_study(
    key: AnswerKey, participants: Sequence[Participant], *, allowed_misses: int = 0
) -> Score:
    """Count the choices, and compute confidence intervals.

    Args:
        allowed_misses: attention checks that a participant may miss and still count.
    """
    counts = tuple(_count(key, each, allowed_misses=allowed_misses) for each in participants)
    attentive = [each for each, count in zip(participants, counts, strict=True) if count.is_counted]
    return Score(
        question=key.question,
        preferences=tuple(
            _preference(key, index, attentive) for index in range(len(key.comparisons)) if attentive
        ),
        participants=counts,
        num_checks=sum(pair.comparison is None for pair in key.pairs.values()),
        excluded=len(participants) - len(attentive),
    )


def _chose_a(
    key: AnswerKey, participant: Participant, comparisons: Container[int | None]
) -> list[bool]:
    """True for each answer to these comparisons that chose a; None: the attention checks."""
    return [
        answer.chosen == key.pairs[answer.pair].a
        for answer in participant.answers
        if key.pairs[answer.pair].comparison in comparisons
    ]


def _preference(key: AnswerKey, comparison: int, participants: Sequence[Participant]) -> Preference:
    chosen_a = [chose for each in participants for chose in _chose_a(key, each, [comparison])]
    result = binomtest(sum(chosen_a), len(chosen_a))
    low, high = result.proportion_ci(_CONFIDENCE, method="wilson")
    return Preference(
        comparison=key.comparisons[comparison],
        preferred=sum(chosen_a),
        answers=len(chosen_a),
        share=float(result.statistic),
        interval=(float(low), float(high)),
    )


def _count(key: AnswerKey, participant: Participant, *, allowed_misses: int) -> ParticipantCount:
    chosen_a = _chose_a(key, participant, range(len(key.comparisons)))
    missed = _chose_a(key, participant, [None]).count(False)
    return ParticipantCount(
        participant=participant.participant,
        preferred=sum(chosen_a),
        answers=len(chosen_a),
        missed_checks=missed,
        is_counted=missed <= allowed_misses,
        median_seconds=median(answer.seconds for answer in participant.answers),
    )
