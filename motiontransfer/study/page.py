"""Page of a two-alternative forced-choice study: clips side by side, in one HTML file."""

import base64
import hashlib
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from motiontransfer.errors import StudyError
from motiontransfer.progress import track
from motiontransfer.report.page import write_page
from motiontransfer.study.scoring import ANSWERS_FORMAT, AnswerKey, Comparison, Pair, write_key
from motiontransfer.video.color import Frame
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.writer import write_video

_CRF = 16
_SAME_LENGTH_SECONDS = 0.1
_BLOCKS_ACROSS = 12
_ID_BYTES = 8


def duration_seconds(a: Path, b: Path) -> float:
    """Return the length of two videos of the same motion, the shorter one's."""
    with FrameStore(a) as first, FrameStore(b) as second:
        lengths = [float(len(video) / video.frame_rate) for video in (first, second)]
    if abs(lengths[0] - lengths[1]) > _SAME_LENGTH_SECONDS:
        raise StudyError(
            f"{b}: expected {lengths[0]:.2f} s as {a} has, got {lengths[1]:.2f} s; compare two"
            " videos of the same motion from its beginning to its end"
        )
    return min(lengths)


def clip_starts(duration: float, *, seconds: float, num_clips: int) -> list[float]:
    """Return where clips begin, evenly spaced, in seconds; a single one is in the middle.

    Args:
        duration: of the video, seconds.
        seconds: length of a clip.
    """
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
    """Return a part of a video, its frames perhaps changed, as an MP4 file without sound."""
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
    """Return the frame in squares, each in the colour of its middle."""
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
        seconds: length of a clip.
        clips_each: clips of each comparison.
        num_checks: attention checks: a clip beside itself pixelated.
        seed: of the ids on the page, which reveal the sides to whoever knows it.

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
    _write_page(page, key, clips)
    write_key(key_file, key)
    return key


def key_file_of(page: Path) -> Path:
    """Return the path of the key to a page: beside it."""
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


def _write_page(page: Path, key: AnswerKey, clips: dict[str, bytes]) -> None:
    data = {
        "study": key.study,
        "format": ANSWERS_FORMAT,
        # Sorted by random ids, here and in JSON, so that the order does not reveal the sides.
        "pairs": {pair_id: sorted((pair.a, pair.b)) for pair_id, pair in key.pairs.items()},
        "clips": {
            clip_id: base64.b64encode(clip).decode("ascii") for clip_id, clip in clips.items()
        },
    }
    write_page(
        page,
        "study.html",
        {
            "title": "Which of two videos?",
            "question": key.question,
            "num_pairs": len(key.pairs),
            "content": data,
        },
        package="motiontransfer.study",
        style="study.css",
        scripts=("study.js",),
    )
