"""Matting of a single photo, whose background is not known: closed form, and blur fusion.

Around each pixel the person's share is a linear function of the color (Levin et al. 2008, *A
Closed-Form Solution to Natural Image Matting*). A coarse mask fixes where it is 1 and 0. In
between, a graph cut decides where the colors around a pixel do not. The person's colors then follow
from blurred ones (Forte 2021, *Approximate Fast Foreground Colour Estimation*).
"""

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Float64
from scipy import sparse
from scipy.sparse.linalg import cg

from motiontransfer.core.arrays import Frame
from motiontransfer.plate.masks import MASK_ERROR, and_beside, disc_of
from motiontransfer.puppet.fit.matting import by_graph_cut

# Shares of the body's height.
MIXED = 0.008  # inside of an edge, in which a pixel may be a mixture: what a camera blurs
_BLURS = 0.05, 0.006  # in which colors are looked for, first far and then near

_SURE = 0.95, 0.05  # levels of the mask: from the first on the person, up to the last none
_LARGEST_BAND = 60_000  # pixels that are solved for; of larger photos a smaller copy is
_SMOOTHNESS = 1e-5  # of a window's color line, squared share of the levels: noise below it is none
_CUT_WEIGHT = 2e-3  # of its cut, where colors around a pixel tell nothing
_LEAST = 1e-5  # of a sum of weights by which is divided
_TOLERANCE, _MOST_STEPS = 1e-3, 400  # of the conjugate gradients


def closed_form_matte(
    frame: Frame, mask: Float32[np.ndarray, "height width"], *, height_px: float
) -> tuple[Float32[np.ndarray, "height width"], Frame]:
    """Share of each pixel that is the person, and the person's colors.

    Args:
        mask: probability of the person, in the frame's size.
        height_px: of the upright body.
    """
    person, nothing = _SURE
    inside = cv2.erode((mask >= person).astype(np.uint8), disc_of(MIXED * height_px)) > 0
    outside = cv2.dilate((mask > nothing).astype(np.uint8), disc_of(MASK_ERROR * height_px)) == 0
    band = ~(inside | outside)
    size = mask.shape[::-1]
    zoom = min((_LARGEST_BAND / max(np.count_nonzero(band), 1)) ** 0.5, 1)
    alpha = np.where(band, mask, inside).astype(np.float32)
    if not band.any() or not inside.any():
        return alpha, frame
    small, guess, unknown = (
        cv2.resize(image.astype(np.float32), None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA)
        for image in (frame, alpha, band)
    )
    solved = _solved(small, _cut(small, guess, unknown > 0), unknown > 0)
    alpha = np.where(band, cv2.resize(solved, size), inside).astype(np.float32)
    return alpha, _person_colors(frame, alpha, height_px)


def _cut(
    frame: Float32[np.ndarray, "height width 3"],
    guess: Float32[np.ndarray, "height width"],
    band: Bool[np.ndarray, "height width"],
) -> Float32[np.ndarray, "height width"]:
    """The band divided by colors and edges (Rother et al. 2004, *GrabCut*): 1 and 0."""
    is_person = guess > 0.5
    labels = np.where(is_person, cv2.GC_FGD, cv2.GC_BGD).astype(np.uint8)
    labels[band] = np.where(is_person, cv2.GC_PR_FGD, cv2.GC_PR_BGD)[band]
    return np.where(band, by_graph_cut(frame.round().astype(np.uint8), labels), guess)


def _solved(
    frame: Float32[np.ndarray, "height width 3"],
    alpha: Float32[np.ndarray, "height width"],
    band: Bool[np.ndarray, "height width"],
) -> Float32[np.ndarray, "height width"]:
    """Share in the band; the alpha given is kept elsewhere, and preferred there."""
    number = np.cumsum(band).reshape(band.shape) - 1
    around = and_beside(band) > 0
    around[[0, -1]] = around[:, [0, -1]] = False
    y, x = np.nonzero(around)
    offsets = np.arange(-1, 2)
    rows, columns = y[:, None] + np.repeat(offsets, 3), x[:, None] + np.tile(offsets, 3)
    laplacian = _matting_laplacian(frame[rows, columns].astype(np.float64) / 255)
    is_in = band[rows, columns]
    numbers, known = number[rows, columns], np.where(is_in, 0, alpha[rows, columns])
    size = int(band.sum())
    both = is_in[:, :, None] & is_in[:, None]
    places = [np.broadcast_to(n, both.shape)[both] for n in (numbers[:, :, None], numbers[:, None])]
    matrix = sparse.csr_array((laplacian[both], tuple(places)), (size, size))
    pulled = -np.einsum("nij,nj->ni", laplacian, known)
    right = np.bincount(numbers[is_in], pulled[is_in], size) + _CUT_WEIGHT * alpha[band]
    matrix += sparse.diags_array(np.full(size, _CUT_WEIGHT))
    inverse = sparse.diags_array(1 / matrix.diagonal())
    found, _ = cg(matrix, right, alpha[band], rtol=_TOLERANCE, maxiter=_MOST_STEPS, M=inverse)
    result = alpha.copy()
    result[band] = found.clip(0, 1)
    return result


def _matting_laplacian(
    colors: Float64[np.ndarray, "windows 9 3"],
) -> Float64[np.ndarray, "windows 9 9"]:
    """How much each pair of a window's pixels contributes (equation 12)."""
    centered = colors - colors.mean(axis=1, keepdims=True)
    covariance = np.einsum("nij,nik->njk", centered, centered) / 9
    inverse = np.linalg.inv(covariance + _SMOOTHNESS / 9 * np.eye(3))
    return np.eye(9) - (1 + centered @ inverse @ centered.transpose(0, 2, 1)) / 9


def _person_colors(
    frame: Frame, alpha: Float32[np.ndarray, "height width"], height_px: float
) -> Frame:
    """Colors of the person, without the background's share (equations 4 to 7)."""
    person = background = frame.astype(np.float32)
    share = alpha[..., None]
    for blur in _BLURS:
        side = (2 * max(round(blur * height_px), 1) + 1,) * 2
        near = cv2.blur(alpha, side)[..., None]
        person = cv2.blur(person * share, side) / np.maximum(near, _LEAST)
        background = cv2.blur(background * (1 - share), side) / np.maximum(1 - near, _LEAST)
        person += share * (frame - share * person - (1 - share) * background)
    return person.round().clip(0, 255).astype(np.uint8)
