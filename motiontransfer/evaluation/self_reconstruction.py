"""Self-reconstruction: the target's held-out frames, generated from their own poses.

The ground truth is known pixel by pixel, so ablations of the networks are compared here (Chan et
al. 2019, sec. 5).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from motiontransfer.errors import TrainingError
from motiontransfer.evaluation.baselines import nearest_footage, training_pictures
from motiontransfer.evaluation.bootstrap import RatioMetric, block_length
from motiontransfer.evaluation.comparison import (
    MetricConfig,
    against_real,
    detected_footage,
    measure,
    streaming_metrics,
)
from motiontransfer.evaluation.frames import (
    Footage,
    Frame,
    all_regions,
    concatenated,
    person_regions,
    read_frames,
    selected,
)
from motiontransfer.evaluation.image_metrics import count_skipped
from motiontransfer.evaluation.measurements import (
    FRAMES,
    Key,
    Measurements,
    Scores,
    in_section,
    joined,
    of_counts,
    of_notes,
    of_scores,
    wide,
)
from motiontransfer.evaluation.network_metrics import (
    NO_NETWORKS,
    Networks,
    fid_and_kid,
    not_measured,
)
from motiontransfer.evaluation.plots import likeness_panels, plot_curves, write_csv, write_picture
from motiontransfer.evaluation.pose_metrics import shows_a_head
from motiontransfer.keypoints import Keypoints
from motiontransfer.parallel import Compute
from motiontransfer.progress import track
from motiontransfer.rendering.videos import contact_sheet, evenly_spaced
from motiontransfer.training.clips import TargetClip
from motiontransfer.video.frame_store import FrameWriter

Render = Callable[[Keypoints], Iterator[Frame]]
"""Function from poses to as many generated frames."""

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
    real = Footage(
        frames=[(clip.frames, index) for clip in tails for index in clip.held_out],
        keypoints=concatenated([_tail_poses(clip) for clip in tails]),
    )
    made = {
        "ours": _rendered(tails, render, compute=compute, scratch=scratch),
        "nearest_neighbours": nearest_footage(real.keypoints, clips),
        "previous_real_frame": _one_frame_late(tails),
    }
    videos = {"real": real, **made}
    config = MetricConfig(
        box_margin=box_margin,
        distances=networks.distances,
        training_pictures=training_pictures(clips, margin=box_margin),
    )
    parts = [_measure_tail(part, config) for part in _tails_of(videos, tails)]
    measured = {name: _concatenated([part[name] for part in parts]) for name in parts[0]}
    scores = {
        **against_real(measured["images"], videos, "real"),
        **measured["flicker"],
        **in_section("temporal", {**measured["warping"], **measured["change"]}),
        **in_section("identity", measured["identity"]),
    }
    skipped = not_measured(real.keypoints.image_size, networks)
    if not shows_a_head(real.keypoints):
        skipped["pck"] = "no real pose has a head, chin and forehead"
    block = block_length(len(real.frames), real.keypoints.frame_rate)
    found = joined(
        [
            of_counts({Key(FRAMES, "", ""): len(real.frames)}),
            of_counts(count_skipped(all_regions(real.keypoints, margin=box_margin))),
            of_scores(scores, block_frames=block),
            fid_and_kid(real, made, networks.features, box_margin=box_margin),
            of_notes(skipped),
        ]
    )
    _write_table(folder, found, tails)
    write_picture(folder / "comparison.png", _comparison(videos))
    return found


def _tails_of(
    videos: Mapping[str, Footage], tails: Sequence[TargetClip]
) -> Iterator[dict[str, Footage]]:
    """Yield the videos clip by clip: frames across a cut are not compared."""
    start = 0
    for clip in tails:
        frames = range(start, start + len(clip.held_out))
        yield {name: footage.part(frames) for name, footage in videos.items()}
        start = frames.stop


def _measure_tail(videos: Mapping[str, Footage], config: MetricConfig) -> dict[str, Scores]:
    poses = videos["real"].keypoints
    metrics = streaming_metrics(
        videos,
        real="real",
        late="previous_real_frame",
        background=person_regions(poses, margin=config.box_margin),
        config=config,
    )
    frames = {name: footage.frames for name, footage in videos.items()}
    return measure(frames, metrics, size=poses.image_size)


def _concatenated(parts: Sequence[Scores]) -> dict[Key, RatioMetric]:
    return {key: RatioMetric.concatenated([part[key] for part in parts]) for key in parts[0]}


def _write_table(folder: Path, found: Measurements, tails: Sequence[TargetClip]) -> None:
    """Write the per-frame table, and curves of the main metrics."""
    place = [(clip.name, index) for clip in tails for index in clip.held_out]
    per_frame = wide(found)
    per_frame.insert(0, "frame_index", range(len(place)))
    per_frame.insert(1, "video", [name for name, _ in place])
    per_frame.insert(2, "video_frame_index", [index for _, index in place])
    write_csv(folder / "per_frame.csv", per_frame)
    plot_curves(
        folder / "curves.png",
        found,
        likeness_panels(""),
        title="Held-out frames of the target, rendered from their own poses",
    )


def _one_frame_late(tails: Sequence[TargetClip]) -> Footage:
    """The baseline that copies the previous real frame, a measure of how much moves."""
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


def _comparison(videos: Mapping[str, Footage]) -> Frame:
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
