"""Self-reconstruction: the target's held-out frames, generated from their own poses.

The ground truth is known pixel by pixel, so ablations of the networks are compared here (Chan et
al. 2019, sec. 5).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from motiontransfer.errors import TrainingError
from motiontransfer.evaluation.baselines import nearest_frames, training_images
from motiontransfer.evaluation.bootstrap import RatioMetric, block_length
from motiontransfer.evaluation.comparison import (
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
    clip_frames,
    concatenated,
    person_regions,
    read_frames,
)
from motiontransfer.evaluation.image_metrics import count_skipped
from motiontransfer.evaluation.measurements import (
    FRAMES,
    NEAREST_NEIGHBOURS,
    OURS,
    Measurements,
    MetricKey,
    Scores,
    in_section,
)
from motiontransfer.evaluation.network_metrics import NO_NETWORKS, Networks, not_measured
from motiontransfer.evaluation.plots import likeness_panels, write_image, write_per_frame
from motiontransfer.evaluation.pose_metrics import head_heights_px
from motiontransfer.keypoints import Keypoints
from motiontransfer.parallel import Compute
from motiontransfer.progress import track
from motiontransfer.rendering.videos import contact_sheet, evenly_spaced
from motiontransfer.target_clips import TargetClip
from motiontransfer.video.color import Frame
from motiontransfer.video.frame_store import write_frames

Render = Callable[[Keypoints], Iterator[Frame]]
"""Function from poses to as many generated frames."""

_NUM_COLUMNS = 8
_ROWS = {"real": "real", OURS: "generated", NEAREST_NEIGHBOURS: "nearest neighbour"}


def evaluate_reconstruction(
    clips: Sequence[TargetClip],
    render: Render,
    *,
    box_margin: float,
    compute: Compute,
    folder: Path,
    scratch: Path,
    networks: Networks = NO_NETWORKS,
) -> Measurements:
    """Render each clip's held-out tail and compare it with the real frames.

    Args:
        box_margin: share of a box's longer side by which it grows on every side.
        folder: where `per_frame.csv`, `curves.png` and `comparison.png` go.
        scratch: temporary folder of the rendered frames.
        networks: of the metrics that need weights.

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
    config = MetricConfig(
        box_margin=box_margin,
        networks=networks,
        training_images=training_images(clips, margin=box_margin),
    )
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
    skipped = count_skipped(all_regions(real.keypoints, margin=box_margin))
    found = summarize(
        scores,
        real=real,
        videos=generated,
        block_frames=block_length(len(real.frames), real.keypoints.frame_rate),
        config=config,
        counts={MetricKey(FRAMES, "", ""): len(real.frames), **skipped},
        notes=notes,
    )
    columns = {
        "frame_index": range(len(real.frames)),
        "video": [clip.name for clip in tails for _ in clip.held_out],
        "video_frame_index": [index for _, index in real.frames],
    }
    title = "Held-out frames of the target, rendered from their own poses"
    write_per_frame(folder, found, columns, likeness_panels(""), title=title)
    write_image(folder / "comparison.png", _comparison(videos))
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
            background=person_regions(tail["real"].keypoints, margin=config.box_margin),
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
