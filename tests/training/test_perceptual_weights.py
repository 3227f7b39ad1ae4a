"""Weights of the perceptual network are read from files of tensors, and from nothing else."""

import logging

import pytest
import torch
from safetensors.torch import save_file

from motiontransfer.errors import WeightsError
from motiontransfer.models.vgg import PerceptualNetwork, read_perceptual_network, vgg19

VGG19 = vgg19("train_face_gan")


def tensors(num_slices=2):
    """A VGG19's first slices, named as torchvision does."""
    torch.manual_seed(0)
    layers = [m for m in PerceptualNetwork(num_slices).modules() if isinstance(m, torch.nn.Conv2d)]
    numbers = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28)
    return {
        f"features.{number}.{kind}": getattr(layer, kind).detach()
        for number, layer in zip(numbers, layers, strict=False)
        for kind in ("weight", "bias")
    }


@pytest.mark.parametrize("name", ["vgg.pth", "vgg.safetensors"])
def test_a_file_of_the_first_slices_is_enough_and_it_is_said_how_far_it_goes(
    tmp_path, caplog, name
):
    path = tmp_path / name
    save_file(tensors(), path) if path.suffix == ".safetensors" else torch.save(tensors(), path)
    with caplog.at_level(logging.WARNING):
        network = read_perceptual_network(path, VGG19)
    assert torch.equal(network.slices[0][0].weight, tensors()["features.0.weight"])
    assert len(network.slices) == 2
    assert "uses 2 of 5 slices, up to relu2_1" in caplog.text


def test_of_a_whole_file_nothing_need_be_said(tmp_path, caplog):
    torch.save(tensors(5) | {"classifier.0.weight": torch.zeros(2)}, tmp_path / "vgg.pth")
    with caplog.at_level(logging.WARNING):
        assert len(read_perceptual_network(tmp_path / "vgg.pth", VGG19).slices) == 5
    assert not caplog.records


class Surprise:
    """Does something when it is unpickled."""

    def __reduce__(self):
        return print, ("boo",)


def test_nothing_in_a_file_is_executed(tmp_path, capsys):
    torch.save({"features.0.weight": Surprise()}, tmp_path / "vgg.pth")
    with pytest.raises(WeightsError, match=r"vgg\.pth: not a file of plain tensors"):
        read_perceptual_network(tmp_path / "vgg.pth", VGG19)
    assert "boo" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["vgg.pth", "vgg.safetensors"])
@pytest.mark.parametrize("content", [b"", b"no tensors at all"])
def test_a_file_of_something_else_is_one_line_with_the_way_out(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=r"not a file of plain tensors") as caught:
        read_perceptual_network(tmp_path / name, VGG19)
    message = str(caught.value)
    assert "\n" not in message
    for wanted in (
        VGG19.url,
        VGG19.sha256,
        "train_face_gan.perceptual_file",
        "train_face_gan.perceptual_weight to 0",
    ):
        assert message.count(wanted) == 1


def test_tensors_of_something_else_name_the_file(tmp_path):
    torch.save({"layer.weight": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=r"other\.pth: expected the tensors of a VGG19"):
        read_perceptual_network(tmp_path / "other.pth", VGG19)
    torch.save(torch.zeros(2), tmp_path / "one.pth")
    with pytest.raises(WeightsError, match=r"one\.pth: expected tensors by name, got Tensor"):
        read_perceptual_network(tmp_path / "one.pth", VGG19)


def test_the_published_file_is_the_one_whose_name_begins_its_sum():
    assert VGG19.name == "vgg19-dcbb9e9d.pth"
    assert VGG19.url.endswith(VGG19.name)
    assert VGG19.sha256.startswith("dcbb9e9d")
    assert len(bytes.fromhex(VGG19.sha256)) == 32
