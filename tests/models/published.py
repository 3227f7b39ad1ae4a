"""Size and cost of a network, counted on the meta device: nothing is allocated or computed.

The round figures that tests compare with are those of the released code (NVIDIA/pix2pixHD at
14b3b3c with the flags of carolineec/EverybodyDanceNow): 6 input channels for the generator, pose
and previous frame, as here.
"""

import torch
from torch.utils.flop_counter import FlopCounterMode


def giga_macs(network, *shapes):
    """Multiply-accumulates of one forward pass, in billions."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        network(*(torch.zeros(1, *shape) for shape in shapes))
    return counter.get_total_flops() / 2e9  # a multiplication and an addition are two
