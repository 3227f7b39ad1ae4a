"""The paper's networks are as large, and take as many multiplications, as is known of them.

Counted on the meta device: nothing is allocated or computed. The round figures are those of the
released code (NVIDIA/pix2pixHD at 14b3b3c with the flags of carolineec/EverybodyDanceNow): 6 input
channels for the generator, pose and previous frame, as here.
"""

from itertools import pairwise

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from motiontransfer.models.discriminators import PatchDiscriminator
from motiontransfer.models.faces import FaceGenerator, FaceGeneratorConfig
from motiontransfer.models.generators import GlobalGenerator, LocalEnhancer
from motiontransfer.models.layers import count_parameters

PAPER = {
    **{"in_channels": 6, "out_channels": 3, "num_filters": 64, "num_downsamplings": 4},
    **{"num_residual_blocks": 9, "max_channels": 1024},
}
WIDTHS = [64, 128, 256, 512, 1024]


@pytest.fixture(autouse=True)
def _on_meta():
    with torch.device("meta"):
        yield


def billions_of_multiplications(network, *shapes):
    with FlopCounterMode(display=False) as counter:
        network(*(torch.zeros(1, *shape) for shape in shapes))
    return counter.get_total_flops() / 2e9  # a multiplication and an addition are two


def test_the_global_generator():
    network = GlobalGenerator(**PAPER)
    steps = list(pairwise(WIDTHS))
    inner = (
        (6 * 49 + 1) * 64
        + sum((narrow * 9 + 1) * wide for narrow, wide in steps)
        + 9 * 2 * (1024 * 9 + 1) * 1024
        + sum((wide * 9 + 1) * narrow for narrow, wide in steps)
    )
    assert count_parameters(network) == inner + (64 * 49 + 1) * 3
    # without its head, as the local enhancer has it inside
    assert count_parameters(network.features) == inner
    assert inner / 1e6 == pytest.approx(182.4, abs=0.05)
    assert billions_of_multiplications(network, (6, 256, 512)) == pytest.approx(110, abs=0.5)


def test_the_local_enhancer():
    network = LocalEnhancer(**PAPER)
    assert count_parameters(network) / 1e6 == pytest.approx(182.7, abs=0.05)
    assert billions_of_multiplications(network, (6, 512, 1024)) == pytest.approx(150, abs=0.5)


def test_a_cap_of_512_channels_leaves_less_than_a_third_of_the_weights():
    network = GlobalGenerator(**{**PAPER, "max_channels": 512})
    assert count_parameters(network) / 1e6 == pytest.approx(50.3, abs=0.05)
    assert billions_of_multiplications(network, (6, 256, 512)) == pytest.approx(42.4, abs=0.05)


def test_the_face_generator():
    network = FaceGenerator(
        FaceGeneratorConfig(
            **{"pose_channels": 3, "crop_size": 128, "num_filters": 64},
            **{"num_downsamplings": 3, "num_residual_blocks": 5},
        )
    )
    crop = (3, 128, 128)
    assert count_parameters(network) / 1e6 == pytest.approx(26.7, abs=0.05)
    assert billions_of_multiplications(network, crop, crop) == pytest.approx(8.3, abs=0.05)


def test_one_scale_of_the_discriminator():
    """Kernels of 4 padded by 2 make maps one larger at each layer: 5 % above the round figure."""
    network = PatchDiscriminator(
        condition_channels=6, image_channels=6, num_filters=64, num_layers=3
    )
    widths = [12, 64, 128, 256, 512, 1]
    expected = sum((narrow * 16 + 1) * wide for narrow, wide in pairwise(widths))
    assert count_parameters(network) == expected
    assert expected / 1e6 == pytest.approx(2.8, abs=0.05)
    shapes = (6, 512, 1024), (6, 512, 1024)
    assert billions_of_multiplications(network, *shapes) == pytest.approx(27, rel=0.06)
