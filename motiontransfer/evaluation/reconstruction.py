"""Self-reconstruction: the target's own held-out tail, rendered from its poses.

Here the truth is known pixel by pixel, so this is where variants of the networks are compared (Chan
et al. 2019, sec. 5).
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from motiontransfer.errors import TrainingError
from motiontransfer.evaluation.benchmark import Footage, benchmark, nearest_footage
from motiontransfer.evaluation.frame_references import (
    FrameReference,
    read_frames,
)
from motiontransfer.evaluation.plots import benchmark_panels, plot_curves, write_csv, write_picture
from motiontransfer.evaluation.pose_distance import concatenated, missed_detections, selected
from motiontransfer.evaluation.redetection import redetect
from motiontransfer.evaluation.regions import person_regions
from motiontransfer.evaluation.temporal import background_flicker
from motiontransfer.keypoints import Keypoints
from motiontransfer.media.frame_store import FrameWriter
from motiontransfer.parallel import Compute
from motiontransfer.progress import track
from motiontransfer.rendering.composition import contact_sheet, evenly_spaced
from motiontransfer.training.target_clips import TargetClip

Render = Callable[[Keypoints], Iterator[UInt8[np.ndarray, "height width 3"]]]
"""Poses in, as many generated frames out."""

_PICTURE_COLUMNS = 8


def evaluate_reconstruction(
    clips: Sequence[TargetClip],
    render: Render,
    *,
    box_margin: float,
    compute: Compute,
    folder: Path,
    scratch: Path,
) -> dict[str, object]:
    """Render each clip's held-out tail and compare it with what was filmed.

    Args:
        box_margin: share of a box's longer side by which it grows on every side.
        folder: where `per_frame.csv`, `curves.png` and `comparison.png` go.
        scratch: where the rendered frames lie meanwhile.

    Returns:
        The metrics: what `ours` and `nearest_neighbours` reach, skipped frames, and our missed
        detections and flicker.

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
    methods = {
        "ours": _rendered(tails, render, compute=compute, scratch=scratch),
        "nearest_neighbours": nearest_footage(real.keypoints, clips),
    }
    summary, per_frame = benchmark(real, methods, box_margin=box_margin)
    place = [(clip.name, index) for clip in tails for index in clip.held_out]
    per_frame.insert(1, "video", [name for name, _ in place])
    per_frame.insert(2, "video_frame_index", [index for _, index in place])
    write_csv(folder / "per_frame.csv", per_frame)
    plot_curves(
        folder / "curves.png",
        per_frame,
        benchmark_panels(("person", "face")),
        title="Held-out frames of the target, rendered from their own poses",
    )
    write_picture(
        folder / "comparison.png",
        _comparison(
            {
                "real": real,
                "generated": methods["ours"],
                "nearest neighbour": methods["nearest_neighbours"],
            }
        ),
    )
    size, persons = real.keypoints.image_size, person_regions(real.keypoints, margin=box_margin)
    return {
        "frames": len(real.frames),
        **summary,
        "missed_detections": missed_detections(methods["ours"].keypoints, real.keypoints),
        "background_flicker": {
            "real": background_flicker(read_frames(real.frames, size), persons),
            "ours": background_flicker(read_frames(methods["ours"].frames, size), persons),
        },
    }


def _tail_poses(clip: TargetClip) -> Keypoints:
    return selected(clip.keypoints, np.array(clip.held_out, np.int64))


def _rendered(
    tails: Sequence[TargetClip], render: Render, *, compute: Compute, scratch: Path
) -> Footage:
    """Render each tail to a file of its own and detect the pose again in each."""
    frames: list[FrameReference] = []
    found: list[Keypoints] = []
    for clip in tails:
        poses = _tail_poses(clip)
        path = scratch / f"{clip.name}.mkv"
        with FrameWriter(path, size=poses.image_size, frame_rate=poses.frame_rate) as writer:
            for frame in track(render(poses), f"render {clip.name}", total=poses.num_frames):
                writer.write(frame)
        found.append(redetect(path, size=poses.image_size, compute=compute))
        frames += [(path, index) for index in range(poses.num_frames)]
    return Footage(frames=frames, keypoints=concatenated(found))


def _comparison(footage_of_row: dict[str, Footage]) -> UInt8[np.ndarray, "height width 3"]:
    real = next(iter(footage_of_row.values()))
    columns = evenly_spaced(len(real.frames), _PICTURE_COLUMNS)
    return contact_sheet(
        {
            row.replace("_", " "): list(
                read_frames([footage.frames[i] for i in columns], real.keypoints.image_size)
            )
            for row, footage in footage_of_row.items()
        },
        [f"frame {real.frames[index][1]}" for index in columns],
    )
