"""Keypoint overlays for one video: detections, the subject's keypoints and the fitted body.

The subject's limbs are bright, and filled joints have white rings. Every detected person is dim, in
a box with the number of the track. Where a skeleton was fitted, it is shown in place of the
subject's body, and beside it from the side.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from motiontransfer.body.completion import complete
from motiontransfer.body.motion import BodyMotion, read_motion
from motiontransfer.body.views import with_views
from motiontransfer.core import layout
from motiontransfer.core.arrays import AnyFrame, Frame
from motiontransfer.core.errors import MissingFileError, ParamsError, StatisticsError
from motiontransfer.core.events import PosesCompared
from motiontransfer.core.progress import track
from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.filming.pose_advice import compare_poses
from motiontransfer.pose.keypoints import Detections, Keypoints, resize_points
from motiontransfer.pose.keypoints_file import read_detections, read_keypoints
from motiontransfer.pose.overlays import (
    draw_boxes_and_rings,
    draw_detections,
    draw_limbs,
    enlarged,
    is_ringed,
)
from motiontransfer.pose.photos import lasting
from motiontransfer.rendering.videos import contact_sheet, side_by_side, write_image
from motiontransfer.retargeting.in_view import fit_path
from motiontransfer.retargeting.normalization import normalize_poses
from motiontransfer.retargeting.params import FitNormalizationParams, NormalizationParams
from motiontransfer.retargeting.statistics import fit_statistics
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.geometry import enclosing_box
from motiontransfer.video.writer import write_video

_DETECTION_INTENSITY = 0.45
_NUM_COLUMNS = 8
_MARGIN = 0.15  # around a person's joints, of their extent: hair and shoes
_NUM_ADVISED = 6  # poses: a picture of more is not looked at; `guide` has them all


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    video: str
    frames: Path
    keypoints: Keypoints
    detections: Detections | None
    """Everyone in view; None where detections were not kept."""
    motion: BodyMotion | None = None

    def frame(self, index: int) -> Frame:
        with FrameStore(self.frames) as store:
            return store[index]


@runtime_checkable
class Filmed(Protocol):
    """Frames of a film and the subject's keypoints in them."""

    @property
    def keypoints(self) -> Keypoints: ...

    def frame(self, index: int) -> Frame: ...


def advise_on_poses(
    dance: Filmed, target: Sequence[Filmed], *, name: str, picture: Path
) -> PosesCompared:
    """How much of a dance a target's films or photos show, and what to film, too.

    If anything is, a picture of the poses that would add most is written. A row has the dance's
    frame, and the target's nearest to it.
    """
    filmed = [film.keypoints for film in target]
    compared, poses = compare_poses(dance.keypoints, filmed, name=name, num_poses=_NUM_ADVISED)
    rows = {}
    for frame, (clip, index), before, after in zip(
        poses.frames, poses.nearest, poses.coverage, poses.coverage[1:], strict=False
    ):
        label = f"{len(rows) + 1}: +{100 * (after - before):.1f} %"
        rows[label] = [_person(dance, frame), _person(target[clip], index)]
    if not rows:
        return compared
    write_image(picture, contact_sheet(rows, ["the dancer", "you, nearest"]))
    return compared.model_copy(update={"picture": str(picture)})


def expected_path(
    dance: Filmed,
    films: Sequence[Filmed],
    params: NormalizationParams,
    fit_params: FitNormalizationParams,
) -> str:
    """How much of a dance's path will be shortened, by what is known of it; "" if nothing."""
    if params.path != "fit":
        return ""
    poses, *others = (complete(film.keypoints) for film in (dance, *films))
    clips = [*lasting(dict(enumerate(others))).values()]
    try:
        source, target = (fit_statistics(of, **dict(fit_params)) for of in ([poses], clips))
        normalized = normalize_poses(
            poses, mode=params.mode, centering=params.centering, source=source, target=target
        )
    except (ParamsError, StatisticsError):  # said where it is done
        return ""
    return str(fit_path(normalized, poses, target)[1])


def _person(film: Filmed, index: int) -> AnyFrame:
    """Part of a frame around the subject."""
    frame, points = film.frame(index), film.keypoints.points[index]
    found = points[film.keypoints.score[index] > 0]
    box = enclosing_box(found, margin=_MARGIN, image_size=frame.shape[:2])
    x0, y0, x1, y1 = box or (0, 0, frame.shape[1], frame.shape[0])
    return frame[y0:y1, x0:x1]


def load_inspection(video: str, subject: str) -> Inspection:
    """Read what the pipeline wrote for a video.

    Raises:
        MissingFileError: frames or keypoints were not made yet; the message says how to.
        VideoError: frames and keypoints are of different runs.
    """
    frames = layout.frames_file(subject, video)
    table = layout.keypoints_file(subject, video)
    for path, stage in ((frames, "decode"), (table, "clean_keypoints")):
        if not path.exists():
            raise MissingFileError(f"{path}: not made yet; run `dvc repro {stage}@{video}`")
    detected, moved = layout.detections_file(subject, video), layout.motion_file(subject, video)
    inspection = Inspection(
        video=video,
        frames=frames,
        keypoints=read_keypoints(table),
        detections=read_detections(detected) if detected.exists() else None,
        motion=read_motion(moved) if moved.exists() else None,
    )
    advice = f"{table} has as many; run `dvc repro clean_keypoints@{video}`"
    with FrameStore(frames) as store:
        store.check_length(inspection.keypoints.num_frames, advice)
    return inspection


def write_overlay(path: Path, inspection: Inspection) -> None:
    """Write every frame with its keypoints as MP4."""
    rate, total = inspection.keypoints.frame_rate, inspection.keypoints.num_frames

    def panel(index: int, frame: Frame) -> dict[str, np.ndarray]:
        caption = f"{inspection.video}: frame {index}, {float(index / rate):.2f} s"
        return {caption: draw_overlay(frame, inspection, index)}

    with FrameStore(inspection.frames) as store:
        frames = track(store.frames(), "inspect", total=total)
        shown = (side_by_side(panel(index, frame)) for index, frame in enumerate(frames))
        write_video(path, shown, frame_rate=rate)


def write_overlay_sheet(path: Path, inspection: Inspection) -> None:
    keypoints = inspection.keypoints
    indices = evenly_spaced(range(keypoints.num_frames), count=_NUM_COLUMNS)
    with FrameStore(inspection.frames) as store:
        frames = [store[index] for index in indices]
    overlays = [
        draw_overlay(frame, inspection, index) for index, frame in zip(indices, frames, strict=True)
    ]
    sheet = contact_sheet(
        {"frame": frames, "keypoints": overlays},
        [f"{index / float(keypoints.frame_rate):.1f} s" for index in indices],
    )
    write_image(path, sheet)


def draw_overlay(frame: Frame, inspection: Inspection, index: int) -> AnyFrame:
    """One frame, enlarged where it is small, with the keypoints found in it."""
    keypoints, detections = inspection.keypoints, inspection.detections
    overlay, boxes = enlarged(frame), {}
    zoom = len(overlay) / keypoints.image_size[0]
    if detections is not None:
        overlay, boxes = draw_detections(overlay, detections, index, intensity=_DETECTION_INTENSITY)
    points = resize_points(keypoints.points[index], np.full(2, zoom))
    score, motion = keypoints.score[index], inspection.motion
    motion = motion if motion and motion.fits.any() else None
    if motion and motion.fits[index]:
        score = np.where(np.arange(len(score)) < keypoints.skeleton.slice("body").stop, 0, score)
    overlay = draw_limbs(overlay, points, score, skeleton=keypoints.skeleton)
    overlay = draw_boxes_and_rings(overlay, boxes, points[is_ringed(keypoints, index)])
    return overlay if motion is None else with_views(overlay, motion, index, zoom=zoom)
