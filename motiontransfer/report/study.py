"""Two-alternative forced-choice study of perceived realism: page, answer key and preferences.

The page shows clips of two videos side by side and does not reveal which is which; the answer key
does. Preferences of attentive participants are reported with 95 % intervals (Wilson 1927).
"""

import base64
import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import numpy as np
from pydantic import AfterValidator, BaseModel, ValidationError
from scipy.stats import binomtest

from motiontransfer.core.errors import MissingFileError, StudyError
from motiontransfer.core.progress import track
from motiontransfer.core.storage import write_json
from motiontransfer.report.page import write_page
from motiontransfer.video.color import Frame
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.writer import write_video

_CRF = 16  # x264's quality: visually lossless
_SAME_LENGTH_SECONDS = 0.1  # largest difference in length: videos are not cut to the frame
_BLOCKS_ACROSS = 12  # squares in a row of a pixelated frame, coarse enough to be seen by all
_ID_BYTES = 8  # too many to guess or to draw twice
_CONFIDENCE = 0.95
_TITLE = "Which of two videos?"


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError(f"expected printable text, got {text!r}")
    return text


Text = Annotated[str, AfterValidator(_printable)]
"""Printed as it is: no line breaks or control characters of a terminal."""


class Comparison(BaseModel, frozen=True):
    """Two videos of the same motion."""

    a: Text
    """Path of the one that the result is about, e.g. ours."""
    b: Text


class Pair(BaseModel, frozen=True):
    """Two clips that are shown together, by their ids."""

    a: Text
    """Clip of video a; in an attention check the intact one."""
    b: Text
    comparison: int | None
    """Index of the comparison; None for an attention check."""
    start_seconds: float


class AnswerKey(BaseModel, frozen=True):
    """Assignment of the clips to videos, which the page does not reveal."""

    format: Literal["motiontransfer study key 1"] = "motiontransfer study key 1"
    study: Text
    """Id of the study, also in its answers."""
    question: Text
    seed: int
    """Random seed of the ids on the page."""
    comparisons: tuple[Comparison, ...]
    pairs: dict[str, Pair]
    """Id on the page -> pair."""


class Answer(BaseModel, frozen=True):
    """A participant's choice in one pair, by ids."""

    pair: Text
    chosen: Text


class Participant(BaseModel, frozen=True):
    format: Literal["motiontransfer study answers 1"] = "motiontransfer study answers 1"
    study: Text
    participant: Text
    """An id drawn by the page, or given in its address."""
    answers: tuple[Answer, ...]


_Content = TypeVar("_Content", AnswerKey, Participant)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    a: str
    b: str
    preferred: int
    """Answers for a."""
    answers: int
    share: float
    interval: tuple[float, float]
    """95 % interval of the share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    question: str
    preferences: tuple[Preference, ...]
    """One a comparison; empty where no participant counts."""
    missed_checks: dict[str, int]
    """Participant -> attention checks in which the pixelated clip was chosen."""
    counted: tuple[str, ...]
    """Participants who missed few enough."""


def read_key(path: Path) -> AnswerKey:
    """Read the key beside a page.

    Raises:
        MissingFileError: no such file.
        StudyError: not a key.
    """
    return _read(path, AnswerKey)


def _read(path: Path, schema: type[_Content]) -> _Content:
    expected = schema.model_fields["format"].default
    if not path.is_file():
        raise MissingFileError(f"{path}: no such file; expected a {expected}")
    try:
        return schema.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise StudyError(f"{path}: not a {expected}: {where}: {first['msg']}") from error


def read_answers(key: AnswerKey, files: Sequence[Path]) -> list[Participant]:
    """Read the answers of all participants.

    Raises:
        MissingFileError: a file is not there.
        StudyError: a file belongs to another study, is incomplete, or a participant is there twice.
    """
    found: dict[str, tuple[Path, Participant]] = {}
    for file in files:
        one = _read(file, Participant)
        if one.study != key.study:
            raise StudyError(f"{file}: answers to study {one.study}; expected {key.study}")
        chosen = {answer.pair: answer.chosen for answer in one.answers}
        wrong = [
            number
            for number, pair in key.pairs.items()
            if chosen.get(number) not in (pair.a, pair.b)
        ]
        if wrong or len(one.answers) != len(key.pairs):
            raise StudyError(
                f"{file}: expected one clip of each of {len(key.pairs)} pairs, got "
                f"{len(one.answers)}, wrong ones in [{', '.join(wrong)}]; the file was changed"
            )
        if one.participant in found:
            raise StudyError(
                f"{file}: participant {one.participant} is in {found[one.participant][0]}, too; "
                "leave one of the files out"
            )
        found[one.participant] = file, one
    return [one for _, one in found.values()]


def score_study(
    key: AnswerKey, participants: Sequence[Participant], *, allowed_misses: int = 0
) -> Score:
    """Count the choices of who missed no more checks than allowed, with confidence intervals."""

    def chose_a(participant: Participant, comparison: int | None) -> list[bool]:
        pairs = [(key.pairs[answer.pair], answer.chosen) for answer in participant.answers]
        return [chosen == pair.a for pair, chosen in pairs if pair.comparison == comparison]

    missed = {each.participant: chose_a(each, None).count(False) for each in participants}
    attentive = [each for each in participants if missed[each.participant] <= allowed_misses]
    preferences = []
    for index, compared in enumerate(key.comparisons if attentive else ()):
        chosen = [is_a for each in attentive for is_a in chose_a(each, index)]
        result = binomtest(sum(chosen), len(chosen))
        low, high = result.proportion_ci(_CONFIDENCE, method="wilson")
        preferences.append(
            Preference(
                **compared.model_dump(),
                preferred=sum(chosen),
                answers=len(chosen),
                share=float(result.statistic),
                interval=(float(low), float(high)),
            )
        )
    return Score(
        question=key.question,
        preferences=tuple(preferences),
        missed_checks=missed,
        counted=tuple(each.participant for each in attentive),
    )


def clip_starts(compared: Comparison, *, seconds: float, num_clips: int) -> list[float]:
    """Start of each clip, seconds, evenly spaced over both videos; a single one is in the middle.

    Raises:
        MissingFileError: a video is not there.
        StudyError: the videos have different lengths, or are shorter than a clip.
    """
    with FrameStore(Path(compared.a)) as first, FrameStore(Path(compared.b)) as second:
        lengths = [float(len(video) / video.frame_rate) for video in (first, second)]
    if abs(lengths[0] - lengths[1]) > _SAME_LENGTH_SECONDS:
        raise StudyError(
            f"{compared.b}: expected {lengths[0]:.2f} s as {compared.a} has, got {lengths[1]:.2f} s"
            "; compare two videos of the same motion from its beginning to its end"
        )
    latest = min(lengths) - seconds
    if latest < 0:
        raise StudyError(
            f"{compared.a}: expected clips no longer than its {min(lengths):.2f} s, got "
            f"{seconds:g} s; ask for shorter ones (--seconds)"
        )
    if num_clips == 1:
        return [latest / 2]
    return [latest * index / (num_clips - 1) for index in range(num_clips)]


def cut(path: Path, *, start: float, seconds: float, is_pixelated: bool = False) -> bytes:
    """A part of a video as an MP4 file without sound."""
    with FrameStore(path) as video, tempfile.TemporaryDirectory() as scratch:
        rate, clip = float(video.frame_rate), Path(scratch) / "clip.mp4"
        num_frames = max(1, min(round(seconds * rate), len(video)))
        first = min(round(start * rate), len(video) - num_frames)
        frames = video.frames(first, first + num_frames)
        shown = map(pixelate, frames) if is_pixelated else frames
        write_video(clip, shown, frame_rate=video.frame_rate, crf=_CRF)
        return clip.read_bytes()


def pixelate(frame: Frame) -> Frame:
    """The frame in squares, each in the color of its middle."""
    side = max(2, frame.shape[1] // _BLOCKS_ACROSS)
    rows, columns = (
        np.minimum(np.arange(size) // side * side + side // 2, size - 1) for size in frame.shape[:2]
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
    starts = [clip_starts(one, seconds=seconds, num_clips=clips_each) for one in comparisons]
    moments = [(index, start) for index, of in enumerate(starts) for start in of]
    checks = [moments[number % len(moments)] for number in range(num_checks)]
    rng = np.random.default_rng(seed)
    clips: dict[str, str] = {}
    pairs: dict[str, Pair] = {}
    shown = track([*moments, *checks], "cut clips", total=len(moments) + num_checks)
    for number, (index, start) in enumerate(shown):
        compared, is_check = comparisons[index], number >= len(moments)
        first, second = (rng.bytes(_ID_BYTES).hex() for _ in range(2))
        for clip, path, pixelated in (
            (first, compared.a, False),
            (second, compared.a if is_check else compared.b, is_check),
        ):
            mp4 = cut(Path(path), start=start, seconds=seconds, is_pixelated=pixelated)
            clips[clip] = base64.b64encode(mp4).decode("ascii")
        pairs[rng.bytes(_ID_BYTES).hex()] = Pair(
            a=first, b=second, comparison=None if is_check else index, start_seconds=start
        )
    shown_content = json.dumps([question, clips], sort_keys=True)
    key = AnswerKey(
        study=hashlib.sha256(shown_content.encode()).hexdigest()[: 2 * _ID_BYTES],
        question=question,
        seed=seed,
        comparisons=tuple(comparisons),
        pairs=pairs,
    )
    content = {
        "study": key.study,
        "format": Participant.model_fields["format"].default,
        # Sorted by random ids, here and in JSON, so that the order does not reveal the sides.
        "pairs": {number: sorted((pair.a, pair.b)) for number, pair in pairs.items()},
        "clips": clips,
    }
    values = {"title": _TITLE, "question": question, "num_pairs": len(pairs), "content": content}
    write_page(page, "study.html", values, style="study.css", scripts=("study.js",))
    write_json(key_file, key.model_dump(mode="json"))
    return key


def key_file_of(page: Path) -> Path:
    """Path of the key to a page: beside it."""
    return page.with_suffix(".key.json")
