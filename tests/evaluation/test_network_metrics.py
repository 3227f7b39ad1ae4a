from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torchmetrics.functional.image.lpips import _NoTrainLpips

from motiontransfer.core.device import choose_accelerator
from motiontransfer.core.errors import WeightsError
from motiontransfer.evaluation import network_metrics as module
from motiontransfer.evaluation import pretrained
from motiontransfer.evaluation.measurements import nested
from motiontransfer.evaluation.params import NetworkParams
from tests.evaluation.conftest import BODY, noisy, textured
from tests.pretend_cuda import pretend_cuda


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
    return _open_networks("lpips", folder / "weights.safetensors").distances["lpips"]


def _open_networks(name, file):
    params = NetworkParams.model_validate({f"{name}_weights": file})
    return module.open_networks(params, option="evaluate.{}_weights")


def test_equal_images_are_at_zero_and_more_noise_is_farther(tmp_path):
    distance = _lpips(_alexnet(), tmp_path)
    for size in ((80, 72), (20, 31)):
        image = textured(0, size)
        assert distance(image, image) == pytest.approx(0, abs=1e-5)
        near, far = (distance(image, noisy(image, deviation)) for deviation in (10, 60))
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


@pytest.mark.slow
def test_on_a_gpu_distances_are_the_cpus(tmp_path):
    image = textured(0, (64, 48))
    images = image, noisy(image, 20)
    expected = _lpips(_alexnet(), tmp_path)(*images)
    with pretend_cuda() as gpu:
        assert _lpips(_alexnet(), tmp_path)(*images) == pytest.approx(expected, rel=1e-4)
    assert gpu.kernels["convolution"] > 4


@pytest.mark.slow
def test_features_are_those_of_the_given_weights_of_a_part_of_a_frame_too(tmp_path, monkeypatch):
    torch.manual_seed(0)
    file = tmp_path / "inception.pth"
    torch.save({}, file)
    with monkeypatch.context() as patch:  # it would fill the network from this file
        patch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        network = FeatureExtractorInceptionV3("random", ["2048"], str(file)).eval()
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight)  # or the features would vanish
    torch.save(network.state_dict(), file)
    image = textured(0, (48, 80))[4:44, 6:76]  # not contiguous
    (expected,) = network(torch.from_numpy(image.copy()).permute(2, 0, 1)[None])
    assert expected.std() > 0.01
    found = _open_networks("inception", file).features(image)
    np.testing.assert_allclose(found, expected[0].numpy(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "change", "named"),
    [("lpips", {"features.3.weight": torch.zeros(2, 2)}, r"3\.weight"), ("inception", {}, "FID")],
)
def test_weights_of_another_network_are_refused(name, change, named, tmp_path):
    save_file({**_alexnet(), **change}, tmp_path / "other.safetensors")
    named = rf"other\.safetensors: .*{named}.*evaluate\.{name}_weights"
    with pytest.raises(WeightsError, match=named):
        _open_networks(name, tmp_path / "other.safetensors")


def test_networks_are_opened_as_asked_and_the_others_have_a_reason(monkeypatch):
    opened = {}

    def find(published, *, file):
        opened[published.file_param] = file
        return file

    devices = []

    class Network(torch.nn.Module):
        def to(self, device):
            devices.append(device)
            return self

    monkeypatch.setattr(pretrained, "pretrained_file", find)
    monkeypatch.setattr(pretrained, "read_tensors", lambda path, published: {})
    for load in ("_load_alexnet", "_load_inception"):
        monkeypatch.setattr(pretrained, load, lambda tensors: Network())
    for use in ("lpips", "inception_features"):
        monkeypatch.setattr(pretrained, use, lambda network: len)
    asked = {"lpips_weights": "published", "inception_weights": "publishd"}  # a file
    both = module.open_networks(NetworkParams.model_validate(asked), option="--{}-weights")
    assert opened == {"--lpips-weights": None, "--inception-weights": Path("publishd")}
    assert (both.distances, both.features, both.skipped) == ({"lpips": len}, len, {})
    assert devices == [choose_accelerator()] * 2
    monkeypatch.setattr(
        pretrained, "choose_accelerator", None
    )  # not asked where there is no network
    nothing = module.open_networks(NetworkParams(), option="--{}-weights")
    assert (nothing.distances, nothing.features) == ({}, None)
    assert set(nothing.skipped) == {"lpips", "fid", "kid"}
    assert "--lpips-weights" in nothing.skipped["lpips"]
    small, large = (module.not_measured((side, 300), nothing) for side in (175, 176))
    assert set(small) - set(large) == {"ms_ssim"}


def test_fid_of_gaussians_is_that_of_the_formula():
    """(m - n)² + (s - t)² of each feature, where they are independent."""
    first, second, other = np.zeros((3, 3, 40))
    first[:, 0], second[:, 0] = (-1, 0, 1), (1, 4, 7)  # means 0 and 4, deviations 1 and 3
    assert module.fid(first, second) == pytest.approx(4**2 + (3 - 1) ** 2)
    assert module.fid(first, first) == pytest.approx(0, abs=1e-9)
    other[:, 1] = 1, 4, 7  # at right angles: nothing in common
    assert module.fid(first, other) == pytest.approx(4**2 + 1**2 + 3**2)


def test_kid_of_two_frames_each_is_that_of_the_formula():
    """The kernel is (xy / d + 1)³, of pairs within each video and across, d = 1."""
    first, second = np.array([[0.0], [1.0]]), np.array([[1.0], [2.0]])
    across = (1 + 1 + 2**3 + 3**3) / 4
    assert module.kid(first, second) == pytest.approx(1 + 3**3 - 2 * across)


def test_the_interval_holds_the_figure_and_is_narrower_with_more_frames():
    """Nine times the frames, a third of the width."""
    widths = {20: [], 180: []}
    rng = np.random.default_rng(0)
    for num_frames, _ in product(widths, range(6)):
        first, second = rng.normal(0, 1, (num_frames, 8)), rng.normal(0.5, 1, (num_frames, 8))
        low, high = module.kid_interval(first, second, (2, 2))
        assert low < module.kid(first, second) < high
        widths[num_frames].append(high - low)
    assert np.mean(widths[180]) == pytest.approx(np.mean(widths[20]) / 3, rel=0.25)


def test_real_and_made_frames_are_drawn_independently():
    """The same frames in both: drawn together they would never differ."""
    same = np.random.default_rng(0).normal(size=(40, 8))
    low, high = module.kid_interval(same, same, (1, 1))
    assert high - low > 1e-3


_WALK = [(20 + 2 * i, 34) for i in range(8)]


def test_only_the_persons_box_counts_and_of_long_videos_frames_from_everywhere(posed, monkeypatch):
    monkeypatch.setattr(module, "_MAX_FRAMES", 3)
    seen = []

    def network(image):
        seen.append(image)
        return np.zeros(2, np.float32)

    module.fid_and_kid(posed("real", _WALK[:7]), {}, network)
    whole, boxes = seen[::2], seen[1::2]
    assert len({image.tobytes() for image in whole}) == len(boxes) == 3
    assert {image.shape[:2] for image in whole} == {(64, 64)}
    # From the temple to the index finger's tip, from the forehead to the ankles, and the margin.
    assert all(width < 40 and 55 < height < 64 for height, width, _ in map(np.shape, boxes))


def test_frames_without_a_person_are_counted_and_too_few_have_no_value(posed):
    real, empty = posed("real", _WALK), posed("empty", _WALK, absent=BODY)
    found = module.fid_and_kid(real, {"ours": empty}, lambda image: np.float32(image.mean((0, 1))))
    values = nested(found)["realism"]
    assert values["skipped_frames"] == {"ours": 8}
    for metric in ("fid", "kid"):
        assert values[metric]["person"]["ours"] is None
        assert values[metric]["frame"]["ours"] is not None
