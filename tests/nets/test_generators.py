"""Generators of any shape keep the frame's size and train all of their weights."""

from functools import partial

import pytest
import torch
from torch import nn

from motiontransfer.models.faces import FaceGenerator, FaceGeneratorConfig
from motiontransfer.models.generators import FastGenerator, GlobalGenerator, LocalEnhancer
from motiontransfer.models.layers import ResidualBlock, count_parameters, initialise

ARCHITECTURES = [FastGenerator, GlobalGenerator, LocalEnhancer]


def small(architecture, **changes):
    torch.manual_seed(1)
    numbers = {
        **{"in_channels": 5, "out_channels": 4, "num_filters": 4},
        **{"num_downsamplings": 2, "num_residual_blocks": 1, "max_channels": 8},
    }
    return architecture(**{**numbers, **changes}).apply(initialise)


def channels(network):
    """The largest number of channels of any convolution."""
    return max(
        m.out_channels
        for m in network.modules()
        if isinstance(m, torch.nn.Conv2d | torch.nn.ConvTranspose2d)
    )


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("size", [(32, 32), (37, 50), (33, 17)])
def test_the_size_is_kept_even_where_it_does_not_divide(architecture, size):
    assert small(architecture)(torch.randn(2, 5, *size)).shape == (2, 4, *size)


@pytest.mark.parametrize(
    ("architecture", "width"), [(FastGenerator, 40), (GlobalGenerator, 36), (LocalEnhancer, 40)]
)
def test_what_is_cropped_after_padding_is_the_right_and_lower_edge(architecture, width):
    """An input whose padded rows are there already gives the same picture, and more of it."""
    network = small(architecture)
    whole = torch.randn(1, 5, 32, width)
    whole[:, :, 29:], whole[:, :, :, 33:] = whole[:, :, 28:29], whole[:, :, :, 32:33]
    cut = network(whole[:, :, :29, :33])
    assert torch.allclose(cut, network(whole)[:, :, :29, :33], atol=1e-6)


@pytest.mark.parametrize(
    "network",
    [
        *(partial(small, architecture) for architecture in ARCHITECTURES),
        *(partial(small, architecture, num_residual_blocks=0) for architecture in ARCHITECTURES),
    ],
)
def test_every_weight_gets_a_gradient(network):
    network = network()
    weight = torch.randn(1, 4, 32, 32)
    (network(torch.randn(1, 5, 32, 32)) * weight).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert all(p.grad.any() for n, p in network.named_parameters() if n.endswith("weight"))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_batch_is_its_samples_one_by_one(architecture):
    network = small(architecture)
    batch = torch.randn(2, 5, 32, 32)
    singles = torch.cat([network(sample[None]) for sample in batch])
    assert torch.allclose(network(batch), singles, atol=1e-5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_channels_double_up_to_their_cap(architecture):
    trunk = {"out_channels": 1, "num_downsamplings": 3}
    assert channels(small(architecture, **trunk, max_channels=999)) == 4 * 2**3
    assert channels(small(architecture, **trunk, max_channels=12)) == 12


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_each_residual_block_adds_its_weights(architecture):
    counts = [count_parameters(small(architecture, num_residual_blocks=n)) for n in (0, 1, 3)]
    block = 2 * (8 * 8 * 9 + 8)
    assert [count - counts[0] for count in counts] == [0, block, 3 * block]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_far_pixels_of_the_input_reach_the_output(architecture):
    """Each downsampling doubles the reach; without it a corner would not see the middle."""
    network = small(architecture, num_downsamplings=3)
    inputs = torch.randn(1, 5, 64, 64, requires_grad=True)
    network(inputs)[0, :, 0, 0].sum().backward()
    assert inputs.grad[0, :, 8, 8].any()


def test_fine_detail_need_not_squeeze_through_the_bottleneck():
    """With nothing coming up from below, the fast generator's output still follows its input."""
    network = small(FastGenerator)
    for parameter in network.up.parameters():
        torch.nn.init.zeros_(parameter)
    inputs = torch.randn(1, 5, 32, 32)
    changed = inputs.clone()
    changed[:, :, 16, 16] += 5
    moved = (network(inputs) != network(changed)).any(1)[0]
    assert moved[16, 16]
    assert not moved[:4].any()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("upsampling", ["transposed", "resize", "subpixel"])
def test_every_way_back_up_gives_the_same_size_and_trains(architecture, upsampling):
    network = small(architecture, upsampling=upsampling)
    (network(torch.randn(1, 5, 33, 32)) * torch.randn(1, 4, 33, 32)).sum().backward()
    assert all(p.grad.any() for n, p in network.named_parameters() if n.endswith("weight"))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_channels_last_memory_changes_no_picture(architecture):
    network = small(architecture)
    conditioning = torch.randn(2, 5, 32, 40)
    expected = network(conditioning)
    network.to(memory_format=torch.channels_last)
    assert torch.allclose(network(conditioning), expected, atol=1e-5)


def _as_it_was_first_written():
    """`small(GlobalGenerator)` as one sequence of torch's own layers."""
    torch.manual_seed(1)
    return nn.Sequential(
        *(nn.ReflectionPad2d(3), nn.Conv2d(5, 4, 7), nn.InstanceNorm2d(4), nn.ReLU()),
        *(nn.Conv2d(4, 8, 3, stride=2, padding=1), nn.InstanceNorm2d(8), nn.ReLU()),
        *(nn.Conv2d(8, 8, 3, stride=2, padding=1), nn.InstanceNorm2d(8), nn.ReLU()),
        ResidualBlock(8),
        nn.ConvTranspose2d(8, 8, 3, stride=2, padding=1, output_padding=1),
        *(nn.InstanceNorm2d(8), nn.ReLU()),
        nn.ConvTranspose2d(8, 4, 3, stride=2, padding=1, output_padding=1),
        *(nn.InstanceNorm2d(4), nn.ReLU()),
        *(nn.ReflectionPad2d(3), nn.Conv2d(4, 4, 7)),
    ).apply(initialise)


def test_a_seed_gives_the_same_global_generator_to_the_bit_as_when_it_was_one_sequence():
    now, before = small(GlobalGenerator), _as_it_was_first_written()
    weights = zip(now.parameters(), before.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in weights)
    conditioning = torch.randn(2, 5, 32, 36)
    assert torch.equal(now(conditioning), before(conditioning))


def _face_generator(**changes):
    torch.manual_seed(2)
    numbers = {"pose_channels": 4, "crop_size": 32, "num_filters": 4, "num_downsamplings": 2}
    config = FaceGeneratorConfig(**{**numbers, "num_residual_blocks": 1, **changes})
    return FaceGenerator(config).apply(initialise)


def test_a_residual_is_of_the_crops_size_and_in_its_range():
    network = _face_generator()
    pose, face = torch.randn(2, 4, 32, 32), torch.randn(2, 3, 32, 32)
    residual = network(pose, face)
    assert residual.shape == (2, 3, 32, 32)
    assert residual.dtype == torch.float32
    torch.nn.init.constant_(list(network.parameters())[-1], 50.0)
    assert (network(pose, face) == 1).all()


def test_a_residual_depends_on_pose_and_face_and_trains_every_weight():
    network = _face_generator()
    pose, face = torch.randn(1, 4, 32, 32), torch.randn(1, 3, 32, 32)
    before = network(pose, face)
    assert not torch.equal(before, network(pose.flip(2), face))
    assert not torch.equal(before, network(pose, face.flip(2)))
    (before * torch.randn(1, 3, 32, 32)).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def _learn(network, losses, *, steps):
    """Mean loss of the first and of the last five steps."""
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3, betas=(0.5, 0.999))
    values = []
    for _ in range(steps):
        loss = losses()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(loss.item())
    return sum(values[:5]) / 5, sum(values[-5:]) / 5


def _one_pair(in_channels, out_channels=3):
    """Something to paint from, and a picture of large patches."""
    random = torch.Generator().manual_seed(9)
    conditioning = torch.rand((1, in_channels, 32, 32), generator=random)
    patches = torch.rand((1, out_channels, 4, 4), generator=random) * 2 - 1
    return conditioning, nn.functional.interpolate(patches, scale_factor=8, mode="bilinear")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_one_pair_is_learnt_by_heart(architecture):
    network = small(architecture, num_filters=16, max_channels=32, out_channels=3)
    conditioning, picture = _one_pair(5)
    first, last = _learn(
        network,
        lambda: (torch.tanh(network(conditioning)) - picture).abs().mean(),
        steps=150,
    )
    assert last < 0.25 * first


def test_a_face_generator_learns_one_correction_by_heart():
    network = _face_generator(num_filters=16)
    (pose, face), correction = _one_pair(7)[0].split([4, 3], dim=1), _one_pair(7)[1]
    first, last = _learn(
        network, lambda: (network(pose, face) - correction).abs().mean(), steps=150
    )
    assert last < 0.25 * first
