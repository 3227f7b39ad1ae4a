"""Light and sharpness, measured where it counts: on the person.

Hides that the trunk stands for the light, as it is what the light falls on, and how fine detail is
told from noise and from a plain picture: beside the contrast of the same pixels, at one size.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import UInt8

from motiontransfer.media.framing import Box
from motiontransfer.pose.people import People
from motiontransfer.pose.person_box import enclosing_box, joint_boxes
from motiontransfer.skeleton import HOLISTIC

_MARGIN = 0.15  # of a person's extent: hair, hands and clothes
_WHITE = 252  # in all three colours
_SHARPNESS_HEIGHT = 256  # pixels at which sharpness is measured, whatever the working size


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What the person looks like, over the glances in which they are found."""

    brightness: float
    """Median grey level of the trunk, 0 to 255."""

    blown_out: float
    """Share of the trunk that is pure white, the median."""

    sharpness: float
    """Standard deviation of the Laplacian over that of the grey levels, in the person's box, the
    median: how much of the contrast is in the finest detail.
    """


def look_of(
    frames: Sequence[UInt8[np.ndarray, "_ _ 3"]], people: Sequence[People]
) -> Picture | None:
    """How the first person of each frame looks; None where no trunk is seen in any.

    Args:
        frames: working images.
    """
    looks = [
        look
        for frame, found in zip(frames, people, strict=True)
        if len(found)
        for look in _looks(frame, found)
    ]
    if not looks:
        return None
    brightness, blown_out, sharpness = np.median(np.array(looks), axis=0).tolist()
    return Picture(brightness=brightness, blown_out=blown_out, sharpness=sharpness)


def _looks(
    frame: UInt8[np.ndarray, "height width 3"], person: People
) -> Iterator[tuple[float, float, float]]:
    """Brightness, white share and sharpness; nothing where no trunk is seen."""
    trunk = [
        HOLISTIC.index(f"{side}_{joint}")
        for side in ("left", "right")
        for joint in ("shoulder", "hip")
    ]
    if not (person.score[0, trunk] > 0).all():
        return
    x0, y0, x1, y1 = joint_boxes(person.points[:, trunk], person.score[:, trunk])[0].round()
    chest = frame[int(y0) : int(y1) + 1, int(x0) : int(x1) + 1]
    whole = enclosing_box(
        person.points[0][person.score[0] > 0], margin=_MARGIN, image_size=frame.shape[:2]
    )
    if whole is None or chest.size == 0:
        return
    grey = np.asarray(cv2.cvtColor(chest, cv2.COLOR_RGB2GRAY))
    yield (
        float(grey.mean()),
        float((chest.min(axis=2) >= _WHITE).mean()),
        _sharpness(frame, whole),
    )


def _sharpness(frame: UInt8[np.ndarray, "height width 3"], box: Box) -> float:
    scale = _SHARPNESS_HEIGHT / frame.shape[0]
    height, width = (max(1, round(edge * scale)) for edge in frame.shape[:2])
    small = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
    x0, y0, x1, y1 = (round(edge * scale) for edge in box)
    grey = cv2.cvtColor(small[y0:y1, x0:x1], cv2.COLOR_RGB2GRAY).astype(np.float32)
    contrast = float(grey.std())
    return float(cv2.Laplacian(grey, cv2.CV_32F).std()) / contrast if contrast else 0.0
