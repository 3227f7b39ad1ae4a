"""What an actor wears, and the names of the parts of a dressed body that are coloured by it."""

from dataclasses import dataclass
from typing import Literal

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
    """What an actor wears; lengths in metres unless said otherwise, colours sRGB 0 to 255."""

    skin: tuple[int, int, int]
    """Colour of the skin."""

    lips: tuple[int, int, int]
    """Colour of the lips."""

    brows: tuple[int, int, int]
    """Colour of the eyebrows and the eyes' rims."""

    iris: tuple[int, int, int]
    """Colour of the iris."""

    hair: tuple[int, int, int]
    """Colour of the hair."""

    hair_style: Literal["bob", "cropped"]
    """A chin-long bob, or hair a centimetre long."""

    brow_width_mm: float
    """Half the height of an eyebrow."""

    shirt: tuple[int, int, int]
    """Colour of the shirt."""

    shirt_band: tuple[int, int, int]
    """Colour of a band across the chest; the shirt's own for none."""

    sleeve_end: float
    """Where the sleeves end: 1 is the elbow, 2 the wrist."""

    collar_drop: float
    """How much wider than the neck the neckline is."""

    trousers: tuple[int, int, int]
    """Colour of the trousers."""

    shoes: tuple[int, int, int]
    """Colour of the shoes."""

    soles: tuple[int, int, int]
    """Colour of the soles."""

    looseness: float
    """How far shirt and trousers stand off the body."""
