"""Inception with random weights: the real loading; the published ones are not here."""

import os

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from motiontransfer.errors import MissingFileError, WeightsError
from motiontransfer.evaluation import inception
from motiontransfer.evaluation.inception import open_inception


def _opened(file):
    return open_inception(file, option="evaluate.inception_weights")


@pytest.fixture(scope="module")
def tensors(tmp_path_factory):
    """Of a random network; the package's constructor has to be kept from filling it."""
    torch.manual_seed(0)
    empty = tmp_path_factory.mktemp("empty") / "empty.pth"
    torch.save({}, empty)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        network = FeatureExtractorInceptionV3("random", ["2048"], str(empty))
    return network.state_dict()


@pytest.fixture(scope="module")
def file(tensors, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save(tensors, path)
    return path


@pytest.fixture(scope="module")
def features(file):
    return _opened(file)


def _picture(size):
    return np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)


def test_features_are_the_packages_own(file, features):
    network = FeatureExtractorInceptionV3("same", ["2048"], str(file))
    picture = _picture((40, 70))
    (expected,) = network(torch.from_numpy(picture).permute(2, 0, 1)[None])
    assert expected.shape == (1, 2048)
    assert expected.std() > 0
    np.testing.assert_array_equal(features(picture), expected[0].numpy())


def test_a_part_of_a_frame_is_a_picture_too(features):
    frame = _picture((64, 64))
    part = frame[8:40, 4:20]
    assert not part.flags["C_CONTIGUOUS"]
    np.testing.assert_array_equal(features(part), features(part.copy()))


def test_safetensors_and_torch_files_are_alike(tensors, features, tmp_path):
    save_file(tensors, tmp_path / "inception.safetensors")
    picture = _picture((30, 30))
    other = _opened(tmp_path / "inception.safetensors")
    np.testing.assert_array_equal(other(picture), features(picture))


def test_what_is_in_a_file_is_not_executed(tmp_path):
    class Harm:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "harm"),)

    torch.save({"fc.bias": Harm()}, tmp_path / "bad.pth")
    with pytest.raises(WeightsError, match=r"bad\.pth: not a file of plain tensors"):
        _opened(tmp_path / "bad.pth")
    assert not (tmp_path / "harm").exists()


def test_other_networks_are_refused_by_what_lacks(tensors, tmp_path):
    others = {name: value for name, value in tensors.items() if name != "fc.bias"}
    torch.save(others, tmp_path / "others.pth")
    with pytest.raises(
        WeightsError,
        match=r"others\.pth: not the weights of FID's Inception: Missing key\(s\) in state_dict: "
        r'"fc\.bias"\. ?; .*set evaluate\.inception_weights to none',
    ):
        _opened(tmp_path / "others.pth")
    torch.save({**tensors, "fc.bias": torch.zeros(3)}, tmp_path / "shape.pth")
    with pytest.raises(WeightsError, match=r"size mismatch for fc\.bias"):
        _opened(tmp_path / "shape.pth")


def test_without_a_file_the_published_one_is_taken(monkeypatch):
    asked = []

    def pretrained_file(pretrained, *, file):
        asked.append((pretrained, file))
        raise MissingFileError("no network")

    monkeypatch.setattr(inception, "pretrained_file", pretrained_file)
    with pytest.raises(MissingFileError):
        _opened(None)
    ((published, given),) = asked
    assert given is None
    assert published.url == (
        "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
        "weights-inception-2015-12-05-6726825d.pth"
    )
    assert len(published.sha256) == 64
    assert published.sha256.startswith("6726825d")
