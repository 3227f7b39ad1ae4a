"""Matting against a known background: how much of a pixel is the person, and in which color.

A person mask is coarse: inside its edge lie pixels of the background, and beyond it fingers and
hair. In a band around the edge a pixel I mixes the person's color F and the background's B. I = a F
+ (1 - a) B (Smith and Blinn 1996, *Blue Screen Matting*); F is the nearest color that is surely the
person's. Where F and B are too similar, the mask decides.
"""

import itertools

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt8

from motiontransfer.plate.masks import HALF, NOISE, and_beside, disc_of

# Shares of the body's height.
_BAND = 0.02  # half the width of the band around the edge: what masks are wrong by
_BLUR = 0.006  # from the background, within which pixels are mixtures: what a camera blurs

# Levels of 255, as Euclidean distances of RGB.
_UNLIKE_BOTH = 25.0  # above noise off all mixtures of F and B: wholly another color
_CONTRAST = 40.0  # between F and B, at which mask and mixture count alike
_ALIKE = 60.0  # between two parts' colors: they tell nothing; at twice as many they do
OTHER_COLOR = 90.0  # from which a color is another one; wholly at twice as many

_WHOLE = 0.5  # share of a thing, from which its rim is all its: shade lies between skin and cloth
_FEWEST_SURE = 10  # pixels, to tell a thing by its colors
_CUTS = 2  # of the graph, each with the color models of the one before


def person_matte(
    frame: UInt8[np.ndarray, "height width 3"],
    background: UInt8[np.ndarray, "height width 3"],
    coverage: Float32[np.ndarray, "rows columns"],
    core: Float32[np.ndarray, "rows columns"],
    *,
    small: UInt8[np.ndarray, "rows columns 3"],
    is_known: Bool[np.ndarray, "height width"],
    height_px: float,
) -> tuple[UInt8[np.ndarray, "height width"], UInt8[np.ndarray, "height width 3"]]:
    """Share of each pixel of a box that is the person, of 255, and colors without the background's.

    Args:
        coverage: the mask, 0 to 1, of the box at any resolution.
        core: coverage near the bones, where the person is even if the mask misses them.
        small: the frame at the mask's resolution.
        is_known: pixels of the background that were seen.
        height_px: of the upright body at the mask's resolution.
    """
    whole = frame.shape[1::-1]
    disc = disc_of(_BAND * height_px)
    surely = (cv2.erode(coverage, disc) >= 1) | ((core >= 1) & (coverage >= 1))
    coverage = np.maximum(coverage, core)
    may_be = cv2.dilate(coverage, disc) > 0
    alpha = cv2.resize(coverage, whole)
    if not surely.any():
        return cv2.convertScaleAbs(alpha, alpha=255), frame
    everywhere = np.ones_like(surely)
    person = cv2.resize(_nearest(small, surely, everywhere).reshape(small.shape), whole)
    in_band = cv2.resize((may_be & ~surely).astype(np.uint8), whole) > 0
    band = np.flatnonzero(in_band & is_known)
    by_mask = alpha.ravel()[band]
    colors_in, inside, outside = (_channels(image, band) for image in (frame, person, background))
    unmixed, unlike_both = _unmixed(colors_in, inside, outside, by_mask)
    alpha.ravel()[band] = unmixed
    # Mixtures lie beside the background: farther from it a pixel has another color of the person.
    blur = disc_of(_BLUR * height_px * frame.shape[0] / len(coverage))
    mixed = cv2.dilate((alpha < 0.5).astype(np.uint8), blur).ravel()[band] > 0
    alpha.ravel()[band] = np.where(mixed, unmixed, np.maximum(unmixed, by_mask))
    share = (1 - unmixed) * (1 - unlike_both) * mixed
    changed = np.flatnonzero(share)
    changes = share[changed] * (inside[:, changed] - outside[:, changed])
    colors = frame.copy()
    colors.reshape(-1, 3)[band[changed]] = (colors_in[:, changed] + changes).round().clip(0, 255).T
    return cv2.convertScaleAbs(alpha, alpha=255), colors


def unlike_room(
    frame: UInt8[np.ndarray, "rows columns 3"], room: UInt8[np.ndarray, "rows columns 3"]
) -> Float32[np.ndarray, "rows columns"]:
    """Share of each pixel that surely is not the room's: 0 within noise of its color."""
    apart = np.linalg.norm(frame.astype(np.float32) - room, axis=2)
    return ((apart - NOISE) / _CONTRAST).clip(0, 1)


def without_rim(
    colors: UInt8[np.ndarray, "rows columns 3"],
    coverage: UInt8[np.ndarray, "rows columns"],
    *,
    behind: Bool[np.ndarray, "rows columns"],
    rim_px: float,
) -> tuple[UInt8[np.ndarray, "rows columns 3"], UInt8[np.ndarray, "rows columns"]]:
    """Colors and coverage of a thing without the rim of what is seen behind it.

    Near that, pixels are mixtures of the nearest color farther inside and of the nearest behind.

    Args:
        coverage: of 255.
        behind: pixels that show what is behind it.
        rim_px: how far its edge may be wrong.
    """
    rim = (coverage > 0) & (cv2.dilate(behind.view(np.uint8), disc_of(rim_px)) > 0)
    surely = (coverage > HALF) & ~rim
    if not rim.any() or not surely.any():
        return colors, coverage
    own, inside, outside = (
        np.ascontiguousarray(pixels.T, np.float32)
        for pixels in (colors[rim], _nearest(colors, surely, rim), _nearest(colors, behind, rim))
    )
    share, _ = _unmixed(own, inside, outside, np.ones(own.shape[1], np.float32))
    share = (share / _WHOLE).clip(0, 1)
    colors, left = colors.copy(), coverage.copy()
    left[rim] = (share * coverage[rim]).round()
    colors[rim] = (own + (1 - share) * (inside - outside)).round().clip(0, 255).T
    left[rim] = cv2.medianBlur(left, 5)[rim]
    return colors, cv2.min(left, coverage)


def share_by_color(
    image: UInt8[np.ndarray, "rows columns 3"],
    where: Bool[np.ndarray, "rows columns"],
    *,
    one: Bool[np.ndarray, "rows columns"],
    other: Bool[np.ndarray, "rows columns"],
) -> Float32[np.ndarray, "rows columns"]:
    """Share of each pixel that shows one thing rather than another; 1 where colors do not tell.

    Args:
        where: pixels that are compared, each with the nearest color of either thing.
        one: pixels that surely show the one thing.
        other: pixels that surely show the other.
    """
    share = np.ones(where.shape, np.float32)
    if not where.any() or not one.any() or not other.any():
        return share
    colors = (image[where], _nearest(image, one, where), _nearest(image, other, where))
    channels = (np.ascontiguousarray(pixels.T, np.float32) for pixels in colors)
    to_one, to_other, apart = (
        np.linalg.norm(a - b, axis=0) for a, b in itertools.combinations(channels, 2)
    )
    of_one = (0.5 + (to_other - to_one) / np.maximum(apart, 1)).clip(0, 1)
    is_telling = ((apart - _ALIKE) / _ALIKE).clip(0, 1)
    is_neither = ((np.minimum(to_one, to_other) - OTHER_COLOR) / OTHER_COLOR).clip(0, 1)
    share[where] = 1 - is_telling * (1 - is_neither) * (1 - of_one)
    return cv2.medianBlur(share, 3)


def grab_cut(
    image: UInt8[np.ndarray, "rows columns 3"],
    *,
    surely: Bool[np.ndarray, "rows columns"],
    probably: Bool[np.ndarray, "rows columns"],
    possibly: Bool[np.ndarray, "rows columns"],
) -> Float32[np.ndarray, "rows columns"]:
    """Share of each pixel that shows a thing, by colors and edges (Rother et al. 2004, *GrabCut*).

    1 where too few pixels surely show it, or surely do not: those that are not even possible.

    Args:
        surely: pixels that show it, but for those in which the color of what is beyond shows.
    """
    beyond = ~(surely | probably | possibly)
    share = np.ones(beyond.shape, np.float32)
    if np.count_nonzero(beyond) < _FEWEST_SURE or not surely.any():
        return share
    own, other = (c.astype(np.float32) for c in (image[surely], _nearest(image, beyond, surely)))
    to_own, to_other = (np.linalg.norm(own - c, axis=1) for c in (np.median(own, axis=0), other))
    surely = surely.copy()
    surely[surely] = to_own < to_other
    if np.count_nonzero(surely) < _FEWEST_SURE:
        return share
    labels = np.full(share.shape, cv2.GC_BGD, np.uint8)
    for where, label in (possibly, cv2.GC_PR_BGD), (probably, cv2.GC_PR_FGD), (surely, cv2.GC_FGD):
        labels[where] = label
    return cv2.blur(and_beside(by_graph_cut(image, labels)), (3, 3))


def by_graph_cut(
    image: UInt8[np.ndarray, "rows columns 3"], labels: UInt8[np.ndarray, "rows columns"]
) -> Float32[np.ndarray, "rows columns"]:
    """1 where a cut by colors and edges sees a thing, 0 elsewhere.

    Args:
        labels: OpenCV's, what is known before.
    """
    cv2.setRNGSeed(0)  # of the k-means with which its color models begin
    models, cut = (np.zeros((1, 65)), np.zeros((1, 65))), labels.copy()
    cv2.grabCut(image, cut, (0, 0, 1, 1), *models, _CUTS, cv2.GC_INIT_WITH_MASK)
    return (cut & cv2.GC_FGD).astype(np.float32)


def _nearest(
    image: UInt8[np.ndarray, "rows columns channels"],
    among: Bool[np.ndarray, "rows columns"],
    where: Bool[np.ndarray, "rows columns"],
) -> UInt8[np.ndarray, "pixels channels"]:
    """Color of the nearest pixel among some, for each pixel that is asked for."""
    _, labels = cv2.distanceTransformWithLabels(
        (~among).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colors = np.zeros((int(labels.max()) + 1, image.shape[2]), np.uint8)
    colors[labels[among]] = cv2.blur(image, (3, 3))[among]
    return colors[labels[where]]


def _channels(
    image: UInt8[np.ndarray, "rows columns 3"], where: Int64[np.ndarray, " pixels"]
) -> Float32[np.ndarray, "3 pixels"]:
    """Colors of some pixels, one channel after the other."""
    return np.stack([channel[where] for channel in image.reshape(-1, 3).T]).astype(np.float32)


def _unmixed(
    pixels: Float32[np.ndarray, "3 pixels"],
    person: Float32[np.ndarray, "3 pixels"],
    background: Float32[np.ndarray, "3 pixels"],
    coverage: Float32[np.ndarray, " pixels"],
) -> tuple[Float32[np.ndarray, " pixels"], Float32[np.ndarray, " pixels"]]:
    """The person's share of each pixel, and how surely it is no mixture of the two colors.

    Args:
        coverage: the mask, which decides where the two colors are alike.
    """
    apart, difference = person - background, pixels - background
    square = np.square(apart).sum(axis=0)
    mixed = (difference * apart).sum(axis=0) / np.maximum(square, 1)
    distance = np.linalg.norm(difference - mixed * apart, axis=0)
    unlike_both = ((distance - NOISE) / _UNLIKE_BOTH).clip(0, 1)
    share = np.maximum(mixed, unlike_both).clip(0, 1)
    share[np.linalg.norm(difference, axis=0) < NOISE] = 0
    trust = square / (square + np.float32(_CONTRAST**2))
    return trust * share + (1 - trust) * coverage, unlike_both
