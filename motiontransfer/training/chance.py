"""What is drawn for the samples of a step, besides where they stand in their epoch.

Hides where chance comes from: from the seed, the step and the purpose, and for what is large from
the sample's place in the step's batch. So processes and parts that share a batch draw what one
alone would have drawn, a resumed run draws it again, and one purpose takes nothing from another.
"""

from typing import Literal, get_args

import numpy as np
import torch

Purpose = Literal["augmentation", "limb_dropout", "previous_frame_noise"]


def draws_for(purpose: Purpose, *, seed: int, step: int, place: int = 0) -> torch.Generator:
    """Return a CPU's generator of random numbers.

    Args:
        place: of one sample in the step's batch; 0 where those of all places are drawn together.
    """
    entropy = np.random.SeedSequence([seed, step, place, get_args(Purpose).index(purpose)])
    return torch.Generator().manual_seed(int(entropy.generate_state(1, np.uint64)[0] >> 1))
