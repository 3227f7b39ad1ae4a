"""Hair: where it grows on the scalp, how thick it lies, and the shell of a bob.

All in the face frame: millimetres from between the eyes, x to the person's left, y up, z
forward from the eyes' centres.
"""

import numpy as np
from jaxtyping import Bool, Float
from scipy.interpolate import PchipInterpolator

from motiontransfer.actors.body import Rig
from motiontransfer.actors.landmarks import FaceFrame
from motiontransfer.actors.surface import Surface, triangles

_THICKNESS = {"bob": 0.001, "cropped": 0.008}
# Height of the hairline over depth: nape, behind the ear, above it, sideburn, temple, forehead.
_HAIRLINE_DEPTH = (-180.0, -130.0, -112.0, -98.0, -84.0, -64.0, -56.0, -44.0, -26.0, -4.0, 24.0)
_HAIRLINE_HEIGHT = (-72.0, -68.0, -40.0, -12.0, 6.0, -14.0, -14.0, 16.0, 40.0, 54.0, 61.0)


def above_hairline(
    face_points: Float[np.ndarray, "points 3"],
) -> Float[np.ndarray, " points"]:
    """How far above the hairline a point of the head is, mm; negative on the face."""
    x, y, z = face_points.T
    height = y - np.interp(z, _HAIRLINE_DEPTH, _HAIRLINE_HEIGHT)
    return np.where(_on_ear(x, y, z), -50.0, height)


def _on_ear(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> Bool[np.ndarray, " points"]:
    return (np.abs(x) > 71.0) & (y < 14.0) & (y > -60.0) & (z > -112.0) & (z < -55.0)


def scalp_thickness(
    face_points: Float[np.ndarray, "points 3"], style: str
) -> Float[np.ndarray, " points"]:
    """How far hair pushes the scalp out, metres; it rises from the hairline within 14 mm."""
    rise = np.clip(above_hairline(face_points) / 14.0, 0.0, 1.0)
    return _THICKNESS[style] * rise * rise * (3 - 2 * rise)


def bob_shell(rig: Rig, frame: FaceFrame) -> Surface:
    """A shell of hair around the head, open over the face, that moves with the head."""
    heights = np.linspace(134.0, -108.0, 34)
    around = np.linspace(0.0, 1.0, 49)
    width = PchipInterpolator(
        [-108, -60, 0, 40, 80, 110, 128, 134], [84, 93, 95, 94, 80, 56, 25, 0]
    )(heights)
    depth = PchipInterpolator(
        [-108, -60, 0, 40, 80, 110, 128, 134], [92, 108, 118, 119, 104, 74, 34, 0]
    )(heights)
    opening = PchipInterpolator([-108, -40, 25, 50, 62, 70], np.radians([66, 63, 58, 44, 22, 0]))(
        np.clip(heights, -108, 70)
    )
    parting = PchipInterpolator([-108, 20, 70], np.radians([0, 2, 16]))(np.clip(heights, -108, 70))
    angle = opening[:, None] + around * (2 * np.pi - 2 * opening[:, None]) + parting[:, None]
    strands = 1.0 + 0.02 * np.sin(14 * angle) * np.clip((60 - heights) / 100, 0, 1)[:, None]
    middle = np.interp(heights, [-108, 134], [-92, -72])
    points = np.stack(
        [
            width[:, None] * strands * np.sin(angle),
            np.broadcast_to(heights[:, None], angle.shape),
            middle[:, None] + depth[:, None] * strands * np.cos(angle),
        ],
        axis=2,
    ).reshape(-1, 3)
    rows, columns = len(heights), len(around)
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).reshape(-1)
    quads = np.stack([corner, corner + columns, corner + columns + 1, corner + 1], axis=1)
    coordinates = np.concatenate([points, np.zeros((len(points), 1))], axis=1)
    weights = np.zeros((len(points), len(rig.body.bones)))
    weights[:, rig.body.bones.index("head")] = 1.0
    still = {name: np.zeros_like(points) for name in rig.body.actions}
    return Surface(
        points=frame.to_metres(points),
        faces=triangles(quads),
        coordinates=coordinates,
        weights=weights,
        actions=still,
    )
