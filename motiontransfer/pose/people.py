"""Everyone whom a detector finds in one frame."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """The joints of everyone in one frame, in no particular order."""

    points: Float32[np.ndarray, "people joints 2"]
    """(x, y) in pixels of the working image, origin top-left; (0, 0) where the joint is missing."""

    score: Float32[np.ndarray, "people joints"]
    """Confidence in [0, 1]; 0 exactly where the joint is missing."""

    def __len__(self) -> int:
        """How many people."""
        return len(self.points)


def nobody(num_joints: int) -> People:
    """A frame in which nobody was found."""
    return People(
        points=np.zeros((0, num_joints, 2), np.float32), score=np.zeros((0, num_joints), np.float32)
    )
