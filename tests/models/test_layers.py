import pytest
import torch
from torch import nn

from motiontransfer.models import layers


def test_a_residual_block_with_zero_weights_is_the_identity():
    block = layers.ResidualBlock(4).apply(layers.initialize)
    for module in block.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.zeros_(module.weight)
    features = torch.randn(2, 4, 6, 7)
    assert torch.equal(block(features), features)


def _selecting(row, column):
    """A resize-convolution that returns one neighbour of each pixel's 3x3."""
    layer = layers.ResizeConvolution(1, 1)
    nn.init.zeros_(layer.convolution.weight)
    nn.init.zeros_(layer.convolution.bias)
    layer.convolution.weight.data[0, 0, row, column] = 1
    return layer


def test_resize_convolution_upsamples_by_nearest_neighbour_and_reflects_at_the_border():
    features = torch.tensor([[1.0, 2.0], [3.0, 4.0]])[None, None]
    doubled = [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]
    assert _selecting(1, 1)(features)[0, 0].tolist() == doubled
    above_left = [[1, 1, 1, 2], [1, 1, 1, 2], [1, 1, 1, 2], [3, 3, 3, 4]]
    assert _selecting(0, 0)(features)[0, 0].tolist() == above_left


@pytest.mark.parametrize("affine", [True, False])
def test_instance_norm_equals_torch_in_any_memory_format(affine):
    features, norm = torch.randn(3, 4, 6, 7) * 5 + 2, layers.InstanceNorm(4, affine=affine)
    if affine:
        nn.init.uniform_(norm.weight)
        nn.init.uniform_(norm.bias)
    expected = nn.functional.instance_norm(features, weight=norm.weight, bias=norm.bias)
    assert torch.equal(norm(features), expected)
    last = norm(features.to(memory_format=torch.channels_last))
    assert torch.allclose(last, expected, atol=1e-5)
    assert last.is_contiguous(memory_format=torch.channels_last)


def test_channels_last_reflection_padding_keeps_bfloat16_under_autocast():
    features = torch.randn(1, 4, 6, 7, dtype=torch.bfloat16)
    last = features.to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        narrow, wide = layers.ReflectionPad(2)(last), layers.ReflectionPad(2)(features)
    assert narrow.dtype == torch.bfloat16
    assert torch.equal(narrow, wide.to(torch.bfloat16))


@pytest.mark.parametrize("layer", [nn.Conv2d(32, 64, 5), nn.ConvTranspose2d(32, 64, 5)])
def test_initial_weights_are_normal_with_deviation_0_02(layer):
    torch.manual_seed(0)
    nn.init.ones_(layer.bias)
    layer.apply(layers.initialize)
    weight = layer.weight.detach()
    assert abs(float(weight.mean())) < 4e-4
    assert float(weight.std()) == pytest.approx(0.02, rel=0.02)
    assert float((weight.abs() > 0.04).float().mean()) == pytest.approx(0.0455, abs=0.005)
    assert not layer.bias.any()


def test_downsampling_is_3x3_means_that_leave_out_padding():
    image = torch.arange(15.0).reshape(1, 1, 3, 5)
    expected = [[(0 + 1 + 5 + 6) / 4, 4.5, 6], [(5 + 6 + 10 + 11) / 4, 9.5, 11]]
    assert layers.downsample_by_2(image)[0, 0].tolist() == expected


def test_padding_to_a_multiple_replicates_the_right_and_lower_edge():
    images = torch.arange(6.0).reshape(1, 1, 2, 3)
    padded = [[0, 1, 2, 2], [3, 4, 5, 5], [3, 4, 5, 5], [3, 4, 5, 5]]
    assert layers.pad_to_multiple(images, 4)[0, 0].tolist() == padded
    assert layers.pad_to_multiple(images, 1) is images
    assert layers.pad_to_multiple(images[..., :2], 2).shape == (1, 1, 2, 2)
