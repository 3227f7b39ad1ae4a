"""What a hand holds: a hat or a bag, which is cut out with the trunk that it lies before.

Nothing tells a gray hat from a gray jacket. But where the hand is beside the body, the person
covers more than a hand does. What a hand holds then, it holds in most of the film. Beside the body
it is no trunk's. Trunks with a hand before them are avoided, and so is the hand that holds it.
"""

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from jaxtyping import Float64

from motiontransfer.body.parts import BodyPart, BodyPoses, distance_to_bone
from motiontransfer.core.arrays import Series
from motiontransfer.puppet.fit.silhouette import Silhouette

HANDS = "left_index", "right_index"
REACH = 0.12  # of the body's height, from a hand: so far what it holds hides a trunk

# The place around a hand.
_NUM_ACROSS = 15  # points that are looked up
_BESIDE = 2.0  # radii from the bones of all parts, beyond which none is there
_LEAST_FREE = 0.25  # share of it that is beside them; of less nothing is told
_HELD = 0.07  # mean share of that which the person covers if something is held; surely at twice it


def held_by_hands(parts: Sequence[BodyPart], people: Iterable[Silhouette]) -> list[float]:
    """How surely each hand holds something in most of the references, 0 to 1."""
    bones = [(*bone, part.radius) for part in parts for bone in part.bones]
    shares = np.array([_covered_beside(bones, person) for person in people])
    known = np.isfinite(shares)
    mean = np.where(known, shares, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.clip(mean / _HELD - 1, 0, 1).tolist()


def _covered_beside(
    bones: Sequence[tuple[str, str, float]], person: Silhouette
) -> Float64[np.ndarray, " hands"]:
    """Share of the place around each hand, and beside all bones, that the person covers; or NaN.

    Args:
        bones: both ends, and the part's radius.
    """
    starts, ends, radii = zip(*bones, strict=True)
    points, found = person.joints((*HANDS, *starts, *ends))
    places = points.astype(np.float64) @ (1, 1j)
    hands, starts, ends = np.split(places, (len(HANDS), len(HANDS) + len(bones)))
    both = found[len(HANDS) :].reshape(2, -1).all(axis=0)
    limits = _BESIDE * person.height_px * np.array(radii)[both, None]
    across = np.linspace(-REACH, REACH, _NUM_ACROSS) * person.height_px
    offsets = (across + 1j * across[:, None]).ravel()
    shares = np.full(len(HANDS), np.nan)
    for number in np.flatnonzero(found[: len(HANDS)]):
        away = distance_to_bone(hands[number] + offsets, starts[both, None], ends[both, None])
        is_free = (away > limits).all(axis=0)
        if is_free.mean() >= _LEAST_FREE:
            free = (hands[number] + offsets[is_free]).astype(np.complex64)
            covered = cv2.remap(person.coverage, free.real, free.imag, cv2.INTER_NEAREST)
            shares[number] = covered.mean()
    return shares


def hidden_by_held(
    parts: Sequence[BodyPart], poses: BodyPoses, heights_px: Series, held: Sequence[float]
) -> Float64[np.ndarray, "references parts"]:
    """Share of each part that counts as hidden by what a hand holds.

    All of that hand: of both, the other one shows more. Of a trunk the more, the nearer a hand.

    Args:
        heights_px: of the upright body in each reference.
        held: see `held_by_hands`.
    """
    hidden = np.zeros((len(poses), len(parts)))
    sure_of = dict(zip(("left_hand", "right_hand"), held, strict=True))
    for number, part in enumerate(parts):
        if part.is_hand:
            hidden[:, number] = sure_of[part.name]
        elif part.is_trunk:
            hidden[:, number] = max(held) * (1 - _shown_beside_hands(part, poses, heights_px))
    return hidden


def _shown_beside_hands(trunk: BodyPart, poses: BodyPoses, heights_px: Series) -> Series:
    """Share of a trunk that nothing held hides, in each reference: the less, the nearer a hand."""
    shown = np.ones(len(poses))
    count = len(HANDS)
    points, found = poses.joints((*HANDS, *trunk.joints))
    for number in np.flatnonzero(found[:, count:].all(axis=1)):
        hull = cv2.convexHull(points[number, count:].astype(np.float32))
        for hand in points[number, :count][found[number, :count]].tolist():
            away = -cv2.pointPolygonTest(hull, hand, measureDist=True)
            share = max(away, 0) / (REACH * heights_px[number])
            shown[number] = min(shown[number], share)
    return shown
