"""The fitted body over a film, and beside it as seen from the right of the image."""

import cv2
import numpy as np
from jaxtyping import Float

from motiontransfer.body.motion import BodyMotion
from motiontransfer.body.skeleton import BONES, joint
from motiontransfer.core.arrays import AnyFrame
from motiontransfer.pose.skeleton import mirrored

COLORS = {"left": (255, 146, 43), "right": (34, 184, 207), "middle": (236, 238, 242)}
"""RGB of the bones of each side."""
_BACKGROUND, _NO_FIT = (20, 21, 24), (224, 49, 49)
_SIDE_SHARE = 0.55  # of the side view's width, of the picture's height
_LINE_SHARE = 150  # lines that are as thick together as the picture is high


def with_views(frame: AnyFrame, motion: BodyMotion, index: int, *, zoom: float = 1.0) -> AnyFrame:
    """A frame with the skeleton over it, and to its right the skeleton from the side.

    From the side the camera is on the left, and heights are as in the picture. Where the skeleton
    does not fit, it is not drawn, and the side view has a red edge.

    Args:
        frame: pixels of the working image, enlarged by `zoom`.
    """
    height = len(frame)
    beside = np.full((height, round(_SIDE_SHARE * height), 3), _BACKGROUND, np.uint8)
    width = max(1, height // _LINE_SHARE)
    if not motion.fits[index]:
        cv2.rectangle(beside, (0, 0), (beside.shape[1] - 1, height - 1), _NO_FIT, 4 * width)
        return np.concatenate([frame, beside], axis=1)
    one = motion.part([index])
    depth, flat = one.joints()[..., 2], zoom * one.projected()
    shown = (flat[..., 1] >= 0) & (flat[..., 1] < height)
    middle = depth[shown].mean() if shown.any() else 0.0
    away = beside.shape[1] / 2 + zoom * one.scale * (depth - middle)
    from_side = np.stack([away, flat[..., 1]], axis=2)
    frame = frame.copy()
    for picture, places in ((frame, flat), (beside, from_side)):
        _draw(picture, places, depth if picture is frame else -flat[..., 0], width)
    return np.concatenate([frame, beside], axis=1)


def _draw(
    picture: AnyFrame,
    places: Float[np.ndarray, "1 joints 2"],
    away: Float[np.ndarray, "1 joints"],
    width: int,
) -> None:
    """Draw bones, those that are nearest to who looks at them last, with a dark edge."""
    bones = []
    for name, bone in BONES.items():
        start = mirrored(bone.end) if name in ("hips", "ears") else bone.start  # as a whole
        ends = [
            tuple(joint(places, end)[0].round().astype(int).tolist()) for end in (start, bone.end)
        ]
        side = name.partition("_")[0]
        distance = np.mean([joint(away, end)[0] for end in (start, bone.end)])
        bones.append((distance, ends, COLORS.get(side, COLORS["middle"])))
    for _, (start, end), color in sorted(bones, key=lambda bone: -bone[0]):
        cv2.line(picture, start, end, (0, 0, 0), 3 * width, cv2.LINE_AA)
        cv2.line(picture, start, end, color, 2 * width, cv2.LINE_AA)
