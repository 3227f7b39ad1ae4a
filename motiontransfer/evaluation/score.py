"""Scores of any system's videos against the ground truth, from the videos alone.

The metrics are those of our own results, except for those that need an intended pose, a baseline or
training frames.
"""

from collections.abc import Mapping
from pathlib import Path

from motiontransfer.errors import VideoError
from motiontransfer.evaluation.bootstrap import block_length
from motiontransfer.evaluation.comparison import (
    MetricConfig,
    against_real,
    detected_frames,
    measure,
    streaming_metrics,
    summarize,
)
from motiontransfer.evaluation.frames import person_regions
from motiontransfer.evaluation.measurements import Measurements, in_section
from motiontransfer.evaluation.network_metrics import NO_NETWORKS, Networks
from motiontransfer.parallel import Compute
from motiontransfer.video.frame_store import FrameStore

_BOX_MARGIN = 0.1
_TRUTH = "truth"


def score_videos(
    videos: Mapping[str, Path], truth: Path, *, compute: Compute, networks: Networks = NO_NETWORKS
) -> Measurements:
    """Compare videos with the ground truth, frame by frame.

    Args:
        videos: name -> a video of as many frames, and of the same size, as the ground truth.
        networks: of the metrics that need weights.

    Returns:
        Sections `truth` and `temporal`, as a transfer's metrics have them, and `realism`.

    Raises:
        MissingFileError: a video is not there.
        VideoError: a video differs from the ground truth in size or in number of frames.
    """
    num_frames, size = _extent(truth)
    for video in videos.values():
        other_frames, (height, width) = _extent(video)
        if (other_frames, (height, width)) != (num_frames, size):
            raise VideoError(
                f"{video}: expected {num_frames} frames of {size[1]}x{size[0]} as in {truth}, got "
                f"{other_frames} of {width}x{height}; scale and cut it to match"
            )
    generated = {
        name: detected_frames(video, size=size, compute=compute) for name, video in videos.items()
    }
    real = detected_frames(truth, size=size, compute=compute)
    posed = {**generated, _TRUTH: real}
    config = MetricConfig(box_margin=_BOX_MARGIN, networks=networks, training_images=None)
    metrics = streaming_metrics(
        posed,
        real=_TRUTH,
        late=None,
        background=person_regions(real.keypoints, margin=_BOX_MARGIN),
        config=config,
    )
    found = measure(posed, metrics)
    scores = {
        **against_real(found["images"], posed, _TRUTH, section="truth"),
        **in_section("temporal", {**found["flicker"], **found["warping"], **found["change"]}),
    }
    block = block_length(num_frames, real.keypoints.frame_rate)
    return summarize(scores, real=real, videos=generated, block_frames=block, config=config)


def as_text(found: Measurements) -> dict[str, dict[str, str]]:
    """Name of a value, as `person ssim` -> video -> the value with its interval, as text."""
    texts: dict[str, dict[str, str]] = {}
    for one in found.summary:
        name = " ".join(one.key._replace(section="", system="").path).replace("_", " ")
        text = "not measured" if one.value is None else f"{one.value:.4g}"
        if one.value is not None and one.interval is not None:
            text += f" ({one.interval[0]:.4g} to {one.interval[1]:.4g})"
        texts.setdefault(name, {})[one.key.system] = text
    return texts


def _extent(video: Path) -> tuple[int, tuple[int, int]]:
    with FrameStore(video) as store:
        return len(store), store.size
