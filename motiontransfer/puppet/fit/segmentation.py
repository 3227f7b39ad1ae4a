"""Person masks: MediaPipe's pose network segments the square around a person's joints.

The square follows the keypoints of the chosen person, whatever detector found them, so that of
several people this one is segmented. Where the network finds nobody, the mask is drawn around the
joints.
"""

import math
from collections.abc import Callable, Generator, Iterable
from contextlib import closing, contextmanager

import cv2
import numpy as np

from motiontransfer.core.progress import track
from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.pose.boxes import body_height_px
from motiontransfer.pose.keypoints import Detections, Keypoints
from motiontransfer.pose.mediapipe_detectors import (
    NormalizedRect,
    image_packet,
    mediapipe,
    mediapipe_models,
    native_stderr_hidden,
    packet_creator,
    packet_getter,
    start_graph,
)
from motiontransfer.puppet.fit.coverage import covering_frames
from motiontransfer.puppet.masks import MOST_MASKS, Mask, PersonMasks
from motiontransfer.puppet.parts import BodyPoses, body_parts
from motiontransfer.puppet.target_clips import TargetClip
from motiontransfer.video.clip import DETECTION_SCALE, detection_frames
from motiontransfer.video.color import Frame
from motiontransfer.video.frame_store import FrameStore

_SIDE_IN_RADII = 2.5  # of the square, as MediaPipe's graph takes it around its circle
_MIN_RADIUS = 0.3  # of that circle, shares of the body's height

_GRAPH = """
input_stream: "image"
input_stream: "square"
output_stream: "mask"
node {
  calculator: "ConstantSidePacketCalculator"
  output_side_packet: "PACKET:enable"
  options { [mediapipe.ConstantSidePacketCalculatorOptions.ext] { packet { bool_value: true } } }
}
node {
  calculator: "PoseLandmarkByRoiCpu"
  input_side_packet: "ENABLE_SEGMENTATION:enable"
  input_stream: "IMAGE:image"
  input_stream: "ROI:square"
  output_stream: "SEGMENTATION_MASK:mask"
}
"""


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
    with _open_network() as segment:
        for index, frame in frames:
            if not (keypoints.score[index] > 0).any():
                continue
            found = segment(frame, _square(keypoints, index, height_px=height_px))
            indices.append(index)
            is_drawn.append(found is None)
            if found is None:
                masks.append(drawn_person(keypoints, index, height_px=height_px))
            else:
                masks.append(found)
    return PersonMasks(
        frame_index=np.array(indices, np.int32),
        masks=np.array(masks, np.uint8).reshape(-1, *keypoints.image_size),
        is_drawn=np.array(is_drawn, bool),
    )


def _pose(keypoints: Keypoints | Detections, index: int) -> BodyPoses:
    """The pose of one frame, so that the work does not grow with the clip."""
    frame = slice(index, index + 1)
    return BodyPoses(keypoints.skeleton, keypoints.points[frame], keypoints.score[frame])


def _square(keypoints: Keypoints, index: int, *, height_px: float) -> NormalizedRect:
    """The square around the subject, upright in their own direction, as MediaPipe's graph takes it.

    Its center is the middle of the hips where these were found, else that of all joints.
    """
    (hips, shoulders), found = _pose(keypoints, index).joints(("mid_hip", "mid_shoulder"), 0)
    joints = keypoints.points[index][keypoints.score[index] > 0]
    center = hips if found[0] else (joints.min(axis=0) + joints.max(axis=0)) / 2
    radius = max(float(np.linalg.norm(joints - center, axis=1).max()), _MIN_RADIUS * height_px)
    right, up = (shoulders[0] - center[0], center[1] - shoulders[1]) if found.all() else (0, 1)
    height, width = keypoints.image_size
    return NormalizedRect(
        x_center=(center[0] + 0.5) / width,
        y_center=(center[1] + 0.5) / height,
        width=_SIDE_IN_RADII * radius / width,
        height=_SIDE_IN_RADII * radius / height,
        rotation=math.atan2(right, up),
    )


@contextmanager
def _open_network() -> Generator[Callable[[Frame, NormalizedRect], Mask | None]]:
    """The network as a function of a frame and a square; None where it finds nobody there."""
    mediapipe.resource_util.set_resource_dir(str(mediapipe_models().parents[1]))
    with native_stderr_hidden():
        running, process = start_graph(_GRAPH, ("mask",))
        with closing(running):

            def segment(frame: Frame, square: NormalizedRect) -> Mask | None:
                packets = process(
                    image=image_packet(np.ascontiguousarray(frame)),
                    square=packet_creator.create_proto(square),
                )
                if "mask" not in packets:
                    return None
                found = packet_getter.get_image(packets["mask"]).numpy_view()
                return (255 * np.clip(found, 0, 1)).round().astype(np.uint8)

            yield segment


def drawn_person(
    keypoints: Keypoints | Detections, row: int, *, height_px: float, share: float | None = None
) -> Mask:
    """Mask of the body parts by their radii, with their reach or to a share of the radii."""
    mask = np.zeros(keypoints.image_size, np.uint8)
    pose = _pose(keypoints, row)
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
