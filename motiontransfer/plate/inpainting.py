"""Inpainting of what was never seen: exemplars (Criminisi et al. 2004), joined by their gradients.

Patches of the image are chosen one after the other at a reduced size, those at edges first. At full
size only the differences between neighbors are copied from the patches' places. The levels follow
from the border (Pérez et al. 2003), which hides the borders of patches.
"""

import cv2
import numpy as np
from jaxtyping import Float32, Float64, Int64
from scipy import sparse
from scipy.sparse.linalg import splu

from motiontransfer.core.arrays import Frame, PixelMask, Plane
from motiontransfer.plate.full_size import resampled
from motiontransfer.plate.masks import and_beside

_HEIGHT_PX = 160  # of the image in which patches are chosen
_RADIUS_PX = 4  # of a patch
_LEVEL_REACH = 0.1  # of what a part's levels follow its border, of its longer side
_LEAST_LEVEL_WEIGHT = 1e-6  # of a level, beside that of a difference: it decides alone
_LEAST_CONTRAST = 3.0  # levels; of an even patch, whose turn comes by how much of it is seen

_Image = Float32[np.ndarray, "height width 3"]
_Offsets = Int64[np.ndarray, "height width 2"]
"""(y, x) from each hidden pixel to the one that it is a copy of; 0: nothing to copy was found."""


def inpainted(image: Frame, is_hidden: PixelMask, *, is_beyond: PixelMask | None = None) -> Frame:
    """An image whose hidden pixels are filled by patches of the others.

    Args:
        is_beyond: pixels that are neither filled nor copied: what lies beside a body part. Few of
            its pixels border on what is hidden, so that levels are copied, too.
    """
    is_part = is_beyond is not None
    is_beyond = np.zeros_like(is_hidden) if is_beyond is None else is_beyond
    if (is_hidden | is_beyond).all() or not is_hidden.any():
        return image
    height, width = is_hidden.shape
    scale = min(_HEIGHT_PX / height, 1)
    size = round(width * scale), round(height * scale)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    partly = cv2.resize(is_hidden.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
    beyond = cv2.resize(is_beyond.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
    beyond &= ~partly
    no_offsets = np.zeros((*partly.shape, 2), np.int64)
    usual = image[~(is_hidden | is_beyond)].mean(axis=0) if is_part else None
    small[partly] = _joined(small, partly, beyond, no_offsets, usual=usual)
    offsets = _exemplars(small, partly, beyond) * (np.array([height, width]) / partly.shape)
    offsets = resampled(offsets.round().astype(np.int64), (height, width))
    filled = image.copy()
    if is_part:
        guess = cv2.resize(small, (width, height)).round().clip(0, 255).astype(np.uint8)
        copied = np.where(offsets.any(axis=2, keepdims=True), _moved(image, offsets), guess)
        joined = blended(image, copied, is_hidden, is_beyond=is_beyond)
        filled[is_hidden] = joined.round().clip(0, 255)
        return filled
    _, pieces, (_, *areas), _ = cv2.connectedComponentsWithStats(
        is_hidden.astype(np.uint8), connectivity=4
    )
    is_largest = pieces == 1 + np.argmax([area[cv2.CC_STAT_AREA] for area in areas])
    # By themselves, which takes half of the memory: no equation is of two pieces.
    for piece in (is_largest, is_hidden & ~is_largest):
        if piece.any():
            filled[piece] = _joined(image, piece, is_hidden & ~piece, offsets).round().clip(0, 255)
    return filled


def _moved(image: Frame, offsets: _Offsets) -> Frame:
    """Each pixel's source."""
    last = np.array(image.shape[:2]) - 1
    places = np.indices(image.shape[:2]).transpose(1, 2, 0) + offsets
    y, x = np.moveaxis(places.clip(0, last), 2, 0)
    return image[y, x]


def _exemplars(image: _Image, is_hidden: PixelMask, is_beyond: PixelMask) -> _Offsets:
    """For each patch at the border of what is filled, the most similar one that was all seen.

    Args:
        image: hidden pixels hold a guess, which counts as the others: else things are made up.
    """
    image, offsets = image.copy(), np.zeros((*is_hidden.shape, 2), np.int64)
    known, is_seen = (~is_hidden).astype(np.float32), (~is_hidden & ~is_beyond).astype(np.uint8)
    confidence = is_seen.astype(np.float32)
    while not known.all():
        y, x, trust = _most_urgent(image, known, confidence)
        center = np.array([y, x])
        start = np.maximum(center - _RADIUS_PX, 0)
        patch = tuple(map(slice, start, center + _RADIUS_PX + 1))
        is_new = known[patch] == 0
        weight = (~is_beyond[patch]).astype(np.float32)
        distance = cv2.matchTemplate(
            image, image[patch], cv2.TM_SQDIFF, mask=np.repeat(weight[..., None], 3, axis=2)
        )
        rows, columns = distance.shape
        # Its anchor is the corner of a patch, as in `distance`.
        whole = cv2.erode(is_seen, np.ones(is_new.shape, np.uint8), anchor=(0, 0))[:rows, :columns]
        if whole.any():
            best = np.where(whole, distance, np.inf).argmin()
            source = np.array(np.unravel_index(best, distance.shape))
            copied = image[tuple(map(slice, source, source + is_new.shape))]
            image[patch][is_new] = copied[is_new]
            offsets[patch][is_new] = source - start
        confidence[patch][is_new] = trust
        known[patch] = 1
    return offsets


def _most_urgent(image: _Image, known: Plane, confidence: Plane) -> tuple[int, int, float]:
    """(y, x) of the pixel at the border that is filled next, and its patch's confidence."""
    side = (2 * _RADIUS_PX + 1,) * 2
    gray = image.mean(axis=2)
    variance = cv2.blur(gray**2, side) - cv2.blur(gray, side) ** 2
    trust = cv2.blur(confidence, side, borderType=cv2.BORDER_CONSTANT)
    urgency = trust * (np.sqrt(np.maximum(variance, 0)) + _LEAST_CONTRAST)
    at_border = (known == 0) & (and_beside(known) > 0)
    y, x = np.unravel_index(np.where(at_border, urgency, -1).argmax(), known.shape)
    return int(y), int(x), float(trust[y, x])


def membrane(image: _Image, is_hidden: PixelMask) -> _Image:
    """An image whose hidden pixels are as smooth as those around them allow."""
    found, nowhere = image.copy(), np.zeros_like(is_hidden)
    found[is_hidden] = _joined(image, is_hidden, nowhere, np.zeros((*nowhere.shape, 2), np.int64))
    return found


def _joined(
    image: Frame | _Image,
    is_hidden: PixelMask,
    is_beyond: PixelMask,
    offsets: _Offsets,
    *,
    usual: Float64[np.ndarray, "3"] | None = None,
) -> Float64[np.ndarray, "hidden 3"]:
    """Hidden pixels by the differences where they are copied from, in least squares.

    Where there is nothing to copy they are a membrane between the others.

    Args:
        usual: color of what borders on none of the others; None: all do.
    """
    pairs = _pairs(is_hidden, is_beyond)
    copied = _copied_differences(image, is_hidden | is_beyond, offsets, pairs)
    if usual is None:
        return _by_differences(image, is_hidden, pairs, copied)
    levels = np.ones((int(is_hidden.sum()), 1)) * usual
    return _by_differences(image, is_hidden, pairs, copied, levels, _LEAST_LEVEL_WEIGHT)


def blended(
    image: Frame, guide: Frame, is_hidden: PixelMask, *, is_beyond: PixelMask
) -> Float64[np.ndarray, "hidden 3"]:
    """Hidden pixels by the differences of another image there, joined to the others.

    Its levels hold far from these: a membrane would take the color of the few that border on it.
    """
    pairs = _pairs(is_hidden, is_beyond)
    before, after = guide[pairs[..., 0], pairs[..., 1]].astype(np.float64)
    reach = _LEVEL_REACH * max(is_hidden.shape)
    levels = guide[is_hidden].astype(np.float64)
    return _by_differences(image, is_hidden, pairs, after - before, levels, 1 / reach**2)


def _pairs(is_hidden: PixelMask, is_beyond: PixelMask) -> Int64[np.ndarray, "2 pairs 2"]:
    """(y, x) of neighbors, one above the other and side by side, of which some are hidden."""
    pairs = []
    for step in ((1, 0), (0, 1)):
        inside = tuple(slice(length - by) for length, by in zip(is_hidden.shape, step, strict=True))
        either = is_hidden[inside] | is_hidden[step[0] :, step[1] :]
        either &= ~(is_beyond[inside] | is_beyond[step[0] :, step[1] :])
        pairs.append(np.stack([first := np.argwhere(either), first + step]))
    return np.concatenate(pairs, axis=1)


def _by_differences(
    image: Frame | _Image,
    is_hidden: PixelMask,
    pairs: Int64[np.ndarray, "2 pairs 2"],
    copied: Float64[np.ndarray, "pairs 3"],
    levels: Float64[np.ndarray, "hidden 3"] | float = 0.0,
    level_weight: float = 0.0,
) -> Float64[np.ndarray, "hidden 3"]:
    """Hidden pixels with these differences between neighbors, and levels, in least squares."""
    first, second = pairs
    number = (np.cumsum(is_hidden) - 1).reshape(is_hidden.shape)
    incidence = sparse.csr_array((len(copied), number[-1, -1] + 1))
    for sign, pixels in ((-1.0, first), (1.0, second)):
        y, x = pixels.T
        hidden = is_hidden[y, x]
        copied -= sign * np.where(hidden[:, None], 0, image[y, x])
        place = np.flatnonzero(hidden), number[y, x][hidden]
        incidence += sparse.csr_array((np.full(len(place[0]), sign), place), incidence.shape)
    normal = (incidence.T @ incidence).tocsc()
    if level_weight:
        normal += level_weight * sparse.eye_array(normal.shape[0], format="csc")
    solver = splu(normal, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    return solver.solve(incidence.T @ copied + level_weight * np.asarray(levels))


def _copied_differences(
    image: Frame | _Image,
    is_unseen: PixelMask,
    offsets: _Offsets,
    pair: Int64[np.ndarray, "2 pairs 2"],
) -> Float64[np.ndarray, "pairs 3"]:
    """The smaller of each pair's differences at the sources of both; 0 where neither was seen."""
    chosen, smallest = np.zeros((pair.shape[1], 3)), np.full(pair.shape[1], np.inf)
    last = np.array(is_unseen.shape) - 1
    for y, x in pair.transpose(0, 2, 1):
        source = pair + offsets[y, x]
        inside = source.clip(0, last)
        rows, columns = inside[..., 0], inside[..., 1]
        found = (source == inside).all(axis=(0, 2)) & ~is_unseen[rows, columns].any(axis=0)
        before, after = image[rows, columns].astype(float)
        size = np.where(found, np.abs(after - before).sum(axis=1), np.inf)
        chosen = np.where((size < smallest)[:, None], after - before, chosen)
        smallest = np.minimum(size, smallest)
    return chosen
