"""How steady a video is, without a network: flicker of what should stand still, and frame changes.

Hides the measures: the standard deviation over time of background pixels,
and the mean change from frame to frame. Both read the frames once and keep a few images.
"""

from collections.abc import Iterable

import numpy as np
from jaxtyping import UInt8

from motiontransfer.evaluation.regions import Regions


def background_flicker(
    frames: Iterable[UInt8[np.ndarray, "height width 3"]], persons: Regions
) -> float | None:
    """Mean over background pixels of their standard deviation over time, in levels of 0 to 255.

    A pixel is background in a frame where it lies outside the person's box; frames without a box
    do not count, nor pixels that are background in fewer than two frames. None if no pixel is left.

    Raises:
        ValueError: another number of frames than regions.
    """
    count = total = squares = np.zeros(())
    for index, frame in zip(range(len(persons.found)), frames, strict=True):
        if count.ndim == 0:
            count = np.zeros((*frame.shape[:2], 1))
            total, squares = np.zeros(frame.shape), np.zeros(frame.shape)
        box = persons.at(index)
        if box is None:
            continue
        x0, y0, x1, y1 = box
        outside = np.ones(count.shape)
        outside[y0:y1, x0:x1] = 0
        values = frame * outside
        count += outside
        total += values
        squares += np.square(values)
    seen = count[..., 0] >= 2 if count.ndim else np.zeros((0, 0), bool)
    if not seen.any():
        return None
    mean = total[seen] / count[seen]
    variance = np.maximum(squares[seen] / count[seen] - np.square(mean), 0)
    return round(float(np.sqrt(variance).mean()), 4)


def frame_change(frames: Iterable[UInt8[np.ndarray, "height width 3"]]) -> float | None:
    """Mean absolute change from frame to frame, in levels of 0 to 255; None for a single frame."""
    changes: list[float] = []
    previous: np.ndarray | None = None
    for frame in frames:
        current = frame.astype(np.int16)
        if previous is not None:
            changes.append(float(np.abs(current - previous).mean()))
        previous = current
    return round(float(np.mean(changes)), 4) if changes else None
