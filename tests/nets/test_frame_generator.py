"""A frame is all painted, or a person over the plate."""

import pytest
import torch
from torch import nn

from motiontransfer.nets.frame_generator import (
    FrameGenerator,
    GeneratorConfig,
    PlateFrameGenerator,
    build_generator,
)

SIZE = (20, 28)


class Painting(nn.Module):
    """Stands for a network: paints the same values everywhere and remembers what it was shown."""

    def __init__(self, *values):
        super().__init__()
        self.values = torch.tensor(values)[None, :, None, None]

    def forward(self, conditioning):
        self.shown = conditioning
        batch, _, height, width = conditioning.shape
        return self.values.expand(batch, -1, height, width)


def config(**changes):
    numbers = {
        **{"architecture": "fast", "background": "plate", "pose_channels": 4, "num_filters": 4},
        **{"num_downsamplings": 1, "num_residual_blocks": 1, "max_channels": 8, "size": SIZE},
    }
    return GeneratorConfig(**{**numbers, **changes})


def inputs(batch=2):
    return torch.rand(batch, 4, *SIZE), torch.rand(batch, 3, *SIZE)


def test_where_the_mask_is_zero_the_plate_is_untouched():
    plate = torch.rand(3, *SIZE) * 2 - 1
    generator = PlateFrameGenerator(Painting(5.0, -5.0, 1.0, -200.0), plate)
    assert torch.equal(generator(*inputs()), plate.expand(2, -1, -1, -1))


def test_where_the_mask_is_one_there_is_only_the_person():
    plate = torch.rand(3, *SIZE) * 2 - 1
    generator = PlateFrameGenerator(Painting(0.5, -0.5, 0.0, 200.0), plate)
    person = torch.tensor([0.5, -0.5, 0.0]).tanh()[None, :, None, None].expand(2, 3, *SIZE)
    assert torch.allclose(generator(*inputs()), person, atol=1e-6)


def test_a_half_mask_is_half_of_each():
    plate = torch.full((3, *SIZE), 0.2)
    generator = PlateFrameGenerator(Painting(100.0, 100.0, 100.0, 0.0), plate)
    assert torch.allclose(generator(*inputs()), torch.full((2, 3, *SIZE), 0.6))


def test_without_a_plate_all_is_painted_and_squashed():
    generator = FrameGenerator(Painting(0.5, 100.0, -100.0))
    expected = torch.tensor([0.5, 100.0, -100.0]).tanh()[None, :, None, None]
    assert torch.equal(generator(*inputs()), expected.expand(2, 3, *SIZE))


@pytest.mark.parametrize("background", ["plate", "generated"])
def test_the_network_is_shown_the_pose_and_the_previous_frame(background):
    pose, previous = inputs()
    network = Painting(*[0.0] * (4 if background == "plate" else 3))
    if background == "plate":
        PlateFrameGenerator(network, torch.zeros(3, *SIZE))(pose, previous)
    else:
        FrameGenerator(network)(pose, previous)
    assert torch.equal(network.shown, torch.cat([pose, previous], dim=1))


@pytest.mark.parametrize("architecture", ["fast", "global"])
@pytest.mark.parametrize("background", ["plate", "generated"])
def test_what_is_built_makes_frames(architecture, background):
    plate = torch.rand(3, *SIZE) if background == "plate" else None
    generator = build_generator(
        config(architecture=architecture, background=background), plate=plate
    )
    frames = generator(*inputs())
    assert frames.shape == (2, 3, *SIZE)
    assert frames.abs().max() <= 1
    frames.square().sum().backward()
    assert all(parameter.grad is not None for parameter in generator.parameters())
    assert ("plate" in generator.state_dict()) == (background == "plate")


def test_architectures_differ():
    fast, other = (
        build_generator(config(architecture=name, background="generated"), plate=None)
        for name in ("fast", "global")
    )
    assert fast.state_dict().keys() != other.state_dict().keys()


def test_a_plate_must_be_there_and_fit():
    with pytest.raises(ValueError, match=r"needs a plate of shape \(3, 20, 28\), got none"):
        build_generator(config(), plate=None)
    with pytest.raises(ValueError, match=r"of shape \(3, 20, 28\), got \(3, 28, 20\)"):
        build_generator(config(), plate=torch.zeros(3, 28, 20))
    with pytest.raises(ValueError, match="'generated' takes no plate, got one"):
        build_generator(config(background="generated"), plate=torch.zeros(3, *SIZE))
