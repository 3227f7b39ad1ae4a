"""Person masks: MediaPipe's pose network segments the square around a person's joints.

The square follows the keypoints of the chosen person, whatever detector found them, so that of
several people this one is segmented. Where the network finds nobody, the mask is drawn around the
joints.
"""

from collections.abc import Iterable

import cv2
import numpy as np

from motiontransfer.body.parts import BodyPoses, body_parts
from motiontransfer.core.arrays import Frame, Mask
from motiontransfer.core.progress import track
from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.filming.coverage import covering_frames
from motiontransfer.plate.masks import MOST_MASKS, PersonMasks
from motiontransfer.plate.target_clips import TargetClip
from motiontransfer.pose.boxes import body_height_px
from motiontransfer.pose.keypoints import Detections, Keypoints
from motiontransfer.pose.segmentation import open_segmentation, square_around
from motiontransfer.video.clip import DETECTION_SCALE, detection_frames
from motiontransfer.video.frame_store import FrameStore


def clip_masks(clip: TargetClip) -> PersonMasks:
    """Masks of at most `MOST_MASKS` frames: half of them evenly spread, half by coverage."""
    every, half = range(clip.keypoints.num_frames), MOST_MASKS // 2
    covering = covering_frames([clip.keypoints], [every], count=half)
    frames = sorted({*evenly_spaced(every, count=half), *(frame for _, frame in covering)})
    with FrameStore(detection_frames(clip.frames.parent)) as store:
        described = f"segmenting the person in {clip.name}"
        size = store.size
        if clip.placement is not None:  # in the image of the subject's first photo
            height, width = clip.keypoints.image_size
            size = round(DETECTION_SCALE * height), round(DETECTION_SCALE * width)
        indices = track(frames, described, total=len(frames))
        shown = ((index, clip.framed(store[index], size)) for index in indices)
        return segment_person(clip.keypoints.resized(size), shown)


def segment_person(keypoints: Keypoints, frames: Iterable[tuple[int, Frame]]) -> PersonMasks:
    """Segment the subject in frames in which joints were found.

    Args:
        frames: each with its frame_index, in the keypoints' size.
    """
    height_px = body_height_px(keypoints)
    indices, masks, is_drawn = [], [], []
    with open_segmentation() as segment:
        for index, frame in frames:
            if not (keypoints.score[index] > 0).any():
                continue
            found = segment(frame, square_around(keypoints, index, height_px=height_px))
            indices.append(index)
            is_drawn.append(found is None)
            masks.append(
                drawn_person(keypoints, index, height_px=height_px) if found is None else found
            )
    return PersonMasks(
        frame_index=np.array(indices, np.int32),
        masks=np.array(masks, np.uint8).reshape(-1, *keypoints.image_size),
        is_drawn=np.array(is_drawn, bool),
    )


def drawn_person(
    keypoints: Keypoints | Detections, row: int, *, height_px: float, share: float | None = None
) -> Mask:
    """Mask of the body parts by their radii, with their reach or to a share of the radii."""
    mask = np.zeros(keypoints.image_size, np.uint8)
    points, score = keypoints.points[row : row + 1], keypoints.score[row : row + 1]
    pose = BodyPoses(keypoints.skeleton, points, score)
    for part in body_parts(keypoints.skeleton):
        points, found = pose.joints(part.joints, 0)
        if part.is_solid and found.sum() >= part.min_joints:
            hull = cv2.convexHull(points[found].round().astype(np.int32))
            cv2.fillConvexPoly(mask, hull, 255)
        reach = part.reach if share is None else share
        thickness = max(round(2 * part.radius * reach * height_px), 1)
        for bone in part.bones:
            ends, found = pose.joints(bone, 0)
            if found.all():
                start, end = ends.round().astype(int).tolist()
                cv2.line(mask, start, end, 255, thickness)
    return mask
