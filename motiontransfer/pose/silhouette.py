"""Body silhouette: distance of each pixel from capsules around the limbs.

The radii are shares of the body's height; clothes and hair may reach farther.
"""

from collections.abc import Iterator

import cv2
import numpy as np
from jaxtyping import Float32, Int32

from motiontransfer.keypoints import Keypoints

_HIPS, _SHOULDERS, _EARS, _KNEES = (
    (f"left_{joint}", f"right_{joint}") for joint in ("hip", "shoulder", "ear", "knee")
)
# Drawn where all of a part's joints are found.
_REACH_OF_PART: dict[tuple[str, ...], float] = {
    (*_SHOULDERS, *_HIPS): 0.04,
    (*_HIPS, *_KNEES): 0.01,  # skirts
    (*_EARS, *_SHOULDERS): 0.02,
    **{
        (f"{side}_{near}", f"{side}_{far}"): reach
        for side in ("left", "right")
        for near, far, reach in (
            ("hip", "knee", 0.055),
            ("knee", "ankle", 0.04),
            ("shoulder", "elbow", 0.04),
            ("elbow", "wrist", 0.03),
        )
    },
}
# Drawn where any of the joints is found.
_REACH_OF_CLUSTER: dict[tuple[str, ...], float] = {
    ("nose", *_EARS): 0.04,
    **{
        tuple(f"{side}_{joint}" for joint in ("ankle", "heel", "foot_index")): 0.02
        for side in ("left", "right")
    },
}
_REACH_OF_GROUP = {"face": 0.04, "left_hand": 0.02, "right_hand": 0.02}


def distance_to_body(
    keypoints: Keypoints, frame_index: int, *, height_px: float
) -> Float32[np.ndarray, "height width"]:
    """Signed distance of each pixel from the body, pixels; infinite without joints.

    Args:
        height_px: of the upright body.
    """
    distance = np.full(keypoints.image_size, np.inf, np.float32)
    for corners, reach in _parts(keypoints, frame_index):
        outside = np.ones(keypoints.image_size, np.uint8)
        cv2.fillConvexPoly(outside, cv2.convexHull(corners), 0)
        if outside.all():  # all of it is beyond the frame's edge
            continue
        from_part = cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_5)
        distance = np.minimum(distance, from_part - np.float32(reach * height_px))
    return distance


def _parts(
    keypoints: Keypoints, frame_index: int
) -> Iterator[tuple[Int32[np.ndarray, "corners 2"], float]]:
    """Corners and radius of each part that was found."""
    skeleton, score = keypoints.skeleton, keypoints.score[frame_index]
    groups = dict(skeleton.groups)
    clusters = {groups[name]: reach for name, reach in _REACH_OF_GROUP.items() if name in groups}
    for joints, reach in (_REACH_OF_PART | _REACH_OF_CLUSTER | clusters).items():
        found = [i for joint in joints if score[i := skeleton.index(joint)] > 0]
        if found and (joints not in _REACH_OF_PART or len(found) == len(joints)):
            yield keypoints.points[frame_index, found].round().astype(np.int32), reach
