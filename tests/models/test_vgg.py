"""VGG19 features against torchvision's network, and their weights files."""

import logging

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

from motiontransfer.errors import WeightsError
from motiontransfer.models.vgg import read_vgg19_features, vgg19_features, vgg19_weights

MEAN, DEVIATION = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


@pytest.fixture(scope="module")
def torchvision_network():
    """With random weights: the layers are what is compared."""
    generator = torch.Generator().manual_seed(0)
    with torch.device("meta"):
        network = torchvision.models.vgg19().features[:30]
    network = network.to_empty(device="cpu")
    for parameter in network.parameters():
        fan_in = parameter[0].numel() if parameter.ndim == 4 else 1
        parameter.data = torch.randn(parameter.shape, generator=generator) / fan_in**0.5
    return network.requires_grad_(False)


def named(network):
    return {f"features.{name}": value for name, value in network.state_dict().items()}


def test_activations_are_torchvisions_whatever_comes_behind_them(torchvision_network):
    images = torch.rand(2, 3, 32, 48) * 2 - 1
    normalised = ((images + 1) / 2 - MEAN[:, None, None]) / DEVIATION[:, None, None]
    ends = [2, 7, 12, 21, 30]
    expected = [torchvision_network[:end](normalised) for end in ends]
    behind = {f"features.34.{name}": torch.zeros(1) for name in ("weight", "bias")}
    network = vgg19_features({**named(torchvision_network), **behind, "classifier.0.weight": MEAN})
    for a, b in zip(network(images), expected, strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("num_layers", "num_slices"), [(1, 1), (6, 2), (10, 2), (12, 3), (29, 5)])
def test_only_slices_with_all_their_weights_are_built(torchvision_network, num_layers, num_slices):
    network = vgg19_features(named(torchvision_network[:num_layers]))
    assert len(network.slices) == num_slices
    assert len(network(torch.zeros(1, 3, 32, 32))) == num_slices


def test_it_is_frozen_but_differentiable(torchvision_network):
    network = vgg19_features(named(torchvision_network[:12]))
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


def test_a_leading_1x1_convolution_is_folded_into_the_first(torchvision_network):
    """Only the border differs, where one pads with a colour and one with 0."""
    weights = rescaled(torchvision_network)
    images = torch.rand(1, 3, 12, 12) * 2 - 1
    in_front = nn.functional.conv2d((images + 1) / 2, weights["0.weight"], weights["0.bias"])
    expected = torchvision_network[:2](in_front)
    first, *others = vgg19_features(weights)(images)
    assert torch.allclose(first[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1], rtol=1e-3, atol=1e-2)
    assert len(others) == 2


def test_other_shapes_are_refused():
    wrong = {"features.0.weight": torch.zeros(64, 3, 5, 5), "features.0.bias": torch.zeros(64)}
    with pytest.raises(ValueError, match=r"convolution 0.*\(64, 3, 3, 3\), got \(64, 3, 5, 5\)"):
        vgg19_features(wrong)


PUBLISHED = vgg19_weights("train_face_gan")


@pytest.mark.parametrize("name", ["vgg.pth", "vgg.safetensors"])
def test_a_file_of_the_first_slices_is_enough_with_a_warning(
    tmp_path, caplog, torchvision_network, name
):
    path, tensors = tmp_path / name, named(torchvision_network[:7])
    save_file(tensors, path) if path.suffix == ".safetensors" else torch.save(tensors, path)
    with caplog.at_level(logging.WARNING):
        network = read_vgg19_features(path, PUBLISHED)
    assert torch.equal(network.slices[0][0].weight, tensors["features.0.weight"])
    assert len(network.slices) == 2
    assert "uses 2 of 5 slices, up to relu2_1" in caplog.text


def test_a_complete_file_gives_no_warning(tmp_path, caplog, torchvision_network):
    torch.save(named(torchvision_network), tmp_path / "vgg.pth")
    with caplog.at_level(logging.WARNING):
        assert len(read_vgg19_features(tmp_path / "vgg.pth", PUBLISHED).slices) == 5
    assert not caplog.records


class Malicious:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return print, ("boo",)


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("vgg.pth", {"features.0.weight": Malicious()}, "not a file of plain tensors"),
        ("vgg.pth", b"", "not a file of plain tensors"),
        ("vgg.safetensors", b"no tensors at all", "not a file of plain tensors"),
        ("other.pth", {"layer.weight": torch.zeros(2)}, "got layer.weight"),
        ("empty.pth", {}, "got none"),
        ("one.pth", torch.zeros(2), "expected tensors by name, got Tensor"),
    ],
)
def test_a_file_of_something_else_is_refused_in_one_line_with_remedies(
    tmp_path, capsys, name, content, fault
):
    """Code in it is not executed."""
    path = tmp_path / name
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(WeightsError, match=fault) as caught:
        read_vgg19_features(path, PUBLISHED)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    for wanted in (PUBLISHED.url, PUBLISHED.sha256, PUBLISHED.file_param, PUBLISHED.without):
        assert message.count(wanted) == 1
    assert "boo" not in capsys.readouterr().out
