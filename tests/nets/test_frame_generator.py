"""A frame is all painted, or a person over the plate."""

import pytest
import torch
from torch import nn

from motiontransfer.models.generators import (
    ForegroundGenerator,
    FrameGenerator,
    GeneratorConfig,
    HalfSizeGenerator,
    build_generator,
    start_from_global,
)
from motiontransfer.models.layers import ResizeConvolution, SubpixelConvolution, downsample_by_2

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
    generator = ForegroundGenerator(Painting(5.0, -5.0, 1.0, -200.0), plate)
    assert torch.equal(generator(*inputs()), plate.expand(2, -1, -1, -1))


def test_where_the_mask_is_one_there_is_only_the_person():
    plate = torch.rand(3, *SIZE) * 2 - 1
    generator = ForegroundGenerator(Painting(0.5, -0.5, 0.0, 200.0), plate)
    person = torch.tensor([0.5, -0.5, 0.0]).tanh()[None, :, None, None].expand(2, 3, *SIZE)
    assert torch.allclose(generator(*inputs()), person, atol=1e-6)


def test_a_half_mask_is_half_of_each():
    plate = torch.full((3, *SIZE), 0.2)
    generator = ForegroundGenerator(Painting(100.0, 100.0, 100.0, 0.0), plate)
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
        ForegroundGenerator(network, torch.zeros(3, *SIZE))(pose, previous)
    else:
        FrameGenerator(network)(pose, previous)
    assert torch.equal(network.shown, torch.cat([pose, previous], dim=1))


@pytest.mark.parametrize("architecture", ["fast", "global", "local"])
@pytest.mark.parametrize("background", ["plate", "generated"])
def test_what_is_built_makes_frames(architecture, background):
    plate = torch.rand(3, *SIZE) if background == "plate" else None
    generator = build_generator(
        config(architecture=architecture, background=background), background_image=plate
    )
    frames = generator(*inputs())
    assert frames.shape == (2, 3, *SIZE)
    assert frames.abs().max() <= 1
    frames.square().sum().backward()
    assert all(parameter.grad is not None for parameter in generator.parameters())
    assert ("plate" in generator.state_dict()) == (background == "plate")


def painting_all(architecture):
    return build_generator(
        config(architecture=architecture, background="generated"), background_image=None
    )


def test_architectures_differ():
    keys = {tuple(painting_all(name).state_dict()) for name in ("fast", "global", "local")}
    assert len(keys) == 3


@pytest.mark.parametrize("background", ["plate", "generated"])
def test_a_local_enhancer_of_the_same_numbers_starts_from_a_trained_global_generator(background):
    """Whatever is behind the person in either."""
    plate = torch.rand(3, *SIZE) if background == "plate" else None
    local = build_generator(
        config(architecture="local", background=background), background_image=plate
    )
    trained = painting_all("global")
    start_from_global(local, trained)
    half = torch.randn(1, 7, 10, 14)
    assert torch.equal(local.network.coarse(half), trained.network.features(half))


@pytest.mark.parametrize(("of", "started_from"), [("global", "local"), ("local", "fast")])
def test_only_a_local_enhancer_starts_from_only_a_global_generator(of, started_from):
    with pytest.raises(ValueError, match="expected a local enhancer and a trained"):
        start_from_global(painting_all(of), painting_all(started_from))


def test_a_plate_must_be_there_and_fit():
    with pytest.raises(ValueError, match=r"needs an image of shape \(3, 20, 28\), got none"):
        build_generator(config(), background_image=None)
    with pytest.raises(ValueError, match=r"of shape \(3, 20, 28\), got \(3, 28, 20\)"):
        build_generator(config(), background_image=torch.zeros(3, 28, 20))
    with pytest.raises(ValueError, match="'generated' takes no background image, got one"):
        build_generator(config(background="generated"), background_image=torch.zeros(3, *SIZE))


@pytest.mark.parametrize("background", ["plate", "generated"])
def test_without_the_previous_frame_it_is_not_looked_at(background):
    plate = torch.zeros(3, *SIZE) if background == "plate" else None
    generator = build_generator(
        config(background=background, previous_frame="none"), background_image=plate
    )
    pose, previous = inputs()
    assert torch.equal(generator(pose, previous), generator(pose, previous + 1))


@pytest.mark.parametrize("background", ["plate", "generated"])
def test_two_poses_are_twice_the_channels(background):
    plate = torch.zeros(3, *SIZE) if background == "plate" else None
    generator = build_generator(
        config(background=background, conditioning_poses=2), background_image=plate
    )
    pose, previous = inputs()
    assert generator(torch.cat([pose, pose], dim=1), previous).shape == (2, 3, *SIZE)
    assert generator.conditioning_poses == 2


@pytest.mark.parametrize("architecture", ["fast", "global", "local"])
def test_the_way_back_up_is_chosen(architecture):
    kinds = {
        "resize": ResizeConvolution,
        "transposed": torch.nn.ConvTranspose2d,
        "subpixel": SubpixelConvolution,
    }
    for upsampling in kinds:
        shapes = config(architecture=architecture, background="generated", upsampling=upsampling)
        modules = list(build_generator(shapes, background_image=None).modules())
        there = {name for name, kind in kinds.items() if any(isinstance(m, kind) for m in modules)}
        assert there == {upsampling}


def test_at_half_the_size_it_is_shown_and_shows_whole_pictures():
    generator = painting_all("global")
    halved = HalfSizeGenerator(generator)
    pose, previous = inputs()
    small = generator(downsample_by_2(pose), downsample_by_2(torch.zeros_like(previous)))
    first = halved(pose, torch.zeros_like(previous))
    assert first.shape == previous.shape
    assert torch.equal(first[:, :, ::2, ::2], small)
    assert torch.equal(first[:, :, 1::2, 1::2], small)
    second = halved(pose, first)  # from the very frame that it made
    assert torch.equal(second[:, :, ::2, ::2], generator(downsample_by_2(pose), small))
    assert halved.conditioning_poses == generator.conditioning_poses
