"""The static plate: the room behind the person, as a fixed camera sees it.

A temporal median over frames spread through the clip: wherever the person stands less than half of
the time, what remains is the room.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from motiontransfer.media.frame_store import FrameStore
from motiontransfer.media.tensors import frames_to_tensor
from motiontransfer.training.dataset import TrainingClip


def median_plate(
    clips: Sequence[TrainingClip], *, num_frames: int
) -> Float[Tensor, "3 height width"]:
    """Median over about `num_frames` training frames, evenly spread over the clips."""
    frames = []
    for clip in clips:
        count = min(max(num_frames // len(clips), 1), len(clip.training_frames))
        places = np.linspace(0, len(clip.training_frames) - 1, count).round().astype(int)
        with FrameStore(clip.frames) as store:
            frames += [store[clip.training_frames[int(place)]] for place in places]
    median = np.median(np.stack(frames), axis=0)
    return frames_to_tensor([median.round().astype(np.uint8)])[0].to(torch.float32)
