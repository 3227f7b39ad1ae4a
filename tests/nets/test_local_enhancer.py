"""A local enhancer sees the picture twice: whole, and at half size through a global generator."""

import pytest
import torch
from torch import nn

from motiontransfer.models.generators import GlobalGenerator, LocalEnhancer
from motiontransfer.models.layers import initialise

NUMBERS = {
    **{"in_channels": 5, "out_channels": 3, "num_filters": 8},
    **{"num_downsamplings": 2, "num_residual_blocks": 1, "max_channels": 16},
}


def enhancer(seed=1, **changes):
    torch.manual_seed(seed)
    return LocalEnhancer(**{**NUMBERS, **changes}).apply(initialise)


def global_generator(seed=2, **changes):
    torch.manual_seed(seed)
    return GlobalGenerator(**{**NUMBERS, **changes}).apply(initialise)


class Remembering(nn.Module):
    """Stands for a part: gives back what it is told to and remembers what it was shown."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, features):
        self.shown = features
        return self.answer


def test_the_global_part_sees_the_means_of_a_picture_of_half_the_size():
    network = enhancer()
    picture = torch.randn(1, 5, 24, 32)
    network.coarse = Remembering(torch.zeros(1, 8, 12, 16))
    network(picture)
    seen = network.coarse.shown
    assert seen.shape == (1, 5, 12, 16)
    # means of 3x3 pixels around every second one; at the border of those that are there
    assert torch.allclose(seen[0, :, 3, 5], picture[0, :, 5:8, 9:12].mean((1, 2)))
    assert torch.allclose(seen[0, :, 0, 0], picture[0, :, :2, :2].mean((1, 2)))


def test_the_two_ways_down_are_added():
    network = enhancer()
    fine, coarse = torch.randn(2, 1, 8, 12, 16)
    network.down, network.coarse = Remembering(fine), Remembering(coarse)
    network.up = Remembering(torch.zeros(1, 4, 24, 32))
    network(torch.randn(1, 5, 24, 32))
    assert torch.equal(network.up.shown, fine + coarse)


def test_full_size_is_seen_by_half_as_many_channels():
    network = enhancer()
    assert network.down[1].out_channels == 4
    assert network.head[1].in_channels == 4


def test_it_starts_from_a_trained_global_generator():
    network, trained = enhancer(), global_generator()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.start_from(trained)
    half = torch.randn(1, 5, 16, 20)
    assert torch.equal(network.coarse(half), trained.features(half))
    after = network.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if name.startswith("coarse.") and "weight" in name}


def test_what_it_started_from_is_not_trained_with_it():
    network, trained = enhancer(), global_generator()
    network.start_from(trained)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1)
    untouched = global_generator()
    for now, before in zip(trained.parameters(), untouched.parameters(), strict=True):
        assert torch.equal(now, before)


@pytest.mark.parametrize(
    "changes",
    [
        {"num_filters": 4},
        {"in_channels": 6},
        {"num_residual_blocks": 2},
        {"num_downsamplings": 3},
        {"upsampling": "resize"},
    ],
)
def test_a_global_generator_of_other_layers_is_refused_and_nothing_is_taken(changes):
    network = enhancer()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(ValueError, match="expected the same channels, downsamplings"):
        network.start_from(global_generator(**changes))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
