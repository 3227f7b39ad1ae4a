"""How near each picture of the person is to a real one of the target: likeness, and memorising.

Hides what "near" means without a network: the person's box, brought to one small size, against that
of every training frame; the root of the mean squared difference, in levels of 0 to 255, to the
nearest. A result that does not look like the target is far from all of them; one that repeats
training frames is nearer than the target's own unseen frames are. It knows clothes, build and
light better than it knows faces.
"""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from motiontransfer.evaluation.frame_references import read_frames, training_poses
from motiontransfer.evaluation.pose_distance import selected
from motiontransfer.evaluation.regions import Regions, person_regions
from motiontransfer.evaluation.series import series_of
from motiontransfer.rendering.videos import evenly_spaced
from motiontransfer.training.clips import TargetClip

_LOOK_SIZE = (64, 32)
_MOST_LOOKS = 500
"""Training frames compared with; more would take longer and differ little from these."""


def training_looks(
    clips: Sequence[TargetClip], *, margin: float
) -> UInt8[np.ndarray, "looks 64 32 3"]:
    """What the person looks like in training frames, at most 500, evenly spread.

    Args:
        margin: share of a box's longer side by which it grows on every side.

    Raises:
        VideoError: a clip has another size than its keypoints say.
    """
    keypoints, frames = training_poses(clips)
    chosen = np.array(evenly_spaced(len(frames), _MOST_LOOKS), np.int64)
    persons = person_regions(selected(keypoints, chosen), margin=margin)
    pictures = read_frames([frames[index] for index in chosen], keypoints.image_size)
    looks = [look_of(picture, persons, index) for index, picture in enumerate(pictures)]
    found = [look for look in looks if look is not None]
    return np.stack(found) if found else np.zeros((0, *_LOOK_SIZE, 3), np.uint8)


def look_of(
    frame: UInt8[np.ndarray, "height width 3"], persons: Regions, frame_index: int
) -> UInt8[np.ndarray, "64 32 3"] | None:
    """The person's box brought to one size; None where nobody was found."""
    box = persons.at(frame_index)
    if box is None:
        return None
    x0, y0, x1, y1 = box
    return cv2.resize(frame[y0:y1, x0:x1], _LOOK_SIZE[::-1], interpolation=cv2.INTER_AREA)


class IdentityJudge:
    """Distances of several videos' frames to the nearest training frame, as they stream past."""

    def __init__(
        self, looks: UInt8[np.ndarray, "looks 64 32 3"], persons: Mapping[str, Regions]
    ) -> None:
        """Compare with what the person looks like in training.

        Args:
            persons: method -> the boxes around the person found in its own frames.
        """
        self._looks, self._persons = looks, persons
        self._flat: Float32[np.ndarray, "looks values"] = _flat(looks)
        self._squares = np.square(self._flat).sum(axis=1)
        self._index = 0
        self._distances: dict[str, list[float]] = {method: [] for method in persons}

    def see(self, frames: Mapping[str, UInt8[np.ndarray, "_ _ 3"]]) -> None:
        """Take the next frame of every video, by name."""
        for method, persons in self._persons.items():
            look = look_of(frames[method], persons, self._index)
            self._distances[method].append(float("nan") if look is None else self._distance(look))
        self._index += 1

    def scores(self) -> dict[str, object]:
        """Method -> series."""
        return {method: series_of(found) for method, found in self._distances.items()}

    def _distance(self, look: UInt8[np.ndarray, "64 32 3"]) -> float:
        if not len(self._looks):
            return float("nan")
        # The nearest by the quick formula, whose rounding would not let equal looks be at 0.
        nearest = int(np.argmin(self._squares - 2 * (self._flat @ _flat(look[None])[0])))
        apart = look.astype(np.float64) - self._looks[nearest]
        return float(np.sqrt(np.square(apart).mean()))


def _flat(looks: UInt8[np.ndarray, "looks 64 32 3"]) -> Float32[np.ndarray, "looks values"]:
    return looks.reshape(len(looks), int(np.prod(looks.shape[1:]))).astype(np.float32) - 128
