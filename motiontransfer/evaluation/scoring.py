"""Any system's videos against the truth: the same measures as our own results', from videos alone.

Hides which measures need no more than the videos: nothing is known of how they were made, so there
is no intended pose, no baseline and no training frame to compare with.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from motiontransfer.errors import VideoError
from motiontransfer.evaluation.benchmark import (
    Footage,
    Yardsticks,
    against_real,
    detected_footage,
    judges_of,
    watch,
)
from motiontransfer.evaluation.intervals import block_length, intervals
from motiontransfer.evaluation.metrics import NO_NETWORKS, Networks
from motiontransfer.evaluation.realism import realism
from motiontransfer.evaluation.regions import person_regions
from motiontransfer.evaluation.series import Scores, group, means
from motiontransfer.parallel import Compute
from motiontransfer.video.frame_store import FrameStore

_BOX_MARGIN = 0.1
_TRUTH = "truth"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredVideos:
    """How near videos are to the truth."""

    metrics: dict[str, object]
    """`truth` and `temporal`, as a transfer's metrics have them, and `realism`, each by video."""

    intervals: dict[str, object]
    """The same tree with [low, high] of each, at 95 %."""


def score_videos(
    videos: Mapping[str, Path],
    truth: Path,
    *,
    compute: Compute,
    networks: Networks = NO_NETWORKS,
) -> ScoredVideos:
    """Compare videos with what was really filmed, frame for frame.

    Args:
        videos: name -> a video of as many frames, and of the same size, as the truth.
        networks: what needs weights.

    Raises:
        MissingFileError: a video is not there.
        VideoError: a video differs from the truth in size or in number of frames.
    """
    num_frames, size = _extent(truth)
    for video in videos.values():
        if _extent(video) != (num_frames, size):
            other_frames, (height, width) = _extent(video)
            raise VideoError(
                f"{video}: expected {num_frames} frames of {size[1]}x{size[0]} as in {truth}, got "
                f"{other_frames} of {width}x{height}; scale and cut it to match"
            )
    footage = {
        name: detected_footage(video, size=size, compute=compute)
        for name, video in {**videos, _TRUTH: truth}.items()
    }
    real = footage[_TRUTH].keypoints
    judges = judges_of(
        footage,
        real=_TRUTH,
        late=None,
        background=person_regions(real, margin=_BOX_MARGIN),
        # Who was to be shown, and in what, cannot be known.
        yardsticks=Yardsticks(box_margin=_BOX_MARGIN, distances=networks.distances, looks=None),
    )
    frames = {name: one.frames for name, one in footage.items()}
    scores = _arranged(watch(frames, judges, size=size), footage)
    block = block_length(num_frames, real.frame_rate)
    made = {name: one for name, one in footage.items() if name != _TRUTH}
    as_a_whole = realism(footage[_TRUTH], made, networks.features, box_margin=_BOX_MARGIN)
    return ScoredVideos(
        metrics={**means(scores), **as_a_whole.metrics},
        intervals={**intervals(scores, block_frames=block), **as_a_whole.intervals},
    )


def figures(scored: ScoredVideos) -> dict[str, dict[str, str]]:
    """Name of a figure, as `person ssim` -> video -> the figure with its interval, as text."""
    found: dict[str, dict[str, str]] = {}
    truth, truth_bounds = group(scored.metrics[_TRUTH]), group(scored.intervals[_TRUTH])
    for video, metrics in truth.items():
        for name, text in _texts(group(metrics), group(truth_bounds[video])).items():
            found.setdefault(name, {})[video] = text
    temporal, bounds = group(scored.metrics["temporal"]), group(scored.intervals["temporal"])
    for name, metrics in temporal.items():
        found[name.replace("_", " ")] = _texts(group(metrics), group(bounds[name]))
    if "realism" in scored.metrics:
        found |= _realism_texts(
            group(scored.metrics["realism"]), group(scored.intervals["realism"])
        )
    return found


def _realism_texts(metrics: Scores, intervals: Scores) -> dict[str, dict[str, str]]:
    found = {
        f"{region} {metric}": _texts(group(of_video), group(group(intervals[metric])[region]))
        for metric in ("fid", "kid")
        for region, of_video in group(metrics[metric]).items()
    }
    skipped = group(metrics["skipped_frames"])
    return {**found, "frames without a person": {name: str(n) for name, n in skipped.items()}}


def _texts(
    metrics: Mapping[str, object], bounds: Mapping[str, object], prefix: str = ""
) -> dict[str, str]:
    """Each number of a tree under its names, with its interval."""
    texts: dict[str, str] = {}
    for name, value in metrics.items():
        path, bound = f"{prefix}{name}".replace("_", " "), bounds[name]
        if isinstance(value, Mapping):
            texts |= _texts(value, group(bound), f"{path} ")
        elif not isinstance(value, int | float):
            texts[path] = "not measured"
        elif isinstance(bound, Sequence):
            texts[path] = f"{value:.4g} ({bound[0]:.4g} to {bound[1]:.4g})"
        else:
            texts[path] = f"{value:.4g}"
    return texts


def _extent(video: Path) -> tuple[int, tuple[int, int]]:
    with FrameStore(video) as store:
        return len(store), store.size


def _arranged(found: Scores, footage: Mapping[str, Footage]) -> dict[str, object]:
    """What was found, named as in a transfer's metrics."""
    truth = against_real(group(found["pictures"]), footage, _TRUTH)
    temporal = {
        "background_flicker": found["flicker"],
        "warping_error": group(found["warping"])["frame"],
        "warping_error_person": group(found["warping"])["person"],
        "frame_change_to_truth": found["change"],
    }
    return {"truth": truth, "temporal": temporal}
