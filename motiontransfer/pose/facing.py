"""Which way someone faces, and which way up, by 2-D joints alone."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Complex128

from motiontransfer.core.arrays import Series, Vectors
from motiontransfer.pose.boxes import across_body, body_height_px
from motiontransfer.pose.keypoints import Keypoints

# Heights of the upright body.
WIDTH_FROM_FRONT = 0.32  # of shoulders and hips together
_TURNED = 0.1  # of these widths; narrower ones are seen from the side

BACK_SECONDS = 0.5  # of film from behind that show a back; wrong detections are shorter

# Someone who stands, by medians over a film, in lengths of the trunk. Of 102 photos of people who
# lie, kneel or are on their hands, 3 show all of it; of 76 of other exercises, on their side, 52.
_SAME_WAY = 0.8  # of the frames
_FROM_FRONT_OR_BACK = 0.45  # width of the shoulders
_STRAIGHT = 1.0  # hips to ankles
_FEET_APART = 0.3  # or, with feet together, ...
_TILTED = 0.1  # radians, from across the picture: who lies on one side is raised at one end
_TRUNKS_TO_EYES = 1.9  # from the shoulders; where no hips are seen

_NOSE_PER_WIDTH = 0.63  # of the ears, that a nose is before them: the median of five films of turns

TRUNK_AND_FEET = ("shoulder", "hip", "ankle")
_Pairs = Complex128[np.ndarray, "frames 2"]


def lacks_back(dance: Keypoints, filmed: Sequence[Keypoints]) -> bool:
    """Whether a dance shows a back that films of another person do not."""
    return seconds_from_behind([dance]) >= BACK_SECONDS > seconds_from_behind(filmed)


def seconds_from_behind(clips: Sequence[Keypoints]) -> float:
    """For how long clips show someone's back."""
    frames = ((trunk_widths(clip) < -_TURNED * (body_height_px(clip) or np.nan)) for clip in clips)
    shown = zip(frames, clips, strict=True)
    return sum((float(behind.sum() / clip.frame_rate) for behind, clip in shown), 0.0)


def trunk_widths(keypoints: Keypoints) -> Series:
    """Width of shoulders and hips, pixels; negative from behind, NaN where not known."""
    sides = (keypoints.places(_both_sides(name)) for name in TRUNK_AND_FEET)
    return width_from_front(*sides)


def width_from_front(shoulders: _Pairs, hips: _Pairs, ankles: _Pairs) -> Series:
    """Width of shoulders and hips, in their unit; negative from behind, NaN where not known.

    Args:
        shoulders: left and right, x + iy; NaN where it was not found, as the others.
    """
    across = across_body((shoulders - ankles).mean(axis=1))
    return ((shoulders + hips) @ np.array((1, -1)) * across.conj()).real


def head_directions(
    left_ear: Vectors, right_ear: Vectors, nose: Vectors, *, across: Vectors
) -> Vectors:
    """Where heads look: 1 is towards the camera, -1 away, i to the right of the image.

    By joints that every detector has, also from behind. Not of length 1; NaN where one is missing.

    Args:
        across: the body, to the right where its head is up.
    """
    ears = left_ear - right_ear, nose - (left_ear + right_ear) / 2
    width, depth = ((each * across.conj()).real for each in ears)
    return width + 1j * depth / _NOSE_PER_WIDTH


def degrees_to_upright(keypoints: Keypoints) -> int:
    """Clockwise quarter turns, in degrees, that make a film upright in which somebody stands.

    Who lies is seen from the side, or has one foot on the other one; who stands on the hands has
    them beyond the shoulders.
    """
    shoulders, hips, ankles, wrists, eyes = (
        keypoints.places(_both_sides(joint))
        for joint in ("shoulder", "hip", "ankle", "wrist", "eye")
    )
    neck, seat = shoulders.mean(axis=1), hips.mean(axis=1)
    by_head = _TRUNKS_TO_EYES * (eyes.mean(axis=1) - neck)
    up = np.where(np.isnan(seat), by_head, neck - seat)
    known = np.abs(up) > 0  # NaN is not
    if not known.any():
        return 0
    quarters = np.round(np.angle(1j * up[known]) / (np.pi / 2)).astype(int) % 4
    turns = int(np.bincount(quarters).argmax())
    if turns == 0 or (quarters == turns).mean() < _SAME_WAY:
        return 0

    def usual(vector: Vectors) -> complex:
        """Median in lengths of the trunk: to either side in the upright picture, and down."""
        own = (vector / (1j * up))[known]
        own = own[np.isfinite(own)]
        if not len(own):
            return complex(np.nan, np.nan)
        return complex(np.median(np.abs(own.real)), np.median(own.imag))

    legs = usual(ankles.mean(axis=1) - seat)
    stands = usual(shoulders @ (1, -1)).real >= _FROM_FRONT_OR_BACK
    if not np.isnan(legs):
        tilt = abs(np.median(np.angle(1j * up[known] / 1j**turns)))
        is_balanced = tilt <= _TILTED or usual(ankles @ (1, -1)).real >= _FEET_APART
        stands &= legs.imag >= _STRAIGHT and is_balanced
    on_hands = turns == 2 and usual(wrists.mean(axis=1) - neck).imag < 0
    return 360 - 90 * turns if stands and not on_hands else 0


def _both_sides(name: str) -> tuple[str, str]:
    return f"left_{name}", f"right_{name}"
