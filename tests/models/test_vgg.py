import pytest
import torch
import torchvision
from safetensors.torch import save_file

from motiontransfer.core.errors import WeightsError
from motiontransfer.training.gan import read_vgg19_features, vgg19_weights
from tests.training.small import Malicious

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


PUBLISHED = vgg19_weights("train_face_gan")


def read(folder, weights, name="vgg.pth"):
    """The network of a file with these weights."""
    path = folder / name
    save_file(weights, path) if path.suffix == ".safetensors" else torch.save(weights, path)
    return read_vgg19_features(path, PUBLISHED)


@pytest.mark.parametrize("name", ["vgg.pth", "vgg.safetensors"])
def test_either_kind_of_file_is_read(tmp_path, torchvision_network, name):
    network, weights = read(tmp_path, named(torchvision_network), name), named(torchvision_network)
    assert all(torch.equal(weights[key], value) for key, value in network.state_dict().items())
    assert network.file == tmp_path / name


def test_activations_are_torchvisions_whatever_comes_behind_them(tmp_path, torchvision_network):
    images = torch.rand(2, 3, 32, 48) * 2 - 1
    normalised = ((images + 1) / 2 - MEAN[:, None, None]) / DEVIATION[:, None, None]
    behind = {f"features.34.{name}": torch.zeros(1) for name in ("weight", "bias")}
    weights = {**named(torchvision_network), **behind, "classifier.0.weight": MEAN}
    found = read(tmp_path, weights)(images)
    for features, end in zip(found, [2, 7, 12, 21, 30], strict=True):
        expected = torchvision_network[:end](normalised)
        assert torch.allclose(features, expected, rtol=1e-4, atol=1e-4)


def test_it_is_frozen_but_differentiable(tmp_path, torchvision_network):
    network = read(tmp_path, named(torchvision_network))
    images = torch.zeros(1, 3, 16, 16, requires_grad=True)
    sum(features.sum() for features in network(images)).backward()
    assert images.grad.any()
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert not network.training


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("vgg.pth", {"features.0.weight": Malicious()}, "not a file of plain tensors"),
        ("vgg.pth", b"", "not a file of plain tensors"),
        ("vgg.safetensors", b"no tensors at all", "not a file of plain tensors"),
        ("other.pth", {"layer.weight": torch.zeros(2)}, "got layer.weight"),
        ("empty.pth", {}, "got none"),
        ("one.pth", torch.zeros(2), "expected tensors by name, got Tensor"),
        ("short.pth", {"features.0.weight": torch.zeros(64, 3, 3, 3)}, "features.0.bias"),
    ],
)
def test_another_file_is_refused_in_one_line_with_remedies(tmp_path, capsys, name, content, fault):
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
