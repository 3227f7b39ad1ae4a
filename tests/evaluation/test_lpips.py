import pytest
import torch
from safetensors.torch import save_file
from torchmetrics.functional.image.lpips import _NoTrainLpips

from motiontransfer.core.errors import WeightsError
from motiontransfer.evaluation.protocols import open_lpips
from tests.evaluation.conftest import noisy, textured


def _alexnet():
    sides = {0: (64, 3, 11), 3: (192, 64, 5), 6: (384, 192, 3), 8: (256, 384, 3), 10: (256, 256, 3)}
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    for number, (out, into, side) in sides.items():
        weight = torch.randn(out, into, side, side, generator=generator)
        tensors[f"features.{number}.weight"] = weight * (2 / (into * side**2)) ** 0.5
        tensors[f"features.{number}.bias"] = torch.zeros(out)
    return tensors


def _lpips(tensors, folder):
    save_file(tensors, folder / "weights.safetensors")
    return _open_lpips(folder / "weights.safetensors")


def _open_lpips(file):
    return open_lpips(file, param="evaluate.lpips_weights")


def test_equal_images_are_at_zero_and_more_noise_is_farther(tmp_path):
    distance = _lpips(_alexnet(), tmp_path)
    for size in ((80, 72), (20, 31)):
        image = textured(0, size)
        near, far = (distance(image, noisy(image, deviation)) for deviation in (10, 60))
        assert distance(image, image) == pytest.approx(0, abs=1e-5)
        assert 1e-4 < near < far


def test_lpips_is_that_of_its_authors(tmp_path):
    """As torchmetrics took it over, with the same weights of AlexNet."""
    image = textured(0, (80, 72))
    images = image, noisy(image, 20)
    expected = _NoTrainLpips(net="alex", pnet_rand=True)
    for name, value in expected.net.named_parameters():
        value.copy_(_alexnet()[f"features.{name.partition('.')[2]}"])
    tensors = [torch.from_numpy(image).permute(2, 0, 1)[None] / 255 for image in images]
    assert _lpips(_alexnet(), tmp_path)(*images) == pytest.approx(
        float(expected(*tensors, normalize=True)), rel=1e-5
    )


def test_weights_of_another_network_are_refused(tmp_path):
    tensors = {**_alexnet(), "features.3.weight": torch.zeros(2, 2)}
    save_file(tensors, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match=r"other\.safetensors: .*3\.weight.*evaluate\.lpips_"):
        _open_lpips(tmp_path / "other.safetensors")
