"""One transfer's videos: the result, the comparison beside the source, the contact sheet.

Hides the order of work: the generated frames are kept exactly in a frame store while everything
else is made from them, so that the comparison shows what was generated and not what a codec left of
it.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image

from motiontransfer.errors import VideoError
from motiontransfer.keypoints import Keypoints
from motiontransfer.media.clip import Clip
from motiontransfer.media.frame_store import FrameStore, FrameWriter
from motiontransfer.media.tensors import Frame
from motiontransfer.media.writing import write_video
from motiontransfer.pose.drawing import draw_rgb
from motiontransfer.progress import track
from motiontransfer.rendering.composition import contact_sheet, evenly_spaced, side_by_side
from motiontransfer.rendering.rollout import Renderer, render_poses
from motiontransfer.rendering.visible_label import with_label
from motiontransfer.storage import replacing

VisibleLabel = Literal["none", "corner"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Panels:
    """The videos of a comparison, frame for frame beside each other."""

    source: Path
    """Frames of the source subject."""

    poses: Keypoints
    """Poses as they were rendered."""

    generated: Path
    """Frames as they were generated."""

    truth: Path | None
    """The target subject really doing it; None where nobody filmed that."""

    line_width_px: float
    """Of a body stick in the picture of the pose."""


def check_truth(panels: Panels) -> None:
    """Check what can be checked before anything is generated.

    Raises:
        MissingFileError: the truth clip is not there.
        VideoError: the truth clip has another number of frames than the source.
    """
    if panels.truth is None:
        return
    with FrameStore(panels.truth) as truth:
        if len(truth) != panels.poses.num_frames:
            raise VideoError(
                f"{panels.truth}: expected {panels.poses.num_frames} frames, as the decoded source "
                f"has, got {len(truth)}; a truth clip shows the same motion frame for frame"
            )


def generate(renderer: Renderer, poses: Keypoints, path: Path) -> None:
    """Generate one frame for every pose into a frame store."""
    frames = track(render_poses(renderer, poses), "render", total=poses.num_frames)
    with FrameWriter(path, size=poses.image_size, frame_rate=poses.frame_rate) as writer:
        for frame in frames:
            writer.write(frame)


def write_transfer(
    path: Path, generated: Path, source: Clip, *, crf: int, visible_label: VisibleLabel = "none"
) -> None:
    """Write the result with the source's sound."""
    with FrameStore(generated) as frames:
        shown = frames.frames(0, len(frames))
        write_video(
            path,
            map(with_label, shown) if visible_label == "corner" else shown,
            frame_rate=frames.frame_rate,
            sound=source.sound,
            sound_offset_seconds=source.sound_offset_seconds,
            crf=crf,
        )


def write_comparison(path: Path, panels: Panels, source: Clip, *, crf: int) -> None:
    """Write source | pose | result | truth side by side, with the source's sound.

    Raises:
        VideoError: the truth clip has another number of frames than the source.
    """
    write_video(
        path,
        (side_by_side(row) for row in _rows(panels, range(panels.poses.num_frames))),
        frame_rate=source.frame_rate,
        sound=source.sound,
        sound_offset_seconds=source.sound_offset_seconds,
        crf=crf,
    )


def write_contact_sheet(path: Path, panels: Panels, *, num_columns: int) -> None:
    """Write a picture with one column a moment: source, pose, result and truth below each other."""
    moments = evenly_spaced(panels.poses.num_frames, num_columns)
    columns = list(_rows(panels, moments))
    rate = float(panels.poses.frame_rate)
    sheet = contact_sheet(
        {label: [column[label] for column in columns] for label in columns[0]},
        [f"{index / rate:.1f} s" for index in moments],
    )
    with replacing(path) as temporary:
        Image.fromarray(sheet).save(temporary)


def _rows(panels: Panels, indices: range | tuple[int, ...]) -> Iterator[Mapping[str, Frame]]:
    """The panels of each frame, by label."""
    check_truth(panels)
    paths = {"source": panels.source, "result": panels.generated, "truth": panels.truth}
    with ExitStack() as stack:
        stores = {
            name: stack.enter_context(FrameStore(path))
            for name, path in paths.items()
            if path is not None
        }
        for index in indices:
            yield {
                "source": stores["source"][index],
                "pose": _draw(panels, index),
                **{name: stores[name][index] for name in ("result", "truth") if name in stores},
            }


def _draw(panels: Panels, index: int) -> Frame:
    return draw_rgb(
        panels.poses.points[index],
        panels.poses.score[index],
        skeleton=panels.poses.skeleton,
        size=panels.poses.image_size,
        line_width_px=panels.line_width_px,
    )
