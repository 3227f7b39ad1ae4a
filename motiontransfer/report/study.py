"""Two-alternative forced-choice study of perceived realism: page, answer key and preferences.

The page shows clips of two videos side by side and does not reveal which is which; the answer key
does. Preferences of attentive participants are reported with 95 % intervals.
"""

import base64
import hashlib
import json
import tempfile
from collections.abc import Callable, Container, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, TypeVar

import numpy as np
from pydantic import AfterValidator, Field, TypeAdapter, ValidationError
from scipy.stats import binomtest

from motiontransfer.core.errors import MissingFileError, StudyError
from motiontransfer.core.progress import track
from motiontransfer.core.storage import write_json
from motiontransfer.report.page import write_page
from motiontransfer.video.color import Frame
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.writer import write_video

ANSWERS_FORMAT = "motiontransfer study answers 1"
_KEY_FORMAT = "motiontransfer study key 1"
_CRF = 16
_SAME_LENGTH_SECONDS = 0.1
_BLOCKS_ACROSS = 12
_ID_BYTES = 8
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two clips that are shown together, by their ids."""

    a: Text
    """Clip of video a; in an attention check the intact one."""
    b: Text
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
    """Random seed of the ids on the page."""
    comparisons: tuple[Comparison, ...]
    pairs: dict[str, Pair]
    """Id on the page -> pair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A participant's choice in one pair, by ids."""

    pair: Text
    first: Text
    """The clip on the left, or above."""
    second: Text
    chosen: Text
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """Time from the start of the clips to the choice."""
    replays: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    study: Text
    participant: Text
    """An id drawn by the page, or given in its address."""
    window: tuple[int, int]
    """(width, height) in which the clips were seen, pixels."""
    answers: tuple[Answer, ...]


def read_key(path: Path) -> AnswerKey:
    """Read the key beside a page.

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
    comparison: Comparison
    preferred: int
    """Answers for a."""
    answers: int
    share: float
    interval: tuple[float, float]
    """95 % interval of the share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantCount:
    participant: Text
    preferred: int
    """Answers for a, of all comparisons."""
    answers: int
    missed_checks: int
    is_counted: bool
    """False where too many attention checks were missed."""
    median_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    question: Text
    preferences: tuple[Preference, ...]
    """Empty where no participant counts."""
    participants: tuple[ParticipantCount, ...]
    num_checks: int
    """Attention checks of each participant."""
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
    """Count the choices of who missed no more checks than allowed, with confidence intervals."""
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


def duration_seconds(a: Path, b: Path) -> float:
    """Length of two videos of the same motion, the shorter one's."""
    with FrameStore(a) as first, FrameStore(b) as second:
        lengths = [float(len(video) / video.frame_rate) for video in (first, second)]
    if abs(lengths[0] - lengths[1]) > _SAME_LENGTH_SECONDS:
        raise StudyError(
            f"{b}: expected {lengths[0]:.2f} s as {a} has, got {lengths[1]:.2f} s; compare two"
            " videos of the same motion from its beginning to its end"
        )
    return min(lengths)


def clip_starts(duration: float, *, seconds: float, num_clips: int) -> list[float]:
    """Start of each clip, seconds, evenly spaced; a single one is in the middle."""
    latest = duration - seconds
    if latest < 0:
        raise StudyError(
            f"expected clips no longer than the {duration:.2f} s of the video, got {seconds:g} s;"
            " ask for shorter ones (--seconds)"
        )
    if num_clips == 1:
        return [latest / 2]
    return [latest * index / (num_clips - 1) for index in range(num_clips)]


def cut(
    path: Path, *, start: float, seconds: float, change: Callable[[Frame], Frame] | None = None
) -> bytes:
    """A part of a video, its frames perhaps changed, as an MP4 file without sound."""
    with (
        FrameStore(path) as video,
        tempfile.TemporaryDirectory(prefix="motiontransfer-") as scratch,
    ):
        rate = float(video.frame_rate)
        num_frames = max(1, min(round(seconds * rate), len(video)))
        first = min(round(start * rate), len(video) - num_frames)
        frames = video.frames(first, first + num_frames)
        clip = Path(scratch) / "clip.mp4"
        shown = map(change, frames) if change else frames
        write_video(clip, shown, frame_rate=video.frame_rate, crf=_CRF)
        return clip.read_bytes()


def pixelate(frame: Frame) -> Frame:
    """The frame in squares, each in the color of its middle."""
    height, width, _ = frame.shape
    block = max(2, width // _BLOCKS_ACROSS)
    rows, columns = (
        np.minimum(np.arange(size) // block * block + block // 2, size - 1)
        for size in (height, width)
    )
    return frame[np.ix_(rows, columns)]


def write_study(
    page: Path,
    comparisons: Sequence[Comparison],
    *,
    question: str,
    seconds: float,
    clips_each: int,
    num_checks: int,
    seed: int,
) -> AnswerKey:
    """Write a page and, beside it, its key; return the key.

    Args:
        num_checks: attention checks: a clip beside itself pixelated.
        seed: whoever knows it can derive the ids on the page, and with them the sides.

    Raises:
        MissingFileError: a video is not there.
        StudyError: there is a key of that name already, nothing to compare, or a video is shorter
            than a clip.
    """
    key_file = key_file_of(page)
    if key_file.exists():
        raise StudyError(
            f"{key_file}: exists, and answers to its page cannot be scored without it; choose"
            " another name for the page, or remove it"
        )
    if not comparisons:
        raise StudyError("expected at least one comparison, got none")
    rng = np.random.default_rng(seed)
    clips: dict[str, bytes] = {}
    pairs: dict[str, Pair] = {}
    planned = _plan(comparisons, seconds=seconds, clips_each=clips_each, num_checks=num_checks)
    for index, start, is_check in track(planned, "cut clips", total=len(planned)):
        a, b = Path(comparisons[index].a), Path(comparisons[index].b)
        id_a, id_b, id_pair = (rng.bytes(_ID_BYTES).hex() for _ in range(3))
        clips[id_a] = cut(a, start=start, seconds=seconds)
        clips[id_b] = cut(
            a if is_check else b,
            start=start,
            seconds=seconds,
            change=pixelate if is_check else None,
        )
        comparison = None if is_check else index
        pairs[id_pair] = Pair(a=id_a, b=id_b, comparison=comparison, start_seconds=start)
    key = AnswerKey(
        study=_study_id(clips, question),
        question=question,
        seed=seed,
        comparisons=tuple(comparisons),
        pairs=pairs,
    )
    write_page(
        page,
        "study.html",
        {
            "title": "Which of two videos?",
            "question": question,
            "num_pairs": len(pairs),
            "content": _page_data(key, clips),
        },
        style="study.css",
        scripts=("study.js",),
    )
    write_json(key_file, {"format": _KEY_FORMAT, **asdict(key)})
    return key


def key_file_of(page: Path) -> Path:
    """Path of the key to a page: beside it."""
    return page.with_suffix(".key.json")


def _plan(
    comparisons: Sequence[Comparison], *, seconds: float, clips_each: int, num_checks: int
) -> list[tuple[int, float, bool]]:
    """(comparison, start in seconds, whether it is an attention check) of each pair."""
    starts_of = [
        clip_starts(
            duration_seconds(Path(comparison.a), Path(comparison.b)),
            seconds=seconds,
            num_clips=clips_each,
        )
        for comparison in comparisons
    ]
    compared = [(index, start, False) for index, starts in enumerate(starts_of) for start in starts]
    checks = [
        (index, starts_of[index][turn % clips_each], True)
        for turn, index in (divmod(check, len(comparisons)) for check in range(num_checks))
    ]
    return compared + checks


def _study_id(clips: dict[str, bytes], question: str) -> str:
    """Hash of what was shown and asked; it tells answers to one page from those to another."""
    digest = hashlib.sha256(question.encode())
    for clip_id, clip in sorted(clips.items()):
        digest.update(clip_id.encode() + clip)
    return digest.hexdigest()[: 2 * _ID_BYTES]


def _page_data(key: AnswerKey, clips: dict[str, bytes]) -> dict[str, object]:
    return {
        "study": key.study,
        "format": ANSWERS_FORMAT,
        # Sorted by random ids, here and in JSON, so that the order does not reveal the sides.
        "pairs": {pair_id: sorted((pair.a, pair.b)) for pair_id, pair in key.pairs.items()},
        "clips": {
            clip_id: base64.b64encode(clip).decode("ascii") for clip_id, clip in clips.items()
        },
    }
