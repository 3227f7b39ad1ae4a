"""Joints drawn over frames: limbs, filled joints with white rings, people in numbered boxes.

Small frames are enlarged, as lines would cover them.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float32
from PIL import Image, ImageDraw, ImageFont

from motiontransfer.core.arrays import AnyFrame, Box, Frame, Joints
from motiontransfer.pose.drawing import display_style, draw_rgb
from motiontransfer.pose.keypoints import Detections, Keypoints, resize_points
from motiontransfer.pose.skeleton import Skeleton
from motiontransfer.video.geometry import enclosing_box

_MIN_HEIGHT_PX = 480  # smaller images are enlarged
_LINE_WIDTHS = 125.0  # widths of a body limb that are the image's height
_BOX_MARGIN = 0.03  # of the box's longer side
_TRACK_COLORS = (
    *((255, 75, 75), (77, 171, 247), (81, 207, 102), (255, 212, 59), (204, 93, 232)),
    *((255, 146, 43), (34, 184, 207), (247, 131, 172), (148, 216, 45), (177, 151, 252)),
)
JointScores = Float32[np.ndarray, " joints"]


def track_color(track: int) -> tuple[int, int, int]:
    """RGB, 0 to 255; every tenth track has the same."""
    return _TRACK_COLORS[track % len(_TRACK_COLORS)]


def enlarged(frame: Frame) -> AnyFrame:
    """A small frame by a whole factor, to 480 rows or more."""
    factor = -(-max(_MIN_HEIGHT_PX, len(frame)) // len(frame))
    size = factor * frame.shape[1], factor * frame.shape[0]
    return np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BICUBIC))


def draw_detections(
    frame: AnyFrame, detections: Detections, index: int, *, intensity: float = 1.0
) -> tuple[AnyFrame, dict[int, Box]]:
    """Limbs of everyone in a frame, which may be enlarged, and the box around each by track."""
    zoom, boxes = np.full(2, len(frame) / detections.image_size[0]), {}
    for row in np.flatnonzero(detections.frame_index == index):
        points, score = resize_points(detections.points[row], zoom), detections.score[row]
        frame = draw_limbs(frame, points, score, skeleton=detections.skeleton, intensity=intensity)
        found = points[score > 0]
        if box := enclosing_box(found, margin=_BOX_MARGIN, image_size=frame.shape[:2]):
            boxes[int(detections.person[row])] = box
    return frame, boxes


def draw_keypoints(frame: AnyFrame, keypoints: Keypoints, index: int) -> AnyFrame:
    """Limbs of the subject in a frame, which may be enlarged, and rings around filled joints."""
    zoom = np.full(2, len(frame) / keypoints.image_size[0])
    points, score = resize_points(keypoints.points[index], zoom), keypoints.score[index]
    overlay = draw_limbs(frame, points, score, skeleton=keypoints.skeleton)
    return draw_boxes_and_rings(overlay, {}, points[is_ringed(keypoints, index)])


def is_ringed(keypoints: Keypoints, index: int) -> np.ndarray:
    """Which joints of a frame were filled in or completed."""
    marks = [m[index] for m in (keypoints.filled, keypoints.completed) if m is not None]
    return np.any(marks, axis=0) if marks else np.zeros(len(keypoints.skeleton.joints), bool)


def draw_limbs(
    frame: AnyFrame,
    points: Joints,
    score: JointScores,
    *,
    skeleton: Skeleton,
    intensity: float = 1.0,
) -> AnyFrame:
    """Draw limbs over a frame; their strongest channel is their opacity."""
    height, width, _ = frame.shape
    limbs = intensity * draw_rgb(
        points,
        score,
        skeleton=skeleton,
        size=(height, width),
        style=display_style(height, widths=_LINE_WIDTHS),
    )
    opacity = limbs.max(axis=2, keepdims=True) / 255
    return np.round(frame * (1 - opacity) + limbs).astype(np.uint8)


def draw_boxes_and_rings(
    frame: AnyFrame, boxes: Mapping[int, Box], rings: Float32[np.ndarray, "rings 2"]
) -> AnyFrame:
    """Draw a box with its number around each track, and a ring around each point."""
    image = Image.fromarray(frame)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=max(12, frame.shape[0] // 28))
    for person, (x0, y0, x1, y1) in boxes.items():
        color = track_color(person)
        draw.rectangle((x0, y0, x1 - 1, y1 - 1), outline=color, width=2)
        label = draw.textbbox((x0 + 4, y0 + 3), str(person), font)
        draw.rectangle((x0, y0, label[2] + 4, label[3] + 4), fill=color)
        draw.text((x0 + 4, y0 + 3), str(person), (0, 0, 0), font)
    for x, y in rings.tolist():
        draw.ellipse((x - 4, y - 4, x + 4, y + 4), outline=(255, 255, 255), width=2)
    return np.asarray(image)
