"""Person segmentation by MediaPipe's pose network, and joints that are off the person."""

import math
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from dataclasses import replace

import cv2
import numpy as np

from motiontransfer.core.arrays import Frame, Mask
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

_SIDE_IN_RADII = 2.5  # of the square, as MediaPipe's graph takes it around its circle
_MIN_RADIUS = 0.3  # of that circle, shares of the body's height
_FARTHEST = 0.05  # of the body's height: in 25 photos true joints were at most .038 off the mask
_HALF = 127  # level of 255, above which a pixel is the person's


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


@contextmanager
def open_segmentation() -> Generator[Callable[[Frame, NormalizedRect], Mask | None]]:
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


def square_around(keypoints: Keypoints, index: int, *, height_px: float) -> NormalizedRect:
    """The square around the subject, upright in their own direction, as MediaPipe's graph takes it.

    Its center is the middle of the hips where these were found, else that of all joints.
    """
    pose = keypoints.part(range(index, index + 1))  # the work does not grow with the clip
    (hips, has_hips), (shoulders, has_shoulders) = (
        pose.midpoint(f"left_{joint}", f"right_{joint}") for joint in ("hip", "shoulder")
    )
    joints = pose.points[pose.score > 0]
    middle = (joints.min(axis=0) + joints.max(axis=0)) / 2
    x, y = hips[0].astype(np.float32) if has_hips[0] else middle
    radius = max(float(np.linalg.norm(joints - (x, y), axis=1).max()), _MIN_RADIUS * height_px)
    right, up = 0.0, 1.0
    if has_hips[0] and has_shoulders[0]:
        neck = shoulders[0].astype(np.float32)
        right, up = neck[0] - x, y - neck[1]
    height, width = keypoints.image_size
    return NormalizedRect(
        x_center=(x + 0.5) / width,
        y_center=(y + 0.5) / height,
        width=_SIDE_IN_RADII * radius / width,
        height=_SIDE_IN_RADII * radius / height,
        rotation=math.atan2(right, up),
    )


def without_strays(found: Detections, picture: Frame) -> Detections:
    """People of one picture without joints of the body that are far from where the body is."""
    points, score = found.points.copy(), found.score.copy()
    height, width = found.image_size
    body = np.arange(len(found.skeleton.joints))[found.skeleton.slice("body")]
    with open_segmentation() as segment:
        for row, person in enumerate(found.person.tolist()):
            own = found.of_person(person)
            height_px = body_height_px(own)
            mask = segment(picture, square_around(own, 0, height_px=height_px))
            if mask is None or mask.max() <= _HALF:
                continue
            away = cv2.distanceTransform((mask <= _HALF).view(np.uint8), cv2.DIST_L2, 5)
            x, y = np.clip(points[row, body].round().astype(int), 0, (width - 1, height - 1)).T
            strays = body[away[y, x] > _FARTHEST * height_px]
            points[row, strays], score[row, strays] = 0, 0
    return replace(found, points=points, score=score)
