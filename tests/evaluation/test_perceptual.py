"""LPIPS and DISTS with random backbones: the real loading, and how they behave; no weights here."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models.vgg import cfgs, make_layers

from motiontransfer.errors import MissingFileError, WeightsError
from motiontransfer.evaluation import perceptual
from motiontransfer.evaluation.perceptual import open_distance


def _alexnet():
    layers = {
        0: (64, 3, 11),
        3: (192, 64, 5),
        6: (384, 192, 3),
        8: (256, 384, 3),
        10: (256, 256, 3),
    }
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    for number, (out, into, side) in layers.items():
        scale = (2 / (into * side**2)) ** 0.5
        weight = torch.randn(out, into, side, side, generator=generator) * scale
        tensors[f"features.{number}.weight"] = weight
        tensors[f"features.{number}.bias"] = torch.zeros(out)
    return tensors


def _vgg16():
    torch.manual_seed(0)
    layers = make_layers(cfgs["D"])
    return {f"features.{name}": value for name, value in layers.state_dict().items()}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    save_file(_alexnet(), folder / "alexnet.safetensors")
    torch.save(_alexnet(), folder / "alexnet.pth")
    save_file(_vgg16(), folder / "vgg16.safetensors")
    return folder


@pytest.fixture(scope="module")
def distances(files):
    weights = {"lpips": files / "alexnet.safetensors", "dists": files / "vgg16.safetensors"}
    return {name: _opened(name, file) for name, file in weights.items()}


def _opened(name, file):
    return open_distance(name, file, option=f"evaluate.{name}_weights")


def _picture(size=(80, 72)):
    return np.random.default_rng(0).integers(40, 200, (*size, 3), np.uint8)


def _noisy(picture, deviation):
    noise = np.random.default_rng(1).normal(0, deviation, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", ["lpips", "dists"])
@pytest.mark.parametrize("size", [(80, 72), (20, 31)])
def test_equal_pictures_are_at_zero_and_more_noise_is_farther(distances, name, size):
    picture, distance = _picture(size), distances[name]
    assert distance(picture, picture) == pytest.approx(0, abs=1e-5)
    near, far = (distance(picture, _noisy(picture, deviation)) for deviation in (10, 60))
    assert 1e-4 < near < far


def test_lpips_is_the_definition_written_out(distances):
    """Normalised activations after each of AlexNet's five ReLUs, weighted, averaged, added up."""
    import inspect
    from pathlib import Path

    from torchmetrics.functional.image import lpips

    first, second = _picture(), _noisy(_picture(), 40)
    tensors = _alexnet()
    heads = torch.load(
        Path(inspect.getfile(lpips)).parent / "lpips_models" / "alex.pth",
        map_location="cpu",
        weights_only=True,
    )
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    activations = []
    for picture in (first, second):
        x = torch.from_numpy(picture).float() / 127.5 - 1
        x = ((x - shift) / scale).permute(2, 0, 1)[None]
        found = []
        for number, stride, padding in ((0, 4, 2), (3, 1, 2), (6, 1, 1), (8, 1, 1), (10, 1, 1)):
            if number in (3, 6):
                x = torch.nn.functional.max_pool2d(x, 3, 2)
            weight, bias = (tensors[f"features.{number}.{kind}"] for kind in ("weight", "bias"))
            x = torch.relu(torch.nn.functional.conv2d(x, weight, bias, stride, padding))
            found.append(x / torch.sqrt(1e-8 + x.square().sum(1, keepdim=True)))
        activations.append(found)
    expected = sum(
        (head * (a - b).square()).sum(1).mean()
        for head, a, b in zip(heads.values(), *activations, strict=True)
    )
    assert distances["lpips"](first, second) == pytest.approx(float(expected), rel=1e-4)


def test_dists_is_the_packages_own(distances, monkeypatch):
    """Whose constructor would download VGG16: here it is handed the same random one."""
    from types import SimpleNamespace

    from torchmetrics.functional.image import dists

    def vgg16(**_):
        layers = make_layers(cfgs["D"])
        state = {name.removeprefix("features."): value for name, value in _vgg16().items()}
        layers.load_state_dict(state)
        return SimpleNamespace(features=layers)

    monkeypatch.setattr(dists, "vgg16", vgg16)
    first, second = _picture(), _noisy(_picture(), 40)
    tensors = [torch.from_numpy(p).permute(2, 0, 1)[None] / 255 for p in (first, second)]
    expected = dists.deep_image_structure_and_texture_similarity(*tensors).detach()
    assert distances["dists"](first, second) == pytest.approx(float(expected), rel=1e-4)


def test_safetensors_and_torch_files_are_alike(files, distances):
    other = _opened("lpips", files / "alexnet.pth")
    first, second = _picture(), _noisy(_picture(), 40)
    assert other(first, second) == distances["lpips"](first, second)


def test_without_a_file_the_published_one_is_taken(monkeypatch):
    asked = []

    def pretrained_file(pretrained, *, file):
        asked.append((pretrained.url, file))
        raise MissingFileError("no network")

    monkeypatch.setattr(perceptual, "pretrained_file", pretrained_file)
    with pytest.raises(MissingFileError):
        _opened("dists", None)
    assert asked == [("https://download.pytorch.org/models/vgg16-397923af.pth", None)]


def test_published_files_are_pinned_by_the_hash_in_their_names():
    for metric in perceptual._METRICS.values():
        assert len(metric.sha256) == 64
        assert metric.sha256.startswith(metric.file.removesuffix(".pth").rpartition("-")[2])


def test_what_is_not_the_backbone_is_refused_by_name(files, tmp_path):
    wrong = tmp_path / "wrong.safetensors"
    save_file({**_alexnet(), "features.3.weight": torch.zeros(2, 2)}, wrong)
    with pytest.raises(
        WeightsError,
        match=r"wrong\.safetensors: expected features\.3\.weight of \(192, 64, 5, 5\), got \(2, 2\)"
        r".*set evaluate\.lpips_weights to none",
    ):
        _opened("lpips", wrong)
    with pytest.raises(WeightsError, match=r"features\.0\.weight of \(64, 3, 3, 3\)"):
        _opened("dists", files / "alexnet.safetensors")
    text = tmp_path / "text.pth"
    text.write_text("no tensors")
    with pytest.raises(WeightsError, match=r"text\.pth: not a file of plain tensors"):
        _opened("lpips", text)
    torch.save(torch.zeros(2), tmp_path / "single.pth")
    with pytest.raises(WeightsError, match="expected tensors by name, got Tensor"):
        _opened("lpips", tmp_path / "single.pth")
