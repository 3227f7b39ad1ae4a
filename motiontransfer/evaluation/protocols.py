"""Evaluation protocols: self-reconstruction, a transfer, and the videos of any system.

Self-reconstruction renders the target's held-out frames from their own poses. The ground truth is
known pixel by pixel, so ablations of the networks are compared here (Chan et al. 2019, sec. 4.2). A
transfer is compared with its intended poses, and, if there is one, with a real video of the target
performing the source's motion. Videos of any system are compared with such a video alone, by the
metrics that need no intended pose, baseline or training frames.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from PIL import Image

from motiontransfer.errors import TrainingError
from motiontransfer.evaluation.comparison import (
    FrameMetric,
    MetricConfig,
    against_real,
    detected_frames,
    measure,
    streaming_metrics,
    summarize,
)
from motiontransfer.evaluation.frames import (
    PosedFrames,
    all_regions,
    check_frames,
    clip_frames,
    concatenated,
    person_regions,
    read_frames,
    training_frames,
)
from motiontransfer.evaluation.image_metrics import count_skipped, training_images
from motiontransfer.evaluation.measurements import (
    FRAMES,
    NEAREST_NEIGHBOURS,
    OURS,
    Measurements,
    MetricKey,
    RatioMetric,
    Scores,
    block_length,
    in_section,
)
from motiontransfer.evaluation.network_metrics import Networks, not_measured
from motiontransfer.evaluation.pose_metrics import head_heights_px, nearest_frames, pose_scores
from motiontransfer.evaluation.temporal_metrics import frame_changes
from motiontransfer.keypoints import Keypoints
from motiontransfer.parallel import Compute
from motiontransfer.progress import track
from motiontransfer.rendering.videos import contact_sheet, evenly_spaced
from motiontransfer.storage import replacing
from motiontransfer.target_clips import TargetClip
from motiontransfer.video.color import Frame
from motiontransfer.video.frame_store import FrameStore, write_frames

Render = Callable[[Keypoints], Iterator[Frame]]
"""Function from poses to as many generated frames."""

_TRUTH = "truth"
_NUM_COLUMNS = 8
_ROWS = {"real": "real", OURS: "generated", NEAREST_NEIGHBOURS: "nearest neighbour"}


def evaluate_reconstruction(
    clips: Sequence[TargetClip],
    render: Render,
    *,
    compute: Compute,
    comparison: Path,
    scratch: Path,
    networks: Networks,
) -> Measurements:
    """Render each clip's held-out tail and compare it with the real frames.

    Args:
        comparison: the image to write, of real frames, ours and the baseline's.
        scratch: temporary folder of the rendered frames.

    Returns:
        Of `ours` and the baselines: image and pose metrics, sections `temporal` and `identity`, and
        `realism` (FID and KID) where there is a network for it.

    Raises:
        TrainingError: no frame was held out.
    """
    tails = [clip for clip in clips if len(clip.held_out)]
    if not tails:
        raise TrainingError(
            f"no frame is held out in {', '.join(clip.name for clip in clips)}; evaluation needs "
            "some that were not trained on: raise train_gan.held_out_fraction"
        )
    real = concatenated([clip_frames(clip, clip.held_out) for clip in tails])
    generated = {
        OURS: concatenated([_rendered(clip, render, compute, scratch) for clip in tails]),
        NEAREST_NEIGHBOURS: nearest_frames(real.keypoints, clips),
        "previous_real_frame": concatenated(
            [clip_frames(clip, [max(i - 1, 0) for i in clip.held_out]) for clip in tails]
        ),
    }
    videos = {"real": real, **generated}
    config = MetricConfig(networks=networks, training_images=training_images(clips))
    measured = _measure_tails(videos, tails, config)
    scores = {
        **against_real(measured["images"], videos, "real"),
        **measured["flicker"],
        **in_section("temporal", {**measured["warping"], **measured["change"]}),
        **in_section("identity", measured["identity"]),
    }
    notes = not_measured(real.keypoints.image_size, networks)
    if head_heights_px(real.keypoints) is None:
        notes["pck"] = "no real pose has a head, chin and forehead"
    skipped = count_skipped(all_regions(real.keypoints))
    found = summarize(
        scores,
        real=real,
        videos=generated,
        block_frames=block_length(len(real.frames), real.keypoints.frame_rate),
        config=config,
        counts={MetricKey(FRAMES, "", ""): len(real.frames), **skipped},
        notes=notes,
    )
    with replacing(comparison) as temporary:
        Image.fromarray(_comparison(videos)).save(temporary)
    return found


def _measure_tails(
    videos: Mapping[str, PosedFrames], tails: Sequence[TargetClip], config: MetricConfig
) -> dict[str, Scores]:
    """Scores of each metric, measured clip by clip: frames across a cut are not compared."""
    parts: list[dict[str, Scores]] = []
    start = 0
    for clip in tails:
        frames = range(start, start + len(clip.held_out))
        start = frames.stop
        tail = {name: posed.part(frames) for name, posed in videos.items()}
        metrics = streaming_metrics(
            tail,
            real="real",
            late="previous_real_frame",
            background=person_regions(tail["real"].keypoints),
            config=config,
        )
        parts.append(measure(tail, metrics))
    return {
        name: {key: RatioMetric.concatenated([part[name][key] for part in parts]) for key in scores}
        for name, scores in parts[0].items()
    }


def _rendered(clip: TargetClip, render: Render, compute: Compute, scratch: Path) -> PosedFrames:
    """Render a tail to a file of its own and detect the pose again."""
    poses = clip.keypoints.part(clip.held_out)
    path = scratch / f"{clip.name}.mkv"
    frames = track(render(poses), f"render {clip.name}", total=poses.num_frames)
    write_frames(path, frames, frame_rate=poses.frame_rate)
    return detected_frames(path, size=poses.image_size, compute=compute)


def _comparison(videos: Mapping[str, PosedFrames]) -> Frame:
    real = videos["real"]
    columns = evenly_spaced(len(real.frames), _NUM_COLUMNS)
    rows = {label: [videos[name].frames[i] for i in columns] for name, label in _ROWS.items()}
    return contact_sheet(
        {label: list(read_frames(row, real.keypoints.image_size)) for label, row in rows.items()},
        [f"frame {real.frames[index][1]}" for index in columns],
    )


def evaluate_transfer(
    result: Path,
    intended: Keypoints,
    clips: Sequence[TargetClip],
    *,
    source: Path,
    truth: Path | None,
    compute: Compute,
    networks: Networks,
) -> Measurements:
    """Evaluate a transfer against its intended poses; the baseline is from the target's clips.

    Args:
        source: its frame store; like the ground truth, synchronized with the result.
        truth: the target filmed performing the same motion; None where there is none.

    Returns:
        Sections `detection`, `temporal` and `identity`, `realism` (FID and KID) where there is a
        network for it, and `truth` where there is a ground truth.
    """
    size, num_frames = intended.image_size, intended.num_frames
    check_frames(result, num_frames, size, "render this transfer again")
    posed = {
        OURS: detected_frames(result, size=size, compute=compute),
        NEAREST_NEIGHBOURS: nearest_frames(intended, clips),
    }
    counts = {MetricKey(FRAMES, "", ""): num_frames}
    if truth is not None:
        advice = "film or cut it to match, or set this transfer's truth to none"
        check_frames(truth, num_frames, size, advice)
        posed[_TRUTH] = detected_frames(truth, size=size, compute=compute)
        regions = all_regions(posed[_TRUTH].keypoints)
        counts |= count_skipped(regions, section=_TRUTH)
    config = MetricConfig(networks=networks, training_images=training_images(clips))
    return summarize(
        _scores(source, posed, intended, config),
        real=training_frames(clips),
        videos=posed,
        block_frames=block_length(num_frames, intended.frame_rate),
        config=config,
        counts=counts,
        notes=_notes(posed, intended, networks),
    )


def _scores(
    source: Path, posed: Mapping[str, PosedFrames], intended: Keypoints, config: MetricConfig
) -> Scores:
    """Every metric of all videos; the source is the reference of the frame change."""
    metrics = streaming_metrics(
        posed,
        real=_TRUTH if _TRUTH in posed else None,
        late=None,
        background=person_regions(intended),
        config=config,
    )
    metrics["change_to_source"] = FrameMetric(
        partial(frame_changes, systems=(OURS,), real="source")
    )
    shown = [(source, index) for index in range(intended.num_frames)]
    with FrameStore(source) as store:  # its frames may have another shape
        poses = replace(intended, image_size=store.size)
    found = measure({**posed, "source": PosedFrames(frames=shown, keypoints=poses)}, metrics)
    detection = {
        **pose_scores(posed[OURS].keypoints, intended, system=OURS),
        **pose_scores(posed[NEAREST_NEIGHBOURS].keypoints, intended, system=NEAREST_NEIGHBOURS),
    }
    temporal = {
        **found["flicker"],
        **found["warping"],
        **found.get("change", {}),
        **found["change_to_source"],
    }
    scores = {
        **in_section("detection", detection),
        **in_section("temporal", temporal),
        **in_section("identity", found["identity"]),
    }
    if _TRUTH in posed:
        scores |= against_real(found["images"], posed, _TRUTH, section=_TRUTH)
    return scores


def _notes(
    posed: Mapping[str, PosedFrames], intended: Keypoints, networks: Networks
) -> dict[str, str]:
    """Metric -> reason why it was not measured."""
    notes = not_measured(intended.image_size, networks)
    references = {"detection": intended}
    if _TRUTH in posed:
        references[_TRUTH] = posed[_TRUTH].keypoints
    else:
        notes[_TRUTH] = "this transfer has no ground-truth video"
        notes["warping_error"] = (
            "no real frames to take the flow from; warping_error_own_flow is along the video's own"
        )
    for section, poses in references.items():
        if head_heights_px(poses) is None:
            notes[f"{section} pck"] = "no pose to compare with has a head, chin and forehead"
    return notes


def score_videos(
    videos: Mapping[str, Path], truth: Path, *, compute: Compute, networks: Networks
) -> Measurements:
    """Compare videos with the ground truth, frame by frame.

    Args:
        videos: name -> a video of as many frames as the ground truth, and of its size or larger.

    Returns:
        Sections `truth` and `temporal`, as a transfer's metrics have them, and `realism`.
    """
    with FrameStore(truth) as store:
        num_frames, size = len(store), store.size
    for video in videos.values():
        check_frames(video, num_frames, size, f"cut it to match {truth}")
    generated = {
        name: detected_frames(video, size=size, compute=compute) for name, video in videos.items()
    }
    real = detected_frames(truth, size=size, compute=compute)
    posed = {**generated, _TRUTH: real}
    config = MetricConfig(networks=networks, training_images=None)
    metrics = streaming_metrics(
        posed, real=_TRUTH, late=None, background=person_regions(real.keypoints), config=config
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
