"""One affine map a clip, from where the source's joints are on the whole to the target's.

The pose normalisation of re-tellings of the method that learn or fit an affine transform instead of
the paper's ankle lines: the least-squares map between two median poses. It knows nothing of near
and far, and of a person who turns away it makes a mirror image, which is refused.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from motiontransfer.errors import StatisticsError
from motiontransfer.keypoints import Keypoints

_MIN_SPREAD = 1e-3  # of the thinnest direction of a pose to its widest


def fit_affine(
    source: Mapping[str, tuple[float, float]], target: Mapping[str, tuple[float, float]]
) -> Float64[np.ndarray, "2 3"]:
    """The matrix that brings the source's joints nearest to the target's of the same name.

    Raises:
        StatisticsError: fewer than three joints in common, all on one line, or a mirror image.
    """
    joints = sorted(set(source) & set(target))
    places = np.array([source[joint] for joint in joints]).reshape(-1, 2)
    wanted = np.array([target[joint] for joint in joints]).reshape(-1, 2)
    spread = np.linalg.svd(places - places.mean(axis=0), compute_uv=False) if joints else [0, 0]
    if len(joints) < 3 or spread[1] < _MIN_SPREAD * spread[0]:
        raise StatisticsError(
            f"an affine map needs 3 joints that are not on one line, in source and target; got "
            f"{len(joints)}: {', '.join(joints)}; set normalization.mode to ankle"
        )
    homogeneous = np.concatenate([places, np.ones((len(joints), 1))], axis=1)
    matrix = np.linalg.lstsq(homogeneous, wanted, rcond=None)[0].T
    if np.linalg.det(matrix[:, :2]) <= 0:
        raise StatisticsError(
            "the best affine map from source to target is a mirror image: one of them mostly shows "
            "the back; set normalization.mode to ankle"
        )
    return matrix


def apply_affine(
    keypoints: Keypoints, matrix: Float64[np.ndarray, "2 3"], *, image_size: tuple[int, int]
) -> Keypoints:
    """Map every joint that was found into an image of another size."""
    moved = keypoints.points @ matrix[:, :2].T + matrix[:, 2]
    points = np.where(keypoints.score[..., None] > 0, moved, 0).astype(np.float32)
    return replace(keypoints, points=points, image_size=image_size)
