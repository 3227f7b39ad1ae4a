"""Self-reconstruction: the target's own held-out tail, rendered from its poses.

Here the truth is known pixel by pixel, so this is where variants of the networks are compared (Chan
et al. 2019, sec. 5).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from motiontransfer.errors import TrainingError
from motiontransfer.evaluation.benchmark import (
    Footage,
    Yardsticks,
    against_real,
    detected_footage,
    frame_table,
    judges_of,
    method_columns,
    nearest_footage,
    quantity_columns,
    watch,
)
from motiontransfer.evaluation.findings import Findings
from motiontransfer.evaluation.frame_references import read_frames
from motiontransfer.evaluation.identity import training_looks
from motiontransfer.evaluation.intervals import block_length, intervals
from motiontransfer.evaluation.metrics import NO_NETWORKS, Networks, count_skipped, not_measured
from motiontransfer.evaluation.plots import benchmark_panels, plot_curves, write_csv, write_picture
from motiontransfer.evaluation.pose_accuracy import shows_a_head
from motiontransfer.evaluation.pose_distance import concatenated, missed_series, selected
from motiontransfer.evaluation.realism import realism
from motiontransfer.evaluation.regions import all_regions, person_regions
from motiontransfer.evaluation.series import Scores, Series, group, joined, means
from motiontransfer.keypoints import Keypoints
from motiontransfer.parallel import Compute
from motiontransfer.progress import track
from motiontransfer.rendering.videos import contact_sheet, evenly_spaced
from motiontransfer.training.clips import TargetClip
from motiontransfer.video.frame_store import FrameWriter

Render = Callable[[Keypoints], Iterator[UInt8[np.ndarray, "height width 3"]]]
"""Poses in, as many generated frames out."""

_PICTURE_COLUMNS = 8
_ROWS = {"real": "real", "ours": "generated", "nearest_neighbours": "nearest neighbour"}


def evaluate_reconstruction(
    clips: Sequence[TargetClip],
    render: Render,
    *,
    box_margin: float,
    compute: Compute,
    folder: Path,
    scratch: Path,
    networks: Networks = NO_NETWORKS,
) -> Findings:
    """Render each clip's held-out tail and compare it with what was filmed.

    Args:
        box_margin: share of a box's longer side by which it grows on every side.
        folder: where `per_frame.csv`, `curves.png` and `comparison.png` go.
        scratch: where the rendered frames lie meanwhile.
        networks: what needs weights.

    Returns:
        What `ours` reaches, what the baselines do, skipped frames, and our missed detections,
        steadiness and likeness.

    Raises:
        TrainingError: no frame was held out.
    """
    tails = [clip for clip in clips if len(clip.held_out)]
    if not tails:
        raise TrainingError(
            f"no frame is held out in {', '.join(clip.name for clip in clips)}; evaluation needs "
            "some that were not trained on: raise train_gan.held_out_fraction"
        )
    real = Footage(
        frames=[(clip.frames, index) for clip in tails for index in clip.held_out],
        keypoints=concatenated([_tail_poses(clip) for clip in tails]),
    )
    videos = {
        "real": real,
        "ours": _rendered(tails, render, compute=compute, scratch=scratch),
        "nearest_neighbours": nearest_footage(real.keypoints, clips),
        "previous_real_frame": _one_frame_late(tails),
    }
    yardsticks = Yardsticks(
        box_margin=box_margin,
        distances=networks.distances,
        looks=training_looks(clips, margin=box_margin),
    )
    found = joined([_judge_tail(part, yardsticks) for part in _tails_of(videos, tails)])
    scores, columns = _arranged(found, videos)
    _write_table(folder, columns, tails)
    write_picture(folder / "comparison.png", _comparison(videos))
    made = {name: footage for name, footage in videos.items() if name != "real"}
    as_a_whole = realism(real, made, networks.features, box_margin=box_margin)
    metrics = {
        "frames": len(real.frames),
        "skipped_frames": count_skipped(all_regions(real.keypoints, margin=box_margin)),
        **means(scores),
        **as_a_whole.metrics,
    }
    block = block_length(len(real.frames), real.keypoints.frame_rate)
    return Findings(
        metrics=metrics,
        intervals={**intervals(scores, block_frames=block), **as_a_whole.intervals},
        skipped=_skipped(real.keypoints, networks),
    )


def _skipped(real: Keypoints, networks: Networks) -> dict[str, str]:
    skipped = not_measured(real.image_size, networks)
    if not shows_a_head(real):
        skipped["pck"] = "no real pose has a head, chin and forehead"
    return skipped


def _tails_of(
    videos: Mapping[str, Footage], tails: Sequence[TargetClip]
) -> Iterator[dict[str, Footage]]:
    """The videos clip by clip: across a cut from one to the next nothing is compared."""
    start = 0
    for clip in tails:
        frames = range(start, start + len(clip.held_out))
        yield {name: footage.part(frames) for name, footage in videos.items()}
        start = frames.stop


def _judge_tail(videos: Mapping[str, Footage], yardsticks: Yardsticks) -> dict[str, object]:
    poses = videos["real"].keypoints
    judges = judges_of(
        videos,
        real="real",
        late="previous_real_frame",
        background=person_regions(poses, margin=yardsticks.box_margin),
        yardsticks=yardsticks,
    )
    frames = {name: footage.frames for name, footage in videos.items()}
    return watch(frames, judges, size=poses.image_size)


def _arranged(
    found: Scores, videos: Mapping[str, Footage]
) -> tuple[dict[str, object], dict[str, Series]]:
    """What was found as the metrics' file has it, and as columns of the table."""
    real = videos["real"].keypoints
    of_method = against_real(group(found["pictures"]), videos, "real")
    flicker = {"background_flicker": found["flicker"]}
    temporal = {
        "warping_error": group(found["warping"])["frame"],
        "warping_error_person": group(found["warping"])["person"],
        "frame_change_to_real": found["change"],
    }
    identity = {"distance_to_training": found["identity"]}
    scores: dict[str, object] = {
        **of_method,
        "missed_detections": missed_series(videos["ours"].keypoints, real),
        **flicker,
        "temporal": temporal,
        "identity": identity,
    }
    quantities = quantity_columns({**flicker, **temporal, **identity})
    return scores, method_columns(of_method) | quantities


def _write_table(folder: Path, columns: Mapping[str, Series], tails: Sequence[TargetClip]) -> None:
    """Write what was measured frame by frame, and the curves of some of it."""
    place = [(clip.name, index) for clip in tails for index in clip.held_out]
    per_frame = frame_table(columns)
    per_frame.insert(0, "frame_index", range(len(place)))
    per_frame.insert(1, "video", [name for name, _ in place])
    per_frame.insert(2, "video_frame_index", [index for _, index in place])
    write_csv(folder / "per_frame.csv", per_frame)
    plot_curves(
        folder / "curves.png",
        per_frame,
        benchmark_panels(("person", "face")),
        title="Held-out frames of the target, rendered from their own poses",
    )


def _one_frame_late(tails: Sequence[TargetClip]) -> Footage:
    """The baseline that copies the real frame before each frame: how much there is to move."""
    before = [[max(index - 1, 0) for index in clip.held_out] for clip in tails]
    return Footage(
        frames=[
            (clip.frames, i) for clip, indices in zip(tails, before, strict=True) for i in indices
        ],
        keypoints=concatenated(
            [
                selected(clip.keypoints, np.array(indices, np.int64))
                for clip, indices in zip(tails, before, strict=True)
            ]
        ),
    )


def _tail_poses(clip: TargetClip) -> Keypoints:
    return selected(clip.keypoints, np.array(clip.held_out, np.int64))


def _rendered(
    tails: Sequence[TargetClip], render: Render, *, compute: Compute, scratch: Path
) -> Footage:
    """Render each tail to a file of its own and detect the pose again in each."""
    parts: list[Footage] = []
    for clip in tails:
        poses = _tail_poses(clip)
        path = scratch / f"{clip.name}.mkv"
        with FrameWriter(path, size=poses.image_size, frame_rate=poses.frame_rate) as writer:
            for frame in track(render(poses), f"render {clip.name}", total=poses.num_frames):
                writer.write(frame)
        parts.append(detected_footage(path, size=poses.image_size, compute=compute))
    return Footage(
        frames=[frame for part in parts for frame in part.frames],
        keypoints=concatenated([part.keypoints for part in parts]),
    )


def _comparison(videos: Mapping[str, Footage]) -> UInt8[np.ndarray, "height width 3"]:
    real = videos["real"]
    columns = evenly_spaced(len(real.frames), _PICTURE_COLUMNS)
    return contact_sheet(
        {
            row: list(
                read_frames([videos[name].frames[i] for i in columns], real.keypoints.image_size)
            )
            for name, row in _ROWS.items()
        },
        [f"frame {real.frames[index][1]}" for index in columns],
    )
