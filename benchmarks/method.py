"""The figure of docs/method.md: its steps on the demo, after `dvc repro`.

uv run python -m benchmarks.method
"""

import cv2
import numpy as np
from PIL import Image

from benchmarks.record import TRANSFER
from motiontransfer.body.motion import read_motion
from motiontransfer.body.views import with_views
from motiontransfer.core import layout
from motiontransfer.core.arrays import Frame
from motiontransfer.plate.masks import read_masks
from motiontransfer.pose.drawing import draw_pose
from motiontransfer.pose.keypoints_file import read_keypoints
from motiontransfer.puppet.appearance import Appearance
from motiontransfer.puppet.appearance_file import read_appearance
from motiontransfer.rendering.videos import side_by_side
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.geometry import resize

_TARGET, _FILM, _DANCE = "ada", "demo_target", "demo_dance"
_DANCER = "ben"
_SHOWN = 60  # frame of the dance: an arm raised, a leg bent
_PX = 320  # side of a panel
_PALETTE = 37  # steps of hue between parts


def main() -> None:
    with FrameStore(layout.frames_file(_DANCER, _DANCE)) as store:
        danced = store[_SHOWN]
    keypoints = read_keypoints(layout.keypoints_file(_DANCER, _DANCE))
    motion = read_motion(layout.motion_file(_DANCER, _DANCE))
    masks = read_masks(layout.masks_beside(layout.keypoints_file(_TARGET, _FILM)))
    with FrameStore(layout.frames_file(_TARGET, _FILM)) as store:
        index = int(masks.frame_index[len(masks.frame_index) // 2])
        filmed = store[index]
    appearance = read_appearance(layout.appearance_file(_TARGET))
    with FrameStore(layout.results_folder(TRANSFER) / "transfer.mp4") as store:
        result = store[_SHOWN]
    pose = read_keypoints(layout.poses_file(TRANSFER))
    rows = (
        {
            "1 frame of the dance": danced,
            "2 keypoints": np.maximum(danced // 2, draw_pose(keypoints, _SHOWN)),
            "3 fitted body": with_views(danced, motion, _SHOWN),
            "4 mask of the target": filmed
            * (resize(masks[index], filmed.shape[:2]) > 127)[..., None],
        },
        {
            "4 room": appearance.background,
            "5 parts of a reference": part_colors(appearance),
            "6 pose on the target": draw_pose(pose, _SHOWN),
            "8, 9 drawn, with shadows": result,
        },
    )
    sheet = [side_by_side({name: _square(image) for name, image in row.items()}) for row in rows]
    Image.fromarray(np.concatenate(sheet)).save("docs/method.jpg", quality=85)


def part_colors(appearance: Appearance) -> Frame:
    """The parts of the first reference, each in a hue of its own over its pixels."""
    image = np.zeros_like(appearance.background)
    for number, patch in enumerate(appearance.patches[0]):
        if patch is None:
            continue
        pixels, (x, y) = patch.pixels, patch.corner
        height, width = pixels.shape[:2]
        hue = np.array([[[number * _PALETTE % 180, 255, 255]]], np.uint8)
        color = cv2.cvtColor(hue, cv2.COLOR_HSV2RGB)[0, 0]
        under = image[y : y + height, x : x + width]
        covered = pixels[: len(under), : under.shape[1], 3:] > 127
        mixed = pixels[: len(under), : under.shape[1], :3] // 2 + color // 2
        under[:] = np.where(covered, mixed, under)
    return image


def _square(image: Frame) -> Frame:
    """The middle of an image, as a square panel; a wider one is fitted in."""
    height, width = image.shape[:2]
    scale = _PX / max(height, width)
    small = resize(np.ascontiguousarray(image), (round(height * scale), round(width * scale)))
    panel = np.zeros((_PX, _PX, 3), np.uint8)
    y, x = ((_PX - side) // 2 for side in small.shape[:2])
    panel[y : y + small.shape[0], x : x + small.shape[1]] = small
    return panel


if __name__ == "__main__":
    main()
