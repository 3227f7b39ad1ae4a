from itertools import pairwise

import pytest
import torch

from motiontransfer.models.discriminators import DiscriminatorConfig, MultiscaleDiscriminator
from motiontransfer.models.layers import count_parameters, downsample_by_2, initialize
from tests.models.published import giga_macs


def discriminator(*, num_scales=2, frames=1, **changes):
    torch.manual_seed(3)
    numbers = {"num_filters": 4, "num_layers": 2, "num_scales": num_scales, **changes}
    config = DiscriminatorConfig(**numbers)
    channels = {"condition_channels": frames * 4, "image_channels": frames * 3}
    return MultiscaleDiscriminator(config, **channels).apply(initialize)


def inputs(batch=1, size=(64, 48)):
    torch.manual_seed(4)
    return torch.randn(batch, 4, *size), torch.randn(batch, 3, *size)


def test_feature_maps_have_the_sizes_that_the_layers_give():
    """Kernel 4, padding 2: stride 2 takes n to n // 2 + 1, stride 1 to n + 1; scales halve n."""
    fine, coarse = discriminator()(*inputs())
    assert [tuple(f.shape[1:]) for f in fine.features] == [(4, 33, 25), (8, 17, 13), (16, 18, 14)]
    assert fine.logits.shape == (1, 1, 19, 15)
    assert [tuple(f.shape[1:]) for f in coarse.features] == [(4, 17, 13), (8, 9, 7), (16, 10, 8)]
    assert coarse.logits.shape == (1, 1, 11, 9)


@pytest.mark.parametrize("num_layers", [1, 3, 5])
def test_features_are_those_of_all_layers_but_the_last_and_channels_stop_at_eightfold(num_layers):
    (output,) = discriminator(num_layers=num_layers, num_scales=1)(*inputs())
    channels = [4, 8, 16, 32, 32, 32]
    assert [f.shape[1] for f in output.features] == channels[: num_layers + 1]


def test_scales_trained_at_half_resolution_keep_it_and_the_finest_is_left_as_it_was():
    network, trained = discriminator(num_scales=3), discriminator()
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter.add_(1)
    finest = network.scales[0].last.weight.clone()
    network.start_from(trained)
    condition, images = inputs(size=(128, 96))
    expected = trained(downsample_by_2(condition), downsample_by_2(images))
    for output, other in zip(network(condition, images)[1:], expected, strict=True):
        assert torch.equal(output.logits, other.logits)
    assert torch.equal(network.scales[0].last.weight, finest)


def test_single_frames_are_judged_beside_the_pair_each_with_its_own_pose():
    network = discriminator(frames=2, frames_apart=2)
    (first, image), (second, other) = inputs(), inputs()
    condition, images = torch.cat([first, second + 1], 1), torch.cat([image, other - 1], 1)
    outputs = network(condition, torch.cat([images, images + 2]))  # a real and a fake window
    assert [output.logits.shape[0] for output in outputs] == [2, 2, 4, 4]
    frames = [(first, image), (second + 1, other - 1), (first, image + 2), (second + 1, other + 1)]
    for index, (pose, frame) in enumerate(frames):
        for output, alone in zip(outputs[2:], network.of_frames(pose, frame), strict=True):
            assert torch.allclose(output.logits[index], alone.logits[0], atol=1e-5)
    trained = discriminator(frames=2, frames_apart=2, num_scales=1)
    with torch.no_grad():
        trained.of_frames.scales[0].last.bias += 1
    network.start_from(trained)
    bias = network.of_frames.scales[1].last.bias
    assert torch.equal(bias, trained.of_frames.scales[0].last.bias)


@pytest.mark.parametrize("apart", [{}, {"frames": 2, "frames_apart": 2}])
def test_every_weight_gets_a_gradient(apart):
    network = discriminator(**apart)
    condition, images = inputs()
    frames = apart.get("frames", 1)
    outputs = network(condition.repeat(1, frames, 1, 1), images.repeat(1, frames, 1, 1))
    sum((j.logits * torch.randn_like(j.logits)).sum() for j in outputs).backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert all(p.grad.any() for n, p in network.named_parameters() if n.endswith("weight"))


def test_parameters_and_cost_of_one_scale_are_the_published_ones():
    """Kernels of 4 padded by 2 make maps one larger at each layer: 5 % above the round figure."""
    config = DiscriminatorConfig(num_filters=64, num_layers=3, num_scales=1)
    with torch.device("meta"):
        network = MultiscaleDiscriminator(config, condition_channels=6, image_channels=6)
    channels = [12, 64, 128, 256, 512, 1]
    expected = sum((narrow * 16 + 1) * wide for narrow, wide in pairwise(channels))
    assert count_parameters(network) == expected
    assert expected / 1e6 == pytest.approx(2.8, abs=0.05)
    assert giga_macs(network, (6, 512, 1024), (6, 512, 1024)) == pytest.approx(27, rel=0.06)
