"""Photos of a subject: clips of one frame, of any sizes, which lie in the image of the first."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

import numpy as np

from motiontransfer.core.arrays import Affine
from motiontransfer.pose.boxes import body_height_px, joint_boxes
from motiontransfer.pose.keypoints import Keypoints

_ROOM = 0.06  # around the joints, of the body's height: hair, fingers and shoes
_SECONDS = 2.0  # that a photo counts for, of a film that stands still

_Clip = TypeVar("_Clip")


def is_photo(keypoints: Keypoints) -> bool:
    return keypoints.num_frames == 1


def films_or_photos(clips: Mapping[_Clip, Keypoints]) -> dict[_Clip, Keypoints]:
    """The films of a subject; photos, in the order of their names, where there is no film."""
    films = {name: clip for name, clip in clips.items() if not is_photo(clip)}
    return films or {**clips}


def placement(photo: Keypoints, first: Keypoints) -> Affine | None:
    """Where a photo lies in the image of the first: as large a body, in the same place.

    It is moved, and made smaller, as far as the body would reach over the image's edges. None for
    the first one itself, and where one of them shows nobody.
    """
    heights = body_height_px(photo), body_height_px(first)
    if photo is first or min(heights) <= 0:
        return None
    boxes = [joint_boxes(each.points, each.score)[0] for each in (photo, first)]
    own, other = (
        box + 0.5 + _ROOM * height * np.array([-1, -1, 1, 1])
        for box, height in zip(boxes, heights, strict=True)
    )
    size, extent = np.array(first.image_size[::-1], np.float64), own[2:] - own[:2]
    scale = min(heights[1] / heights[0], *(size / extent))
    middle = (other[:2] + other[2:]) / 2
    start = np.clip(middle - scale * extent / 2, 0, size - scale * extent)
    shape = np.array(photo.image_size[::-1])
    return np.column_stack([np.diag(scale * shape / size), (start - scale * own[:2]) / size])


def placed(photo: Keypoints, first: Keypoints) -> Keypoints:
    """The joints of a photo in the image of the first one."""
    matrix = placement(photo, first)
    if matrix is None:
        return replace(photo, image_size=first.image_size)
    size, own = (np.array(each.image_size[::-1]) for each in (first, photo))
    points = ((photo.points + 0.5) / own @ matrix[:, :2].T + matrix[:, 2]) * size - 0.5
    points = np.where(photo.score[..., None] > 0, points, 0).astype(np.float32)
    return replace(photo, points=points, image_size=first.image_size)


def lasting(clips: Mapping[_Clip, Keypoints]) -> dict[_Clip, Keypoints]:
    """The films of a subject; else the photos, in the image of the first, as films of a while."""
    clips = films_or_photos(clips)
    first, *_ = clips.values()
    if not is_photo(first):
        return clips
    return {name: standing_still(placed(clip, first)) for name, clip in clips.items()}


def standing_still(photo: Keypoints) -> Keypoints:
    """A film in which nobody moves: what is measured over a clip needs more than one frame."""
    return photo.part([0] * round(_SECONDS * photo.frame_rate))
