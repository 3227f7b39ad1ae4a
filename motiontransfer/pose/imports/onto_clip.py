"""Keypoints made elsewhere, moved onto the frames of a clip.

They were found in the video as it is; a clip has other frames (constant rate) of another picture
(crop, working size). The clip knows both maps: its index says which frame of the video each of its
frames shows, its framing where a pixel of the video lies.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from motiontransfer.errors import KeypointsError
from motiontransfer.media.clip import read_clip, read_source_frames
from motiontransfer.media.framing import Framing
from motiontransfer.pose.imports.coco_wholebody import read_coco_wholebody
from motiontransfer.pose.imports.openpose_json import read_openpose_json
from motiontransfer.pose.people import People

ImportedLayout = Literal["openpose_json", "coco_wholebody"]

_READERS = {"openpose_json": read_openpose_json, "coco_wholebody": read_coco_wholebody}
_MIN_SHARE_INSIDE = 0.5


def import_people(folder: Path, clip: Path, *, layout: ImportedLayout) -> list[People]:
    """Everyone in each of a clip's frames, with HOLISTIC joints, from keypoints made elsewhere.

    Args:
        folder: the keypoints of the clip's video.
        clip: folder of the decoded clip.

    Raises:
        MissingFileError: the keypoints or the clip are absent.
        KeypointsError: a frame is missing, the files have another layout, or the coordinates are
            not pixels of the video.
        DamagedFileError: the clip's index is damaged, or of an older version.
    """
    framing = read_clip(clip).framing
    shown = read_source_frames(clip)
    found = _READERS[layout](folder, num_frames=int(shown.max()) + 1)
    _check_pixels(found, size=framing.source_size, source=folder)
    return [_onto(found[index], framing) for index in shown.tolist()]


def _check_pixels(frames: Sequence[People], *, size: tuple[int, int], source: Path) -> None:
    """Catch keypoints of a resized picture, or fractions of it."""
    points = np.concatenate([people.points[people.score > 0] for people in frames])
    if not len(points):
        return
    height, width = size
    inside = ((points >= 0) & (points <= (width, height))).all(axis=1)
    if inside.mean() < _MIN_SHARE_INSIDE or points.max() <= 1:
        low, high = points.min(axis=0), points.max(axis=0)
        raise KeypointsError(
            f"{source}: expected pixels of the video's {width}x{height} picture, upright, got x"
            f" {low[0]:g} to {high[0]:g} and y {low[1]:g} to {high[1]:g}; run the detector on the"
            " video itself (OpenPose: --keypoint_scale 0)"
        )


def _onto(people: People, framing: Framing) -> People:
    """In pixels of the working picture; what the crop leaves out is missing."""
    points = framing.to_working(people.points).astype(np.float32)
    x0, y0, x1, y1 = framing.content
    inside = ((points >= (x0, y0)) & (points < (x1, y1))).all(axis=2) & (people.score > 0)
    seen = inside.any(axis=1)
    return People(
        points=np.where(inside[..., None], points, np.float32(0))[seen],
        score=np.where(inside, people.score, np.float32(0))[seen],
    )
