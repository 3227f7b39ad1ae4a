"""Blocks do what their names say, worked out on small numbers."""

import pytest
import torch
from torch import nn

from motiontransfer.models.layers import (
    InstanceNorm,
    ReflectionPad,
    ResidualBlock,
    ResizeConvolution,
    SubpixelConvolution,
    count_parameters,
    downsample_by_2,
    initialise,
    pad_to_multiple,
    update_average,
    upsample,
)


def test_a_residual_block_without_weights_changes_nothing():
    block = ResidualBlock(4).apply(initialise)
    for module in block.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.zeros_(module.weight)
    features = torch.randn(2, 4, 6, 7)
    assert torch.equal(block(features), features)


def test_a_residual_block_sees_no_border():
    """Reflected, a flat input stays flat, and normalised it is nothing; zeros would show."""
    block = ResidualBlock(4).apply(initialise)
    features = torch.full((1, 4, 6, 7), 3.0)
    assert torch.allclose(block(features), features, atol=1e-4)


def test_a_residual_block_corrects_its_input():
    block = ResidualBlock(4).apply(initialise)
    features = torch.randn(1, 4, 6, 7)
    correction = block(features) - features
    # the last normalisation leaves each channel with mean 0 and variance 1
    assert correction.mean((2, 3)).abs().max() < 1e-4
    assert torch.allclose(correction.var((2, 3), unbiased=False), torch.ones(1, 4), atol=1e-1)


def _picking(row, column):
    """A resize-convolution that shows, at each place, one neighbour in the 3x3 around it."""
    layer = ResizeConvolution(1, 1)
    nn.init.zeros_(layer.convolution.weight)
    nn.init.zeros_(layer.convolution.bias)
    layer.convolution.weight.data[0, 0, row, column] = 1
    return layer


def test_resizing_repeats_each_pixel_and_reflects_at_the_border():
    features = torch.tensor([[1.0, 2.0], [3.0, 4.0]])[None, None]
    doubled = [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]
    assert _picking(1, 1)(features)[0, 0].tolist() == doubled
    above_left = [[1, 1, 1, 2], [1, 1, 1, 2], [1, 1, 1, 2], [3, 3, 3, 4]]
    assert _picking(0, 0)(features)[0, 0].tolist() == above_left


def test_subpixels_are_four_channels_laid_out_as_two_by_two():
    layer = SubpixelConvolution(1, 1)
    nn.init.zeros_(layer.convolution.weight)
    with torch.no_grad():
        layer.convolution.bias.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    assert layer(torch.zeros(1, 1, 1, 2).repeat(1, 1, 2, 1))[0, 0].tolist() == [
        *([1, 2, 1, 2], [3, 4, 3, 4]),
        *([1, 2, 1, 2], [3, 4, 3, 4]),
    ]


def test_subpixels_start_as_a_picture_without_a_chequerboard():
    layer = SubpixelConvolution(3, 2).apply(initialise)
    doubled = layer(torch.randn(1, 3, 5, 6))
    assert torch.equal(
        doubled, doubled[..., ::2, ::2].repeat_interleave(2, 2).repeat_interleave(2, 3)
    )
    assert not torch.allclose(doubled[:, 0], doubled[:, 1])


@pytest.mark.parametrize("upsampling", ["transposed", "resize", "subpixel"])
def test_every_way_of_upsampling_doubles_height_and_width(upsampling):
    layer = upsample(3, 2, upsampling=upsampling)
    assert layer(torch.randn(1, 3, 5, 6)).shape == (1, 2, 10, 12)


def test_padding_mirrors_the_border_without_repeating_it():
    image = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])[None, None]
    padded = [[5, 4, 5, 6, 5], [2, 1, 2, 3, 2], [5, 4, 5, 6, 5], [2, 1, 2, 3, 2]]
    assert ReflectionPad(1)(image)[0, 0].tolist() == padded


@pytest.mark.parametrize("affine", [True, False])
def test_memory_format_changes_no_normalisation(affine):
    features = torch.randn(3, 4, 6, 7) * 5 + 2
    norm = InstanceNorm(4, affine=affine)
    if affine:
        nn.init.uniform_(norm.weight)
        nn.init.uniform_(norm.bias)
    last = features.to(memory_format=torch.channels_last)
    normalised = norm(last)
    assert torch.allclose(normalised, norm(features), atol=1e-5)
    assert torch.equal(
        norm(features), nn.functional.instance_norm(features, weight=norm.weight, bias=norm.bias)
    )
    assert normalised.is_contiguous(memory_format=torch.channels_last)


def test_channels_last_features_stay_narrow_under_autocast():
    """Widened and narrowed again they are the same; nothing else is saved but time."""
    features = torch.randn(1, 4, 6, 7, dtype=torch.bfloat16)
    last = features.to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        narrow, wide = ReflectionPad(2)(last), ReflectionPad(2)(features)
    assert narrow.dtype == torch.bfloat16
    assert torch.equal(narrow, wide.to(torch.bfloat16))


@pytest.mark.parametrize("layer", [nn.Conv2d(32, 64, 5), nn.ConvTranspose2d(32, 64, 5)])
def test_initial_weights_are_normal_with_deviation_one_fiftieth(layer):
    torch.manual_seed(0)
    nn.init.ones_(layer.bias)
    layer.apply(initialise)
    weight = layer.weight.detach()
    assert abs(float(weight.mean())) < 4e-4
    assert float(weight.std()) == pytest.approx(0.02, rel=0.02)
    assert float((weight.abs() > 0.04).float().mean()) == pytest.approx(0.0455, abs=0.005)
    assert not layer.bias.any()


def test_initialising_follows_the_seed_and_leaves_normalisation_alone():
    network = nn.Sequential(nn.Conv2d(2, 3, 3, bias=False), nn.InstanceNorm2d(3, affine=True))
    weights = []
    for _ in range(2):
        torch.manual_seed(5)
        weights.append(network.apply(initialise)[0].weight.clone())
    assert torch.equal(*weights)
    assert (network[1].weight == 1).all()


def test_half_the_size_is_means_of_three_by_three_around_every_second_pixel():
    """At the border, of those that are there; an odd size is rounded up."""
    picture = torch.arange(15.0).reshape(1, 1, 3, 5)
    expected = [[(0 + 1 + 5 + 6) / 4, 4.5, 6], [(5 + 6 + 10 + 11) / 4, 9.5, 11]]
    assert downsample_by_2(picture)[0, 0].tolist() == expected


def test_padding_repeats_the_right_and_lower_edge():
    images = torch.arange(6.0).reshape(1, 1, 2, 3)
    padded = [[0, 1, 2, 2], [3, 4, 5, 5], [3, 4, 5, 5], [3, 4, 5, 5]]
    assert pad_to_multiple(images, 4)[0, 0].tolist() == padded
    assert pad_to_multiple(images, 1) is images
    assert pad_to_multiple(images[..., :2], 2).shape == (1, 1, 2, 2)


def test_only_trainable_numbers_are_counted():
    network = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 5))
    assert count_parameters(network) == 3 * 4 + 4 + 4 * 5 + 5
    network[0].requires_grad_(requires_grad=False)
    assert count_parameters(network) == 4 * 5 + 5


def test_an_average_moves_by_one_minus_its_decay_and_copies_buffers():
    average, current = nn.BatchNorm1d(1), nn.BatchNorm1d(1)
    nn.init.constant_(average.weight, 2.0)
    nn.init.constant_(current.weight, 10.0)
    current.running_mean.fill_(7.0)
    update_average(average, current, decay=0.75)
    assert average.weight.tolist() == [0.75 * 2 + 0.25 * 10]
    assert float(average.running_mean) == 7
    assert current.weight.tolist() == [10]
