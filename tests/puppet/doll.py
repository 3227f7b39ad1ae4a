"""A doll painted over a room: each body part in a colour of its own."""

from dataclasses import replace

import cv2
import numpy as np

from motiontransfer.puppet.appearance import fit_appearance
from motiontransfer.puppet.parts import BodyPoses, body_parts
from motiontransfer.skeleton import HOLISTIC
from tests.pose.whole_person import HEIGHT_PX, SIZE, person

PARTS = body_parts(HOLISTIC)
NUMBER_OF = {part.name: number for number, part in enumerate(PARTS)}
COLOURS = np.random.default_rng(3).permutation(
    [(200 + 40 * (n % 2), 10 + 25 * (n // 2 % 5), 240 - 14 * n) for n in range(len(PARTS))]
)


def room(size=SIZE):
    """Soft green spots."""
    noise = np.random.default_rng(0).uniform(60, 110, (*size, 1)).astype(np.float32)
    return np.dstack(
        [0.6 * cv2.GaussianBlur(noise, (15, 15), 4)[..., None] * (1, 1.6, 1.1)]
    ).astype(np.uint8)


def painted(keypoints, index=0, *, background=None, thickness=0.9):
    """A frame with the doll, from the farthest part to the nearest, and a mask of each part."""
    size = keypoints.image_size
    frame = (room(size) if background is None else background).copy()
    grain = np.random.default_rng(1).integers(-12, 13, (*size, 1))
    poses = BodyPoses(HOLISTIC, keypoints.points, keypoints.score)
    height_px = HEIGHT_PX * size[0] / SIZE[0]
    masks = {}
    for part, colour in zip(PARTS, COLOURS, strict=True):
        mask = np.zeros(size, np.uint8)
        width = max(round(2 * thickness * part.radius * height_px), 1)
        for bone in part.bones:
            points, found = poses.joints_at(index, bone)
            if found.all():
                cv2.line(mask, *points.round().astype(int).tolist(), 1, width)
        points, found = poses.joints_at(index, part.joints)
        if part.is_solid and found.sum() >= part.min_joints:
            cv2.fillConvexPoly(mask, cv2.convexHull(points[found].round().astype(np.int32)), 1)
        masks[part.name] = mask.astype(bool)
        for other in masks:
            masks[other] = masks[other] & ~masks[part.name] if other != part.name else masks[other]
        frame[masks[part.name]] = np.clip(colour + grain, 0, 255)[masks[part.name]]
    return frame, masks


def posed(**places):
    """Someone who stands, with some joints put elsewhere: (x, y) from the middle of the hips.

    A hand goes with its wrist.
    """
    keypoints = person()
    points = keypoints.points.copy()
    for joint, place in places.items():
        moved = np.float32(place) + 128 - points[0, HOLISTIC.index(joint)]
        side, _, kind = joint.partition("_")
        joints = [HOLISTIC.index(joint)]
        if kind == "wrist":
            where = HOLISTIC.slice(f"{side}_hand")
            joints += range(where.start, where.stop)
            joints += [HOLISTIC.index(f"{side}_{tip}") for tip in ("index", "pinky", "thumb")]
        points[0, joints] += moved
    return replace(keypoints, points=points)


def appearance_of(*references, frames=None, **how):
    """How a doll looks in these poses, each a clip of one frame.

    Args:
        frames: what is seen there; None: the doll in the room.
    """
    frames = frames or [painted(keypoints, **how)[0] for keypoints in references]
    return fit_appearance(
        HOLISTIC,
        [(keypoints.points, keypoints.score) for keypoints in references],
        {(clip, 0): frame for clip, frame in enumerate(frames)},
        background=room(),
        height_px=HEIGHT_PX,
    )
