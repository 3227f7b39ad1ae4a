"""Proportions of a body: how long its parts are, as shares of the body's height.

Hides how a length is read off pictures: a limb that points at the camera looks shorter than it is,
never longer, so a high quantile over a whole video is nearer the truth than a mean, and is not led
astray by single frames as a maximum is. Left and right count as one part.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from jaxtyping import Bool, Float64

from motiontransfer.keypoints import Keypoints

_QUANTILE = 0.8  # of a part's length over all frames; between 0.6 and 0.95 little changes
_MIN_FRAMES = 10  # a part seen in fewer frames has no known length


@dataclass(frozen=True, slots=True)
class Span:
    """From the middle of some joints to the middle of others."""

    start: tuple[str, ...]
    end: tuple[str, ...]


_HIPS = ("left_hip", "right_hip")
_SHOULDERS = ("left_shoulder", "right_shoulder")
_EARS = ("left_ear", "right_ear")

SPANS_OF_PART = MappingProxyType(
    {
        "hips": (Span(("right_hip",), ("left_hip",)),),
        "trunk": (Span(_HIPS, _SHOULDERS),),
        "shoulders": (Span(("right_shoulder",), ("left_shoulder",)),),
        "neck": (Span(_SHOULDERS, _EARS),),
        "head": (Span(("left_eye", "right_eye"), ("left_mouth", "right_mouth")),),
        "face_height": (Span(("face_chin",), ("face_forehead",)),),
        "face_width": (Span(("right_face_temple",), ("left_face_temple",)),),
        **{
            part: tuple(Span((f"{side}_{near}",), (f"{side}_{far}",)) for side in ("left", "right"))
            for part, near, far in (
                ("upper_arm", "shoulder", "elbow"),
                ("forearm", "elbow", "wrist"),
                ("thigh", "hip", "knee"),
                ("shin", "knee", "ankle"),
            )
        },
    }
)
"""Part of the body -> where it is measured; the sides of a part are averaged."""


def fit_proportions(
    clips: Sequence[Keypoints],
    heights_px: Sequence[Float64[np.ndarray, " _"]],
    *,
    min_score: float,
) -> dict[str, float]:
    """Length of each part of the body as a share of the body's height.

    A part that is hardly ever seen is left out.

    Args:
        heights_px: for each clip, how tall the body would look standing upright in each frame.
        min_score: joints with a lower score count as missing.
    """
    proportions = {}
    for part, spans in SPANS_OF_PART.items():
        sides = [_typical_length(clips, heights_px, span, min_score) for span in spans]
        known = [length for length in sides if length is not None]
        if known:
            proportions[part] = math.fsum(known) / len(known)
    return proportions


def middle_of(
    keypoints: Keypoints, joints: tuple[str, ...], *, min_score: float
) -> tuple[Float64[np.ndarray, "frames 2"], Bool[np.ndarray, " frames"]]:
    """Mean position of joints, and where all of them were found."""
    found = [keypoints.joint(joint) for joint in joints]
    points = np.stack([point for point, _ in found]).mean(axis=0, dtype=np.float64)
    weakest = np.stack([score for _, score in found]).min(axis=0)
    return points, (weakest > 0) & (weakest >= min_score)


def _typical_length(
    clips: Sequence[Keypoints],
    heights_px: Sequence[Float64[np.ndarray, " _"]],
    span: Span,
    min_score: float,
) -> float | None:
    shares = []
    for clip, height_px in zip(clips, heights_px, strict=True):
        start, has_start = middle_of(clip, span.start, min_score=min_score)
        end, has_end = middle_of(clip, span.end, min_score=min_score)
        seen = has_start & has_end
        shares.append(np.linalg.norm(end - start, axis=1)[seen] / height_px[seen])
    share = np.concatenate(shares)
    if len(share) < _MIN_FRAMES:
        return None
    length = float(np.quantile(share, _QUANTILE))
    return length if length > 0 else None
