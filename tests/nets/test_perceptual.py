"""The perceptual network is VGG19 as torchvision has it, as far as there are weights."""

import pytest
import torch
from torch import nn
from torchvision.models import vgg19

from motiontransfer.models.vgg import SLICES, PerceptualNetwork, perceptual_network

MEAN, DEVIATION = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


@pytest.fixture(scope="module")
def torchvision_network():
    """With random weights: the layers are what is compared."""
    generator = torch.Generator().manual_seed(0)
    with torch.device("meta"):
        network = vgg19().features[:30]
    network = network.to_empty(device="cpu")
    for parameter in network.parameters():
        fan_in = parameter[0].numel() if parameter.ndim == 4 else 1
        parameter.data = torch.randn(parameter.shape, generator=generator) / fan_in**0.5
    return network.requires_grad_(False)


def named(network):
    return {f"features.{name}": value for name, value in network.state_dict().items()}


def test_slices_are_what_torchvision_has_up_to_each_first_activation(torchvision_network):
    images = torch.rand(2, 3, 32, 48) * 2 - 1
    normalised = ((images + 1) / 2 - MEAN[:, None, None]) / DEVIATION[:, None, None]
    ends = [2, 7, 12, 21, 30]
    expected = [torchvision_network[:end](normalised) for end in ends]
    network = perceptual_network(named(torchvision_network))
    activations = network(images)
    assert len(activations) == len(SLICES) == 5
    for a, b in zip(activations, expected, strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-4)


def test_layers_behind_the_last_slice_are_not_needed_and_not_taken(torchvision_network):
    behind = {"features.34.weight": torch.zeros(1), "features.34.bias": torch.zeros(1)}
    others = {"classifier.0.weight": torch.zeros(1), "classifier.0.bias": torch.zeros(1)}
    network = perceptual_network(named(torchvision_network) | behind | others)
    assert sum(isinstance(module, nn.Conv2d) for module in network.modules()) == 13


@pytest.mark.parametrize(("num_layers", "num_slices"), [(1, 1), (6, 2), (10, 2), (12, 3), (29, 5)])
def test_only_slices_with_all_their_weights_are_there(torchvision_network, num_layers, num_slices):
    network = perceptual_network(named(torchvision_network[:num_layers]))
    assert len(network.slices) == num_slices
    assert len(network(torch.zeros(1, 3, 32, 32))) == num_slices


def test_the_order_of_a_files_tensors_does_not_matter(torchvision_network):
    weights = named(torchvision_network[:12])
    backwards = perceptual_network(dict(reversed(weights.items())))
    images = torch.rand(1, 3, 16, 16)
    for a, b in zip(backwards(images), perceptual_network(weights)(images), strict=True):
        assert torch.equal(a, b)


def test_it_is_frozen_but_lets_gradients_through(torchvision_network):
    network = perceptual_network(named(torchvision_network[:12]))
    images = torch.zeros(1, 3, 16, 16, requires_grad=True)
    sum(features.sum() for features in network(images)).backward()
    assert images.grad.any()
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert not network.training


def rescaled(torchvision_network):
    """The same network in the other layout: a 1x1 convolution in front, other numbers."""
    mix = torch.tensor([[0.0, 0.0, 255.0], [0.0, 255.0, 0.0], [255.0, 0.0, 0.0]])
    mean = torch.tensor([103.939, 116.779, 123.68])
    weights = {"0.weight": mix[:, :, None, None], "0.bias": -mean}
    for name, value in torchvision_network[:12].state_dict().items():
        number, kind = name.split(".")
        weights[f"{int(number) + 2}.{kind}"] = value
    return weights


def test_a_convolution_in_front_is_folded_into_the_first(torchvision_network):
    """Of the same input; only the border differs, where one pads with a colour, one with 0."""
    weights = rescaled(torchvision_network)
    images = torch.rand(1, 3, 12, 12) * 2 - 1
    in_front = nn.functional.conv2d((images + 1) / 2, weights["0.weight"], weights["0.bias"])
    expected = torchvision_network[:2](in_front)
    first, *others = perceptual_network(weights)(images)
    assert torch.allclose(first[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1], rtol=1e-3, atol=1e-2)
    assert len(others) == 2


def test_what_is_no_vgg_is_refused():
    with pytest.raises(ValueError, match=r"expected the tensors of a VGG19.*got head.weight"):
        perceptual_network({"head.weight": torch.zeros(3)})
    with pytest.raises(ValueError, match="got none"):
        perceptual_network({})
    wrong = {"features.0.weight": torch.zeros(64, 3, 5, 5), "features.0.bias": torch.zeros(64)}
    with pytest.raises(ValueError, match=r"convolution 0.*\(64, 3, 3, 3\), got \(64, 3, 5, 5\)"):
        perceptual_network(wrong)


def test_without_weights_it_has_the_slices_asked_for():
    assert len(PerceptualNetwork(2).slices) == 2
