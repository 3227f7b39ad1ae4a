"""Page of a two-alternative forced-choice study: clips side by side, in one HTML file."""

import base64
import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from motiontransfer.errors import StudyError
from motiontransfer.progress import track
from motiontransfer.storage import replacing
from motiontransfer.study.scoring import ANSWERS_FORMAT, Comparison, Key, Pair, write_key
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.tensors import Frame
from motiontransfer.video.writer import write_video

_CRF = 16
_SAME_LENGTH_SECONDS = 0.1
_BLOCKS_ACROSS = 12


def duration_seconds(a: Path, b: Path) -> float:
    """How long two videos of the same motion are: the shorter one's length.

    Raises:
        MissingFileError: a video is not there.
        VideoError: a video cannot be read.
        StudyError: their lengths differ, so that the same moment would not show the same motion.
    """
    seconds = []
    for path in (a, b):
        with FrameStore(path) as video:
            seconds.append(float(len(video) / video.frame_rate))
    if abs(seconds[0] - seconds[1]) > _SAME_LENGTH_SECONDS:
        raise StudyError(
            f"{b}: expected {seconds[0]:.2f} s as {a} has, got {seconds[1]:.2f} s; compare two"
            " videos of the same motion from its beginning to its end"
        )
    return min(seconds)


def clip_starts(duration: float, *, seconds: float, num_clips: int) -> list[float]:
    """Where clips begin, evenly spread from the first to the last that fits, in seconds.

    A single one is in the middle.

    Args:
        duration: of the video, seconds.
        seconds: length of a clip.

    Raises:
        StudyError: the video is shorter than a clip.
    """
    room = duration - seconds
    if room < 0:
        raise StudyError(
            f"expected clips no longer than the {duration:.2f} s of the video, got {seconds:g} s;"
            " ask for shorter ones (--seconds)"
        )
    if num_clips == 1:
        return [room / 2]
    return [room * index / (num_clips - 1) for index in range(num_clips)]


def cut(path: Path, *, start: float, seconds: float) -> bytes:
    """Return a part of a video as an MP4 file of its own, without sound."""
    with FrameStore(path) as video:
        return _encoded(video, _part(video, start, seconds))


def cut_spoilt(path: Path, *, start: float, seconds: float) -> bytes:
    """Return the same part in coarse blocks: nobody who looks takes it for the better one."""
    with FrameStore(path) as video:
        return _encoded(video, map(in_blocks, _part(video, start, seconds)))


def in_blocks(frame: Frame) -> Frame:
    """Return the frame in squares, each in the colour of its middle."""
    height, width, _ = frame.shape
    block = max(2, width // _BLOCKS_ACROSS)
    rows, columns = (
        np.minimum(np.arange(size) // block * block + block // 2, size - 1)
        for size in (height, width)
    )
    return frame[np.ix_(rows, columns)]


def _part(video: FrameStore, start: float, seconds: float) -> Iterator[Frame]:
    rate = float(video.frame_rate)
    num_frames = max(1, min(round(seconds * rate), len(video)))
    first = min(round(start * rate), len(video) - num_frames)
    return video.frames(first, first + num_frames)


def _encoded(video: FrameStore, frames: Iterable[Frame]) -> bytes:
    with tempfile.TemporaryDirectory(prefix="motiontransfer-") as scratch:
        path = Path(scratch) / "clip.mp4"
        write_video(path, frames, frame_rate=video.frame_rate, crf=_CRF)
        return path.read_bytes()


_NUMBER_BYTES = 8


def write_study(
    page: Path,
    comparisons: Sequence[Comparison],
    *,
    question: str,
    seconds: float,
    clips_each: int,
    num_checks: int,
    seed: int,
) -> Key:
    """Write a page and, beside it, its key; return the key.

    Args:
        seconds: length of a clip.
        clips_each: how many moments of each comparison are shown.
        num_checks: attention checks: a clip beside itself in coarse blocks.
        seed: whoever knows it can tell which clip is which.

    Raises:
        MissingFileError: a video is not there.
        VideoError: a video cannot be read.
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
    numbers = _Numbers(seed)
    clips: dict[str, bytes] = {}
    pairs: dict[str, Pair] = {}
    planned = _plan(comparisons, seconds=seconds, clips_each=clips_each, num_checks=num_checks)
    for index, start, is_check in track(planned, "cut clips", total=len(planned)):
        cut_pair = _cut_check if is_check else _cut_comparison
        one, other = cut_pair(comparisons[index], start, seconds)
        pair = Pair(
            a=numbers.draw(),
            b=numbers.draw(),
            comparison=None if is_check else index,
            start_seconds=start,
        )
        pairs[numbers.draw()] = pair
        clips |= {pair.a: one, pair.b: other}
    key = Key(
        study=_study_number(clips, question),
        question=question,
        seed=seed,
        comparisons=tuple(comparisons),
        pairs=pairs,
    )
    _write_page(page, key, clips)
    write_key(key_file, key)
    return key


def key_file_of(page: Path) -> Path:
    """Where the key to a page is: beside it."""
    return page.with_suffix(".key.json")


class _Numbers:
    """Numbers that say nothing of what they stand for."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)

    def draw(self) -> str:
        return self._random.bytes(_NUMBER_BYTES).hex()


def _plan(
    comparisons: Sequence[Comparison], *, seconds: float, clips_each: int, num_checks: int
) -> list[tuple[int, float, bool]]:
    """(comparison, where the clips begin, whether it is an attention check) of each pair."""
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


def _cut_comparison(comparison: Comparison, start: float, seconds: float) -> tuple[bytes, bytes]:
    one, other = (
        cut(Path(path), start=start, seconds=seconds) for path in (comparison.a, comparison.b)
    )
    return one, other


def _cut_check(comparison: Comparison, start: float, seconds: float) -> tuple[bytes, bytes]:
    path = Path(comparison.a)
    spoilt = cut_spoilt(path, start=start, seconds=seconds)
    return cut(path, start=start, seconds=seconds), spoilt


def _study_number(clips: dict[str, bytes], question: str) -> str:
    """Answers to one page are told from answers to another by what was seen and asked."""
    digest = hashlib.sha256(question.encode())
    for number, clip in sorted(clips.items()):
        digest.update(number.encode() + clip)
    return digest.hexdigest()[: 2 * _NUMBER_BYTES]


def _write_page(page: Path, key: Key, clips: dict[str, bytes]) -> None:
    environment = Environment(
        loader=PackageLoader("motiontransfer.study"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    content = {
        "study": key.study,
        "format": ANSWERS_FORMAT,
        # In the order of their numbers, which says nothing: the two of a pair here, and all that
        # has a number as its key when it is written as JSON.
        "pairs": {number: sorted((pair.a, pair.b)) for number, pair in key.pairs.items()},
        "clips": {number: base64.b64encode(clip).decode("ascii") for number, clip in clips.items()},
    }
    text = environment.get_template("study.html.j2").render(
        question=key.question, num_pairs=len(key.pairs), content=content
    )
    with replacing(page) as temporary:
        temporary.write_text(text, encoding="utf-8")
