"""What the panels of a page show: the source, its pose, the result, the truth, the baseline."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from motiontransfer.errors import VideoError
from motiontransfer.evaluation.frame_references import read_frames, training_poses
from motiontransfer.evaluation.nearest_neighbours import nearest_neighbours
from motiontransfer.keypoints import Keypoints
from motiontransfer.pose.rendering import draw_rgb
from motiontransfer.report.panels import PanelSource
from motiontransfer.training.clips import TargetClip
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.tensors import Frame


def video_panel(name: str, label: str, description: str, path: Path) -> PanelSource:
    """Show a video or frame store, encoded again."""
    return PanelSource(
        name=name, label=label, description=description, frames=lambda: _all_frames(path)
    )


def finished_panel(name: str, label: str, description: str, path: Path) -> PanelSource:
    """Show a finished video, as it is if it is small, and be heard with its sound."""
    return PanelSource(
        name=name,
        label=label,
        description=description,
        frames=lambda: _all_frames(path),
        verbatim=path,
    )


def pose_panel(poses: Keypoints, *, description: str) -> PanelSource:
    """Show poses as coloured sticks."""
    return PanelSource(
        name="pose", label="pose", description=description, frames=lambda: _drawn(poses)
    )


def nearest_panel(
    poses: Keypoints, clips: Sequence[TargetClip], *, description: str
) -> PanelSource:
    """Show the baseline: for each pose the target's training frame of the nearest pose.

    Raises:
        KeypointsError: no training frame has a body.
    """
    candidates, references = training_poses(clips)
    chosen = [references[index] for index in nearest_neighbours(poses, candidates)]
    return PanelSource(
        name="nearest_neighbours",
        label="nearest neighbour",
        description=description,
        frames=lambda: read_frames(chosen, poses.image_size),
    )


def check_length(path: Path, num_frames: int) -> None:
    """Accept a video that has a frame for each of the result's.

    Raises:
        MissingFileError: no such video.
        VideoError: another number of frames.
    """
    with FrameStore(path) as store:
        if len(store) != num_frames:
            raise VideoError(
                f"{path}: expected {num_frames} frames, as the result has, got {len(store)}; "
                "run `dvc repro` so that all of them are of one run"
            )


def _all_frames(path: Path) -> Iterator[Frame]:
    with FrameStore(path) as store:
        yield from store.frames()


def _drawn(poses: Keypoints) -> Iterator[Frame]:
    for index in range(poses.num_frames):
        yield draw_rgb(
            poses.points[index],
            poses.score[index],
            skeleton=poses.skeleton,
            size=poses.image_size,
            line_width_px=max(2.0, poses.image_size[0] / 80),
        )
