"""Outfits, hair and surface colors of an actor.

Painted in rest-pose coordinates, so paint moves with the skin. Colors are linear light, 0 to 1.
Hair is in the face frame: millimeters from between the eyes, x to the person's left, y up, z
forward from the eyes' centers.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.interpolate import PchipInterpolator

from demo.actors.body import FaceFrame
from demo.actors.mesh import Surface, triangles
from demo.actors.posing import Rig

SKIN, CLOTH, EYE, HAIR, LASH, TEETH = range(6)
"""Parts of the mesh; the meaning of a point's coordinates depends on the part it is on."""

SHIRT_HEM = -0.02
"""Where the shirt ends, up the torso from the hip joints."""

TROUSER_HEM = 1.15
"""Where the trousers end, in heights of the ankle."""

SOLE_TOP = 0.3
"""Where the soles end, in heights of the ankle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outfit:
    """What an actor wears; lengths in meters unless said otherwise, colors sRGB 0 to 255."""

    skin: tuple[int, int, int]
    """Color of the skin."""
    lips: tuple[int, int, int]
    """Color of the lips."""
    brows: tuple[int, int, int]
    """Color of the eyebrows and the eyes' rims."""
    iris: tuple[int, int, int]
    """Color of the iris."""
    hair: tuple[int, int, int]
    """Color of the hair."""
    hair_style: Literal["bob", "cropped"]
    """A chin-long bob, or hair a centimeter long."""
    brow_width_mm: float
    """Half the height of an eyebrow."""
    shirt: tuple[int, int, int]
    """Color of the shirt."""
    shirt_band: tuple[int, int, int]
    """Color of a band across the chest; the shirt's own for none."""
    sleeve_end: float
    """Where the sleeves end: 1 is the elbow, 2 the wrist."""
    collar_drop: float
    """How much wider than the neck the neckline is."""
    trousers: tuple[int, int, int]
    """Color of the trousers."""
    shoes: tuple[int, int, int]
    """Color of the shoes."""
    soles: tuple[int, int, int]
    """Color of the soles."""
    looseness: float
    """How far shirt and trousers stand off the body."""


_THICKNESS = {"bob": 0.001, "cropped": 0.008}
# Height of the hairline over depth: nape, behind the ear, above it, sideburn, temple, forehead.
_HAIRLINE_DEPTH = (-180.0, -130.0, -112.0, -98.0, -84.0, -64.0, -56.0, -44.0, -26.0, -4.0, 24.0)
_HAIRLINE_HEIGHT = (-72.0, -68.0, -40.0, -12.0, 6.0, -14.0, -14.0, 16.0, 40.0, 54.0, 61.0)


def above_hairline(face_points: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, " points"]:
    """How far above the hairline a point of the head is, mm; negative on the face."""
    x, y, z = face_points.T
    height = y - np.interp(z, _HAIRLINE_DEPTH, _HAIRLINE_HEIGHT)
    return np.where(_on_ear(x, y, z), -50.0, height)


def _on_ear(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> Bool[np.ndarray, " points"]:
    return (np.abs(x) > 71.0) & (y < 14.0) & (y > -60.0) & (z > -112.0) & (z < -55.0)


def scalp_thickness(
    face_points: Float[np.ndarray, "points 3"], style: str
) -> Float[np.ndarray, " points"]:
    """How far hair pushes the scalp out, meters; it rises from the hairline within 14 mm."""
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
        points=frame.to_meters(points),
        faces=triangles(quads),
        coordinates=coordinates,
        weights=weights,
        actions=still,
    )


_TEETH_COLOR = (206, 198, 186)
_EYE_WHITE = (240, 238, 232)
_MOUTH_INSIDE = (58, 16, 16)
_PUPIL = (14, 10, 10)


def linear(color: tuple[int, int, int]) -> Float[np.ndarray, " 3"]:
    """SRGB 0 to 255 as linear light 0 to 1."""
    return (np.array(color) / 255.0) ** 2.2


def display(light: Float[np.ndarray, "*shape 3"]) -> Float[np.ndarray, "*shape 3"]:
    """Linear light as display values 0 to 255, with highlights rolled off rather than cut."""
    soft = np.where(light > 0.8, 0.8 + 0.2 * np.tanh((light - 0.8) / 0.2), light)
    return 255.0 * np.clip(soft, 0.0, 1.0) ** (1 / 2.2)


def surface_colors(
    outfit: Outfit, part: Int[np.ndarray, " points"], coordinates: Float[np.ndarray, "points 4"]
) -> tuple[Float[np.ndarray, "points 3"], Float[np.ndarray, " points"]]:
    """Albedo of each point, and how much it shines (0 cloth, more for skin, hair and eyes)."""
    colors = np.empty((len(part), 3))
    shine = np.zeros(len(part))
    painters = {SKIN: _head, CLOTH: _cloth, EYE: _eye, HAIR: _hair}
    for key, paint in painters.items():
        chosen = part == key
        if chosen.any():
            colors[chosen], shine[chosen] = paint(outfit, coordinates[chosen])
    colors[part == LASH] = linear(outfit.brows) * 0.5
    colors[part == TEETH] = linear(_TEETH_COLOR)
    return colors, shine


def _head(outfit: Outfit, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, y, z = np.abs(at[:, 0]), at[:, 1], at[:, 2]
    colors = np.tile(linear(outfit.skin), (len(at), 1))
    cheek = np.exp(-(((x - 42) / 16) ** 2) - ((y + 38) / 15) ** 2) * (z > -40)
    colors *= 1.0 - cheek[:, None] * [0.0, 0.14, 0.12]
    front = z > -25
    for mask, color in (
        (front & _on_eye_rim(x, y), linear(outfit.brows)),
        (front & _on_brow(x, y, outfit.brow_width_mm), linear(outfit.brows)),
        (front & _on_lips(x, y), linear(outfit.lips)),
        (_in_mouth(x, y, z), linear(_MOUTH_INSIDE)),
    ):
        colors[mask] = color
    hair = above_hairline(at[:, :3]) > 0
    colors[hair], hair_shine = _hair(outfit, at[hair])
    shine = np.full(len(at), 0.10)
    shine[hair] = hair_shine
    return colors, shine


def _on_brow(x: np.ndarray, y: np.ndarray, half_width: float) -> Bool[np.ndarray, " points"]:
    middle = np.interp(x, [10.0, 20.0, 34.0, 43.0, 53.0], [14.0, 17.5, 20.5, 18.5, 11.5])
    taper = np.interp(x, [10.0, 14.0, 40.0, 53.0], [0.5, 1.0, 0.9, 0.35])
    return (np.abs(y - middle) < half_width * taper) & (x > 10) & (x < 53)


def _on_eye_rim(x: np.ndarray, y: np.ndarray) -> Bool[np.ndarray, " points"]:
    upper = np.where(y > -1.5, 7.2, 6.2)
    return ((x - 33.0) / 15.0) ** 2 + ((y + 1.5) / upper) ** 2 < 1.0


def _on_lips(x: np.ndarray, y: np.ndarray) -> Bool[np.ndarray, " points"]:
    top = np.interp(x, [0.0, 6.0, 15.0, 26.0], [-65.0, -62.8, -66.0, -73.0])
    bottom = np.interp(x, [0.0, 12.0, 20.0, 26.0], [-87.0, -85.0, -80.0, -74.0])
    return (y < top) & (y > bottom) & (x < 26)


def _in_mouth(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> Bool[np.ndarray, " points"]:
    return (x < 21) & (y < -58) & (y > -84) & (z > -70) & (z < 13)


def _hair(outfit: Outfit, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    angle = np.arctan2(at[:, 0], at[:, 2] + 78.0)
    strands = 1.0 + 0.14 * np.sin(23 * angle + 0.02 * at[:, 1]) + 0.08 * np.sin(51 * angle + 1.0)
    return linear(outfit.hair) * strands[:, None], np.full(len(at), 0.16)


def _eye(outfit: Outfit, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    colors = np.tile(linear(_EYE_WHITE), (len(at), 1))
    off_axis = np.hypot(at[:, 0], at[:, 1])
    colors[off_axis < 0.52] = linear(outfit.iris)
    colors[off_axis < 0.24] = linear(_PUPIL)
    return colors, np.full(len(at), 0.5)


def _cloth(outfit: Outfit, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    arm, inside_collar, up, over_ankle = at.T
    colors = np.tile(linear(outfit.shirt), (len(at), 1))
    band = (up > 0.58) & (up < 0.72) & (arm < 0.04)
    sleeve_hem = (arm > outfit.sleeve_end - 0.06) | ((up < SHIRT_HEM + 0.03) & (arm < 0.1))
    colors[band] = linear(outfit.shirt_band)
    colors[sleeve_hem] *= 0.72
    legs = (up < SHIRT_HEM) & (arm <= 0)
    colors[legs] = linear(outfit.trousers)
    colors[legs & (over_ankle < TROUSER_HEM + 0.25)] *= 0.75
    shoes = over_ankle < TROUSER_HEM
    colors[shoes] = linear(outfit.shoes)
    colors[over_ankle < SOLE_TOP] = linear(outfit.soles)
    bare = (arm > outfit.sleeve_end) | (inside_collar > -outfit.collar_drop)
    colors[bare] = linear(outfit.skin)
    return colors, np.where(bare, 0.10, np.where(shoes, 0.12, 0.02))
