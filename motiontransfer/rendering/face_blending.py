"""Poisson blending (Perez et al. 2003, sec. 2): a patch's details with its surroundings' colours.

Hides the equations. What is solved for is not the picture but the membrane that is added to the
patch: around the mask it is the difference of frame and patch, inside it is as smooth as can be, so
that the patch keeps its gradients. Where the mask reaches the frame's edge, nothing pulls there.
"""

import numpy as np
from jaxtyping import Bool, Float64, Int, UInt8
from scipy.sparse import csc_array
from scipy.sparse.linalg import splu

_KNOWN, _NO_PIXEL = -1, -2  # in place of an unknown pixel's number


def blend_poisson(
    frame: UInt8[np.ndarray, "height width 3"],
    patch: UInt8[np.ndarray, "height width 3"],
    mask: Bool[np.ndarray, "height width"],
) -> UInt8[np.ndarray, "height width 3"]:
    """Return the frame with the patch's gradients where the mask is; elsewhere it is untouched."""
    blended = frame.copy()
    if not mask.any():
        return blended
    if mask.all():  # nothing around whose colours it could have
        return patch.copy()
    rows, columns = (_around(places) for places in np.nonzero(mask))
    inside = mask[rows, columns]
    difference = frame[rows, columns].astype(np.float64) - patch[rows, columns]
    corrected = patch[rows, columns][inside] + _membrane(difference, inside)
    blended[mask] = np.clip(np.round(corrected), 0, 255).astype(np.uint8)
    return blended


def _around(places: Int[np.ndarray, " pixels"]) -> slice:
    """From the first to the last place along an axis, with one more on either side if there is."""
    return slice(max(int(places.min()) - 1, 0), int(places.max()) + 2)


def _membrane(
    difference: Float64[np.ndarray, "height width 3"], inside: Bool[np.ndarray, "height width"]
) -> Float64[np.ndarray, "pixels 3"]:
    """Values inside that are each the mean of their neighbours; around they are the difference."""
    num_pixels = int(inside.sum())
    number = np.where(inside, 0, _KNOWN)
    number[inside] = np.arange(num_pixels)
    number = np.pad(number, 1, constant_values=_NO_PIXEL)
    known = np.pad(difference, ((1, 1), (1, 1), (0, 0)))
    y, x = np.nonzero(inside)
    num_neighbours, given = np.zeros(num_pixels), np.zeros((num_pixels, 3))
    links = []
    for down, right in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        place = y + 1 + down, x + 1 + right
        neighbour = number[place]
        num_neighbours += neighbour != _NO_PIXEL
        given += np.where((neighbour == _KNOWN)[:, None], known[place], 0)
        links.append((np.flatnonzero(neighbour >= 0), neighbour[neighbour >= 0]))
    rows, columns = (
        np.concatenate([np.arange(num_pixels), *ends]) for ends in zip(*links, strict=True)
    )
    weights = np.concatenate([num_neighbours, -np.ones(len(rows) - num_pixels)])
    equations = csc_array((weights, (rows, columns)), shape=(num_pixels, num_pixels))
    return splu(equations, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}).solve(given)
